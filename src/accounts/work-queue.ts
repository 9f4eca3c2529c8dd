/**
 * A bounded queue for scrypt. Each run takes 128·N·r bytes and one thread of libuv's pool, which
 * file operations share.
 * Promise: fair queueing, so that one client cannot keep the others out. The waiting clients start
 * in round robin. When the queue is full, a newcomer displaces the newest waiting job of the client
 * with the most places.
 * Accepted: an attacker with many networks can fill the queue with one job from each of them.
 */
import { availableParallelism } from 'node:os';
import { env } from 'node:process';
import { AuthError } from '../errors.ts';
import { EVENTS } from '../events.ts';

/**
 * Threads of libuv's pool. Node has no API that tells this number, so it is read from the variable
 * that libuv itself reads when Node starts. A later change of the variable has no effect.
 */
const POOL_THREADS = Number.parseInt(env['UV_THREADPOOL_SIZE'] ?? '4', 10) || 1;

/** @returns one for each core, but fewer than the threads of libuv's pool; at least 1 */
export function usualConcurrency(): number {
  return Math.max(1, Math.min(availableParallelism(), POOL_THREADS - 1));
}

/**
 * Whose job it is. A job holds a place while it waits or runs. Places are shared among clients
 * first, and then among kinds of jobs.
 */
export interface JobOwner {
  /** The client that asked for it, such as the network of a request. */
  readonly client: string;
  /** Logins alone, or signups alone, could otherwise keep the others out. */
  readonly kind: string;
}

interface Job {
  readonly owner: JobOwner;
  /** Ends the waiting: the job starts, or is refused. */
  readonly endWaiting: (refusal?: AuthError) => void;
}

/** Runs at most `maxConcurrent` jobs, lets at most `maxQueued` wait, and refuses the rest. */
export class WorkQueue {
  readonly #maxConcurrent: number;
  readonly #maxQueued: number;
  readonly #running = new Set<JobOwner>();
  /** Oldest first. */
  readonly #waiting: Job[] = [];
  /** The number of the latest start of each client that has a job here. */
  readonly #latestStarts = new Map<string, number>();
  #starts = 0;

  constructor(maxConcurrent: number, maxQueued: number) {
    this.#maxConcurrent = maxConcurrent;
    this.#maxQueued = maxQueued;
  }

  /**
   * @param signal gives up the place of a waiting job; a running job goes on
   * @returns what the job returns
   * @throws AuthError ERR_BUSY if the queue is full, or later if a newcomer displaces the job
   * @throws AuthError ERR_ABORTED
   * @throws what the job throws
   */
  async run<T>(owner: JobOwner, job: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) throw new AuthError('ERR_ABORTED');
    // A copy: one client may run several jobs, and `#running` needs an object for each.
    const place = { ...owner };
    // A new client comes before the client that started last, and after all that waited longer.
    if (!this.#latestStarts.has(owner.client)) {
      this.#latestStarts.set(owner.client, this.#starts - 1);
    }
    try {
      if (this.#running.size < this.#maxConcurrent) this.#start(place);
      else await this.#wait(place, signal);
    } catch (error) {
      this.#forgetIfGone(place.client);
      throw error;
    }
    try {
      return await job();
    } finally {
      this.#running.delete(place);
      this.#startNext();
      this.#forgetIfGone(place.client);
    }
  }

  /** Called while the place is free, so that no other job can take it in between. */
  #start(owner: JobOwner): void {
    this.#running.add(owner);
    this.#starts += 1;
    this.#latestStarts.set(owner.client, this.#starts);
  }

  /** Round robin: starts the oldest job of the client whose latest start is longest ago. */
  #startNext(): void {
    const [oldest, ...others] = this.#waiting;
    if (oldest === undefined) return;
    const latestStart = (job: Job): number => this.#latestStarts.get(job.owner.client) ?? 0;
    const next = others.reduce(
      (best, job) => (latestStart(job) < latestStart(best) ? job : best),
      oldest,
    );
    this.#removeWaiting(next);
    this.#start(next.owner);
    next.endWaiting();
  }

  #wait(owner: JobOwner, signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.length >= this.#maxQueued) this.#makeRoom(owner);
    return new Promise((resolve, reject) => {
      const giveUp = (): void => this.#refuse(job, new AuthError('ERR_ABORTED'));
      const endWaiting = (refusal?: AuthError): void => {
        signal?.removeEventListener('abort', giveUp);
        if (refusal === undefined) resolve();
        else reject(refusal);
      };
      const job = { owner, endWaiting };
      this.#waiting.push(job);
      signal?.addEventListener('abort', giveUp);
    });
  }

  /**
   * Displaces a waiting job.
   * @throws AuthError ERR_BUSY if no client, and no kind of job, has more places than its share
   */
  #makeRoom(owner: JobOwner): void {
    if (EVENTS.overload.hasSubscribers) {
      EVENTS.overload.publish({ running: this.#running.size, waiting: this.#waiting.length });
    }
    const busy = new AuthError('ERR_BUSY', { headers: { 'Retry-After': '5' } });
    const displaced = this.#newestOfLargestClient(owner) ?? this.#newestOfLargestKind(owner);
    if (displaced === undefined) throw busy;
    this.#refuse(displaced, busy);
  }

  /**
   * @returns the newest waiting job of the client with the most places, if that client has at least
   *   two more than the client of `owner`
   */
  #newestOfLargestClient(owner: JobOwner): Job | undefined {
    return newestOfLargest(this.#waiting, this.#placesBy('client'), 'client', owner);
  }

  /**
   * The same for kinds of jobs. A client must not displace a client with fewer places by jobs of
   * another kind. So a job is a candidate only if its client is the newcomer's own, or has at least
   * as many places as that one will have.
   */
  #newestOfLargestKind(owner: JobOwner): Job | undefined {
    const places = this.#placesBy('client');
    const placesWithNewcomer = (places.get(owner.client) ?? 0) + 1;
    const candidates = this.#waiting.filter(({ owner: { client } }) => {
      return client === owner.client || (places.get(client) ?? 0) >= placesWithNewcomer;
    });
    return newestOfLargest(candidates, this.#placesBy('kind'), 'kind', owner);
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

  /** Keeps `#latestStarts` bounded. */
  #forgetIfGone(client: string): void {
    const hasJob = this.#owners().some((owner) => owner.client === client);
    if (!hasJob) this.#latestStarts.delete(client);
  }
}

/**
 * @returns the newest of `jobs` in the group with the most places. That group must have at least
 *   two more than the group of `owner`, otherwise both would displace each other in turn.
 */
function newestOfLargest(
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
