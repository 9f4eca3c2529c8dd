/**
 * Clients that retry a 429 or 503 immediately could monopolise the event loop, so a leaky bucket
 * delays such replies. If they come faster than the bucket leaks, it fills up. While it is full,
 * each further reply is delayed by a fixed time. src/http/limits.ts has the numbers.
 */
import { BUSY_REPLIES_BURST, BUSY_REPLIES_PER_SECOND, BUSY_REPLY_DELAY_MS } from './limits.ts';

/** A leaky bucket of the replies with status 429 or 503. */
export class BusyReplies {
  /** How full the bucket was at the last reply, in replies. */
  #level = 0;
  #levelAtMs = 0;

  /**
   * Puts a reply into the bucket, also one that is delayed.
   * @param nowMs milliseconds of a monotonic clock
   * @returns the milliseconds to wait before the reply is sent; 0 if it may be sent at once
   */
  add(status: number, nowMs: number = performance.now()): number {
    if (status !== 429 && status !== 503) return 0;
    const leaked = ((nowMs - this.#levelAtMs) / 1000) * BUSY_REPLIES_PER_SECOND;
    this.#level = Math.max(0, this.#level - leaked) + 1;
    this.#levelAtMs = nowMs;
    return this.#level > BUSY_REPLIES_BURST ? BUSY_REPLY_DELAY_MS : 0;
  }
}
