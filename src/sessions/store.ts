/**
 * The interface between sessions and the stores that keep them. A store knows nothing of tokens,
 * lifetimes or HTTP. It keeps one record for each user, with all sessions of that user, so that
 * each change of a user's sessions is one atomic write.
 * Promise: a reader of the records cannot log in with them. A refresh token is a signature over the
 * id and the generation of a session, and the store does not have the secret.
 */

/** One login. All times are seconds since 1970. */
export interface Session {
  /** 128 random bits in base64url. It identifies the session. Knowing it gives no access. */
  readonly id: string;
  /** How many times the refresh token was replaced: 0 at the login. */
  readonly generation: number;
  /** Whether a guard has accepted an access token of this generation; false at generation 0. */
  readonly isUsed: boolean;
  /** Whether the client got a refresh token. */
  readonly isRefreshable: boolean;
  /** When the client logged in. */
  readonly startedAt: number;
  /** When the current refresh token was issued: at the login or at the last refresh. */
  readonly refreshedAt: number;
  /** The absolute end, which no refresh moves. */
  readonly endsAt: number;
  /** The User-Agent of the login: at most 200 printable ASCII characters; '' if it had none. */
  readonly agent: string;
}

/** All sessions of one user. Stores and rules never change a record: they replace it. */
export interface SessionRecord {
  /** 1 for the first record of a user, and one more for each that replaces it. */
  readonly version: number;
  /** When all sessions of the user were last ended at once, in seconds since 1970; 0 for never. */
  readonly endedAt: number;
  /** In the order of their last refresh or, before the first one, of their login. */
  readonly sessions: readonly Session[];
}

/**
 * Keeps sessions. Every method may return a value or a promise. A method that cannot do its work
 * throws AuthError ERR_STORE, or rejects with it. The tests that a store must pass are in
 * `latchkey/store-contract`.
 */
export interface SessionStore {
  /**
   * Finds the sessions of a user.
   * @returns the record of exactly this user, or undefined. The caller does not change it.
   */
  find(userId: string): SessionRecord | undefined | Promise<SessionRecord | undefined>;
  /**
   * An atomic compare-and-set: stores the record if its version is one more than that of the stored
   * record, or 1 if there is none. Of any number of overlapping calls with one version, exactly one
   * returns true. When it does, the record is as durable as this store makes records.
   * @param record the store keeps a copy, or the object itself if it is frozen
   * @returns false if another version is stored
   */
  put(userId: string, record: SessionRecord): boolean | Promise<boolean>;
  /**
   * Returns normally if the store can read and write at this moment.
   * @throws AuthError ERR_STORE if it cannot, with the reason as its cause
   */
  check?(): void | Promise<void>;
  /** Finishes all writes that began before the call, and releases what the store holds. */
  close?(): void | Promise<void>;
}

/** @returns a deeply frozen copy, which no caller of `put` or `find` can change */
export function copyOfRecord({ version, endedAt, sessions }: SessionRecord): SessionRecord {
  return Object.freeze({ version, endedAt, sessions: Object.freeze(sessions.map(copyOfSession)) });
}

function copyOfSession(session: Session): Session {
  const { id, generation, isUsed, isRefreshable, startedAt, refreshedAt, endsAt, agent } = session;
  return Object.freeze({
    id,
    generation,
    isUsed,
    isRefreshable,
    startedAt,
    refreshedAt,
    endsAt,
    agent,
  });
}

/** The comparison of a compare-and-set. @returns whether `put` may replace the stored record */
export function mayReplaceRecord(
  stored: SessionRecord | undefined,
  { version }: SessionRecord,
): boolean {
  return version === (stored?.version ?? 0) + 1;
}
