/** Waits for a server that is busy: it hashes only a few passwords at once, and refuses others. */
import { setTimeout as delay } from 'node:timers/promises';
import { isAuthError } from '../../errors.ts';

const MAX_WAIT_MS = 30_000;
const RETRY_MS = 100;

/**
 * Makes a change that hashes a password. While it is refused with ERR_BUSY, which changes nothing,
 * it is tried again for up to 30 seconds.
 * @throws the error of the last try
 */
export async function onceNotBusy<T>(change: () => Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + MAX_WAIT_MS;
  for (;;) {
    try {
      return await change();
    } catch (error) {
      const isBusy = isAuthError(error) && error.code === 'ERR_BUSY';
      if (!isBusy || performance.now() >= giveUpAt) throw error;
    }
    await delay(RETRY_MS);
  }
}
