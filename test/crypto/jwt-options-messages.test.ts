/**
 * The messages for mistakes of the program: each names the option that is at fault, and helps. The
 * whole message is compared.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Jwt, type JwtOptions } from '../../src/jwt.ts';
import { assertVerdict } from '../support/assertions.ts';
import { CLAIMS, MARKER, NOW, SECRET } from '../support/tokens.ts';

const jwtWith = (options: object = {}) =>
  new Jwt<object>({ secret: SECRET, now: () => NOW, ...options });

const PRINTED = '"secret" expected the output of "npx --no latchkey secret"';
const KINDS = 'or a well-formed string, a Uint8Array, a secret KeyObject or a list of them';

test('a message that names the culprit: a missing secret says how to make one and where to keep it', () => {
  const how = 'make one with "npx --no latchkey secret", and keep it in a variable';
  const message = (got: string) => `"secret" expected text: ${how}, got ${got}`;
  for (const options of [{}, { secret: undefined }]) {
    assert.throws(() => new Jwt(options as JwtOptions), {
      name: 'TypeError',
      message: message('undefined'),
    });
  }
  assert.throws(() => jwtWith({ secret: null }), { name: 'TypeError', message: message('null') });
  jwtWith({ secret: SECRET });
});

test('a message that names the culprit: a short secret says how to make a longer one', () => {
  // `SECRET=$(latchkey secret)` is empty if the command is not found.
  for (const [secret, bytes] of [['', 0], ['changeme', 8], [new Uint8Array(31), 31]] as const) {
    const got = bytes === 0 ? '0 bytes (is its variable set?)' : `${bytes} bytes`;
    const message = `${PRINTED}, or at least 32 bytes, got ${got}`;
    assert.throws(() => jwtWith({ secret }), { name: 'RangeError', message });
  }
  jwtWith({ secret: new Uint8Array(32) });
});

test('a message that names the culprit: a secret of another kind shows its kind, and never a number', () => {
  const rows: [secret: unknown, got: string][] = [
    [123_456_789, 'a number'],
    [Promise.resolve(MARKER), 'a promise: is an "await" missing?'],
    [{ secret: MARKER }, 'an object'],
    [new ArrayBuffer(40), 'an object of type ArrayBuffer'],
    [[], 'an empty array'],
    ['\ud800'.repeat(40), 'a string'],
  ];
  for (const [secret, got] of rows) {
    const message = `${PRINTED}, ${KINDS}, got ${got}`;
    assert.throws(() => jwtWith({ secret }), { name: 'TypeError', message });
  }
});

test('a message that names the culprit: a wrong secret of a list is named by its index', () => {
  const rows: [secret: readonly unknown[], expected: string, got: string][] = [
    [[SECRET, undefined], KINDS, 'undefined at index 1'],
    [[undefined, SECRET], KINDS, 'undefined at index 0'],
    [[SECRET, SECRET, 'x'], 'or at least 32 bytes', '1 bytes at index 2'],
    [[SECRET, [SECRET]], KINDS, 'an array at index 1'],
    [[SECRET, `-----BEGIN ${MARKER}`], 'or random bytes', 'a PEM/SSH/JWK key at index 1'],
  ];
  for (const [secret, expected, got] of rows) {
    assert.throws(() => jwtWith({ secret }), { message: `${PRINTED}, ${expected}, got ${got}` });
  }
  jwtWith({ secret: [SECRET, MARKER] });
});

test('a message that names the culprit: sign names the option that refuses a claim or a header', () => {
  const judge = jwtWith({ issuer: 'us', requiredClaims: ['role'] });
  const signed = { role: 'reader' };
  const rows: [use: () => unknown, message: string][] = [
    [
      () => judge.sign({ ...signed, aud: 'x' }),
      '"claims" expected a value that verify accepts, got a refusal: Invalid audience '
        + '(see the option "audience")',
    ],
    [
      () => judge.sign({ ...signed, iss: 'them' }),
      '"claims" expected a value that verify accepts, got a refusal: Invalid issuer '
        + '(see the option "issuer")',
    ],
    [
      () => judge.sign({}),
      '"claims" expected a value that verify accepts, got a refusal: '
        + 'Token is missing the "role" claim (see the option "requiredClaims")',
    ],
    [
      () => judge.sign(signed, { header: { typ: 'at+jwt' } }),
      '"header" expected a value that verify accepts, got a refusal: Invalid token type '
        + '(see the option "type")',
    ],
    // No option decides about the type of a claim, which the refusal names.
    [
      () => judge.sign({ ...signed, sub: 7 }),
      '"claims" expected a value that verify accepts, got a refusal: '
        + 'Subject claim (sub) must be a string.',
    ],
  ];
  for (const [use, message] of rows) assert.throws(use, { name: 'TypeError', message });
  assertVerdict(judge, 'accepted', [judge.sign({ ...signed, sub: '7' })]);
  const other = jwtWith({ audience: 'x', type: 'at+jwt' });
  assertVerdict(other, 'accepted', [other.sign({ aud: 'x' }, { header: { typ: 'at+jwt' } })]);
});

test('a message that names the culprit: a time that an option makes too late names the option', () => {
  const expected = 'expected seconds since 1970, up to 253402300799 (the year 9999)';
  const milliseconds = (NOW + 300) * 1000;
  const sum = milliseconds + NOW;
  const rows: [use: () => unknown, message: string][] = [
    [
      () => jwtWith({ lifetimeSeconds: milliseconds }).sign({}),
      `"exp" ${expected}, got ${sum}, which is now plus "lifetimeSeconds"`,
    ],
    [
      () => jwtWith().sign({}, { lifetimeSeconds: milliseconds }),
      `"exp" ${expected}, got ${sum}, which is now plus "lifetimeSeconds"`,
    ],
    [
      () => jwtWith({ notBeforeSeconds: milliseconds }).sign({}),
      `"nbf" ${expected}, got ${sum}, which is now plus "notBeforeSeconds"`,
    ],
    // A claim of the program itself.
    [
      () => jwtWith({ lifetimeSeconds: milliseconds }).sign({ exp: milliseconds }),
      `"exp" ${expected}, got ${milliseconds}, which looks like milliseconds`,
    ],
  ];
  for (const [use, message] of rows) assert.throws(use, { name: 'RangeError', message });
  jwtWith({ lifetimeSeconds: milliseconds }).sign({ exp: NOW });
});

test('a message that names the culprit: a token that is too long names maxTokenLength', () => {
  const judge = jwtWith({ maxTokenLength: 200 });
  assert.throws(() => judge.sign({ ...CLAIMS, x: 'x'.repeat(200) }), {
    name: 'RangeError',
    message: /^"claims" expected up to maxTokenLength characters, got \d{3}$/,
  });
  judge.sign(CLAIMS);
});

test('a message that names the culprit: an audience of another kind hears that a list is allowed', () => {
  const message = (got: string) =>
    `"audience" expected a string or a list of strings, none of them empty, got ${got}`;
  for (const [audience, got] of [[/x/, 'an object of type RegExp'], [[], 'an empty array']]) {
    assert.throws(() => jwtWith({ audience }), { name: 'TypeError', message: message(`${got}`) });
  }
  jwtWith({ audience: ['x'] });
});
