/**
 * The lines of the file of users: UTF-8, a JSON object a line, `\n` after each. The first line names
 * the format and its version. Every other line inserts a user, or updates one from a line above.
 * An empty line promises that all above it is on disk. Each batch begins with one, and closing the
 * file writes one at its end.
 */
import { isUtf8 } from 'node:buffer';
import { describe } from '../options.ts';
import { copyOf, type User } from '../users/store.ts';

const FORMAT = 'latchkey-users';
const VERSION = 1;
export const MAX_LINE_BYTES: number = 1 << 20;

export const HEADER_LINE: string = `${JSON.stringify({ format: FORMAT, version: VERSION })}\n`;
export const EMPTY_LINE = '\n';

/** @throws TypeError or RangeError if `readLine` would refuse the line */
export function lineOf(op: 'insert' | 'update', user: User): string {
  for (const name of ['id', 'username', 'passwordHash', 'createdAt'] as const) {
    if (typeof user[name] !== 'string') throw new TypeError(`"${name}" expected a string, got ${describe(user[name])}`);
  }
  const { id, username, passwordHash, createdAt } = user;
  const line = `${JSON.stringify({ op, id, username, passwordHash, createdAt })}\n`;
  const bytes = Buffer.byteLength(line);
  if (bytes <= MAX_LINE_BYTES) return line;
  throw new RangeError(`"user" expected a line of at most ${MAX_LINE_BYTES} bytes, got ${bytes}`);
}

/** @returns the lines of a block; one that is not UTF-8 is undefined */
export function linesOf(block: Buffer): readonly (string | undefined)[] {
  if (isUtf8(block)) return block.toString('utf8').split('\n');
  // Latin 1 keeps every byte, so that the line which is not UTF-8 can be told from its neighbours.
  return block.toString('latin1').split('\n').map((line) => textOf(Buffer.from(line, 'latin1')));
}

function textOf(bytes: Buffer): string | undefined {
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/**
 * Reads one line into `users`.
 * @returns what is wrong with the line, if anything is
 */
export function readLine(
  line: string | undefined,
  lineNumber: number,
  users: Map<string, User>,
): string | undefined {
  if (line === undefined) return 'is not UTF-8';
  if (line.startsWith('\ufeff')) return 'begins with a byte order mark';
  // JSON.parse takes a carriage return for white space, and the file would be one that was edited elsewhere.
  if (line.endsWith('\r')) return 'ends in a carriage return';
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return 'is not JSON';
  }
  if (typeof value !== 'object' || value === null) return 'is not a JSON object';
  return lineNumber === 1 ? readHeader(value) : readRecord(value, users);
}

function readHeader(header: { format?: unknown; version?: unknown }): string | undefined {
  if (header.format !== FORMAT) return `does not name the format "${FORMAT}"`;
  if (header.version === VERSION) return undefined;
  return `names another version of the format than ${VERSION}: a newer latchkey may have written it`;
}

function readRecord(record: { [Name in keyof User | 'op']?: unknown }, users: Map<string, User>): string | undefined {
  const { op, id, username, passwordHash, createdAt } = record;
  const isKnown = (op === 'insert' || op === 'update') && Object.keys(record).length === 5;
  const isNamed = typeof id === 'string' && typeof username === 'string';
  if (!isKnown || !isNamed || typeof passwordHash !== 'string' || typeof createdAt !== 'string') return 'is no user';
  if (op === 'insert' && users.has(id)) return 'inserts a user that is there already';
  if (op === 'update' && !users.has(id)) return 'updates a user that is not there';
  users.set(id, copyOf({ id, username, passwordHash, createdAt }));
  return undefined;
}

/** A string of JSON, or the beginning of one up to the end of the text. */
const STRING_OR_ITS_BEGINNING = /"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)/gs;

/**
 * @returns whether the bytes can be the beginning of one line that `lineOf` wrote: an object of
 *   strings without its end. Two lines that an editor has joined are not, nor is a comment.
 */
export function isTornRecord(bytes: Buffer): boolean {
  const withoutStrings = bytes.toString('latin1').replaceAll(STRING_OR_ITS_BEGINNING, '');
  return /^\{[:,]*$/.test(withoutStrings);
}

/**
 * @returns whether this is the whole content of a file whose first write was interrupted: a part of
 *   the header, in which pages that did not reach the disk read as NUL
 */
export function isTornHeader(bytes: Buffer): boolean {
  const header = Buffer.from(HEADER_LINE);
  if (bytes.length > header.length) return false;
  const isWhole = bytes.length >= header.length - 1 && !bytes.includes(0);
  return !isWhole && bytes.every((byte, index) => byte === 0 || byte === header[index]);
}
