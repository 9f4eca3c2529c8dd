/**
 * The port between accounts and the stores that keep users. A store knows no HTTP, no tokens and no
 * hashing. To a store a password hash is an opaque string, and an id is any string.
 */

/** An account without its hash, as signup, login and guard answer it: a frozen object. */
export interface PublicUser {
  /** The canonical username: the key of the store, and what a token carries as its identity. */
  readonly id: string;
  /** The username as it was first written: what people are greeted with. */
  readonly username: string;
  /** When the account was made: ISO 8601, UTC. */
  readonly createdAt: string;
}

/** One account, as a store keeps it. */
export interface User extends PublicUser {
  /** A PHC string, or one of Werkzeug for a user brought over from Flask. */
  readonly passwordHash: string;
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
 * throws AuthError ERR_STORE, or rejects with it. `latchkey/store-contract` has the tests that a
 * store must pass. An error that a store throws goes to the log as it is. It must not hold a hash,
 * not even in its `cause`, where database drivers put the parameters of a statement.
 */
export interface UserStore {
  /** @returns the user with exactly this id, or undefined */
  find(id: string): User | undefined | Promise<User | undefined>;
  /**
   * Atomic: of any number of overlapping inserts of one id, exactly one returns true. The user is
   * then as durable as this store makes users.
   * @returns false if the id is taken
   */
  insert(user: User): boolean | Promise<boolean>;
  /**
   * Replaces the whole user with this id, as durably as insert. With `expectedHash` it is an atomic
   * compare-and-set on the stored `passwordHash`: of any number of updates that expect the same
   * hash and set another, exactly one returns true. An update that returned true is never
   * overwritten by one that expects the hash from before. Hashes are compared as text, code unit
   * by code unit, and the empty string is a hash like any other. Only the hash is compared: a
   * change of `username` or `createdAt` alone can be overwritten by a concurrent update.
   *
   * A store written for version 0.1 takes one argument and compares nothing. It still works,
   * because `Accounts` compares before it calls `update`. A password change between these two steps
   * is lost.
   * @param expectedHash the hash that must be stored; if it is undefined, any hash is replaced
   * @returns false, and nothing has changed, if the user does not exist or has another hash
   */
  update(user: User, expectedHash?: string): boolean | Promise<boolean>;
  /** Finishes the writes under way and releases all resources. */
  close?(): void | Promise<void>;
}
