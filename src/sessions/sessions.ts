/**
 * Logins that can be refreshed, listed and ended. A `JwtAuth` that has Sessions makes every login a
 * session, and its guards ask for the session of each token.
 * Promise: nothing is cached. A session that one server has ended is refused by every server at the
 * next request. Each change of a user's sessions is a rule, a pure function of `rules.ts`, whose
 * result is stored by compare-and-set.
 */
import { randomBytes } from 'node:crypto';
import { AuthError, isAuthError } from '../errors.ts';
import { andThen, isPromise, type MaybePromise } from '../maybe-promise.ts';
import { aString, expecting, readOptions, trueOrFalse, type Checks } from '../options.ts';
import { settingsOf, type SessionsOptions } from './options.ts';
import { RecordChanges, type Rule } from './record-changes.ts';
import * as rules from './rules.ts';
import type { RefreshResult, SessionPolicy } from './rules.ts';
import type { Session, SessionRecord, SessionStore } from './store.ts';
import { UseTries } from './use-tries.ts';

/** A session, as its user and an administrator may see it. Times are in seconds since 1970. */
export type SessionInfo = Pick<
  Session,
  'id' | 'isRefreshable' | 'startedAt' | 'refreshedAt' | 'endsAt' | 'agent'
>;

/** What a login says about its session. */
export interface SessionStart {
  /** Whether the client gets a refresh token. */
  readonly isRefreshable: boolean;
  /** The absolute end, in seconds since 1970; default and maximum: `maxSeconds` from now. */
  readonly endsAt?: number;
  /** The User-Agent of the client, if it sent one. */
  readonly agent?: string | undefined;
}

const MAX_AGENT_LENGTH = 200;

const START_CHECKS: Checks<SessionStart> = {
  isRefreshable: trueOrFalse,
  endsAt: expecting('a finite number', Number.isFinite, 'number'),
  agent: aString,
};

/**
 * The sessions of all users of a service.
 * @example
 * const sessions = new Sessions({ store: new MemorySessionStore() });
 * const app = createApp({ secret, users, sessions });
 * await sessions.endAll('joe');
 */
export class Sessions {
  /** Whether guards refuse tokens without a session. */
  readonly isRequired: boolean;
  /** A session ends when it was not refreshed for this time, in seconds. */
  readonly idleSeconds: number;
  /** A session ends this long after its login, in seconds. */
  readonly maxSeconds: number;
  readonly #store: SessionStore;
  readonly #policy: SessionPolicy;
  readonly #now: () => number;
  readonly #changes: RecordChanges;
  readonly #useTries = new UseTries();

  /**
   * Makes the sessions over a store, which several servers may share.
   * @example
   * new Sessions({ store, idleSeconds: 86_400 });
   * @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds
   */
  constructor(options: SessionsOptions) {
    const { store, policy, maxSeconds, isRequired, now } = settingsOf(options);
    this.isRequired = isRequired;
    this.idleSeconds = policy.idleSeconds;
    this.maxSeconds = maxSeconds;
    this.#store = store;
    this.#policy = policy;
    this.#now = () => Math.floor(now());
    this.#changes = new RecordChanges(store, this.#now);
  }

  /**
   * Lists the sessions of a user.
   * @param userId the identity in the user's tokens, or its JSON text if it is not a string
   * @returns the sessions of the user that have not ended; the first one was refreshed last
   * @throws TypeError if `userId` is not a string
   * @throws AuthError ERR_STORE
   */
  async list(userId: string): Promise<SessionInfo[]> {
    aString('userId', userId);
    return this.#read(userId, (record) => {
      return rules.liveSessions(record, this.#now(), this.#policy).map(infoOf).reverse();
    });
  }

  /**
   * Ends a session. Its tokens are refused at the next request.
   * @returns whether the user had this session
   * @throws TypeError if `userId` is not a string
   * @throws AuthError ERR_STORE
   */
  async end(userId: string, sessionId: string): Promise<boolean> {
    aString('userId', userId);
    return this.#changes.apply(userId, (record, now) => {
      const next = rules.end(record, sessionId, now, this.#policy);
      return { record: next, result: next !== record };
    });
  }

  /**
   * Ends all sessions of a user but one, and all tokens without a session that were issued until
   * now. They are refused at the next request.
   * @param except the id of the session that stays, such as that of the request
   * @returns how many sessions have ended
   * @throws TypeError if `userId` is not a string
   * @throws AuthError ERR_STORE
   */
  async endAll(userId: string, except?: string): Promise<number> {
    aString('userId', userId);
    return this.#changes.apply(userId, (record, now) => {
      const next = rules.endAll(record, except, now, this.#policy);
      const before = rules.liveSessions(record, now, this.#policy).length;
      return { record: next, result: before - next.sessions.length };
    });
  }

  /**
   * Finds out whether the store works at this moment, for a health check. A store without the
   * method `check` is only read.
   * @throws AuthError ERR_STORE if it cannot read or write
   */
  async checkStore(): Promise<void> {
    const store = this.#store;
    if (store.check === undefined) await store.find('');
    else await store.check();
  }

  /**
   * Begins a session. `JwtAuth` calls this at a login.
   * @throws TypeError or RangeError if an argument or a member is of the wrong kind or not finite
   * @throws AuthError ERR_STORE
   * @throws AuthError ERR_SESSION_ENDED if `endsAt` has passed
   */
  async start(userId: string, options: SessionStart): Promise<Session> {
    aString('userId', userId);
    const { isRefreshable, endsAt, agent } = readOptions(options, START_CHECKS, ['isRefreshable']);
    const id = randomBytes(16).toString('base64url');
    return this.#changes.apply(userId, (record, now) => {
      const latestEnd = now + this.maxSeconds;
      const newSession = {
        id,
        isRefreshable,
        endsAt: Math.min(endsAt ?? latestEnd, latestEnd),
        agent: printable(agent ?? ''),
      };
      const next = rules.start(record, newSession, now, this.#policy);
      const session = next.sessions.find((candidate) => candidate.id === id);
      // A session whose end has come already is not in the record.
      if (session === undefined) throw new AuthError('ERR_SESSION_ENDED');
      return { record: next, result: session };
    });
  }

  /**
   * Answers a refresh token whose signature was verified. `JwtAuth` calls this.
   * @param sessionId the claim `sid`
   * @param generation the claim `gen`
   * @throws AuthError ERR_STORE
   */
  async refresh(userId: string, sessionId: unknown, generation: unknown): Promise<RefreshResult> {
    return this.#changes.apply(userId, (record, now) => {
      return rules.refresh(record, sessionId, generation, now, this.#policy);
    });
  }

  /**
   * Finds the session of an access token whose signature was verified. Guards call this at each
   * request. It stores the first use of a new generation: from then on, once the grace period is
   * over, the previous refresh token counts as stolen. If this write fails, the request still
   * passes.
   * @param sessionId the claim `sid`
   * @param generation the claim `gen`
   * @returns the session, or undefined if it has ended; a promise only if the store returns one
   * @throws AuthError ERR_STORE
   */
  check(
    userId: string,
    sessionId: unknown,
    generation: unknown,
  ): Session | undefined | Promise<Session | undefined> {
    return this.#read(userId, (record) => {
      const now = this.#now();
      const session = rules.findSession(record, sessionId, now, this.#policy);
      if (session === undefined || !rules.isFirstUse(session, generation)) return session;
      return this.#rememberUse(userId, session, now);
    });
  }

  /**
   * Decides about a token without a session: another program with the same secret made it, or it is
   * from the time before there were sessions.
   * @param issuedAt the claim `iat`
   * @param leewaySeconds by how much clocks may differ
   * @returns false if sessions are required, if `issuedAt` is not a number, or if all sessions of
   *   the user were ended since; a promise only if the store returns one
   * @throws AuthError ERR_STORE
   */
  acceptsWithoutSession(
    userId: string,
    issuedAt: unknown,
    leewaySeconds: number,
  ): boolean | Promise<boolean> {
    if (this.isRequired || typeof issuedAt !== 'number') return false;
    return this.#read(userId, (record) => {
      return rules.isAfterEndOfAll(record, issuedAt, leewaySeconds);
    });
  }

  /**
   * Reads the end from a session that the store returned.
   * @returns when the session ends unless it is refreshed, in seconds since 1970
   */
  endOf(session: Session): number {
    return rules.endOf(session, this.#policy);
  }

  /** Calls `use` with the record of a user; with an empty one if the store has none. */
  #read<Result>(
    userId: string,
    use: (record: SessionRecord) => MaybePromise<Result>,
  ): Result | Promise<Result> {
    return andThen(this.#store.find(userId), (found) => use(found ?? rules.NO_RECORD));
  }

  /** @returns the session; undefined if it has ended in the meantime */
  #rememberUse(userId: string, session: Session, now: number): MaybePromise<Session | undefined> {
    const { id, generation } = session;
    if (!this.#useTries.begin(id, generation, now)) return session;
    const use: Rule<Session | undefined> = (record, time) => {
      const next = rules.use(record, id, generation, time, this.#policy);
      return { record: next, result: rules.findSession(next, id, time, this.#policy) };
    };
    const remember = () => {
      return andThen(this.#changes.apply(userId, use), (latest) => {
        this.#useTries.succeed(id, generation);
        return latest;
      });
    };
    return resultOrFallback(remember, session);
  }
}

function infoOf(session: Session): SessionInfo {
  const { id, isRefreshable, startedAt, refreshedAt, endsAt, agent } = session;
  return { id, isRefreshable, startedAt, refreshedAt, endsAt, agent };
}

/** @returns at most 200 characters, with `?` in place of each that is not printable ASCII */
function printable(agent: string): string {
  return agent.slice(0, MAX_AGENT_LENGTH).replace(/[^ -~]/g, '?');
}

/** @returns the result of a job; the fallback in place of an AuthError. Other errors are thrown. */
function resultOrFallback<T>(job: () => T | Promise<T>, fallback: T): MaybePromise<T> {
  const recover = (error: unknown) => {
    if (!isAuthError(error)) throw error;
    return fallback;
  };
  try {
    const done = job();
    return isPromise(done) ? done.catch(recover) : done;
  } catch (error) {
    return recover(error);
  }
}
