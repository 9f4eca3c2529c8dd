/**
 * Statements that run a few at a time, first come, first served, so that other statements find
 * connections in the pool of the program.
 */
import { changedRefusal, isAuthError } from '../errors.ts';
import { MAX_WAIT_MS } from './database.ts';

/** A statement that waits for its turn. */
interface Waiting {
  /** By `performance.now()`. */
  readonly askedAt: number;
  readonly begin: () => void;
  readonly fail: (error: unknown) => void;
}

export class StatementQueue {
  readonly #maxRunning: number;
  readonly #waiting = new Set<Waiting>();
  #running = 0;

  constructor(maxRunning: number) {
    this.#maxRunning = maxRunning;
  }

  /**
   * @param statement called when it is its turn
   * @returns as `statement`
   * @throws as `statement`, or the error of another one that failed while this one waited. Each
   *   caller gets an AuthError of its own, because programs change it.
   */
  async run<Result>(statement: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#maxRunning) this.#running += 1;
    else await this.#turn();
    try {
      return await statement();
    } catch (error) {
      this.#failOverdue(error);
      throw error;
    } finally {
      this.#passOn();
    }
  }

  #turn(): Promise<void> {
    return new Promise((begin, fail) => {
      this.#waiting.add({ askedAt: performance.now(), begin, fail });
    });
  }

  /** Gives the place of a statement to the one that has waited longest. */
  #passOn(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#waiting.delete(next);
    next.begin();
  }

  /** While the database hangs, no statement waits for the time-outs of all those before it. */
  #failOverdue(error: unknown): void {
    const latest = performance.now() - MAX_WAIT_MS;
    for (const waiting of this.#waiting) {
      if (waiting.askedAt > latest) return;
      this.#waiting.delete(waiting);
      waiting.fail(isAuthError(error) ? changedRefusal(error, {}) : error);
    }
  }
}
