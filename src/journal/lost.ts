/** The end of a store: another program changed its file, or this process lost the lock on it. */

/** The file at the path is no longer the one that this process wrote, or no longer its own. */
export class LostError extends Error {}

/** Tells what another program did to the file, and what to do. */
export function changed(what: 'removed' | 'replaced' | 'changed'): LostError {
  const remedy = 'put it back as it was, or restart to read it anew';
  return new LostError(`another program ${what} it: ${remedy}`);
}
