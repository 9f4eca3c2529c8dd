/**
 * The port between users and whatever keeps them. A store knows no HTTP, no tokens and no hashing: to it a password
 * hash is an opaque string, and an id any string.
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

/** A frozen copy: neither the caller of `insert` nor a caller of `find` can change it. */
export function copyOf({ id, username, passwordHash, createdAt }: User): User {
  return Object.freeze({ id, username, passwordHash, createdAt });
}

/** The comparison of a compare-and-set. @returns whether `update` may replace what is stored */
export function mayReplace(stored: User | undefined, expectedHash: string | undefined): boolean {
  if (stored === undefined) return false;
  return expectedHash === undefined || stored.passwordHash === expectedHash;
}

/**
 * Keeps users. Every method may answer at once or with a promise; where it cannot answer, it throws
 * AuthError ERR_STORE or rejects with it. `latchkey/store-contract` has the tests that a store must pass.
 * An error that a store throws goes to logs as it is. It must not hold a hash, not even in its
 * `cause`, where drivers of databases put the parameters of a statement.
 */
export interface UserStore {
  /** @returns the user with exactly this id, or undefined */
  find(id: string): User | undefined | Promise<User | undefined>;
  /**
   * Atomic: of any number of inserts of one id, however they overlap, one answers true. When it does, the user is as
   * durable as this store makes anything.
   * @returns false if the id is taken
   */
  insert(user: User): boolean | Promise<boolean>;
  /**
   * Replaces the whole user with this id, as durably as insert. With `expectedHash` it is an atomic
   * compare-and-set on the stored `passwordHash`: of any number of updates that expect the same
   * hash and set another, one answers true, and an update that was answered is never overwritten by
   * one that expects the hash from before. The hashes are compared as text, code unit by code unit;
   * an empty `expectedHash` is a hash as any other. Only the hash is compared: a change of
   * `username` or `createdAt` alone, made at the same time, can be overwritten. A store of version
   * 0.1 takes one argument and compares nothing. It still works: `Accounts` compares before it
   * calls `update`, and what is lost is a password change that falls between these two steps.
   * @param expectedHash the hash that must be stored; without it, or where it is undefined, any
   *   hash is replaced
   * @returns false, and nothing has changed, if there is no such user or its hash is another than
   *   `expectedHash`
   */
  update(user: User, expectedHash?: string): boolean | Promise<boolean>;
  /** Ends what is under way and releases what is held. */
  close?(): void | Promise<void>;
}
