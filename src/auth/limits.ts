/** How much may go on at once: a run of scrypt takes 128·N·r bytes and a thread that files need as well. */
import { AuthError } from '../errors.ts';

/** Runs jobs first come first served: so many at once, so many waiting, and no more. */
export class WorkQueue {
  readonly #maxConcurrent: number;
  readonly #maxQueued: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(maxConcurrent: number, maxQueued: number) {
    this.#maxConcurrent = maxConcurrent;
    this.#maxQueued = maxQueued;
  }

  /** @throws AuthError ERR_BUSY at once, if too many are waiting; otherwise what the job throws */
  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#running < this.#maxConcurrent) {
      this.#running += 1;
    } else {
      if (this.#waiting.length >= this.#maxQueued) throw new AuthError('ERR_BUSY', { headers: { 'Retry-After': '5' } });
      // Whoever ends hands its place over, so the number of those running stays the same.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
