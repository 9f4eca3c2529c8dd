/**
 * The interface between accounts and the stores that keep users. A store knows nothing of HTTP,
 * tokens or hashing. To a store a password hash is an opaque string, and an id is any string.
 */

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
  /** Seconds since 1970: tokens without a session that were issued up to then are refused. */
  readonly validAfter?: number;
}

/** The members of a User. All are strings. */
export const USER_FIELDS: readonly (keyof User)[] = [
  'id',
  'username',
  'passwordHash',
  'createdAt',
];

/** @returns a frozen copy, which no caller of `insert` or `find` can change */
export function copyOf({ id, username, passwordHash, createdAt }: User): User {
  return Object.freeze({ id, username, passwordHash, createdAt });
}

/** The comparison of a compare-and-set. @returns whether `update` may replace the stored user */
export function mayReplace(stored: User | undefined, expectedHash: string | undefined): boolean {
  if (stored === undefined) return false;
  return expectedHash === undefined || stored.passwordHash === expectedHash;
}

/**
 * Keeps users. Every method may return a value or a promise. A method that cannot do its work
 * throws AuthError ERR_STORE, or rejects with it. The tests that a store must pass are in
 * `latchkey/store-contract`.
 *
 * The server logs an error of a store unchanged. So the error must not hold a hash, not even in its
 * `cause`, where database drivers put the parameters of a statement.
 */
export interface UserStore {
  /** @returns the user with exactly this id, or undefined */
  find(id: string): User | undefined | Promise<User | undefined>;
  /**
   * Atomic: of any number of overlapping inserts of one id, exactly one returns true. When it does,
   * the user is as durable as this store makes users.
   * @returns false if the id is taken
   */
  insert(user: User): boolean | Promise<boolean>;
  /**
   * Replaces the whole user with this id, as durably as `insert`. With `expectedHash` it is an
   * atomic compare-and-set on the stored `passwordHash`:
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
  /** @returns false if there is no such user */
  remove?(id: string, removedAt?: number): boolean | Promise<boolean>;
  /**
   * @returns users sorted by id in code point order, those after `after`, at most `limit` (default
   *   100, 1 to 1000)
   */
  list?(after?: string, limit?: number): readonly User[] | Promise<readonly User[]>;
  check?(): void | Promise<void>;
  /** Finishes the writes under way and releases all resources. */
  close?(): void | Promise<void>;
}
