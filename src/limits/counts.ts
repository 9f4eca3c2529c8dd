/**
 * The port between limits and the place where tries are counted. Each method may answer at once, as
 * in memory, or with a promise, as a database would.
 */

import type { MaybePromise } from '../maybe-promise.ts';

/** What is counted. A flood of keys of one kind must not push out those of another. */
export type LimitKind = 'account' | 'account and network' | 'network' | 'signups';

/** At most `maxTries` tries under one key in any period of `windowSeconds`. */
export interface Limit {
  readonly kind: LimitKind;
  /** Whose tries are counted, in at most 64 ASCII characters. */
  readonly key: string;
  readonly maxTries: number;
  /** The same for each limit of one kind. */
  readonly windowSeconds: number;
}

/** Counts tries, and remembers from which networks an account has logged in. */
export interface Counts {
  /**
   * Begins a try that counts under each of the limits until it ends. Atomic: of any number of tries
   * that begin at once, no more begin than each limit allows. Where one limit is reached, nothing
   * is counted under the others. A count that outlives the process ends a try by itself, a window
   * after it began, since the process may end before it.
   * @returns 0 if the try has begun, otherwise the whole seconds to wait, at least 1
   */
  begin(limits: readonly Limit[]): MaybePromise<number>;
  /**
   * Ends a try that has begun, with the same limits.
   * @param isCounted whether it goes on counting, for a window from now
   */
  end(limits: readonly Limit[], isCounted: boolean): MaybePromise<void>;
  /** @returns the three networks where this account logged in last, or fewer, the newest first */
  networksOf(account: string): MaybePromise<readonly string[]>;
  /** Remembers a network of an account, and forgets all but the last three. */
  addNetwork(account: string, network: string): MaybePromise<void>;
}
