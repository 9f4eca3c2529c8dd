/** What `latchkey inspect` says about a signature that does not fit, and about what is around. */
import assert from 'node:assert/strict';
import { createHmac, type BinaryLike } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  findToken,
  refusalOf,
  signatureNote,
  surroundingsNotes,
} from '../../../src/cli/inspect/inspect-notes.ts';
import { Jwt } from '../../../src/crypto/jwt.ts';
import { assertRefused, emptyFolder, run } from '../../support/run-command.ts';
import { base64url, SECRET } from '../../support/tokens.ts';

const KIND = '"Signature verification failed" for what was never signed so:';

/** A token that another program has signed. */
function signed(key: BinaryLike, alg = 'HS256', hash = 'sha256'): string {
  const input = [JSON.stringify({ alg }), '{}'].map(base64url).join('.');
  return `${input}.${createHmac(hash, key).update(input).digest('base64url')}`;
}

const HEX = '00ff'.repeat(16);
const BASE64 = Buffer.alloc(32, 0xfb).toString('base64');
const BASE64URL = Buffer.alloc(32, 0xfb).toString('base64url');
const OF_24_BYTES = Buffer.alloc(24, 0xfb).toString('base64');

const NOTES: readonly [secret: string, token: string, note: RegExp][] = [
  [
    SECRET,
    signed(SECRET, 'HS512', 'sha512'),
    /^Its alg is HS512; latchkey verifies HS256 only: the issuer has/,
  ],
  [SECRET, signed(SECRET, 'RS256', 'sha512'), /^Its alg is RS256; /],
  [SECRET, signed(SECRET, 'marker marker', 'sha512'), /^Its alg is not HS256; /],
  [HEX, signed(Buffer.from(HEX, 'hex')), /secret \(hex\)\. .*\(secret, 'hex'\)\. For latchkey /],
  [BASE64, signed(Buffer.from(BASE64, 'base64')), /the secret \(base64\)\. .*\(secret, 'base64'\)/],
  [BASE64URL, signed(Buffer.from(BASE64URL, 'base64')), /secret \(base64url\)\. .*'base64url'\)/],
  [OF_24_BYTES, signed(Buffer.from(OF_24_BYTES, 'base64')), /decoded bytes .* \(base64\)/],
  [SECRET, signed(`${SECRET}\n`), /the secret and a line break after it: the other side has to /],
  [SECRET, signed(`${SECRET}\r\n`), /the secret and a line break after it: /],
  [SECRET, signed(`"${SECRET}"`), /the secret and quotation marks around it: /],
  [SECRET, signed(`'${SECRET}'`), /the secret and quotation marks around it: /],
  [SECRET, signed(`${SECRET} `), /the secret and a space after it: /],
  [SECRET, signed(`LATCHKEY_SECRET=${SECRET}`), /the secret and the name of the variable before /],
  [OF_24_BYTES, signed(Buffer.from(OF_24_BYTES, 'base64')), /They are 24 bytes, too few for /],
  [SECRET, signed(SECRET).slice(0, -3), /^The signature has 40 characters, that of HS256 has 43: /],
  [SECRET, `${signed(SECRET)}=`, /^The signature has 44 characters, that of HS256 has 43: /],
  [SECRET, signed(SECRET).slice(0, -43), /^The signature has 0 characters, that of HS256 has 43: /],
  [SECRET, `${signed(SECRET).slice(0, -1)}B`, /^The signature is not canonical base64url: /],
  [SECRET, signed(`${SECRET}!`), /^The token was signed with another secret, or was changed /],
];
for (const [secret, token, note] of NOTES) {
  test(`${KIND} ${note.source}`, () => {
    assert.equal(refusalOf(token, [secret])?.code, 'ERR_JWT_SIGNATURE');
    const { alg } = JSON.parse(Buffer.from(token.split('.', 1).join(), 'base64url').toString());
    // The second of two secrets, as during a rotation.
    for (const secrets of [[secret], ['another secret of 32 bytes or more', secret]]) {
      const text = signatureNote(token, alg, secrets);
      assert.match(text, note);
      for (const hidden of [...secrets, 'marker']) assert.ok(!text.includes(hidden));
    }
  });
}

test(`${KIND} what is around a token is found, and the bare token stays`, () => {
  const token = new Jwt({ secret: SECRET }).sign({});
  const AROUND: readonly [argument: string, what: string][] = [
    [`Bearer ${token}`, 'a scheme'],
    [`JWT\t${token}`, 'a scheme'],
    [`"${token}"`, 'quotation marks'],
    [`${token}'`, 'quotation marks'],
    [` ${token}\n`, 'white space'],
    [`"Bearer ${token}"`, 'quotation marks, a scheme'],
    [`Authorization: Bearer ${token}`, 'the header name, a scheme'],
    [`{"access_token":"${token}"}`, 'quotation marks, other text'],
    [`${token.slice(0, 50)}\n  ${token.slice(50)}`, 'line breaks'],
    [`Bearer%20${token}`, 'a scheme'],
    [`token=${token}; Path=/`, 'other text'],
    [`\u201c${token}\u201d`, 'quotation marks'],
  ];
  for (const [argument, what] of AROUND) {
    const found = findToken(argument);
    assert.equal(found.token, token, argument);
    const note = `Ignored around the token: ${what}. Jwt.verify accepts only the token itself.`;
    assert.deepEqual(surroundingsNotes(found), [note]);
    assert.throws(() => new Jwt({ secret: SECRET }).verify(argument), { name: 'AuthError' });
  }
  assert.deepEqual(findToken(token), { token, removed: new Set() });
  assert.deepEqual(surroundingsNotes(findToken(token)), []);
});

test(`${KIND} the note stands above the verdict`, { timeout: 60_000 }, async () => {
  const cwd = await emptyFolder();
  await writeFile(join(cwd, 'secrets'), `${SECRET}\n`);
  const token = signed(SECRET, 'HS512', 'sha512');
  const { code, stdout, stderr } = await run(`inspect ${token} --secret-file secrets`, { cwd });
  assert.deepEqual({ code, stderr }, { code: 1, stderr: '' });
  assert.deepEqual(stdout.split('\n').slice(-3), [
    'Its alg is HS512; latchkey verifies HS256 only: the issuer has to sign with a shared secret.',
    'Not valid: Signature verification failed (ERR_JWT_SIGNATURE)',
    '',
  ]);
});

test(`${KIND} a file that does not hold the secret alone`, { timeout: 60_000 }, async () => {
  const cwd = await emptyFolder();
  const FILES: readonly [text: string, problem: RegExp][] = [
    [`export LATCHKEY_SECRET=${SECRET}\n`, /got a name in front of it: write the secret alone/],
    [JSON.stringify({ secret: SECRET }), /got JSON: write the secret alone/],
    [`"${SECRET}"\n`, /got quotation marks around it: write the secret alone/],
    ['short', /got 5 bytes\. latchkey accepts no such secret: name another file, or the other /],
  ];
  for (const [index, [text, problem]] of FILES.entries()) {
    await writeFile(join(cwd, `secrets-${index}`), text);
    const line = `inspect ${signed(SECRET)} --secret-file secrets-${index}`;
    assertRefused(await run(line, { cwd }), 1, [problem]);
  }
  assertRefused(
    await run('inspect Bearer e30.e30.'),
    2,
    [/the token \(in quotation marks if it has spaces\), or -, got 2/],
  );
});

test(`${KIND} a time in milliseconds`, { timeout: 60_000 }, async () => {
  const [head] = signed(SECRET).split('.');
  const { stdout } = await run(`inspect ${head}.${base64url('{"iat":1e12,"exp":1e9}')}.`);
  assert.match(stdout, /iat is .* \(it looks like milliseconds: the claim counts /);
  assert.match(stdout, /exp is 2001\S+\n/);
});
