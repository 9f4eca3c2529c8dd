/**
 * A bounded queue for scrypt. Each run takes 128·N·r bytes and one thread of libuv's pool, which
 * file operations use too.
 * Promise: fair queueing, so that one client cannot keep the others out. Jobs start in round robin
 * among the waiting clients. When the queue is full, a new job displaces the newest waiting job of
 * the waiting client with the most places. That client must have at least two more places than the
 * client of the new job. Otherwise the same rule is tried with the kinds of jobs in place of the
 * clients.
 * This second try displaces no job of another client that has fewer places than the client of the
 * new job would then have. If no job can be displaced, the new job gets ERR_BUSY.
 * Accepted: an attacker with many networks can fill the queue with one job from each of them.
 */
import { availableParallelism } from 'node:os';
import { AuthError } from '../errors.ts';
import { EVENTS } from '../events.ts';

/**
 * Threads of libuv's pool. Node has no API that tells this number, so it is read from the variable
 * that libuv reads when its pool is first used. Set it before Node starts: if a program changes it
 * later, libuv and this constant may differ.
 */
const POOL_THREADS = Number.parseInt(process.env['UV_THREADPOOL_SIZE'] ?? '4', 10) || 1;

/** @returns min(cores, threads of the pool - 1), and at least 1 */
export function defaultConcurrency(): number {
  return Math.max(1, Math.min(availableParallelism(), POOL_THREADS - 1));
}

/**
 * A place in the queue. A job holds it while it waits or runs. Places are shared among clients
 * first, and then among kinds of jobs.
 */
interface Place {
  /** The client of the job, such as the network of a request. */
  readonly client: string;
  /** `hash` or `verify`. With shares by kind, logins cannot keep signups out, nor the reverse. */
  readonly kind: string;
}

/** The member by which places are compared. */
type Group = keyof Place;

/**
 * When a refused client should try again. With the default `maxQueued`, the jobs that are waiting
 * now will have started by then.
 */
const RETRY_AFTER_SECONDS = 5;

interface WaitingJob {
  readonly place: Place;
  /** Lets the job start, or refuses it. */
  readonly endWaiting: (refusal?: AuthError) => void;
}

/** Runs at most `maxConcurrent` jobs, lets at most `maxQueued` wait, and refuses the rest. */
export class WorkQueue {
  readonly #maxConcurrent: number;
  readonly #maxQueued: number;
  readonly #running = new Set<Place>();
  /** Oldest first. */
  readonly #waiting: WaitingJob[] = [];
  /**
   * For each client with a place, the value of `#starts` when its latest job started. Until its
   * first job has started, it is the rank that `run` gave the client.
   */
  readonly #latestStarts = new Map<string, number>();
  /** How many jobs have started. */
  #starts = 0;

  constructor(maxConcurrent: number, maxQueued: number) {
    this.#maxConcurrent = maxConcurrent;
    this.#maxQueued = maxQueued;
  }

  /**
   * @param owner the client and the kind of the job
   * @param signal aborting it takes a waiting job out of the queue; a running job goes on
   * @returns what the job returns
   * @throws AuthError ERR_BUSY if the queue is full, or later if a new job displaces this one
   * @throws AuthError ERR_ABORTED if `signal` is aborted before the job starts
   * @throws any error that the job throws
   */
  async run<T>(owner: Place, job: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) throw new AuthError('ERR_ABORTED');
    // A copy, because the set `#running` needs a new object for each job.
    const place: Place = { ...owner };
    // A new client is ranked as if it had the last start but one. Its turn comes before that of the
    // client that started last, and after those of all clients whose latest start is longer ago.
    if (!this.#latestStarts.has(place.client)) {
      this.#latestStarts.set(place.client, this.#starts - 1);
    }
    try {
      if (this.#running.size < this.#maxConcurrent) this.#markRunning(place);
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

  /** Must be called synchronously when a run becomes possible, before another job can start. */
  #markRunning(place: Place): void {
    this.#running.add(place);
    this.#starts += 1;
    this.#latestStarts.set(place.client, this.#starts);
  }

  /** Round robin: starts the oldest waiting job of the client whose latest start is longest ago. */
  #startNext(): void {
    const [oldest, ...others] = this.#waiting;
    if (oldest === undefined) return;
    const latestStart = (job: WaitingJob): number =>
      this.#latestStarts.get(job.place.client) ?? 0;
    const next = others.reduce(
      (best, job) => (latestStart(job) < latestStart(best) ? job : best),
      oldest,
    );
    this.#removeWaiting(next);
    this.#markRunning(next.place);
    next.endWaiting();
  }

  #wait(place: Place, signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.length >= this.#maxQueued) this.#makeRoom(place);
    return new Promise((resolve, reject) => {
      const giveUp = (): void => this.#refuse(job, new AuthError('ERR_ABORTED'));
      const endWaiting = (refusal?: AuthError): void => {
        signal?.removeEventListener('abort', giveUp);
        if (refusal === undefined) resolve();
        else reject(refusal);
      };
      const job = { place, endWaiting };
      this.#waiting.push(job);
      signal?.addEventListener('abort', giveUp);
    });
  }

  /**
   * Displaces a waiting job in favour of a new one.
   * @throws AuthError ERR_BUSY if no job can be displaced
   */
  #makeRoom(newcomer: Place): void {
    if (EVENTS.overload.hasSubscribers) {
      EVENTS.overload.publish({ running: this.#running.size, waiting: this.#waiting.length });
    }
    const headers = { 'Retry-After': String(RETRY_AFTER_SECONDS) };
    const busy = new AuthError('ERR_BUSY', { headers });
    const displaced = this.#newestOfLargestClient(newcomer) ?? this.#newestOfLargestKind(newcomer);
    if (displaced === undefined) throw busy;
    this.#refuse(displaced, busy);
  }

  /**
   * @returns the newest waiting job of the waiting client with the most places, if that client has
   *   at least two more than the client of `newcomer`
   */
  #newestOfLargestClient(newcomer: Place): WaitingJob | undefined {
    return newestOfLargest(this.#waiting, this.#countPlacesBy('client'), 'client', newcomer);
  }

  /**
   * Does the same for kinds of jobs. But `newcomer` must not displace a job of another client that
   * has fewer places than the client of `newcomer` would then have. So a waiting job is a candidate
   * only if both have the same client, or if its client has at least that many places.
   */
  #newestOfLargestKind(newcomer: Place): WaitingJob | undefined {
    const counts = this.#countPlacesBy('client');
    const countWithNewcomer = (counts.get(newcomer.client) ?? 0) + 1;
    const candidates = this.#waiting.filter(({ place: { client } }) => {
      return client === newcomer.client || (counts.get(client) ?? 0) >= countWithNewcomer;
    });
    return newestOfLargest(candidates, this.#countPlacesBy('kind'), 'kind', newcomer);
  }

  /** @returns how many places each client, or each kind of job, has */
  #countPlacesBy(group: Group): Map<string, number> {
    const counts = new Map<string, number>();
    for (const place of this.#places()) {
      counts.set(place[group], (counts.get(place[group]) ?? 0) + 1);
    }
    return counts;
  }

  #places(): Place[] {
    return [...this.#running, ...this.#waiting.map((job) => job.place)];
  }

  #refuse(job: WaitingJob, refusal: AuthError): void {
    this.#removeWaiting(job);
    job.endWaiting(refusal);
  }

  #removeWaiting(job: WaitingJob): void {
    this.#waiting.splice(this.#waiting.indexOf(job), 1);
  }

  /** Keeps `#latestStarts` small: a client without a place is forgotten. */
  #forgetIfGone(client: string): void {
    const hasPlace = this.#places().some((place) => place.client === client);
    if (!hasPlace) this.#latestStarts.delete(client);
  }
}

/**
 * @returns the newest of `jobs` whose client, or kind, has the most places. It must have at least
 *   two more than that of `newcomer`, otherwise the two would displace each other in turn.
 */
function newestOfLargest(
  jobs: readonly WaitingJob[],
  counts: ReadonlyMap<string, number>,
  group: Group,
  newcomer: Place,
): WaitingJob | undefined {
  const countOf = (place: Place): number => counts.get(place[group]) ?? 0;
  const most = jobs.reduce((largest, job) => Math.max(largest, countOf(job.place)), 0);
  if (countOf(newcomer) + 1 >= most) return undefined;
  return jobs.findLast((job) => countOf(job.place) === most);
}
