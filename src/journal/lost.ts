/**
 * The loss of a file: another program has removed, replaced or modified it, or the lock on it is
 * gone. The process must then stop writing to it.
 */

/** The file at the path is no longer the one that this process wrote, or its lock is gone. */
export class FileLostError extends Error {}

const REMEDIES = {
  removed: 'restore it, then restart this process',
  replaced: 'restart this process to read it again',
  modified: 'restart this process to read it again',
};

/** What another program did to a file. */
export type FileChange = keyof typeof REMEDIES;

/** @returns an error with what another program did to the file, and what the operator can do */
export function fileChangedError(change: FileChange): FileLostError {
  return new FileLostError(`another program ${change} it: ${REMEDIES[change]}`);
}
