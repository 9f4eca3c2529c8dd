/**
 * The rules for what an import may store. The reader of lines checks them, and the administration
 * checks them again for what comes over its socket.
 * Promise: a problem never repeats a part of the value, because that may be a password.
 */
import { canonicalUsername } from '../../accounts/username.ts';
import { MAX_TIME_SECONDS } from '../../options.ts';
import type { RemovedName, User } from '../../users/store.ts';

/** In code points. Ids of other programs may be longer than a username, which has up to 80. */
const MAX_REMOVED_ID_LENGTH = 256;

/** ISO 8601 in UTC, to the second or the millisecond. */
const UTC_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z$/;

const CONTROL_CHARACTER = /\p{Cc}/u;

/** @returns why this user cannot be imported; undefined if the hash alone is left to check */
export function problemOfUser(user: User): string | undefined {
  const { id, username, createdAt, validAfter } = user;
  if (canonicalUsername(id) !== id) {
    return 'its id is not a canonical username, so this user could not log in';
  }
  if (canonicalUsername(username) !== id) return 'its id is not the canonical form of its username';
  if (!isUtcTime(createdAt)) {
    return 'its "createdAt" is not a time in UTC, such as 2026-03-04T05:06:07.089Z';
  }
  return validAfter === undefined || isWholeSeconds(validAfter)
    ? undefined
    : notWholeSeconds('validAfter');
}

/** @returns why this name cannot be imported */
export function problemOfRemovedName({ id, removedAt }: RemovedName): string | undefined {
  if (id === '' || !id.isWellFormed() || CONTROL_CHARACTER.test(id)) {
    return 'its id is empty, has control characters, or is not well-formed text';
  }
  if ([...id].length > MAX_REMOVED_ID_LENGTH) {
    return `its id has more than ${MAX_REMOVED_ID_LENGTH} characters`;
  }
  return isWholeSeconds(removedAt) ? undefined : notWholeSeconds('removedAt');
}

/** @returns the problem of a value that is not a time in whole seconds */
export function notWholeSeconds(name: 'validAfter' | 'removedAt'): string {
  return `its "${name}" is not a time in whole seconds, such as 2026-03-04T05:06:07.000Z`;
}

/**
 * A user of another store may have been removed in this one, by an administrator or by the user. An
 * import must not bring that user back.
 * @param removedAt the last removal of the name in this store; undefined: there was none
 * @returns whether the user was created before that removal, or in the same second
 */
export function isFromBeforeRemoval(user: User, removedAt: number | undefined): boolean {
  // A `validAfter` at the removal or later shows that the user took the name after that removal.
  if (removedAt === undefined || removedAt <= (user.validAfter ?? -1)) return false;
  return Math.floor(Date.parse(user.createdAt) / 1000) <= removedAt;
}

/** A text such as `2026-02-31T00:00:00Z` has the form of a time, but is not one. */
function isUtcTime(text: string): boolean {
  if (!UTC_TIME.test(text)) return false;
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return false;
  const exact = time.toISOString();
  return text === exact || text === exact.replace('.000Z', 'Z');
}

function isWholeSeconds(seconds: number): boolean {
  return Number.isSafeInteger(seconds) && seconds >= 0 && seconds <= MAX_TIME_SECONDS;
}
