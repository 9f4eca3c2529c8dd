/** A journal's file while a process has it open. */
import { fileChangedError, type FileChange } from './lost.ts';
import { ignore, NO_FILE_CODES } from './system-errors.ts';
import type { Disk, DiskFile } from './disk.ts';
import type { FileLock } from './file-lock.ts';

/** The part of a FileLock that a journal uses. */
export type JournalLock = Pick<FileLock, 'confirm' | 'id' | 'isTakenOver'>;

export interface OpenFile {
  readonly path: string;
  readonly file: DiskFile;
  readonly disk: Disk;
  readonly lock: JournalLock;
}

/**
 * @param size the length that this process gave the file; undefined if it is not known
 * @returns what another program did to the file or its path, or undefined for nothing
 */
export async function changeOf(
  { path, file, disk }: Omit<OpenFile, 'lock'>,
  size?: number,
): Promise<FileChange | undefined> {
  // Another file at the path has another inode number. The number of the open file is not kept,
  // because some file systems of FUSE give a file another one after it was renamed.
  const [{ ino }, found] = await Promise.all([
    file.stat({ bigint: true }),
    disk.stat(path, { bigint: true }).catch(ignore(...NO_FILE_CODES)),
  ]);
  if (found === undefined) return 'removed';
  if (found.ino !== ino) return 'replaced';
  return size === undefined || Number(found.size) === size ? undefined : 'modified';
}

/**
 * @param size as for `changeOf`
 * @throws FileLostError if the path has another file, or the file has another length
 */
export async function assertUnchanged(file: OpenFile, size?: number): Promise<void> {
  const change = await changeOf(file, size);
  if (change !== undefined) throw fileChangedError(change);
}
