/** A bounded queue for hashing: a run of scrypt takes 128·N·r bytes, and a thread that files need as well. */
import { availableParallelism } from 'node:os';
import { env } from 'node:process';
import { AuthError } from '../errors.ts';
import { EVENTS } from '../events.ts';

/** What libuv reads when Node starts; what is set later changes nothing. */
const POOL_THREADS = Number.parseInt(env['UV_THREADPOOL_SIZE'] ?? '4', 10) || 1;

/** One for each core, but never every thread of libuv's pool, so that files stay served; at least 1. */
export function usualConcurrency(): number {
  return Math.max(1, Math.min(availableParallelism(), POOL_THREADS - 1));
}

interface Waiting {
  readonly kind: string;
  /** Ends the waiting: the job starts, or is refused. */
  readonly end: (refusal?: AuthError) => void;
}

/** Runs jobs first come first served: so many at once, so many waiting, and no more. */
export class WorkQueue {
  readonly #maxConcurrent: number;
  readonly #maxQueued: number;
  readonly #waiting: Waiting[] = [];
  #running = 0;

  constructor(maxConcurrent: number, maxQueued: number) {
    this.#maxConcurrent = maxConcurrent;
    this.#maxQueued = maxQueued;
  }

  /**
   * @param kind of job. Where all places are taken, a kind that has less than its half gets the last one of another
   * @param signal gives the place up; a job that runs is not stopped
   * @throws AuthError ERR_BUSY, at once or when another kind needs the place; ERR_ABORTED; what the job throws
   */
  async run<T>(kind: string, job: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) throw new AuthError('ERR_ABORTED');
    if (this.#running < this.#maxConcurrent) this.#running += 1;
    else await this.#wait(kind, signal);
    try {
      return await job();
    } finally {
      // Whoever ends hands its place over, so the number of those running stays the same.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next.end();
    }
  }

  #wait(kind: string, signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.length >= this.#maxQueued) this.#makeRoom(kind);
    return new Promise((resolve, reject) => {
      const leave = () => this.#refuse(waiting, new AuthError('ERR_ABORTED'));
      const end = (refusal?: AuthError) => {
        signal?.removeEventListener('abort', leave);
        if (refusal === undefined) resolve();
        else reject(refusal);
      };
      const waiting = { kind, end };
      this.#waiting.push(waiting);
      signal?.addEventListener('abort', leave);
    });
  }

  /** Logins alone, or signups alone, could otherwise keep the others out. The last of them has waited least. */
  #makeRoom(kind: string): void {
    const { length } = this.#waiting;
    if (EVENTS.overload.hasSubscribers) EVENTS.overload.publish({ running: this.#running, waiting: length });
    const busy = new AuthError('ERR_BUSY', { headers: { 'Retry-After': '5' } });
    const others = this.#waiting.filter((it) => it.kind !== kind);
    const last = others.at(-1);
    const ownThen = length - others.length + 1;
    if (last === undefined || ownThen * 2 > length) throw busy;
    this.#refuse(last, busy);
  }

  #refuse(waiting: Waiting, refusal: AuthError): void {
    this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
    waiting.end(refusal);
  }
}
