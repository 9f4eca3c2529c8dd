/** Opens the file of a journal. A file that cannot be trusted is replaced with a copy. */
import { reasonOf } from '../errors.ts';
import { syncName } from './disk.ts';
import { fileChangedError, FileLostError } from './lost.ts';
import type { OpenFile } from './open-file.ts';
import { readJournal, type Contents } from './reader.ts';
import type { RecordFormat } from './record-format.ts';
import { replaceAtOpening, type Replacement } from './replacement.ts';
import { hasCode, ignoreFailure, remedyOf, wrapError } from './system-errors.ts';

/**
 * The opening compacts a file that has at least this many superseded lines, and more of them than
 * entries.
 */
const COMPACT_FROM_SUPERSEDED_LINES = 1000;

/** A file that was opened, and what was read from it. */
export interface Opened<Entry> {
  readonly openFile: OpenFile;
  readonly contents: Contents<Entry>;
  readonly size: number;
  /**
   * An estimate of the bytes that the entries need in the file as it is now. `contents.liveBytes`
   * is the estimate for the file that was read.
   */
  readonly liveBytes: number;
  /** The file in which damaged bytes were saved, if there were any. */
  readonly discardedPath: string | undefined;
}

/**
 * Opens the file, or creates it (mode 0600).
 * @returns the file, all of which is on disk, and so is its name
 * @throws AuthError ERR_STORE_DAMAGED with the number of the line
 * @throws FileLostError if the file or the lock is lost during the opening
 * @throws Error of the disk
 */
export async function openJournalFile<Entry>(
  place: Omit<OpenFile, 'file'>,
  format: RecordFormat<Entry>,
): Promise<Opened<Entry>> {
  const { path, disk, lock } = place;
  let file = await disk.open(path, 'a+', 0o600);
  try {
    if (!(await file.stat()).isFile()) {
      throw new Error('it is not a regular file: name another file');
    }
    const contents = await readJournal(file, path, format);
    // After a takeover the last holder may be suspended inside a write to this file.
    const isTrusted = contents.isClosed && !lock.isTakenOver;
    const old = { ...place, file };
    const opened = isTrusted
      ? await openClosed(old, contents, format)
      : await replaceUntrusted(old, contents, format);
    const isReplaced = opened.file !== file;
    file = opened.file;
    // The name must be durable before a record is acknowledged. If this sync fails, the next
    // opening finds no empty line at the end, and replaces the file and its name again.
    await syncName(path, file, disk);
    const { size, discardedPath } = opened;
    const liveBytes = isReplaced ? size : contents.liveBytes;
    return { openFile: { ...place, file }, contents, size, liveBytes, discardedPath };
  } catch (error) {
    await file.close().catch(ignoreFailure);
    throw error;
  }
}

/** Opens a file that was closed, and compacts it if that saves enough. */
async function openClosed<Entry>(
  old: OpenFile,
  contents: Contents<Entry>,
  format: RecordFormat<Entry>,
): Promise<Replacement> {
  if (shouldCompact(contents)) {
    // A compaction only saves space and time. If it fails, perhaps on a full disk, the old file is
    // used unchanged, and the next opening tries again.
    const compacted = await replaceAtOpening(old, contents, format).catch(ignoreFailure);
    if (compacted !== undefined) return compacted;
  }
  const { file, lock } = old;
  const { recordsEnd, fileBytes } = contents;
  if ((await file.stat()).size !== fileBytes) throw fileChangedError('modified');
  await lock.confirm();
  // The empty line is removed before anything else is written. The sync here may fail, for example
  // because a file restored from a backup was never synced. The next opening then finds no empty
  // line, does not trust the file and copies it.
  await file.truncate(recordsEnd);
  await file.datasync();
  return { file, size: recordsEnd, discardedPath: undefined };
}

function shouldCompact({ supersededLines, entries }: Contents<unknown>): boolean {
  return supersededLines >= COMPACT_FROM_SUPERSEDED_LINES && supersededLines > entries.size;
}

/** Replaces a file that is new, that was not closed, or whose lock was taken over. */
async function replaceUntrusted<Entry>(
  old: OpenFile,
  contents: Contents<Entry>,
  format: RecordFormat<Entry>,
): Promise<Replacement> {
  try {
    return await replaceAtOpening(old, contents, format);
  } catch (error) {
    const isNew = contents.fileBytes === 0;
    if (isNew || error instanceof FileLostError) throw error;
    const doubt = contents.isClosed
      ? 'another process may still write to it'
      : 'it was not closed cleanly';
    const isFull = hasCode(error, 'ENOSPC', 'EDQUOT');
    const remedy = isFull
      ? `free disk space for a copy beside ${old.path}`
      : remedyOf(error, 'move the file to another folder');
    const message =
      `${doubt}, so it has to be copied before it can be trusted. ` +
      `The copy failed (${reasonOf(error)}) and the file is unchanged: ${remedy}`;
    throw wrapError(message, error);
  }
}
