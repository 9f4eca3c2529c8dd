/** What `latchkey inspect` says about a text that is not a token, and about one of another kind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mistakeIn } from '../../../src/cli/inspect/inspect-mistakes.ts';
import { Jwt } from '../../../src/crypto/jwt.ts';
import { rowsOf } from '../../support/documents.ts';
import { assertRefused, command, run, start } from '../../support/run-command.ts';
import { base64url, SECRET } from '../../support/tokens.ts';

const TOKEN = new Jwt({ secret: SECRET }).sign({ identity: 'joe' });
const [HEADER = '', CLAIMS = ''] = TOKEN.split('.');

/** What the argument is, and the beginning of the sentence that says what to do. */
const MISTAKES: readonly (readonly [argument: string, advice: string])[] = [
  ['', 'It has no text: the variable is empty'],
  ['Bearer ', 'It has no text: the variable is empty'],
  ['undefined', 'It is the text "undefined"'],
  ['Bearer undefined', 'It is the text "undefined"'],
  ['"undefined"', 'It is the text "undefined"'],
  ['null', 'It is the text "null"'],
  ['Authorization: Bearer null', 'It is the text "null"'],
  ['[object Promise]', 'It is the text of a promise: await it'],
  ['Bearer [object Object]', 'It is the text of an object: send its member "access_token"'],
  ['Basic am9lOm1hcmtlcg==', 'It is Basic authentication: send username and password'],
  [TOKEN.replaceAll('.', '%2E'), 'It is URL-encoded: decode it with decodeURIComponent'],
  [`Bearer%20${TOKEN.replaceAll('.', '%2e')}`, 'It is URL-encoded: decode it'],
  ['sk-live-marker;', 'It has a comma or a semicolon at its end: copy the token alone'],
  ['sk-live-\nmarker', 'It has a line break in it: copy the token on one line'],
];

/** Texts with another number of segments than a token. */
const OTHER_TEXTS: readonly (readonly [argument: string, start: string, advice: string])[] = [
  ['sk-live-marker', 'it has 1 segment. ', 'A text without dots is an opaque token or an API key'],
  [`${HEADER}.${CLAIMS}`, 'it has 2 segments. ', 'It was cut off: copy all three segments'],
  ['a.b.c.d', 'it has 4 segments. ', 'A signed token has three segments: copy the token alone'],
  [`${HEADER}.a.b.c.d`, 'it has 5 segments, as ', 'Only the service that it was encrypted for can'],
];

for (const [argument, advice] of MISTAKES) {
  test(`inspect says what to do: ${advice} (${argument.slice(0, 22)})`, async () => {
    const ended = await run('', { command: [...command(), 'inspect', argument] });
    assertRefused(ended, 1, []);
    assert.ok(ended.stderr.startsWith(`latchkey: not a token. ${advice}`), ended.stderr);
    assert.doesNotMatch(ended.stderr, /marker|eyJ/);
  });
}

for (const [argument, start, advice] of OTHER_TEXTS) {
  test(`inspect counts the segments of any other text: ${start}${advice}`, async () => {
    const ended = await run('', { command: [...command(), 'inspect', argument] });
    assertRefused(ended, 1, []);
    assert.ok(ended.stderr.startsWith(`latchkey: not a token: ${start}`), ended.stderr);
    assert.ok(ended.stderr.includes(`. ${advice}`), ended.stderr);
    assert.doesNotMatch(ended.stderr, /marker|eyJ/);
  });
}

test('inspect has no such advice for a token', () => {
  assert.equal(mistakeIn(TOKEN), undefined);
  assert.equal(mistakeIn(`"Bearer ${TOKEN}"`), undefined);
});

test('inspect notes another alg and a cut signature without the secrets too', async () => {
  const foreign = `${base64url('{"alg":"RS256"}')}.${CLAIMS}.${'A'.repeat(342)}`;
  const notes = async (token: string) => (await run(`inspect ${token}`)).stdout;
  const algorithm = /^Its alg is RS256; latchkey verifies HS256 only: the issuer has to/m;
  assert.match(await notes(foreign), algorithm);
  assert.match(await notes(TOKEN.slice(0, -3)), /^The signature has 40 characters, .* cut off/m);
  assert.doesNotMatch(await notes(TOKEN), /Its alg|The signature has/);
});

test('inspect reads the token from standard input where the argument is a hyphen', async () => {
  const inspected = async (text: string) => {
    const { child, ended } = start('inspect -');
    // The command does not read a text to its end that is too long.
    child.stdin.on('error', () => undefined);
    child.stdin.end(text);
    return ended;
  };
  assert.deepEqual(await inspected(`${TOKEN}\n`), await run(`inspect ${TOKEN}`));
  const refused = await inspected('undefined\n');
  assertRefused(refused, 1, [/It is the text "undefined"/]);
  const endless = await inspected('a'.repeat(2 ** 21));
  assertRefused(endless, 1, [/not a token/]);
});

test('the page has a row for every advice of inspect', () => {
  const rows = rowsOf('## Inspect a token').map(([line = '']) => line.replaceAll('`', ''));
  const said = [...MISTAKES, ...OTHER_TEXTS].map(([argument]) => mistakeIn(argument)?.advice);
  for (const advice of new Set(said)) assert.ok(rows.includes(advice ?? ''), advice);
});
