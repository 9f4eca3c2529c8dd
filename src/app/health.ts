/**
 * The answer to `GET /health`: whether the stores can read and write at this moment. A store
 * without the method `check` is only read.
 * Promise: the stores are checked at most once a second, and by one check at a time, however many
 * requests come. A check that hangs keeps no request waiting for more than two seconds. After a
 * minute the next check runs beside it.
 */
import { AuthError, isAuthError } from '../errors.ts';
import type { MaybePromise } from '../maybe-promise.ts';

/** Milliseconds from the start of a check to the earliest start of the next one. */
const MIN_INTERVAL_MS = 1_000;

/** Milliseconds from the start of a check after which the answer is 503. */
const MAX_WAIT_MS = 2_000;

/**
 * Milliseconds from the start of a check after which it is given up, so that the next request
 * begins another one. A store that lost one answer may work again.
 */
const GIVE_UP_AFTER_MS = 60_000;

/** The check of one store. It throws or rejects if the store cannot read or write. */
export type StoreCheck = () => MaybePromise<unknown>;

/** For tests: the longest wait, and a monotonic clock. */
export interface HealthTimes {
  readonly maxWaitMs?: number;
  readonly nowMs?: () => number;
}

/** One check of all stores, and what it has found. */
interface Check {
  /** When the next check may begin. While a store has not answered, that is later. */
  nextAtMs: number;
  /** Resolves to undefined if the stores work, else to the error of the first that does not. */
  readonly failure: Promise<AuthError | undefined>;
  /** Whether a request was refused with the cause, which is logged once. */
  isCauseReported: boolean;
}

/** Checks stores on request, and remembers the result. */
export class Health {
  readonly #checks: readonly StoreCheck[];
  readonly #maxWaitMs: number;
  readonly #nowMs: () => number;
  #last: Check | undefined;

  constructor(checks: readonly StoreCheck[], times: HealthTimes = {}) {
    this.#checks = checks;
    this.#maxWaitMs = times.maxWaitMs ?? MAX_WAIT_MS;
    this.#nowMs = times.nowMs ?? (() => performance.now());
  }

  /**
   * Handles `GET /health`. It is bound, so that it can be a handler.
   * @throws AuthError ERR_STORE if a store cannot read or write, or does not answer in time. Of the
   *   requests that share a check one gets the cause, so that the log has each failure once.
   */
  readonly answer = async (): Promise<{ readonly status: 'ok' }> => {
    const check = this.#currentCheck();
    const failure = await check.failure;
    if (failure === undefined) return { status: 'ok' };
    if (check.isCauseReported) throw new AuthError('ERR_STORE');
    check.isCauseReported = true;
    throw failure;
  };

  #currentCheck(): Check {
    const nowMs = this.#nowMs();
    if (this.#last !== undefined && nowMs < this.#last.nextAtMs) return this.#last;
    const results = this.#checks.map(async (check) => check());
    const check: Check = {
      // While a store hangs, further checks would only queue up behind this one.
      nextAtMs: nowMs + GIVE_UP_AFTER_MS,
      failure: firstFailure(results, this.#maxWaitMs),
      isCauseReported: false,
    };
    void Promise.allSettled(results).then(() => {
      check.nextAtMs = nowMs + MIN_INTERVAL_MS;
    });
    this.#last = check;
    return check;
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
