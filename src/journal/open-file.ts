/** A journal's file while a process has it open. */
import { fileChangedError } from './lost.ts';
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
 * @returns the size of the file
 * @throws FileLostError if the path now has no file, or another file
 */
export async function sizeAtPath({ path, file, disk }: OpenFile): Promise<number> {
  const bigint = true;
  // Another file at the path has another inode number. The number of the open file is not kept,
  // because some file systems of FUSE give a file another one after it was renamed.
  const [{ ino }, found] = await Promise.all([
    file.stat({ bigint }),
    disk.stat(path, { bigint }).catch(ignore(...NO_FILE_CODES)),
  ]);
  if (found === undefined) throw fileChangedError('removed');
  if (found.ino !== ino) throw fileChangedError('replaced');
  return Number(found.size);
}
