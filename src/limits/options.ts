/**
 * The option `limits` of `Accounts` and `JwtAuth`: its check, and the rate limiter that it makes.
 */
import { expecting, type Check } from '../options.ts';
import { isObject } from '../values.ts';
import { MemoryCounts } from './memory.ts';
import { Throttle, type LimitOptions } from './throttle.ts';

/** Checks the option. `throttleOf` checks its members. */
export const limitsCheck: Check = expecting('false or an object of limits', (value) => {
  return value === false || isObject(value);
});

/**
 * @param limits default: the defaults of {@link LimitOptions}
 * @param now seconds since 1970; default: a monotonic clock, set to the system's time when the
 *   process starts. Later changes of the system's time have no effect.
 * @returns a rate limiter, with counts of its own in memory unless `limits` has `counts`; undefined
 *   for `false`
 * @throws TypeError or RangeError if a member is unknown, of the wrong kind or out of bounds
 */
export function throttleOf(
  limits: LimitOptions | false = {},
  now: () => number = steadyNow,
): Throttle | undefined {
  return limits === false ? undefined : new Throttle(limits, new MemoryCounts(now));
}

function steadyNow(): number {
  return (performance.timeOrigin + performance.now()) / 1000;
}
