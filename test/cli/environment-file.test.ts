/** The file with environment variables: which lines are read, and which are refused. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CommandError } from '../../src/cli/command-errors.ts';
import { loadEnvironmentFile } from '../../src/cli/environment-file.ts';
import { emptyFolder } from '../support/run-command.ts';

const folder = await emptyFolder();

async function load(text: string): Promise<readonly string[]> {
  const path = join(folder, 'variables');
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
      assert.match(error.message, RegExp(place));
      assert.doesNotMatch(error.message, /marker/);
      return true;
    });
  });
}

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
    'LATCHKEY_G="six',
    'LATCHKEY_h.i-j=7\r',
  ];
  const names = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'h.i-j'].map((name) => `LATCHKEY_${name}`);
  assert.deepEqual((await load(lines.join('\n'))).toSorted(), names.toSorted());
  const values = names.map((name) => process.env[name]);
  assert.deepEqual(values, ['1', '2', 'one\ntwo: three', '\nfour', 'five', '', '"six', '7']);
  assert.deepEqual(await load('LATCHKEY_A=2\nLATCHKEY_K=3'), ['LATCHKEY_K'], 'it was not set');
  assert.equal(process.env['LATCHKEY_A'], '1');
});
