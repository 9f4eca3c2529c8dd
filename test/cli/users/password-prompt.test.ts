/** New passwords: from the only line of standard input, and from a real terminal. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { test } from 'node:test';
import { readPassword } from '../../../src/cli/users/password-prompt.ts';
import { ROOT } from '../../support/run-command.ts';

const noPrompts = new Writable({
  write: () => assert.fail('a prompt was written, but standard input is not a terminal'),
});

function read(...chunks: readonly (string | Uint8Array)[]): Promise<string> {
  return readPassword(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), noPrompts);
}

test('the only line of standard input is the password, without its line break', async () => {
  assert.equal(await read('correct horse\n'), 'correct horse');
  assert.equal(await read('correct horse\r\n'), 'correct horse');
  assert.equal(await read('correct horse'), 'correct horse');
  assert.equal(await read('  spaces\tand a \r inside  \n'), '  spaces\tand a \r inside  ');
  assert.equal(await read('\ufeffcorrect horse\n'), 'correct horse', 'a byte order mark');
  // The rules for passwords refuse an empty one.
  assert.equal(await read('\n'), '');
});

test('a password is read whole, wherever its bytes are split', async () => {
  const bytes = Buffer.from('pässwörd 小林\n');
  for (let at = 1; at < bytes.length; at += 1) {
    assert.equal(await read(bytes.subarray(0, at), bytes.subarray(at)), 'pässwörd 小林');
  }
});

test('an empty input, a second line, other encodings and long inputs are refused', async () => {
  const REFUSED: readonly [input: string | Uint8Array, problem: string][] = [
    ['', 'is empty'],
    ['one\ntwo', 'has a second line'],
    ['one\n\n', 'has a second line'],
    ['one\r\ntwo\r\n', 'has a second line'],
    ['\n\n', 'has a second line'],
    [Uint8Array.of(0x70, 0xe4, 0x0a), 'is not UTF-8'],
    [Uint8Array.of(0xff, 0xfe, 0x70, 0x00), 'is not UTF-8'],
    [`${'x'.repeat(4096)}\n`, 'is longer than 4 KiB'],
  ];
  for (const [input, problem] of REFUSED) {
    const message = `standard input ${problem}: expected one line, the password`;
    await assert.rejects(read(input), { message });
  }
  assert.equal((await read(`${'x'.repeat(4095)}\n`)).length, 4095);
});

/** Reads passwords one after the other. After each it prints what the terminal does then. */
const READ = `
  import { execFileSync } from 'node:child_process';
  import { readPassword } from './src/cli/users/password-prompt.ts';
  for (let left = Number(process.env.COUNT); left > 0; left -= 1) {
    await readPassword(process.stdin, process.stderr).then(
      (password) => console.log('read ' + JSON.stringify(password)),
      (error) => console.log(error.constructor.name + ': ' + error.message),
    );
    const state = execFileSync('stty', ['-a'], { stdio: ['inherit', 'pipe', 'inherit'] });
    console.log(String(state).match(/-?\\b(?:icanon|echo)\\b/g).join());
  }
`;

/** What is typed at the prompts, and what is printed then. */
const TYPED: readonly [answers: readonly string[], printed: string][] = [
  // Backspace removes a character, Ctrl-U the line. Ctrl-Z does not suspend the process.
  [['secrex\x7ft \xe4\r', 'wrong\x15secret \xe4\r'], 'read "secret \xe4"'],
  [['secret1\r', 'secret2\r'], 'CommandError: the two passwords differ: nothing was changed'],
  [['sec\x1aret\r', 'secret\r'], 'read "secret"'],
  [['secret\x03'], 'InterruptedError: '],
  [['secret\r', '\x03'], 'InterruptedError: '],
  [['\x04'], 'CommandError: no password was typed'],
];

test('a terminal is asked twice, shows nothing, and echoes again afterwards', {
  timeout: 60_000,
}, async () => {
  // Variables keep quotation marks out of the shell.
  const line = '"$NODE" --import tsx --input-type=module -e "$READ"';
  const variables = { NODE: process.execPath, READ, COUNT: String(TYPED.length), TERM: 'xterm' };
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    cwd: ROOT,
    env: { ...process.env, ...variables, SHELL: '/bin/sh' },
  });
  const answers = TYPED.flatMap(([texts]) => texts);
  let answered = 0;
  let shown = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    const prompts = shown.match(/(?:New password|The same again): /g)?.length ?? 0;
    if (prompts === answered) return;
    child.stdin.write(answers[answered] ?? '');
    answered += 1;
  });
  await once(child, 'close');
  const PROMPTS = ['New password: ', 'The same again: '];
  const expected = TYPED.flatMap(([{ length }, printed]) => {
    return [...PROMPTS.slice(0, length), printed, 'icanon,echo'];
  });
  assert.deepEqual(shown.trimEnd().split('\r\n'), expected);
});
