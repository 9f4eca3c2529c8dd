/** Waits for the lock of a file that another process holds for a moment, such as a command. */
import { isAuthError } from '../../errors.ts';
import type { CommandError } from '../command-errors.ts';
import { retryWhile } from '../retry.ts';

const WAIT = { maxWaitMs: 2_000, pauseMs: 50 } as const;

/**
 * Opens what may be locked. As long as it is locked, tries again for up to 2 seconds.
 * @param open throws AuthError ERR_STORE_LOCKED, whose message names the process that has the file
 * @param explain makes the error that is thrown if the lock stays
 */
export async function whenUnlocked<T>(
  open: () => Promise<T>,
  explain: (locked: Error) => CommandError | Promise<CommandError>,
): Promise<T> {
  try {
    return await retryWhile('ERR_STORE_LOCKED', WAIT, open);
  } catch (error) {
    const isLocked = isAuthError(error) && error.code === 'ERR_STORE_LOCKED';
    throw isLocked ? await explain(error) : error;
  }
}
