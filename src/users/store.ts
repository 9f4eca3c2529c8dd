/**
 * The port between users and whatever keeps them. A store knows no HTTP, no tokens and no hashing: to it a password
 * hash is an opaque string, and an id any string.
 */

/** One account. */
export interface User {
  /** The canonical username: the key of the store, and what a token carries as its identity. */
  readonly id: string;
  /** The username as it was first written: what people are greeted with. */
  readonly username: string;
  /** A PHC string, or one of Werkzeug for a user brought over from Flask. */
  readonly passwordHash: string;
  /** When the account was made: ISO 8601, UTC. */
  readonly createdAt: string;
}

/** What is kept of a user: neither the caller's own object, nor one that whoever finds it could change. */
export function copyOf({ id, username, passwordHash, createdAt }: User): User {
  return Object.freeze({ id, username, passwordHash, createdAt });
}

/**
 * Keeps users. Every method may answer at once or with a promise; where it cannot answer, it throws
 * AuthError ERR_STORE or rejects with it. `latchkey/store-contract` has the tests that a store must pass.
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
   * Replaces the user with this id, as durably as insert.
   * @returns false if there is no such user
   */
  update(user: User): boolean | Promise<boolean>;
  /** Ends what is under way and releases what is held. */
  close?(): void | Promise<void>;
}
