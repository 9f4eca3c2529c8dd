/**
 * Reads a new password: at a terminal from a prompt, else from standard input, as its only line. A
 * password is never an argument, because other system users can see the arguments of a process.
 * Promise: what is typed at the prompt is not shown, and the terminal echoes again afterwards, also
 * after Ctrl-C. Ctrl-Z does nothing.
 */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { CommandError, InterruptedError } from '../command-errors.ts';

/** Standard input: a terminal, a pipe or a file. */
export type PasswordInput = NodeJS.ReadableStream & { readonly isTTY?: boolean };

/**
 * @param input standard input
 * @param prompts where prompts are written, such as standard error
 * @returns the text as it was typed or piped, without its line break
 * @throws InterruptedError after Ctrl-C
 * @throws CommandError if the input ends at a prompt, if the two typed passwords differ, or if what
 *   is piped is empty, or not one line of UTF-8 of at most 4 KiB
 */
export function readPassword(
  input: PasswordInput,
  prompts: NodeJS.WritableStream,
): Promise<string> {
  return input.isTTY === true ? askTwice(input, prompts) : readOnlyLine(input);
}

async function askTwice(input: PasswordInput, prompts: NodeJS.WritableStream): Promise<string> {
  // readline edits the line and echoes it to its own output. This output discards everything.
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output, terminal: true, historySize: 0 });
  const typedLines = lines[Symbol.asyncIterator]();
  let isInterrupted = false;
  lines.on('SIGINT', () => {
    isInterrupted = true;
    lines.close();
  });
  // At Ctrl-Z readline would suspend the process. The shell would then show what is typed next.
  lines.on('SIGTSTP', () => undefined);
  const ask = async (prompt: string): Promise<string> => {
    prompts.write(prompt);
    const { done, value } = await typedLines.next();
    // The typed line break was not echoed either.
    prompts.write('\n');
    if (isInterrupted) throw new InterruptedError();
    if (done === true) throw new CommandError('no password was typed');
    return value;
  };
  try {
    const password = await ask('New password: ');
    const isSame = password === await ask('The same again: ');
    if (!isSame) throw new CommandError('the two passwords differ: nothing was changed');
    return password;
  } finally {
    lines.close();
  }
}

/** Far more than the longest password that is accepted: 256 characters. */
const MAX_INPUT_BYTES = 4096;

const FINAL_LINE_BREAK = /\r?\n$/;

const EXPECTED = 'expected one line, the password';

async function readOnlyLine(input: PasswordInput): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk);
    chunks.push(bytes);
    length += bytes.length;
    if (length > MAX_INPUT_BYTES) {
      throw new CommandError(`standard input is longer than 4 KiB: ${EXPECTED}`);
    }
  }
  if (length === 0) throw new CommandError(`standard input is empty: ${EXPECTED}`);
  const line = decode(Buffer.concat(chunks)).replace(FINAL_LINE_BREAK, '');
  if (line.includes('\n')) {
    throw new CommandError(`standard input has a second line: ${EXPECTED}`);
  }
  return line;
}

/** Decodes UTF-8, and skips a byte order mark, which some shells of Windows write. */
function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CommandError(`standard input is not UTF-8: ${EXPECTED}`);
  }
}
