/** The file of a journal while it is open. */
import { GONE, ignore, type Disk, type DiskFile } from './disk.ts';
import type { FileLock } from './file-lock.ts';
import { changed } from './lost.ts';

/** What a journal needs of the lock on its file. */
export type JournalLock = Pick<FileLock, 'confirm' | 'id' | 'isTakenOver'>;

export interface OpenFile {
  readonly path: string;
  readonly file: DiskFile;
  /** Tells this file from another one at the same path. */
  readonly ino: number;
  readonly disk: Disk;
  readonly lock: JournalLock;
}

/**
 * @returns the size of the file
 * @throws LostError if the path has no file any more, or another one
 */
export async function sizeAtPath({ path, ino, disk }: OpenFile): Promise<number> {
  const found = await disk.stat(path).catch(ignore(...GONE));
  if (found === undefined) throw changed('removed');
  if (found.ino !== ino) throw changed('replaced');
  return found.size;
}
