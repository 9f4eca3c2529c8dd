/**
 * What a store keeps for an id: a user, or the name of a removed one. The functions return what
 * each write stores. The stores in memory and in a file share them.
 * Promise: the time that is kept for a name is never forgotten, and never moves back.
 */
import {
  mayChange,
  systemSeconds,
  timeCheck,
  withValidAfter,
  type RemovedName,
  type User,
} from './store.ts';

/** The name of a removed user. */
export interface RemovedUser {
  readonly id: string;
  /** The time kept for the name: what its next user gets as `validAfter`. */
  readonly validAfter: number;
  /** Never set: a User has a string here, so this tells the two apart. */
  readonly passwordHash?: undefined;
}

export type StoredUser = User | RemovedUser;

/** @returns the user, or undefined for a removed name */
export function userIn(stored: StoredUser | undefined): User | undefined {
  return stored?.passwordHash === undefined ? undefined : stored;
}

/** @returns the removed name; undefined if a user has the name, or no user had it */
export function removedNameIn(stored: StoredUser | undefined): RemovedName | undefined {
  if (stored === undefined || stored.passwordHash !== undefined) return undefined;
  return Object.freeze({ id: stored.id, removedAt: stored.validAfter });
}

/**
 * @returns what an insert stores, or undefined if the id is taken
 * @throws TypeError or RangeError if the user has a `validAfter` that is not a time in whole
 *   seconds
 */
export function inserted(stored: StoredUser | undefined, user: User): User | undefined {
  const { validAfter } = user;
  if (validAfter !== undefined) timeCheck('validAfter', validAfter);
  if (userIn(stored) !== undefined) return undefined;
  return withValidAfter(user, laterOf(stored?.validAfter, validAfter));
}

/** @returns what an update stores, or undefined if it must change nothing */
export function updated(
  stored: StoredUser | undefined,
  user: User,
  expectedHash: string | undefined,
): User | undefined {
  if (!mayChange(userIn(stored), expectedHash)) return undefined;
  return withValidAfter(user, stored?.validAfter);
}

/**
 * @returns what a removal stores, or undefined if it must change nothing
 * @throws TypeError or RangeError if `removedAt` is not a time in whole seconds
 */
export function removed(
  stored: StoredUser | undefined,
  removedAt: number = systemSeconds(),
  expectedHash?: string,
): RemovedUser | undefined {
  timeCheck('removedAt', removedAt);
  const user = userIn(stored);
  if (user === undefined || !mayChange(user, expectedHash)) return undefined;
  return Object.freeze({ id: user.id, validAfter: Math.max(user.validAfter ?? 0, removedAt) });
}

function laterOf(first: number | undefined, second: number | undefined): number | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return Math.max(first, second);
}
