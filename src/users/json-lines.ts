/**
 * The format of the file of users: UTF-8, a JSON object a line, `\n` after each. The first line names the format and
 * its version, every other one inserts or updates a user; the last line of an id counts.
 */
import { isUtf8 } from 'node:buffer';
import { AuthError, describe } from '../errors.ts';
import type { DiskFile } from './disk.ts';
import type { User } from './store.ts';

const FORMAT = 'latchkey-users';
const VERSION = 1;
const MAX_LINE_BYTES = 1 << 20;

export const HEADER_LINE: string = `${JSON.stringify({ format: FORMAT, version: VERSION })}\n`;

/** What a file of users holds. */
export interface Contents {
  readonly users: Map<string, User>;
  readonly supersededLines: number;
  readonly completeBytes: number;
  /** The length of a last line without its end: what a crash leaves of a write that was never answered. */
  readonly tornBytes: number;
}

/** @throws TypeError or RangeError if `readUsers` would refuse the line */
export function lineOf(op: 'insert' | 'update', { id, username, passwordHash, createdAt }: User): string {
  for (const [name, value] of Object.entries({ id, username, passwordHash, createdAt })) {
    if (typeof value !== 'string') throw new TypeError(`"${name}" expected a string, got ${describe(value)}`);
  }
  const line = `${JSON.stringify({ op, id, username, passwordHash, createdAt })}\n`;
  if (Buffer.byteLength(line) > MAX_LINE_BYTES) throw new RangeError(`"user" expected at most ${MAX_LINE_BYTES} bytes`);
  return line;
}

/** Reads in chunks, never the whole. @throws AuthError ERR_STORE_DAMAGED with the number of the line, from 1 */
export async function readUsers(file: DiskFile, path: string): Promise<Contents> {
  const users = new Map<string, User>();
  const chunk = Buffer.allocUnsafe(MAX_LINE_BYTES);
  let lineNumber = 0;
  let completeBytes = 0;
  let rest = Buffer.alloc(0);
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, completeBytes + rest.length);
    if (bytesRead === 0) break;
    const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    const end = bytes.lastIndexOf('\n') + 1;
    if (end > 0) {
      const block = bytes.subarray(0, end - 1);
      const isText = isUtf8(block);
      // Latin 1 keeps every byte, so that the line which is not UTF-8 can be told from its neighbours.
      for (const line of block.toString(isText ? 'utf8' : 'latin1').split('\n')) {
        lineNumber += 1;
        const raw = isText ? undefined : Buffer.from(line, 'latin1');
        const isLine = raw === undefined || isUtf8(raw);
        const problem = isLine ? readLine(raw?.toString() ?? line, lineNumber, users) : 'is not UTF-8';
        if (problem !== undefined) throw damaged(path, lineNumber, problem);
      }
    }
    completeBytes += end;
    rest = bytes.subarray(end);
    if (rest.length > MAX_LINE_BYTES) throw damaged(path, lineNumber + 1, 'is too long');
  }
  // What a crash leaves of the first line is a piece of it, or NULs. Anything else is somebody else's file.
  const isTornHeader = HEADER_LINE.startsWith(rest.toString('latin1').replace(/\0+$/, ''));
  if (lineNumber === 0 && !isTornHeader) throw damaged(path, 1, `does not name the format "${FORMAT}"`);
  const supersededLines = Math.max(lineNumber - 1, 0) - users.size;
  return { users, supersededLines, completeBytes, tornBytes: rest.length };
}

/** @returns what is wrong with the line, if anything is */
function readLine(line: string, lineNumber: number, users: Map<string, User>): string | undefined {
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
  users.set(id, { id, username, passwordHash, createdAt });
  return undefined;
}

function damaged(path: string, lineNumber: number, problem: string): AuthError {
  const description = `${path}, line ${lineNumber} ${problem}; the file was left as it is: mend it or restore a backup`;
  return new AuthError('ERR_STORE_DAMAGED', { description });
}
