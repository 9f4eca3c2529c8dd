/**
 * Reads a file with environment variables: lines `NAME=value`, as Node's own --env-file reads them.
 * Promise: a line that sets no variable is refused and not ignored, so that no server starts with a
 * default in place of a setting. No message repeats a line, which may hold a secret.
 */
import { readFile } from 'node:fs/promises';
import { parseEnv } from 'node:util';
import { attempt, CommandError } from './command-errors.ts';

const BYTE_ORDER_MARK = /^\ufeff/;

/**
 * Sets the variables of the file that the environment does not have. `process.loadEnvFile` is not
 * used: it loses the first variable behind a byte order mark, and reports a file that it may not
 * read as missing.
 * @param flag the name of the flag that was given, for messages
 * @returns the names of the variables that it has set
 * @throws CommandError if the file cannot be read, or a line of it is wrong
 */
export async function loadEnvironmentFile(flag: string, path: string): Promise<readonly string[]> {
  const read = () => readFile(path, 'utf8');
  const file = await attempt(flag, 'Name a file that the server can read.', read);
  const { assignments, wrongLine } = assignmentsIn(file.replace(BYTE_ORDER_MARK, ''));
  if (wrongLine !== undefined) {
    const expected = 'expected NAME=value, a comment behind "#", or an empty line';
    throw new CommandError(`${flag}: ${path}, line ${wrongLine}: ${expected}`);
  }
  // Node 20 loses the variable below an indented comment, so it gets no comments.
  const variables = Object.entries(parseEnv(assignments.join('\n')));
  const missing = variables.filter(([name]) => process.env[name] === undefined);
  for (const [name, value] of missing) process.env[name] = value;
  return missing.map(([name]) => name);
}

const EMPTY_OR_COMMENT = /^\s*(?:#.*)?$/;
const ASSIGNMENT = /^\s*(?:export\s+)?[\w.-]+\s*=[^\S\n]*/;
const QUOTE = /^["'`]/;

interface Assignments {
  readonly assignments: readonly string[];
  /** The number of the first line that is neither an assignment, a comment nor empty. */
  readonly wrongLine?: number;
}

function assignmentsIn(text: string): Assignments {
  const lines = text.split('\n');
  const assignments: string[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (EMPTY_OR_COMMENT.test(line)) continue;
    const [start] = ASSIGNMENT.exec(line) ?? [];
    if (start === undefined) return { assignments, wrongLine: index + 1 };
    const rest = [line.slice(start.length), ...lines.slice(index + 1)].join('\n');
    const count = linesOfQuotedValue(rest);
    assignments.push(...lines.slice(index, index + count));
    index += count - 1;
  }
  return { assignments };
}

/** @returns how many lines the value takes at the start of a text; one unless it is in quotes */
function linesOfQuotedValue(text: string): number {
  const [quote] = QUOTE.exec(text) ?? [];
  const end = quote === undefined ? -1 : text.indexOf(quote, 1);
  if (end === -1) return 1;
  return text.slice(0, end).split('\n').length;
}
