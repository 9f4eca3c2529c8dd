/**
 * The lines that `latchkey users export` writes and `import` reads: one JSON object for each user,
 * and one for each removed name. Times are text, as in `users.jsonl`.
 * Promise: a problem never repeats a part of the line, because that may be a password or a hash.
 */
import { USER_FIELDS, type RemovedName, type User } from '../../users/store.ts';
import { secondsIn, timeTextOf } from '../../users/user-records.ts';
import { isObject, ownMember } from '../../values.ts';
import {
  notWholeSeconds,
  problemOfRemovedName,
  problemOfUser,
} from '../administration/import-rules.ts';

/** The content of a line, or why it cannot be imported. */
export type ImportEntry =
  | { readonly user: User }
  | { readonly removedName: RemovedName }
  | { readonly problem: string };

/** @returns the line of a user, with its line feed */
export function userLine({ id, username, passwordHash, createdAt, validAfter }: User): string {
  const members = { id, username, passwordHash, createdAt };
  const line = validAfter === undefined
    ? members
    : { ...members, validAfter: timeTextOf(validAfter) };
  return `${JSON.stringify(line)}\n`;
}

/** @returns the line of a removed name, with its line feed */
export function removedNameLine({ id, removedAt }: RemovedName): string {
  return `${JSON.stringify({ id, removedAt: timeTextOf(removedAt) })}\n`;
}

/** Reads a line that `userLine`, `removedNameLine` or another program has written. */
export function readJsonLine(text: string): ImportEntry {
  const line = objectIn(text);
  if (line === undefined) return { problem: 'it is not a JSON object' };
  return Object.hasOwn(line, 'removedAt') ? readNameLine(line) : readUserLine(line);
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function readUserLine(line: Record<string, unknown>): ImportEntry {
  const [id, username, passwordHash, createdAt] = USER_FIELDS.map((name) => {
    return storableMember(line, name);
  });
  const hasValidAfter = Object.hasOwn(line, 'validAfter');
  const memberCount = USER_FIELDS.length + Number(hasValidAfter);
  if (
    Object.keys(line).length !== memberCount || id === undefined || username === undefined ||
    passwordHash === undefined || createdAt === undefined
  ) {
    const members = 'id, username, passwordHash, createdAt and perhaps validAfter';
    const rule = 'all well-formed strings without NUL';
    return { problem: `it does not have exactly the members of a user: ${members}, ${rule}` };
  }
  const validAfter = secondsIn(line['validAfter']);
  if (hasValidAfter && validAfter === undefined) return { problem: notWholeSeconds('validAfter') };
  const members = { id, username, passwordHash, createdAt };
  const user = validAfter === undefined ? members : { ...members, validAfter };
  const problem = problemOfUser(user);
  return problem === undefined ? { user } : { problem };
}

function readNameLine(line: Record<string, unknown>): ImportEntry {
  const id = ownMember(line, 'id');
  if (Object.keys(line).length !== 2 || typeof id !== 'string') {
    return { problem: 'it does not have exactly the members of a removed name: id and removedAt' };
  }
  const removedAt = secondsIn(line['removedAt']);
  if (removedAt === undefined) return { problem: notWholeSeconds('removedAt') };
  const removedName = { id, removedAt };
  const problem = problemOfRemovedName(removedName);
  return problem === undefined ? { removedName } : { problem };
}

/** @returns the member if it is a text that every store can keep */
function storableMember(line: object, name: string): string | undefined {
  const value = ownMember(line, name);
  const isText = typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
  return isText ? value : undefined;
}
