/** The options of Sessions, their checks and their defaults. */
import {
  aFunction,
  checkedClock,
  integerBetween,
  objectWith,
  readOptions,
  trueOrFalse,
  type Checks,
} from '../options.ts';
import type { SessionPolicy } from './rules.ts';
import type { SessionStore } from './store.ts';

/** Where sessions are kept, and how long they live. */
export interface SessionsOptions {
  /** The store that keeps the sessions. Servers that share users share it too. */
  readonly store: SessionStore;
  /**
   * A session ends when it was not refreshed for this time, in seconds; at least 1, at least the
   * lifetime of access tokens, and at most `maxSeconds`. Default 14 days.
   */
  readonly idleSeconds?: number;
  /** A session ends this long after its login, in seconds, whatever happens. Default 30 days. */
  readonly maxSeconds?: number;
  /**
   * Grace period in seconds, 0 to 3600 and at most half of `idleSeconds`: for this long after a
   * refresh, the previous refresh token still works, even if the new tokens were used. So two tabs
   * of a browser may refresh at the same moment. Default 10, or half of `idleSeconds` if that is
   * less. A refresh with the new token in this time does not put off the idle end.
   */
  readonly graceSeconds?: number;
  /**
   * How many refreshable sessions a user may have; 1 to 500, default 50. One more login ends the
   * session that was refreshed longest ago.
   */
  readonly maxSessions?: number;
  /** Whether guards refuse tokens without a session; default false. */
  readonly isRequired?: boolean;
  /** The clock, in seconds since 1970. Default: the system's clock. */
  readonly now?: () => number;
}

const FOURTEEN_DAYS = 14 * 86_400;
const THIRTY_DAYS = 30 * 86_400;
const DEFAULT_GRACE_SECONDS = 10;
const MAX_GRACE_SECONDS = 3600;
const DEFAULT_MAX_SESSIONS = 50;

/**
 * About 317 years. With it, `now + maxSeconds` stays below the year 9999, the latest time in a
 * token.
 */
const MAX_LIFETIME_SECONDS = 10_000_000_000;

const OPTION_CHECKS: Checks<SessionsOptions> = {
  store: objectWith('find', 'put'),
  idleSeconds: integerBetween(1, MAX_LIFETIME_SECONDS),
  maxSeconds: integerBetween(1, MAX_LIFETIME_SECONDS),
  graceSeconds: integerBetween(0, MAX_GRACE_SECONDS),
  maxSessions: integerBetween(1, 500),
  isRequired: trueOrFalse,
  now: aFunction,
};

/** The options with all defaults. */
export interface SessionsSettings {
  readonly store: SessionStore;
  readonly policy: SessionPolicy;
  readonly maxSeconds: number;
  readonly isRequired: boolean;
  readonly now: () => number;
}

/** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
export function settingsOf(options: SessionsOptions): SessionsSettings {
  const given = readOptions(options, OPTION_CHECKS, ['store']);
  // If the caller sets one of the two, the default of the other is adapted to it.
  const maxSeconds = given.maxSeconds ?? Math.max(THIRTY_DAYS, given.idleSeconds ?? 0);
  const idleSeconds = given.idleSeconds ?? Math.min(FOURTEEN_DAYS, maxSeconds);
  integerBetween(1, maxSeconds, ' ("maxSeconds")')('idleSeconds', idleSeconds);
  // In the grace period a refresh writes nothing, so it does not put off the idle end. With this
  // limit, such a client still has at least half of `idleSeconds` for its next refresh.
  const maxGraceSeconds = Math.min(MAX_GRACE_SECONDS, Math.floor(idleSeconds / 2));
  const graceSeconds = given.graceSeconds ?? Math.min(DEFAULT_GRACE_SECONDS, maxGraceSeconds);
  integerBetween(0, maxGraceSeconds, ' (half of "idleSeconds")')('graceSeconds', graceSeconds);
  return {
    store: given.store,
    policy: {
      idleSeconds,
      graceSeconds,
      maxSessions: given.maxSessions ?? DEFAULT_MAX_SESSIONS,
    },
    maxSeconds,
    isRequired: given.isRequired ?? false,
    now: checkedClock(given.now),
  };
}
