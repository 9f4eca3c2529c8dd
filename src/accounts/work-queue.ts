/**
 * A bounded queue for hashing: a run of scrypt takes 128·N·r bytes, and a thread that files need.
 * Promise: one client cannot keep the others out. The clients that wait take turns, and where the
 * queue is full, the client with most places gives up its last one to a client with fewer.
 * Accepted: an attacker with many networks can fill the queue, one place for each of them.
 */
import { availableParallelism } from 'node:os';
import { env } from 'node:process';
import { AuthError } from '../errors.ts';
import { EVENTS } from '../events.ts';

/** What libuv reads when Node starts; what is set later changes nothing. */
const POOL_THREADS = Number.parseInt(env['UV_THREADPOOL_SIZE'] ?? '4', 10) || 1;

/** One for each core, but not every thread of libuv's pool, because files need one; at least 1. */
export function usualConcurrency(): number {
  return Math.max(1, Math.min(availableParallelism(), POOL_THREADS - 1));
}

/** Whose job it is. Places are shared among clients first, and then among kinds of jobs. */
export interface JobOwner {
  /** Names who asked for it, such as the network of a request. */
  readonly client: string;
  /** Logins alone, or signups alone, could otherwise keep the others out. */
  readonly kind: string;
}

interface Job {
  readonly owner: JobOwner;
  /** Ends the waiting: the job starts, or is refused. */
  readonly endWaiting: (refusal?: AuthError) => void;
}

/** Runs jobs: at most so many at once, so many waiting, and no more. */
export class WorkQueue {
  readonly #maxConcurrent: number;
  readonly #maxQueued: number;
  readonly #running = new Set<JobOwner>();
  /** In the order in which they came. */
  readonly #waiting: Job[] = [];
  /** For each client with a job here: when its latest job started, counted in starts. */
  readonly #latestStarts = new Map<string, number>();
  #starts = 0;

  constructor(maxConcurrent: number, maxQueued: number) {
    this.#maxConcurrent = maxConcurrent;
    this.#maxQueued = maxQueued;
  }

  /**
   * @param signal gives the place up; a job that runs is not stopped
   * @throws AuthError ERR_BUSY, at once or when another client needs the place; ERR_ABORTED; what
   *   the job throws
   */
  async run<T>(owner: JobOwner, job: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) throw new AuthError('ERR_ABORTED');
    // An object of its own: one client may run several jobs.
    const running = { ...owner };
    // A newcomer comes before the client that started last, and after all that have waited longer.
    if (!this.#latestStarts.has(owner.client)) {
      this.#latestStarts.set(owner.client, this.#starts - 1);
    }
    try {
      if (this.#running.size < this.#maxConcurrent) this.#start(running);
      else await this.#wait(running, signal);
    } catch (error) {
      this.#forgetIfGone(running.client);
      throw error;
    }
    try {
      return await job();
    } finally {
      this.#running.delete(running);
      this.#startNext();
      this.#forgetIfGone(running.client);
    }
  }

  /** Called while the place is free, so that no job which comes in between can take it. */
  #start(owner: JobOwner): void {
    this.#running.add(owner);
    this.#starts += 1;
    this.#latestStarts.set(owner.client, this.#starts);
  }

  /** Starts the first job of the client whose latest job started longest ago. */
  #startNext(): void {
    const [first, ...others] = this.#waiting;
    if (first === undefined) return;
    const latestStart = (job: Job): number => this.#latestStarts.get(job.owner.client) ?? 0;
    const next = others.reduce(
      (best, job) => (latestStart(job) < latestStart(best) ? job : best),
      first,
    );
    this.#removeWaiting(next);
    this.#start(next.owner);
    next.endWaiting();
  }

  #wait(owner: JobOwner, signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.length >= this.#maxQueued) this.#makeRoom(owner);
    return new Promise((resolve, reject) => {
      const leave = (): void => this.#refuse(job, new AuthError('ERR_ABORTED'));
      const endWaiting = (refusal?: AuthError): void => {
        signal?.removeEventListener('abort', leave);
        if (refusal === undefined) resolve();
        else reject(refusal);
      };
      const job = { owner, endWaiting };
      this.#waiting.push(job);
      signal?.addEventListener('abort', leave);
    });
  }

  /** @throws AuthError ERR_BUSY if no client, and no kind of job, has more places than its share */
  #makeRoom(owner: JobOwner): void {
    if (EVENTS.overload.hasSubscribers) {
      EVENTS.overload.publish({ running: this.#running.size, waiting: this.#waiting.length });
    }
    const busy = new AuthError('ERR_BUSY', { headers: { 'Retry-After': '5' } });
    const displaced = this.#lastOfLargestClient(owner) ?? this.#lastOfLargestKind(owner);
    if (displaced === undefined) throw busy;
    this.#refuse(displaced, busy);
  }

  /**
   * @returns the last job of the client with most places, if it has two more than that of `owner`
   */
  #lastOfLargestClient(owner: JobOwner): Job | undefined {
    const places = this.#placesBy('client');
    return lastOfLargest(this.#waiting, places, 'client', owner);
  }

  /** As for clients, among jobs of clients that have no fewer places than the newcomer then. */
  #lastOfLargestKind(owner: JobOwner): Job | undefined {
    const places = this.#placesBy('client');
    const placesThen = (places.get(owner.client) ?? 0) + 1;
    const candidates = this.#waiting.filter(({ owner: { client } }) => {
      return client === owner.client || (places.get(client) ?? 0) >= placesThen;
    });
    return lastOfLargest(candidates, this.#placesBy('kind'), 'kind', owner);
  }

  /** @returns how many jobs of each client, or of each kind, run or wait */
  #placesBy(group: keyof JobOwner): Map<string, number> {
    const places = new Map<string, number>();
    for (const owner of this.#owners()) {
      places.set(owner[group], (places.get(owner[group]) ?? 0) + 1);
    }
    return places;
  }

  #owners(): JobOwner[] {
    return [...this.#running, ...this.#waiting.map((job) => job.owner)];
  }

  #refuse(job: Job, refusal: AuthError): void {
    this.#removeWaiting(job);
    job.endWaiting(refusal);
  }

  #removeWaiting(job: Job): void {
    this.#waiting.splice(this.#waiting.indexOf(job), 1);
  }

  #forgetIfGone(client: string): void {
    const isHere = this.#owners().some((owner) => owner.client === client);
    if (!isHere) this.#latestStarts.delete(client);
  }
}

/**
 * @returns the last job of the largest group, if it has two places more than that of `owner`
 */
function lastOfLargest(
  jobs: readonly Job[],
  places: ReadonlyMap<string, number>,
  group: keyof JobOwner,
  owner: JobOwner,
): Job | undefined {
  const placesOf = (other: JobOwner): number => places.get(other[group]) ?? 0;
  const most = jobs.reduce((largest, job) => Math.max(largest, placesOf(job.owner)), 0);
  if (placesOf(owner) + 1 >= most) return undefined;
  return jobs.findLast((job) => placesOf(job.owner) === most);
}
