/**
 * An append-only log of records with group commit. A record format defines the records.
 * Promise: an acknowledged record is on disk (fdatasync), and acknowledged bytes are never
 * rewritten in place. A record whose `append` fails leaves nothing behind, unless the rollback of
 * the write failed too: the error then says so.
 *
 * After an fdatasync that failed, Linux marks the dirty pages as clean. Reads still show them and a
 * later fdatasync succeeds, but they are not on disk. So a journal that was not closed is not
 * trusted: its content is copied into a new file, which replaces the old one. A clean stop leaves
 * an empty line at the end of the file, the mark of a closed file.
 */
import fs from 'node:fs/promises';
import { reasonOf } from '../errors.ts';
import { syncName, type Disk } from './disk.ts';
import { EMPTY_LINE, encodeRecord } from './lines.ts';
import { fileChangedError, FileLostError } from './lost.ts';
import { sizeAtPath, type JournalLock, type OpenFile } from './open-file.ts';
import { readJournal, type Contents } from './reader.ts';
import type { JournalRecord, RecordFormat } from './record-format.ts';
import { replaceFile, type Replacement } from './replacement.ts';
import { hasCode, ignoreFailure, remedyOf, wrapError } from './system-errors.ts';

/**
 * The opening compacts a file that has at least this many superseded lines, and more of them than
 * entries.
 */
const COMPACT_FROM_SUPERSEDED_LINES = 1000;

const NO_LOCK: JournalLock = {
  confirm: async () => undefined,
  id: 'unlocked',
  isTakenOver: false,
};

/** LockedJournal passes its lock. Tests pass a simulated disk or a lock of their own. */
export interface JournalOptions {
  /** Default: the file system. */
  readonly disk?: Disk;
  /**
   * Confirmed before a record is acknowledged, and before the file is truncated or replaced.
   * Default: no lock.
   */
  readonly lock?: JournalLock;
}

/** An open journal. The caller must make sure that no other process has the file open. */
export class Journal<Entry> {
  /** The number of bytes of an interrupted last write that the opening cut off. */
  readonly discardedBytes: number;
  /** The file in which these bytes were saved. */
  readonly discardedPath: string | undefined;
  readonly #entries: Map<string, Entry>;
  readonly #format: RecordFormat<Entry>;
  readonly #openFile: OpenFile;
  /** The file is known to be written and synced up to this length. */
  #syncedBytes: number;
  /**
   * The most bytes that may follow `#syncedBytes`: those of the write under way, or of a failed
   * write that was not rolled back.
   */
  #dirtyTailBytes = 0;
  /** The lines of the next batch, which wait for the operation under way. */
  #pendingLines = '';
  /** The outcome of the next batch. */
  #pendingBatch: Promise<void> | undefined;
  /** The latest write or check. It never rejects. */
  #lastOperation: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(
    format: RecordFormat<Entry>,
    contents: Contents<Entry>,
    openFile: OpenFile,
    opened: Replacement,
  ) {
    this.discardedBytes = contents.damage.reduce((sum, { start, end }) => sum + end - start, 0);
    this.discardedPath = opened.discardedPath;
    this.#entries = contents.entries;
    this.#format = format;
    this.#openFile = openFile;
    this.#syncedBytes = opened.size;
  }

  /** The entries that result from the records on disk. */
  get entries(): ReadonlyMap<string, Entry> {
    return this.#entries;
  }

  /**
   * Opens the file, or creates it (mode 0600).
   * @throws AuthError ERR_STORE_DAMAGED with the number of the line
   * @throws FileLostError if the file or the lock is lost during the opening
   * @throws Error of the disk
   */
  static async open<Entry>(
    path: string,
    format: RecordFormat<Entry>,
    options: JournalOptions = {},
  ): Promise<Journal<Entry>> {
    const { disk = fs, lock = NO_LOCK } = options;
    let file = await disk.open(path, 'a+', 0o600);
    try {
      if (!(await file.stat()).isFile()) {
        throw new Error('it is not a regular file: name another file');
      }
      const contents = await readJournal(file, path, format);
      const old: OpenFile = { path, file, disk, lock };
      // After a takeover the last holder may be suspended inside a write to this file.
      const isTrusted = contents.isClosed && !lock.isTakenOver;
      const opened = isTrusted
        ? await openClosed(old, contents, format)
        : await replaceUntrusted(old, contents, format);
      file = opened.file;
      // The name must be durable before a record is acknowledged. If this sync fails, the next
      // opening finds no empty line at the end, and replaces the file and its name again.
      await syncName(path, file, disk);
      return new Journal(format, contents, { ...old, file }, opened);
    } catch (error) {
      await file.close().catch(ignoreFailure);
      throw error;
    }
  }

  /**
   * Appends a record, and applies it to the entries once it is on disk. While one batch is written
   * and synced, later records gather in the next batch. They share its sync and its outcome.
   * @returns once the record is on disk
   * @throws RangeError if its line would be over 1 MiB
   * @throws FileLostError if the file or the lock is lost
   * @throws Error of the disk. The record is then not on disk, unless the message says that its
   *   rollback failed as well.
   */
  async append(record: JournalRecord): Promise<void> {
    if (this.#isClosed) throw new Error('it is closed');
    this.#pendingLines += encodeRecord(record);
    this.#pendingBatch ??= this.#lastOperation.then(() => {
      const written = this.#write(this.#pendingLines);
      this.#pendingLines = '';
      this.#pendingBatch = undefined;
      this.#lastOperation = written.catch(ignoreFailure);
      return written;
    });
    await this.#pendingBatch;
    const problem = this.#format.apply(record, this.#entries);
    // A mistake of the store: its own `apply` does not take its record. The record is on disk by
    // now, and the next opening will refuse the file.
    if (problem !== undefined) throw new Error(`a record was written that ${problem}`);
  }

  /**
   * Checks, between two batches, that the path still has this file, with the length that this
   * journal gave it. An edit that keeps the length goes unnoticed.
   * @throws FileLostError if another program removed, replaced, extended or shortened the file
   * @throws Error of the disk
   */
  async check(): Promise<void> {
    // A pending batch makes the same check, and its callers get the error.
    if (this.#isClosed || this.#pendingBatch !== undefined) return;
    const checked = this.#lastOperation.then(() => this.#assertSameFileAndLength());
    this.#lastOperation = checked.catch(ignoreFailure);
    await checked;
  }

  /** Finishes pending writes, and marks the file as closed if all of it is on disk. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#pendingBatch?.catch(ignoreFailure);
    await this.#lastOperation;
    // Without the mark the next opening copies the file. That costs time and loses nothing.
    await this.#markClosed().catch(ignoreFailure);
    await this.#openFile.file.close();
  }

  /**
   * Writes all lines or none. A failed write is rolled back. Until a rollback succeeds the journal
   * writes nothing more, because the state of the disk is unknown.
   */
  async #write(lines: string): Promise<void> {
    if (this.#dirtyTailBytes > 0) await this.#rollBack();
    await this.#assertSameFileAndLength();
    const { file, lock } = this.#openFile;
    const bytes = Buffer.from(EMPTY_LINE + lines, 'utf8');
    this.#dirtyTailBytes = bytes.length;
    try {
      // If the system writes only a part of the bytes, writeFile continues after that part.
      await file.writeFile(bytes);
      await file.datasync();
      // If the lock is still held after the sync, the next holder will read these lines.
      await lock.confirm();
    } catch (error) {
      await this.#rollBack().catch((failure: unknown) => {
        const fate = 'the write cannot be rolled back and may be there after a restart';
        const message = `${reasonOf(error)}; ${fate}: ${reasonOf(failure)}`;
        throw wrapError(message, error, failure instanceof FileLostError ? FileLostError : Error);
      });
      throw error;
    }
    this.#syncedBytes += bytes.length;
    this.#dirtyTailBytes = 0;
  }

  /**
   * Truncates the file to `#syncedBytes`. This is safe even if a failed sync dropped pages. Pages
   * beyond `#syncedBytes` are cut off. The page in which the file now ends was on disk already up
   * to there, and the sync here writes it again.
   */
  async #rollBack(): Promise<void> {
    const { file, lock } = this.#openFile;
    // Another process may have taken the lock over, and may have acknowledged the tail.
    await lock.confirm();
    const { size } = await file.stat();
    // To truncate a shorter file would extend it with NUL bytes. In a longer file another program
    // has written the end.
    const longest = this.#syncedBytes + this.#dirtyTailBytes;
    if (size < this.#syncedBytes || size > longest) throw fileChangedError('modified');
    await file.truncate(this.#syncedBytes);
    await file.datasync();
    this.#dirtyTailBytes = 0;
  }

  /** Writes the empty line which proves that everything above it is on disk. */
  async #markClosed(): Promise<void> {
    if (this.#dirtyTailBytes > 0) await this.#rollBack();
    await this.#assertSameFileAndLength();
    const { file, lock } = this.#openFile;
    await lock.confirm();
    await file.writeFile(Buffer.from(EMPTY_LINE));
    await file.datasync();
  }

  /** @throws FileLostError if the path has another file, or the file has another length */
  async #assertSameFileAndLength(): Promise<void> {
    const size = await sizeAtPath(this.#openFile);
    // With a dirty tail the length is unknown.
    const isLengthKnown = this.#dirtyTailBytes === 0;
    if (isLengthKnown && size !== this.#syncedBytes) throw fileChangedError('modified');
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
    const compacted = await replaceFile(old, contents, format).catch(ignoreFailure);
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
    return await replaceFile(old, contents, format);
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
