/**
 * The file of users as an append-only log with group commit.
 * Promise: what was answered is on disk (fdatasync), of what was refused nothing stays, and no byte
 * of the file is ever overwritten.
 *
 * An fdatasync that fails is the last word about the pages it was called for. Linux then takes them
 * for clean: they can be read, a later fdatasync answers 0, and they are not on disk. So after an
 * unclean stop nothing that was read is trusted. It is written to a new file, which replaces the
 * old one. A clean stop leaves an empty line at the end of the file.
 */
import fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { reasonOf } from '../errors.ts';
import { GONE, hasCode, ignore, syncFolder, type Disk, type DiskFile } from './disk.ts';
import type { FileLock } from './file-lock.ts';
import { EMPTY_LINE } from './lines.ts';
import { changed, LostError } from './lost.ts';
import { readUsers, type Contents } from './reader.ts';
import { replaceFile, type Replacement } from './replacement.ts';
import type { User } from '../users/store.ts';

/** An open compacts a file with so many superseded lines, if they are more than the users. */
const COMPACT_FROM_LINES = 1000;

/** What a journal asks of the lock on its file. */
export type JournalLock = Pick<FileLock, 'confirm' | 'id' | 'isTakenOver'>;

const NO_LOCK: JournalLock = {
  confirm: async () => undefined,
  id: 'unlocked',
  isTakenOver: false,
};

interface OpenFile {
  readonly path: string;
  readonly disk: Disk;
  readonly file: DiskFile;
  readonly ino: number;
  readonly lock: JournalLock;
}

/** An open file of users. Whoever opens it has made sure that nobody else has. */
export class Journal {
  /** What the lines say; kept up to date by whoever appends one. */
  readonly users: Map<string, User>;
  /** How many bytes of an interrupted last write were cut off. */
  readonly discardedBytes: number;
  /** The file that these bytes were saved in. */
  readonly discardedPath: string | undefined;
  readonly #openFile: OpenFile;
  /** Up to where the file is known to be written and synced. */
  #size: number;
  /** How many bytes a failed write may have left behind that. */
  #surplusBytes = 0;
  /** The lines that gather while others are written, and the promise of those who wait for them. */
  #gathered = '';
  #gathering: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(contents: Contents, openFile: OpenFile, opened: Replacement) {
    this.users = contents.users;
    this.discardedBytes = contents.damage.reduce((sum, { start, end }) => sum + end - start, 0);
    this.discardedPath = opened.discardedPath;
    this.#openFile = openFile;
    this.#size = opened.size;
  }

  /**
   * Opens the file, or makes it (mode 0600).
   * @param disk default the real one
   * @param lock confirmed before an answer, and before the file is cut off or replaced
   * @throws AuthError ERR_STORE_DAMAGED; LostError; whatever the disk throws
   */
  static async open(
    path: string,
    disk: Disk = fs,
    lock: JournalLock = NO_LOCK,
  ): Promise<Journal> {
    let file = await disk.open(path, 'a+', 0o600);
    try {
      if (!(await file.stat()).isFile()) throw new Error('it is not a regular file');
      const contents = await readUsers(file, path);
      // A holder that was outwaited may be suspended inside a write, which must not hit this file.
      const isTrusted = contents.isClosed && !lock.isTakenOver;
      const opened = isTrusted
        ? await openClosed(path, file, contents, disk, lock)
        : await replaceUnclosed(path, file, contents, disk, lock);
      file = opened.file;
      // A new name must be durable before a write is answered. Should this fail, the next open
      // finds no empty line, and replaces the file and its name again.
      await syncFolder(dirname(path), disk);
      const { ino } = await file.stat();
      return new Journal(contents, { path, disk, file, ino, lock }, opened);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * While one batch is written and synced the next one gathers, so that many lines share a sync and
   * its outcome.
   * @returns a promise, once the line is on disk; it rejects if it is not, or if that is not known
   */
  append(line: string): Promise<void> {
    if (this.#isClosed) return Promise.reject(new Error('it is closed'));
    this.#gathered += line;
    this.#gathering ??= this.#writing.then(() => {
      const written = this.#write(this.#gathered);
      this.#gathered = '';
      this.#gathering = undefined;
      this.#writing = written.catch(() => undefined);
      return written;
    });
    return this.#gathering;
  }

  /**
   * Checks between two batches that the file is still there as it was written.
   * @throws LostError if it is not
   */
  async check(): Promise<void> {
    // A batch that gathers will make the same check, and tell its callers.
    if (this.#isClosed || this.#gathering !== undefined) return;
    const checked = this.#writing.then(() => this.#assertUnchanged());
    this.#writing = checked.catch(() => undefined);
    await checked;
  }

  /** Finishes what is being written, and marks the end of the file if all of it is on disk. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#gathering?.catch(() => undefined);
    await this.#writing;
    // Without the mark the next open replaces the file. That costs time and loses nothing.
    await this.#mark().catch(() => undefined);
    await this.#openFile.file.close();
  }

  /**
   * All or nothing. What a failed write leaves behind is cut off. Until that works nothing more is
   * written, because it is not known what is on disk.
   */
  async #write(lines: string): Promise<void> {
    if (this.#surplusBytes > 0) await this.#takeBack();
    await this.#assertUnchanged();
    const { file, lock } = this.#openFile;
    const bytes = Buffer.from(EMPTY_LINE + lines, 'utf8');
    this.#surplusBytes = bytes.length;
    try {
      // A write may be short: writeFile goes on where it ended.
      await file.writeFile(bytes);
      await file.datasync();
      // If the claim is still there after the sync, the next holder will read these lines.
      await lock.confirm();
    } catch (error) {
      await this.#takeBack().catch((failure: unknown) => {
        const fate = 'what was written cannot be taken back and may be there after a restart';
        const text = `${reasonOf(error)}; ${fate}: ${reasonOf(failure)}`;
        const Kind = failure instanceof LostError ? LostError : Error;
        throw new Kind(text, { cause: error });
      });
      throw error;
    }
    this.#size += bytes.length;
    this.#surplusBytes = 0;
  }

  /**
   * A sync that failed before this does no harm. The pages that it lost beyond `#size` are cut off.
   * The page that holds `#size` was on disk up to there, and the sync here writes all of it.
   */
  async #takeBack(): Promise<void> {
    const { file, lock } = this.#openFile;
    // Another process may have taken the file over, and answered for what follows.
    await lock.confirm();
    const { size } = await file.stat();
    // A shorter file would grow by NULs. Of a longer one another program wrote the end.
    if (size < this.#size || size > this.#size + this.#surplusBytes) throw changed('changed');
    await file.truncate(this.#size);
    await file.datasync();
    this.#surplusBytes = 0;
  }

  /** An empty line at the end promises that all above it is on disk. */
  async #mark(): Promise<void> {
    if (this.#surplusBytes > 0) await this.#takeBack();
    await this.#assertUnchanged();
    const { file, lock } = this.#openFile;
    await lock.confirm();
    await file.writeFile(Buffer.from(EMPTY_LINE));
    await file.datasync();
  }

  /** @throws LostError if the path has another file, or the file another length */
  async #assertUnchanged(): Promise<void> {
    const { path, disk, ino } = this.#openFile;
    const found = await disk.stat(path).catch(ignore(...GONE));
    if (found === undefined) throw changed('removed');
    if (found.ino !== ino) throw changed('replaced');
    // What a failed write left is not known yet.
    if (found.size !== this.#size && this.#surplusBytes === 0) throw changed('changed');
  }
}

/** Opens a file that was closed, and compacts it if that is worth it. */
async function openClosed(
  path: string,
  file: DiskFile,
  contents: Contents,
  disk: Disk,
  lock: JournalLock,
): Promise<Replacement> {
  const { users, supersededLines, recordBytes, fileBytes } = contents;
  if (supersededLines >= COMPACT_FROM_LINES && supersededLines > users.size) {
    // Should that fail, for want of space say, the old file serves as well.
    const compacted = await replaceFile(path, file, contents, disk, lock).catch(() => undefined);
    if (compacted !== undefined) return compacted;
  }
  if ((await file.stat()).size !== fileBytes) throw changed('changed');
  await lock.confirm();
  // The mark goes first. A restored copy may never have been synced, and should this sync fail, the
  // next open must not trust the file.
  await file.truncate(recordBytes);
  await file.datasync();
  return { file, size: recordBytes, discardedPath: undefined };
}

/** Replaces a file that was not closed, or one that is new. */
async function replaceUnclosed(
  path: string,
  file: DiskFile,
  contents: Contents,
  disk: Disk,
  lock: JournalLock,
): Promise<Replacement> {
  try {
    return await replaceFile(path, file, contents, disk, lock);
  } catch (error) {
    if (contents.fileBytes === 0 || error instanceof LostError) throw error;
    const isFull = hasCode(error, 'ENOSPC', 'EDQUOT');
    const remedy = isFull ? `: free disk space for a copy beside ${path}` : '';
    throw new Error(
      'it was not closed cleanly and has to be copied before it can be trusted. ' +
      `The copy failed (${reasonOf(error)}) and the file is as it was${remedy}`,
      { cause: error },
    );
  }
}
