/** Texts with secrets: what is around a secret is refused, and not taken as a part of it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { secretsIn } from '../../../src/cli/secrets/secret-text.ts';
import { generateSecret } from '../../../src/crypto/secret.ts';
import { assertRefused, emptyFolder, run } from '../../support/run-command.ts';
import { OTHER_SECRET } from '../../support/command-client.ts';
import { SECRET } from '../../support/tokens.ts';

const KIND = 'a secret in a wrapping:';

const WRAPPED: readonly (readonly [text: string, kind: string])[] = [
  [`LATCHKEY_SECRET=${SECRET}`, 'a name in front of it'],
  [`LATCHKEY_SECRET="${SECRET}"`, 'a name in front of it'],
  [`JWT_KEY = ${SECRET}`, 'a name in front of it'],
  [`export LATCHKEY_SECRET=${SECRET}`, 'a name in front of it'],
  [`export key=${SECRET}`, 'a name in front of it'],
  [`secret: ${SECRET}`, 'a name in front of it'],
  [`jwt-secret=${SECRET}`, 'a name in front of it'],
  [`jwtSecret:${SECRET}`, 'a name in front of it'],
  [`{"secret":"${SECRET}"}`, 'JSON'],
  [`["${SECRET}"]`, 'JSON'],
  [`{\n"secret":\n"${SECRET}"\n}`, 'JSON'],
  [`"${SECRET}"`, 'quotation marks around it'],
  [`'${SECRET}'`, 'quotation marks around it'],
  [`\`${SECRET}\``, 'quotation marks around it'],
];

test(`${KIND} it is refused with the kind of wrapping, and not repeated`, () => {
  for (const [text, kind] of WRAPPED) {
    for (const whole of [text, `${text}\n`, `\ufeff${text}\r\n`, `${OTHER_SECRET}\n${text}\n`]) {
      const isInLine = kind !== 'JSON' || !text.includes('\n');
      if (whole.startsWith(OTHER_SECRET) && !isInLine) continue;
      assert.throws(() => secretsIn(whole, 'LATCHKEY_SECRET'), ({ message }: Error) => {
        const expected =
          `expected a line with nothing but the secret, got ${kind}: write the secret alone`;
        assert.equal(message, `LATCHKEY_SECRET ${expected}`);
        return !message.includes(SECRET);
      }, whole);
    }
  }
});

test(`${KIND} without it, each form of a secret is accepted as it is`, () => {
  const bytes = randomBytes(64);
  for (const secret of [
    SECRET,
    generateSecret(),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    bytes.toString('base64'),
    bytes.subarray(0, 32).toString('base64'),
    bytes.toString('base64url'),
    `${'ABCDEFGH234567'.repeat(4)}======`,
    `${'ABCDEFGH234567'.repeat(4)}=`,
    '1234567890'.repeat(4),
    'correct horse battery staple, said the secret keeper',
    'Say "friend" and enter; it is the secret = magic word',
    `"${SECRET}`,
    `${SECRET}"`,
    `{${SECRET}}`,
    `AB=${SECRET}`,
    `x:${SECRET}=${SECRET}`,
    'pässwörter mit Umlauten sind auch erlaubt',
  ]) {
    assert.deepEqual(secretsIn(secret, 'LATCHKEY_SECRET'), [secret]);
    assert.deepEqual(secretsIn(`${OTHER_SECRET}\r\n${secret}\n`, 'f'), [OTHER_SECRET, secret]);
  }
});

test(`${KIND} two secrets on one line are refused, and not taken as one`, () => {
  const message = /^LATCHKEY_SECRET expected one secret a line, got several .*: use real line br/;
  for (const separator of ['\\n', ',']) {
    const texts = (line: string) => secretsIn(line, 'LATCHKEY_SECRET');
    const secret = generateSecret();
    assert.throws(() => texts(`${secret}${separator}${generateSecret()}`), { message });
    const short = `${secret}${separator}short`;
    assert.deepEqual(texts(short), [short]);
  }
});

test(`${KIND} a byte order mark is not a part of the secret`, () => {
  assert.deepEqual(secretsIn(`\ufeff${SECRET}\r\n`, 'f'), [SECRET]);
  assert.throws(() => secretsIn(`${SECRET}\n\ufeff${OTHER_SECRET}\n`, 'f'), /no space at the ends/);
});

test(`${KIND} UTF-16 is named, and other bytes are not called UTF-16`, () => {
  const little = Buffer.from(`${SECRET}\r\n`, 'utf16le');
  const big = Buffer.from(little).swap16();
  for (const bytes of [
    Buffer.concat([Buffer.from([0xff, 0xfe]), little]),
    Buffer.concat([Buffer.from([0xfe, 0xff]), big]),
    little,
  ]) {
    const expected = /^f expected UTF-8, got UTF-16: save it as UTF-8$/;
    assert.throws(() => secretsIn(bytes.toString('utf8'), 'f'), { message: expected });
  }
  for (const text of [`\ufffd\ufffd${SECRET}`, `${SECRET}\0\0\0`, `\0\0${SECRET}`]) {
    assert.throws(() => secretsIn(text, 'f'), /expected text in UTF-8 without NUL, got other by/);
  }
});

test(`${KIND} the server and inspect refuse it`, { timeout: 60_000 }, async () => {
  const cwd = await emptyFolder();
  const text = `LATCHKEY_SECRET=${SECRET}`;
  await writeFile(join(cwd, 'secret'), `${text}\n`, { mode: 0o600 });
  const words = [/got a name in front of it: write the secret alone/];
  const serve = 'serve --port 0 --data . --users memory';
  assertRefused(await run(serve, { cwd }), 1, [/^latchkey: secret expected/, ...words]);
  assertRefused(await run(serve, { cwd, env: { LATCHKEY_SECRET: text } }), 2, words);
  const token = 'eyJhbGciOiJIUzI1NiJ9.e30.x';
  const refused = await run(`inspect ${token} --secret-file secret`, { cwd });
  assert.match(refused.stderr, /secret-file expected .*got a name in front of it/);
  await writeFile(join(cwd, 'secret'), `${SECRET}\n`);
  const { stderr } = await run(`inspect ${token} --secret-file secret`, { cwd });
  assert.doesNotMatch(stderr, /secret-file expected/);
});
