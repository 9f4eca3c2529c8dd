/**
 * The interface between the rate limiter and the store of its counts. Each method may return a
 * plain value, as in `MemoryCounts`, or a promise, as in `PostgresLimitCounts`. If `begin` or
 * `networksOf` rejects, the login or the signup fails, and no password is checked.
 */

import type { MaybePromise } from '../maybe-promise.ts';

/** What the tries are counted by. `signups` are counted by network. */
export type LimitKind =
  | 'account'
  | 'account and network'
  | 'account and session'
  | 'network'
  | 'signups';

/** At most `maxTries` tries under one key in any period of `windowSeconds`: a sliding window. */
export interface Limit {
  /** What the tries are counted by. */
  readonly kind: LimitKind;
  /** A hash of what the tries are counted by; at most 64 ASCII characters. */
  readonly key: string;
  /** How many tries may count at once, at least 1. */
  readonly maxTries: number;
  /** The same for all limits of one kind. */
  readonly windowSeconds: number;
}

/** A try that has begun, and counts under its limits. */
export interface Try {
  /**
   * Ends the try, once. If the store fails, it does not reject, because the outcome of the try
   * stands. The try then counts until one window after it began.
   * @param isCounted whether it still counts, for one window from now
   */
  end(isCounted: boolean): MaybePromise<void>;
}

/** How many networks are remembered for each account. */
export const KNOWN_NETWORKS_PER_ACCOUNT = 3;

/**
 * Counts tries, and remembers from which networks an account has logged in. A flood of keys of one
 * kind must not evict the keys of another kind.
 */
export interface LimitCounts {
  /**
   * Begins a try, which counts under each of the limits until it ends. The call is atomic: of any
   * number of tries at once, no more begin than each limit allows. If one limit is reached, the try
   * counts under none of them. A store that outlives the process must end each try at the latest
   * one window after it began, because the process may end without calling `end`.
   * @param limits of different keys
   * @returns the try if it has begun, otherwise the seconds to wait: a whole number, at least 1
   */
  begin(limits: readonly Limit[]): MaybePromise<Try | number>;
  /**
   * Lists the networks where an account logged in last.
   * @param accountKey the `key` of the limit of kind `account`
   * @returns the keys of these networks, newest first; at most {@link KNOWN_NETWORKS_PER_ACCOUNT}
   */
  networksOf(accountKey: string): MaybePromise<readonly string[]>;
  /**
   * Remembers the network of a login, and forgets the oldest one beyond the maximum. If the store
   * fails, it does not reject, because the login has succeeded.
   * @param networkKey a hash of the account and the network; at most 64 ASCII characters
   */
  addNetwork(accountKey: string, networkKey: string): MaybePromise<void>;
}
