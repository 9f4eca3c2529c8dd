/**
 * The answer to `GET /health`: whether the stores can read and write at this moment.
 * Promise: the stores are checked at most once a second, and by one check at a time, however many
 * requests come. A check that hangs keeps no request waiting for more than two seconds.
 */
import { AuthError, isAuthError } from '../errors.ts';
import type { MaybePromise } from '../maybe-promise.ts';

/** Milliseconds from the start of a check to the earliest start of the next one. */
const INTERVAL_MS = 1_000;

/** Milliseconds from the start of a check after which the answer is 503. */
const MAX_WAIT_MS = 2_000;

/** The check of one store. It throws or rejects if the store cannot read or write. */
export type StoreCheck = () => MaybePromise<unknown>;

/** For tests: the times, and a monotonic clock. */
export interface HealthTimes {
  readonly intervalMs?: number;
  readonly maxWaitMs?: number;
  readonly nowMs?: () => number;
}

/** One check of all stores, and what it has found. */
interface Round {
  readonly startedAtMs: number;
  /** Whether a store has not answered yet. */
  isUnderWay: boolean;
  /** Resolves to undefined if the stores work, else to the error of the first that does not. */
  readonly failure: Promise<AuthError | undefined>;
  /** Whether a request was refused with the cause of the failure. */
  isReported: boolean;
}

/** Checks stores on request, and remembers the result. */
export class Health {
  readonly #checks: readonly StoreCheck[];
  readonly #intervalMs: number;
  readonly #maxWaitMs: number;
  readonly #nowMs: () => number;
  #last: Round | undefined;

  constructor(checks: readonly StoreCheck[], times: HealthTimes = {}) {
    this.#checks = checks;
    this.#intervalMs = times.intervalMs ?? INTERVAL_MS;
    this.#maxWaitMs = times.maxWaitMs ?? MAX_WAIT_MS;
    this.#nowMs = times.nowMs ?? (() => performance.now());
  }

  /**
   * Handles `GET /health`. It is bound, so that it can be a handler.
   * @throws AuthError ERR_STORE if a store cannot read or write, or does not answer in time. Of the
   *   requests that share a check one gets the cause, so that the log has each failure once.
   */
  readonly answer = async (): Promise<{ readonly status: 'ok' }> => {
    const round = this.#currentRound();
    const failure = await round.failure;
    if (failure === undefined) return { status: 'ok' };
    if (round.isReported) throw new AuthError('ERR_STORE');
    round.isReported = true;
    throw failure;
  };

  #currentRound(): Round {
    const nowMs = this.#nowMs();
    const last = this.#last;
    const isCurrent = last !== undefined && nowMs - last.startedAtMs < this.#intervalMs;
    // While a store hangs, further checks would only queue up behind the first one.
    if (last !== undefined && (last.isUnderWay || isCurrent)) return last;
    const results = this.#checks.map(async (check) => check());
    const round: Round = {
      startedAtMs: nowMs,
      isUnderWay: true,
      failure: firstFailure(results, this.#maxWaitMs),
      isReported: false,
    };
    void Promise.allSettled(results).then(() => {
      round.isUnderWay = false;
    });
    this.#last = round;
    return round;
  }
}

async function firstFailure(
  results: readonly Promise<unknown>[],
  maxWaitMs: number,
): Promise<AuthError | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    const reason = `a store did not answer the health check within ${maxWaitMs} ms`;
    timer = setTimeout(() => reject(new Error(reason)), maxWaitMs);
  });
  try {
    await Promise.race([Promise.all(results), timeout]);
    return undefined;
  } catch (error) {
    const isStoreError = isAuthError(error) && error.code === 'ERR_STORE';
    return isStoreError ? error : new AuthError('ERR_STORE', { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
