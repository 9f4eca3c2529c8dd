/**
 * Remembers the limits that are reached even without the tries in flight. Until enough of the tries
 * that have ended are forgotten, such a limit refuses every try, without a query of the counts.
 * Promise: bounded memory. There are at most 100,000 refusals; the oldest one is evicted.
 * Accepted: a refusal lasts until its time, even if the counts are deleted or their clock is set
 * forward.
 */

import type { Limit } from './counts.ts';
import { setBounded } from './memory.ts';

interface Refusal {
  readonly maxTries: number;
  /** In seconds, by the monotonic clock. */
  readonly until: number;
}

export class CertainRefusals {
  readonly #byKey = new Map<string, Refusal>();

  /** @param seconds until enough of the tries that have ended are forgotten */
  add({ key, maxTries }: Limit, seconds: number): void {
    setBounded(this.#byKey, key, { maxTries, until: monotonicSeconds() + seconds });
  }

  /** @returns the whole seconds for which one of the limits refuses every try; 0 if none does */
  waitSeconds(limits: readonly Limit[]): number {
    const now = monotonicSeconds();
    const waits = limits.map(({ key, maxTries }) => {
      const refusal = this.#byKey.get(key);
      if (refusal === undefined) return 0;
      if (refusal.until <= now) this.#byKey.delete(key);
      // One key has two maximums: for known and for unknown networks. Tries that reach the higher
      // one reach the lower one too.
      return maxTries <= refusal.maxTries ? refusal.until - now : 0;
    });
    return Math.ceil(Math.max(0, ...waits));
  }
}

function monotonicSeconds(): number {
  return performance.now() / 1000;
}
