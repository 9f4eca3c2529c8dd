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
  /** The inode number, which another file at the same path does not have. */
  readonly ino: bigint;
  readonly disk: Disk;
  readonly lock: JournalLock;
}

/**
 * @returns the size of the file
 * @throws FileLostError if the path now has no file, or another file
 */
export async function sizeAtPath({ path, file, ino, disk }: OpenFile): Promise<number> {
  const found = await disk.stat(path, { bigint: true }).catch(ignore(...NO_FILE_CODES));
  if (found === undefined) throw fileChangedError('removed');
  if (found.ino !== ino) {
    // Some file systems of FUSE give an open file another inode number after it was renamed.
    const { ino: currentIno } = await file.stat({ bigint: true });
    if (found.ino !== currentIno) throw fileChangedError('replaced');
  }
  return Number(found.size);
}
