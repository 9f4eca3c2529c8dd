/** Waits for the lock of a file that another process holds for a moment, such as a command. */
import { setTimeout as delay } from 'node:timers/promises';
import { isAuthError } from '../../errors.ts';
import type { CommandError } from '../command-errors.ts';

const MAX_WAIT_MS = 2_000;
const RETRY_MS = 50;

/**
 * Opens what may be locked. As long as it is locked, tries again for up to 2 seconds.
 * @param open throws AuthError ERR_STORE_LOCKED, whose message names the process that has the file
 * @param explain makes the error that is thrown if the lock stays
 */
export async function whenUnlocked<T>(
  open: () => Promise<T>,
  explain: (locked: Error) => CommandError | Promise<CommandError>,
): Promise<T> {
  const giveUpAt = performance.now() + MAX_WAIT_MS;
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!isAuthError(error) || error.code !== 'ERR_STORE_LOCKED') throw error;
      if (performance.now() >= giveUpAt) throw await explain(error);
    }
    await delay(RETRY_MS);
  }
}
