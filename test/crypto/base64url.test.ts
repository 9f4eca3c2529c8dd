/** base64url in tokens: exactly one valid encoding per segment, and well-formed UTF-8 inside. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeUnverified, Jwt } from '../../src/jwt.ts';
import { assertVerdict } from '../support/assertions.ts';
import { base64url, CLAIMS, claimsJson, NOW, seal, SECRET, tokenOf } from '../support/tokens.ts';

const jwt = new Jwt<object>({ secret: SECRET, now: () => NOW });
const expect = (expected: string, tokens: readonly unknown[]) =>
  assertVerdict(jwt, expected, tokens);

const FOREIGN_HEADER = '{"alg":"HS256","kid":"1"}';
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

// RFC 4648 §3.2 to §3.5, RFC 7515 §2. All four peers, measured: one token had many encodings.
test('all four peers: a token has exactly one valid encoding, in each of its segments', () => {
  // Header, payload and MAC each hold both characters in which the alphabets of base64 differ, and
  // unused bits at the end.
  const hasBoth = (text: string) => /-.*_|_.*-/.test(text) && text.length % 4 !== 0;
  const header = base64url('{"alg":"HS256","x":"~>\u00ff~?"}');
  const payloads = Array.from({ length: 999 }, (_, n) =>
    base64url(claimsJson({ n: `"${n}~>\u00ff~?"` })),
  );
  const sealed = payloads.map((payload) => seal(`${header}.${payload}`));
  const token = sealed.find((text) => text.split('.').every(hasBoth)) ?? '';
  const encoders: ((segment: string) => string)[] = [
    (segment) => segment + '='.repeat(-segment.length & 3),
    (segment) => `${segment}=`,
    (segment) => segment.replace('-', '+'),
    (segment) => segment.replace('_', '/'),
    (segment) => segment.slice(0, -1) + ALPHABET[ALPHABET.indexOf(segment.slice(-1)) + 1],
  ];
  for (const junk of [
    ' ', '\t', '\n', '\r\n', '\0', '\x7f', '!', '\u00a0', '\u200b', '\ufeff', '\ud800',
  ]) {
    for (const at of [0, 7, 99_999]) {
      encoders.push((segment) => segment.slice(0, at) + junk + segment.slice(at));
    }
  }
  expect('accepted', [token]);
  for (const [index, code] of [
    'ERR_JWT_HEADER',
    'ERR_JWT_PAYLOAD',
    'ERR_JWT_SIGNATURE',
  ].entries()) {
    const segments = token.split('.');
    const segment = segments[index] ?? '';
    for (const encode of encoders) {
      const reencoded = encode(segment);
      assert.notEqual(reencoded, segment, String(encode));
      // A lenient decoder reads the same bytes.
      assert.deepEqual(
        Buffer.from(reencoded, 'base64url'),
        Buffer.from(segment, 'base64url'),
        JSON.stringify(reencoded),
      );
      const all = segments.with(index, reencoded);
      expect(code, [index === 2 ? all.join('.') : seal(all.slice(0, 2).join('.'))]);
    }
  }
});

// RFC 3629 §3 and §10. All four peers, measured: broken UTF-8 or a byte order mark was accepted.
test('all four peers: header and payload are well-formed UTF-8 without a byte order mark', () => {
  const within = (json: string, hex: string) =>
    Buffer.concat([
      Buffer.from(`${json.slice(0, -1)},"x":"`),
      Buffer.from(hex, 'hex'),
      Buffer.from('"}'),
    ]);
  const inPayload = (...all: string[]) => all.map((hex) => tokenOf(within(claimsJson({}), hex)));
  const inHeader = (...all: string[]) =>
    all.map((hex) => tokenOf(CLAIMS, within(FOREIGN_HEADER, hex)));
  // An accented letter; a slash; the characters before and after the surrogates; U+FFFD; a byte
  // order mark as text; the last character.
  const whole = ['c3a9', '2f', 'ed9fbf', 'ee8080', 'efbfbd', 'efbbbf', 'f48fbfbf'];
  // Cut off; without a first byte; not UTF-8 at all; a slash in three overlong forms; a surrogate;
  // beyond U+10FFFF.
  const broken = ['c3', 'a9', 'ff', 'c0af', 'e080af', 'f08080af', 'eda080', 'f4908080'];
  expect('accepted', [...inPayload(...whole), ...inHeader(...whole)]);
  expect('ERR_JWT_PAYLOAD', [...inPayload(...broken), tokenOf(`\ufeff${claimsJson({})}`)]);
  expect('ERR_JWT_HEADER', [...inHeader(...broken), tokenOf(CLAIMS, `\ufeff${FOREIGN_HEADER}`)]);
});

// RFC 4648 §10, without padding (§3.2). The last column is the same bytes with a stray bit (§3.5).
test('segments are decoded as in RFC 4648: the JSON parser gets the text that was encoded', () => {
  const vectors = [
    ['', '', '='],
    ['f', 'Zg', 'Zh'],
    ['fo', 'Zm8', 'Zm9'],
    ['foo', 'Zm9v', 'Zm9v='],
  ];
  vectors.push(
    ['foob', 'Zm9vYg', 'Zm9vYh'],
    ['fooba', 'Zm9vYmE', 'Zm9vYmF'],
    ['foobar', 'Zm9vYmFy', 'Zm9vYmFy '],
  );
  const { parse } = JSON;
  const parsed: string[] = [];
  try {
    JSON.parse = (text: string) => parsed.push(text);
    for (const segment of vectors.flatMap(([, right = '', stray = '']) => [right, stray])) {
      assert.throws(() => decodeUnverified(`${segment}.e30.`), { code: 'ERR_JWT_HEADER' });
    }
  } finally {
    JSON.parse = parse;
  }
  assert.deepEqual(
    parsed,
    vectors.map(([text]) => text),
  );
});
