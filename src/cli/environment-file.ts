/**
 * Reads a file with environment variables: lines `NAME=value`, as Node's own --env-file reads them.
 * Promise: a line that is not an assignment, a comment or empty is refused and not ignored, so that
 * no server starts with a default in place of a setting. No message repeats a line, which may hold
 * a secret.
 */
import { util } from '../node-modules.ts';
import { CommandError } from './command-errors.ts';
import { textLog, type Log } from './log.ts';
import { readNamedFile } from './named-file.ts';

const BYTE_ORDER_MARK = /^\ufeff/;

/**
 * The size of libuv's pool, which has its threads by now: they read the file. If the file set this
 * variable, latchkey would count threads that the pool does not have.
 */
const TOO_LATE = 'UV_THREADPOOL_SIZE';

/**
 * Sets the variables of the file that the environment does not have, except for the size of libuv's
 * pool. `process.loadEnvFile` is not used: it loses the first variable behind a byte order mark,
 * and reports a file that it may not read as missing.
 * @param flag the name of the flag that was given, for messages
 * @returns the names of the variables that it has set
 * @throws CommandError if the file cannot be read, or a line of it is wrong
 */
export async function loadEnvironmentFile(
  flag: string,
  path: string,
  log: Log = textLog,
): Promise<readonly string[]> {
  const file = await readNamedFile(flag, path, 'Name a file that this command can read.', log);
  const refuse = (problem: string) => new CommandError(`${flag}: ${path}${problem}`);
  // In UTF-16 every second byte of English text is a NUL.
  if (file.includes('\0')) throw refuse(' is in UTF-16: save it as UTF-8');
  const { assignments, wrong } = assignmentsIn(file.replace(BYTE_ORDER_MARK, ''));
  if (wrong !== undefined) throw refuse(`, line ${wrong.line}: ${wrong.problem}`);
  // Node 20 loses the variable below an indented comment, so the comments are left out.
  const variables = util.parseEnv(assignments.map(({ text }) => text).join('\n'));
  // Node's parser may differ from ours in a case that is not known.
  const lost = assignments.find(({ name }) => variables[name] === undefined);
  if (lost !== undefined) throw refuse(`, line ${lost.line}: Node does not read this line`);
  const missing = Object.entries(variables).filter(([name]) => {
    return name !== TOO_LATE && process.env[name] === undefined;
  });
  for (const [name, value] of missing) process.env[name] = value;
  return missing.map(([name]) => name);
}

const EMPTY_OR_COMMENT = /^\s*(?:#.*)?$/;
/** Captures the name. */
const ASSIGNMENT = /^\s*(?:export\s+)?([\w.-]+)\s*=[^\S\n]*/;
const QUOTE = /^["'`]/;

interface Assignment {
  readonly line: number;
  readonly name: string;
  /** One line, or several with a value in quotation marks. */
  readonly text: string;
}

interface Assignments {
  readonly assignments: readonly Assignment[];
  /** The first wrong line. */
  readonly wrong?: { readonly line: number; readonly problem: string };
}

function assignmentsIn(text: string): Assignments {
  const lines = text.split('\n');
  const assignments: Assignment[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const content = lines[index] ?? '';
    const line = index + 1;
    if (EMPTY_OR_COMMENT.test(content)) continue;
    const [start, name] = ASSIGNMENT.exec(content) ?? [];
    if (start === undefined || name === undefined) {
      const expected = 'expected NAME=value, a comment behind "#", or an empty line';
      const problem = `${expected}. A value on several lines needs quotation marks around it.`;
      return { assignments, wrong: { line, problem } };
    }
    const rest = [content.slice(start.length), ...lines.slice(line)].join('\n');
    const { value, problem } = valueAtStartOf(rest);
    if (problem !== undefined) return { assignments, wrong: { line, problem } };
    // Without "export", because Node 20 makes a second space behind it a part of the name.
    assignments.push({ line, name, text: `${name}=${value}` });
    index += value.split('\n').length - 1;
  }
  return { assignments };
}

interface Value {
  /** With its quotation marks. */
  readonly value: string;
  readonly problem?: string;
}

/**
 * Node 20 ignores the last line if its quotation mark is not closed. In any other line it makes the
 * mark a part of the value. It drops text behind a closing mark. Each of these could change a
 * secret, so it is refused.
 */
function valueAtStartOf(text: string): Value {
  const [quote] = QUOTE.exec(text) ?? [];
  if (quote === undefined) {
    const [value = ''] = text.split('\n', 1);
    return { value };
  }
  const end = text.indexOf(quote, 1);
  if (end === -1) return { value: '', problem: 'the quotation mark is not closed' };
  const [behind = ''] = text.slice(end + 1).split('\n', 1);
  if (!EMPTY_OR_COMMENT.test(behind)) {
    return { value: '', problem: 'expected only a comment behind the closing quotation mark' };
  }
  return { value: text.slice(0, end + 1) };
}
