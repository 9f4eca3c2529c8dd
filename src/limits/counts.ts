/**
 * The port between the rate limiter and a store of its counts. Each method may answer at once, as
 * `MemoryCounts` does, or with a promise, as a database would.
 */

import type { MaybePromise } from '../maybe-promise.ts';

/** What is counted. A flood of keys of one kind must not evict those of another. */
export type LimitKind = 'account' | 'account and network' | 'network' | 'signups';

/** At most `maxTries` tries under one key in any period of `windowSeconds`: a sliding window. */
export interface Limit {
  readonly kind: LimitKind;
  /** The account, the network or both, as at most 64 ASCII characters. */
  readonly key: string;
  readonly maxTries: number;
  /** The same for all limits of one kind. */
  readonly windowSeconds: number;
}

/** Counts tries, and remembers from which networks an account has logged in. */
export interface Counts {
  /**
   * Begins a try, which counts under each of the limits until it ends. Atomic: of any number of
   * tries at once, no more begin than each limit allows. If one limit is reached, nothing counts
   * under the others. A store that outlives the process ends a try by itself, one window after it
   * began, because the process may end first.
   * @returns 0 if the try has begun, otherwise the whole seconds to wait, at least 1
   */
  begin(limits: readonly Limit[]): MaybePromise<number>;
  /**
   * Ends a try that has begun, with the same limits.
   * @param isCounted whether the try goes on counting, for one window from now
   */
  end(limits: readonly Limit[], isCounted: boolean): MaybePromise<void>;
  /** @returns the last three networks where this account logged in, or fewer, newest first */
  networksOf(account: string): MaybePromise<readonly string[]>;
  /** Remembers a network of an account, and forgets all but the last three. */
  addNetwork(account: string, network: string): MaybePromise<void>;
}
