/** Tries again what is refused for a moment only: by a lock, or by a server that is busy. */
import { setTimeout as delay } from 'node:timers/promises';
import { isAuthError, type AuthErrorCode } from '../errors.ts';

interface RetryTimes {
  /** After this time the next refusal is final. */
  readonly maxWaitMs: number;
  /** The pause between two tries. */
  readonly pauseMs: number;
}

/**
 * Runs a task, and runs it again as long as it is refused with this code. A refused run must have
 * changed nothing.
 * @throws the refusal that is final, or any other error of the task
 */
export async function retryWhile<T>(
  code: AuthErrorCode,
  { maxWaitMs, pauseMs }: RetryTimes,
  task: () => Promise<T>,
): Promise<T> {
  const giveUpAt = performance.now() + maxWaitMs;
  for (;;) {
    try {
      return await task();
    } catch (error) {
      const isRefused = isAuthError(error) && error.code === code;
      if (!isRefused || performance.now() >= giveUpAt) throw error;
    }
    await delay(pauseMs);
  }
}
