/** The file with environment variables: which lines are read, and which are refused. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CommandError } from '../../src/cli/command-errors.ts';
import { loadEnvironmentFile } from '../../src/cli/environment-file.ts';
import { blocks } from '../support/documents.ts';
import { command, emptyFolder } from '../support/run-command.ts';

async function load(text: string | Uint8Array): Promise<readonly string[]> {
  const path = join(await emptyFolder(), 'variables');
  await writeFile(path, text);
  return loadEnvironmentFile('--environment', path);
}

const REFUSED: readonly [what: string, text: string, line: number][] = [
  ['a name without a value', 'LATCHKEY_A=1\nmarker\nLATCHKEY_B=2', 2],
  ['a colon in place of the equals sign', 'LATCHKEY_A: marker', 1],
  ['a space in place of the equals sign', '\n# comment\nLATCHKEY_A marker\n', 3],
  ['a value without a name', '=marker', 1],
  ['a name with a space', 'LATCHKEY A=marker', 1],
  ['a comment of another language', '; marker', 1],
  ['a line below a value of several lines', 'LATCHKEY_A="\n\n"\n\nmarker', 5],
  ['a second line without quotation marks', 'LATCHKEY_A=1\r\nmarker\r\n', 2],
];
for (const [what, text, line] of REFUSED) {
  test(`errors that name the right culprit: a line of the file is ${what}`, async () => {
    await assert.rejects(load(text), (error) => {
      assert.ok(error instanceof CommandError);
      const place = `^--environment: .*/variables, line ${line}: expected NAME=value, `;
      const hint = 'A value on several lines needs quotation marks around it\\.$';
      assert.match(error.message, RegExp(`${place}.*${hint}`));
      assert.doesNotMatch(error.message, /marker/);
      return true;
    });
  });
}

const UNCLEAR: readonly [what: string, text: string, line: number, problem: RegExp][] = [
  ['not closed in the last line', '\nLATCHKEY_A="marker', 2, /the quotation mark is not closed$/],
  ['not closed above a line', "LATCHKEY_A='marker\nLATCHKEY_B=2", 1, /mark is not closed$/],
  ['closed by another one', 'LATCHKEY_A=`marker"\n', 1, /mark is not closed$/],
  ['closed before the end', 'LATCHKEY_A="1"marker\n', 1, /only a comment behind the closing /],
  ['closed in another line', 'LATCHKEY_A="\n1" marker\n', 1, /only a comment behind the /],
];
for (const [what, text, line, problem] of UNCLEAR) {
  test(`a secret that changes without a message: a quotation mark ${what}`, async () => {
    await assert.rejects(load(text), (error) => {
      assert.ok(error instanceof CommandError);
      assert.match(error.message, RegExp(`^--environment: .*/variables, line ${line}: `));
      assert.match(error.message, problem);
      assert.doesNotMatch(error.message, /marker/);
      return true;
    });
    assert.equal(process.env['LATCHKEY_A'], undefined);
  });
}

test('errors that name the right culprit: a file in UTF-16', async () => {
  const text = Buffer.from('LATCHKEY_A=marker\n', 'utf16le');
  const big = Buffer.from(text).swap16();
  const marked = Buffer.from('\ufeffLATCHKEY_A=marker\n', 'utf16le');
  for (const bytes of [text, big, marked]) {
    const message = /^--environment: .*\/variables is in UTF-16: save it as UTF-8$/;
    await assert.rejects(load(bytes), { name: 'Error', message });
  }
});

const PIPE = 'errors that name the right culprit: a pipe that no program writes to';
test(PIPE, { timeout: 60_000 }, async () => {
  const asText = /^latchkey: --\S+: still reading: it may be a pipe /;
  const asJson = /^\{"time":"\S+","event":"warning","detail":"--\S+: still reading: .*\}$/m;
  const commands = [
    ['serve --environment', asText],
    ['serve --log json --environment', asJson],
    ['inspect e30.e30. --secret-file', asText],
  ] as const;
  await Promise.all(commands.map(async ([line, words]) => {
    const pipe = join(await emptyFolder(), 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [program = '', ...args] = [...command(), ...line.split(' '), pipe];
    const child = spawn(program, args);
    const [told] = await once(child.stderr, 'data');
    assert.match(String(told), words);
    const exit = once(child, 'exit');
    await writeFile(pipe, 'marker\n');
    assert.equal((await exit)[0], 1);
  }));
});

test('every form of a line that Node reads sets its variable', async () => {
  const lines = [
    '\ufeffLATCHKEY_A=1',
    'export LATCHKEY_B = 2 # comment',
    '',
    '  # comment',
    'LATCHKEY_C="one',
    'two: three"',
    "LATCHKEY_D='",
    "four'",
    'LATCHKEY_E=`five`',
    'LATCHKEY_F=',
    "LATCHKEY_G=it's six",
    'export  LATCHKEY_I="eight" # comment',
    'LATCHKEY_h.i-j=7\r',
  ];
  const names = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'I', 'h.i-j'].map((name) => `LATCHKEY_${name}`);
  assert.deepEqual((await load(lines.join('\n'))).toSorted(), names.toSorted());
  const values = names.map((name) => process.env[name]);
  assert.deepEqual(
    values,
    ['1', '2', 'one\ntwo: three', '\nfour', 'five', '', "it's six", 'eight', '7'],
  );
  assert.deepEqual(await load('LATCHKEY_A=2\nLATCHKEY_K=3'), ['LATCHKEY_K'], 'it was not set');
  assert.equal(process.env['LATCHKEY_A'], '1');
});

test('the file does not set the size of the thread pool, which has its threads', async () => {
  const before = process.env['UV_THREADPOOL_SIZE'];
  assert.deepEqual(await load('UV_THREADPOOL_SIZE=77\nLATCHKEY_L=1'), ['LATCHKEY_L']);
  assert.equal(process.env['UV_THREADPOOL_SIZE'], before);
});

test('the file of variables of the page on deployment has a password and two secrets', async () => {
  const block = blocks('text').find((text) => text.startsWith('PGPASSWORD=')) ?? '';
  assert.deepEqual((await load(block)).toSorted(), ['LATCHKEY_SECRET', 'PGPASSWORD']);
  const { PGPASSWORD, LATCHKEY_SECRET } = process.env;
  delete process.env['PGPASSWORD'];
  delete process.env['LATCHKEY_SECRET'];
  assert.equal(PGPASSWORD, 'password of the database');
  assert.equal(LATCHKEY_SECRET, '<new secret>\n<old secret>');
});
