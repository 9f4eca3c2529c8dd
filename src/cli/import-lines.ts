/**
 * The lines that `latchkey users export` writes and `import` reads: one JSON object for each user,
 * and one for each removed name. Times are text, as in `users.jsonl`.
 * Promise: a problem never repeats a part of the line, because that may be a password or a hash.
 */
import { canonicalUsername } from '../accounts/username.ts';
import { USER_FIELDS, type RemovedName, type User } from '../users/store.ts';
import { secondsIn, timeTextOf } from '../users/user-records.ts';
import { isObject, ownMember } from '../values.ts';

/** The content of a line, or why it cannot be imported. */
export type ImportEntry =
  | { readonly user: User }
  | { readonly removedName: RemovedName }
  | { readonly problem: string };

/** ISO 8601: a date, or a time in UTC. */
const UTC_TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?Z)?$/;

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

/** Reads a line that `userLine` or `removedNameLine` has written, or another program like them. */
export function readJsonLine(text: string): ImportEntry {
  const line = objectIn(text);
  if (line === undefined) return { problem: 'it is not a JSON object' };
  return Object.hasOwn(line, 'removedAt') ? readRemovedName(line) : readUser(line);
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function readUser(line: Record<string, unknown>): ImportEntry {
  const [id, username, passwordHash, createdAt] = USER_FIELDS.map((name) => textIn(line, name));
  const hasValidAfter = Object.hasOwn(line, 'validAfter');
  const memberCount = USER_FIELDS.length + Number(hasValidAfter);
  if (
    Object.keys(line).length !== memberCount || id === undefined || username === undefined ||
    passwordHash === undefined || createdAt === undefined
  ) {
    const members = 'id, username, passwordHash, createdAt and perhaps validAfter';
    return { problem: `it does not have exactly the members of a user: ${members}, all strings` };
  }
  if (canonicalUsername(id) !== id) {
    return { problem: 'its id is not a canonical username, so this user could not log in' };
  }
  if (!UTC_TIME.test(createdAt) || Number.isNaN(Date.parse(createdAt))) {
    return { problem: 'its "createdAt" is not a time in UTC (ISO 8601)' };
  }
  const user = { id, username, passwordHash, createdAt };
  if (!hasValidAfter) return { user };
  const validAfter = secondsIn(line['validAfter']);
  if (validAfter === undefined) return { problem: notWholeSeconds('validAfter') };
  return { user: { ...user, validAfter } };
}

function readRemovedName(line: Record<string, unknown>): ImportEntry {
  const id = textIn(line, 'id');
  if (Object.keys(line).length !== 2 || id === undefined || id === '') {
    return { problem: 'it does not have exactly the members of a removed name: id and removedAt' };
  }
  const removedAt = secondsIn(line['removedAt']);
  if (removedAt === undefined) return { problem: notWholeSeconds('removedAt') };
  return { removedName: { id, removedAt } };
}

/** @returns the member if it is a text that every store can keep */
function textIn(line: object, name: string): string | undefined {
  const value = ownMember(line, name);
  const isText = typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
  return isText ? value : undefined;
}

function notWholeSeconds(name: string): string {
  return `its "${name}" is not a time in whole seconds, such as 2026-03-04T05:06:07.000Z`;
}
