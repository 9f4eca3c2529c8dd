/** A process can lose its file: another program changes it, or the lock on it is gone. */

/** The file at the path is no longer the one that this process wrote, or its lock is gone. */
export class LostError extends Error {}

/** Tells what another program did to the file, and what the operator can do. */
export function changed(what: 'removed' | 'replaced' | 'changed'): LostError {
  const remedy = 'put it back as it was, or restart to read it anew';
  return new LostError(`another program ${what} it: ${remedy}`);
}
