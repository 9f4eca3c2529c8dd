/**
 * The format of the file of users: UTF-8, a JSON object a line, `\n` after each. The first line names the format and
 * its version, every other one inserts a user or updates one that is there. An empty line says that all above it is on
 * disk, so each batch begins with one: what is missing below the last of them was never answered for.
 */
import { isUtf8 } from 'node:buffer';
import { AuthError, describe } from '../errors.ts';
import type { DiskFile } from './disk.ts';
import { copyOf, type User } from './store.ts';

const FORMAT = 'latchkey-users';
const VERSION = 1;
const MAX_LINE_BYTES = 1 << 20;

export const HEADER_LINE: string = `${JSON.stringify({ format: FORMAT, version: VERSION })}\n`;
export const EMPTY_LINE = '\n';

/** What a file of users holds. */
export interface Contents {
  readonly users: Map<string, User>;
  readonly supersededLines: number;
  readonly completeBytes: number;
  /** The length of what follows those: what a crash leaves of a batch that was never answered for. */
  readonly tornBytes: number;
}

/** @throws TypeError or RangeError if `readUsers` would refuse the line */
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

/** Reads in chunks, never the whole. @throws AuthError ERR_STORE_DAMAGED with the number of the line, from 1 */
export async function readUsers(file: DiskFile, path: string): Promise<Contents> {
  const users = new Map<string, User>();
  const chunk = Buffer.allocUnsafe(MAX_LINE_BYTES);
  let fileBytes = 0;
  let completeBytes = 0;
  let lineNumber = 0;
  let records = 0;
  let rest = Buffer.alloc(0);
  let hasHole = false;
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, fileBytes);
    if (bytesRead === 0) break;
    fileBytes += bytesRead;
    rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    if (!hasHole) {
      // No line holds NUL. A disk that lost power shows it in the place of a page that did not arrive.
      const hole = rest.indexOf(0);
      hasHole = hole !== -1;
      const end = rest.lastIndexOf('\n', hasHole ? hole : undefined) + 1;
      for (const line of end > 0 ? linesOf(rest.subarray(0, end - 1)) : []) {
        lineNumber += 1;
        const problem = readLine(line, lineNumber, users);
        if (problem !== undefined) throw damaged(path, lineNumber, problem);
        if (line !== '') records += 1;
      }
      completeBytes += end;
      rest = rest.subarray(end);
    }
    if (!hasHole && rest.length > MAX_LINE_BYTES) throw damaged(path, lineNumber + 1, 'is too long');
    // A batch that was answered for is followed by an empty line as soon as there is another.
    if (hasHole && rest.includes(EMPTY_LINE.repeat(2))) throw damaged(path, lineNumber + 1, 'holds NUL');
    if (hasHole && rest.length > MAX_LINE_BYTES) rest = rest.subarray(-1);
  }
  // What a crash leaves of the first line is pieces of it among NULs. Anything else is somebody else's file.
  const header = Buffer.from(HEADER_LINE);
  const isTornHeader = fileBytes <= header.length && rest.every((byte, index) => byte === 0 || byte === header[index]);
  if (lineNumber === 0 && !isTornHeader) throw damaged(path, 1, `does not name the format "${FORMAT}"`);
  const supersededLines = Math.max(records - 1, 0) - users.size;
  return { users, supersededLines, completeBytes, tornBytes: fileBytes - completeBytes };
}

/** @returns the lines of a block; one that is not UTF-8 is undefined */
function linesOf(block: Buffer): readonly (string | undefined)[] {
  if (isUtf8(block)) return block.toString('utf8').split('\n');
  // Latin 1 keeps every byte, so that the line which is not UTF-8 can be told from its neighbours.
  const raw = block.toString('latin1').split('\n').map((line) => Buffer.from(line, 'latin1'));
  return raw.map((line) => (isUtf8(line) ? line.toString('utf8') : undefined));
}

/** @returns what is wrong with the line, if anything is */
function readLine(line: string | undefined, lineNumber: number, users: Map<string, User>): string | undefined {
  if (line === '' && lineNumber > 1) return undefined;
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

function damaged(path: string, lineNumber: number, problem: string): AuthError {
  const description = `${path}, line ${lineNumber} ${problem}; the file was left as it is: mend it or restore a backup`;
  return new AuthError('ERR_STORE_DAMAGED', { description });
}
