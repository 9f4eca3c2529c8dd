/**
 * The interface between accounts and the stores that keep users. A store knows nothing of HTTP,
 * tokens or hashing. To a store a password hash is an opaque string, and an id is any string.
 */
import { aString, integerBetween, MAX_TIME_SECONDS, type Check } from '../options.ts';

/** An account without its hash: the frozen object that signup, login and guard return. */
export interface PublicUser {
  /** The canonical username. It is the key in the store and the identity in a token. */
  readonly id: string;
  /** The username as the user first wrote it, for greetings. */
  readonly username: string;
  /** When the account was created: ISO 8601, UTC. */
  readonly createdAt: string;
}

/** An account in a store. */
export interface User extends PublicUser {
  /** A PHC string, or a Werkzeug hash for a user who was imported from Flask. */
  readonly passwordHash: string;
  /**
   * Seconds since 1970. `Accounts` refuses a token that has no session and was issued up to then.
   * A store sets it for a user whose name was removed before.
   */
  readonly validAfter?: number;
}

/** The name of a removed user, in a store that keeps these names. */
export interface RemovedName {
  /** The canonical username. */
  readonly id: string;
  /** Seconds since 1970: what the next user of this name gets as `validAfter`. */
  readonly removedAt: number;
}

/** The members that every User has. All are strings. */
export const USER_FIELDS: readonly Exclude<keyof User, 'validAfter'>[] = [
  'id',
  'username',
  'passwordHash',
  'createdAt',
];

/** @returns a frozen copy, which no caller of `insert` or `find` can change */
export function copyOf(user: User): User {
  return withValidAfter(user, user.validAfter);
}

/** @returns a frozen copy with this `validAfter` in place of its own */
export function withValidAfter(
  { id, username, passwordHash, createdAt }: User,
  validAfter: number | undefined,
): User {
  return Object.freeze(
    validAfter === undefined
      ? { id, username, passwordHash, createdAt }
      : { id, username, passwordHash, createdAt, validAfter },
  );
}

/** A value of `validAfter` or `removedAt`. */
export const timeCheck: Check = integerBetween(0, MAX_TIME_SECONDS, ' (seconds since 1970)');

/** @returns the time of the system, the default of `removedAt` */
export function systemSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

export const DEFAULT_PAGE_USERS = 100;
export const MAX_PAGE_USERS = 1000;

const pageLimit = integerBetween(1, MAX_PAGE_USERS);

/** Throws a TypeError or RangeError unless `list` or `listRemoved` accepts these arguments. */
export function checkPage(after: string | undefined, limit: number): void {
  if (after !== undefined) aString('after', after);
  pageLimit('limit', limit);
}

/** The comparison of a compare-and-set. @returns whether a write may change the stored user */
export function mayChange(stored: User | undefined, expectedHash: string | undefined): boolean {
  if (stored === undefined) return false;
  return expectedHash === undefined || stored.passwordHash === expectedHash;
}

/**
 * Keeps users. Every method may return a value or a promise. A method that cannot do its work
 * throws AuthError ERR_STORE, or rejects with it. The tests that a store must pass are in
 * `latchkey/store-contract`.
 *
 * A store written for version 0.1 has none of `remove`, `list`, `listRemoved` and `check`, and does
 * not know `validAfter`. It still works. `Accounts` throws a TypeError if it needs a method that
 * the store does not have.
 *
 * A store that has `remove` keeps each removed name, and the time of its removal, forever. If the
 * name is inserted again, its user has that time as `validAfter`. So no token of an earlier user of
 * the name is valid for this one. A name that was never removed has no `validAfter`.
 *
 * The server passes an error of a store to `onError` unchanged. So the error must not hold a hash,
 * not even in its `cause`, where database drivers put the parameters of a statement.
 */
export interface UserStore {
  /**
   * Finds a user.
   * @returns the user with exactly this id, or undefined
   */
  find(id: string): User | undefined | Promise<User | undefined>;
  /**
   * Atomic: of any number of overlapping inserts of one id, exactly one returns true. When it does,
   * the user is as durable as this store makes users.
   *
   * The stored `validAfter` is the later of that of `user` and the time that is kept for the name.
   * So a caller that copies users between stores can bring it, and no caller can move it back.
   * @returns false if the id is taken
   * @throws TypeError or RangeError, in a store that has `remove`, for a `validAfter` that is
   *   neither undefined nor a whole number from 0 to 253402300799 (the end of the year 9999)
   */
  insert(user: User): boolean | Promise<boolean>;
  /**
   * Replaces the user with this id, as durably as `insert`. It never changes or drops the stored
   * `validAfter`, and ignores that of `user`. With `expectedHash` it is an atomic compare-and-set
   * on the stored `passwordHash`:
   *
   * - Of any number of updates that expect the same hash and set another, exactly one returns true.
   * - An update that returned true is never overwritten by one that expects the hash from before.
   * - Hashes are compared as text, code unit by code unit. The empty string is a hash too.
   * - Only the hash is compared. A concurrent update can overwrite a change of `username` or
   *   `createdAt` alone.
   *
   * A store written for version 0.1 ignores `expectedHash`. It still works, because `Accounts`
   * compares the hashes before it calls `update`. But a password change between the comparison and
   * the update is lost.
   * @param expectedHash the hash that must be stored; if it is undefined, any hash is replaced
   * @returns false, and nothing has changed, if the user does not exist or has another hash
   */
  update(user: User, expectedHash?: string): boolean | Promise<boolean>;
  /**
   * Removes the user, as durably as `insert`, and keeps the name with the time of its removal. A
   * later removal never moves that time back. Of any number of overlapping removals of one user,
   * exactly one returns true. An update that overlaps never brings the user back.
   *
   * With `expectedHash` it is an atomic compare-and-set on the stored `passwordHash`, with the
   * comparison of `update`. If a removal and an update expect the same hash, and the update sets
   * another one, exactly one of the two returns true. A store that ignores `expectedHash` removes
   * the user all the same, even a new one who has signed up with this name in the meantime.
   * @param removedAt whole seconds since 1970, 0 to 253402300799; default: the clock of the system
   * @param expectedHash the hash that must be stored; if it is undefined, any user is removed
   * @returns false, and nothing has changed, if the user does not exist or has another hash
   * @throws TypeError or RangeError if `removedAt` is not such a number
   */
  remove?(
    id: string,
    removedAt?: number,
    expectedHash?: string,
  ): boolean | Promise<boolean>;
  /**
   * One page of the users, sorted by id in the order of Unicode code points, which is also the
   * order of the bytes in UTF-8. Users that are inserted or removed between two pages make no other
   * user appear twice or be left out.
   * @param after the page begins behind this id, which need not exist; default: at the first user
   * @param limit the greatest number of users on the page, 1 to 1000; default: 100
   * @returns `limit` users, or fewer if these are the last
   * @throws TypeError or RangeError if an argument is out of these bounds
   */
  list?(after?: string, limit?: number): readonly User[] | Promise<readonly User[]>;
  /**
   * One page of the removed names that no user has now, as `list` pages the users. A program that
   * moves all users to another store must also move these names, or tokens of removed users would
   * be valid there for later users of the names.
   * @throws TypeError or RangeError as `list`
   */
  listRemoved?(
    after?: string,
    limit?: number,
  ): readonly RemovedName[] | Promise<readonly RemovedName[]>;
  /**
   * Returns normally if the store can read and write at this moment.
   * @throws AuthError ERR_STORE if it cannot, with the reason as its cause
   */
  check?(): void | Promise<void>;
  /** Finishes the writes under way and releases all resources. */
  close?(): void | Promise<void>;
}
