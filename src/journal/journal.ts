/**
 * An append-only log of records with group commit. A record format says what the records are.
 * Promise: an acknowledged record is on disk (fdatasync), a refused one leaves nothing behind, and
 * no byte of the file is ever overwritten.
 *
 * After an fdatasync that failed, Linux takes the dirty pages for clean. They can be read, a later
 * fdatasync succeeds, and they are not on disk. So a journal that was not closed is not trusted.
 * Its content is copied into a new file, which replaces the old one. A clean stop leaves an
 * empty line at the end of the file.
 */
import fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { reasonOf } from '../errors.ts';
import { explained, hasCode, syncFolder, type Disk } from './disk.ts';
import { EMPTY_LINE, encodeRecord } from './lines.ts';
import { changed, LostError } from './lost.ts';
import { sizeAtPath, type JournalLock, type OpenFile } from './open-file.ts';
import { readJournal, type Contents } from './reader.ts';
import type { JournalRecord, RecordFormat } from './record-format.ts';
import { replaceFile, type Replacement } from './replacement.ts';

/** A file is compacted at opening from so many superseded lines, if they outnumber the entries. */
const COMPACT_FROM_SUPERSEDED_LINES = 1000;

const NO_LOCK: JournalLock = {
  confirm: async () => undefined,
  id: 'unlocked',
  isTakenOver: false,
};

/** What a test replaces. */
export interface JournalOptions {
  /** Default: the file system. */
  readonly disk?: Disk;
  /** Confirmed before a record is acknowledged, and before the file is cut off or replaced. */
  readonly lock?: JournalLock;
}

/** An open journal. Its opener makes sure that no other process has the file open. */
export class Journal<Entry> {
  /** What the records on disk add up to. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** How many bytes of an interrupted last write were cut off at the opening. */
  readonly discardedBytes: number;
  /** The file that these bytes were saved in. */
  readonly discardedPath: string | undefined;
  readonly #entries: Map<string, Entry>;
  readonly #format: RecordFormat<Entry>;
  readonly #openFile: OpenFile;
  /** Up to here the file is known to be written and synced. */
  #syncedBytes: number;
  /** How long the dirty tail may be that a failed write left behind `#syncedBytes`. */
  #dirtyTailBytes = 0;
  /** The lines that wait for the write under way, and the promise of their own batch. */
  #pendingLines = '';
  #pendingBatch: Promise<void> | undefined;
  /** The latest write or check. It never rejects. */
  #underWay: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(
    format: RecordFormat<Entry>,
    contents: Contents<Entry>,
    openFile: OpenFile,
    opened: Replacement,
  ) {
    this.entries = contents.entries;
    this.discardedBytes = contents.damage.reduce((sum, { start, end }) => sum + end - start, 0);
    this.discardedPath = opened.discardedPath;
    this.#entries = contents.entries;
    this.#format = format;
    this.#openFile = openFile;
    this.#syncedBytes = opened.size;
  }

  /**
   * Opens the file, or makes it (mode 0600).
   * @throws AuthError ERR_STORE_DAMAGED with the number of the line
   * @throws LostError if the file or the lock is lost meanwhile
   * @throws Error what the disk throws
   */
  static async open<Entry>(
    path: string,
    format: RecordFormat<Entry>,
    options: JournalOptions = {},
  ): Promise<Journal<Entry>> {
    const { disk = fs, lock = NO_LOCK } = options;
    let file = await disk.open(path, 'a+', 0o600);
    try {
      const status = await file.stat();
      if (!status.isFile()) throw new Error('it is not a regular file');
      const contents = await readJournal(file, path, format);
      const old: OpenFile = { path, file, ino: status.ino, disk, lock };
      // If the lock was taken over, its last holder may be suspended inside a write to this file.
      const isTrusted = contents.isClosed && !lock.isTakenOver;
      const opened = isTrusted
        ? await openClosed(old, contents, format)
        : await replaceUnclosed(old, contents, format);
      file = opened.file;
      // The name must be durable before a record is acknowledged. If this fails, the next opening
      // finds no empty line at the end, and replaces the file and its name again.
      await syncFolder(dirname(path), disk);
      const { ino } = await file.stat();
      return new Journal(format, contents, { ...old, file, ino }, opened);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Appends a record, and applies it to the entries once it is on disk. While one batch is written
   * and synced, later records gather in the next batch. They share its sync and its outcome.
   * @returns once the record is on disk
   * @throws RangeError if its line would be over 1 MiB
   * @throws LostError if the file or the lock is lost
   * @throws Error what the disk throws; the record is not on disk, or the message says otherwise
   */
  async append(record: JournalRecord): Promise<void> {
    if (this.#isClosed) throw new Error('it is closed');
    this.#pendingLines += encodeRecord(record);
    this.#pendingBatch ??= this.#underWay.then(() => {
      const written = this.#write(this.#pendingLines);
      this.#pendingLines = '';
      this.#pendingBatch = undefined;
      this.#underWay = written.catch(() => undefined);
      return written;
    });
    await this.#pendingBatch;
    const problem = this.#format.apply(record, this.#entries);
    // Impossible, unless a store appends what its own format refuses.
    if (problem !== undefined) throw new Error(`a record was written that ${problem}`);
  }

  /**
   * Checks between two batches that the file is unchanged.
   * @throws LostError if it is not
   */
  async check(): Promise<void> {
    // The pending batch makes the same check, and its callers get the error.
    if (this.#isClosed || this.#pendingBatch !== undefined) return;
    const checked = this.#underWay.then(() => this.#assertUnchanged());
    this.#underWay = checked.catch(() => undefined);
    await checked;
  }

  /** Finishes pending writes, then marks the file as closed if all of it is on disk. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#pendingBatch?.catch(() => undefined);
    await this.#underWay;
    // Without the mark the next opening copies the file. That costs time and loses nothing.
    await this.#markClosed().catch(() => undefined);
    await this.#openFile.file.close();
  }

  /**
   * Writes all lines or none. A failed write is rolled back. Until that succeeds nothing more is
   * written, because it is not known what is on disk.
   */
  async #write(lines: string): Promise<void> {
    if (this.#dirtyTailBytes > 0) await this.#rollBack();
    await this.#assertUnchanged();
    const { file, lock } = this.#openFile;
    const bytes = Buffer.from(EMPTY_LINE + lines, 'utf8');
    this.#dirtyTailBytes = bytes.length;
    try {
      // After a short write, writeFile continues where that ended.
      await file.writeFile(bytes);
      await file.datasync();
      // If the claim is still there after the sync, the next holder will read these lines.
      await lock.confirm();
    } catch (error) {
      await this.#rollBack().catch((failure: unknown) => {
        const fate = 'what was written cannot be taken back and may be there after a restart';
        const message = `${reasonOf(error)}; ${fate}: ${reasonOf(failure)}`;
        throw explained(message, error, failure instanceof LostError ? LostError : Error);
      });
      throw error;
    }
    this.#syncedBytes += bytes.length;
    this.#dirtyTailBytes = 0;
  }

  /**
   * Cuts the dirty tail off. A sync that failed earlier does no harm: the pages beyond
   * `#syncedBytes` that it dropped are cut off, and the page that holds `#syncedBytes` was on disk
   * up to there and is written again by the sync here.
   */
  async #rollBack(): Promise<void> {
    const { file, lock } = this.#openFile;
    // Another process may have taken the file over, and have acknowledged what follows.
    await lock.confirm();
    const { size } = await file.stat();
    // Truncating a shorter file would fill it with NUL. The end of a longer one is not ours.
    const longest = this.#syncedBytes + this.#dirtyTailBytes;
    if (size < this.#syncedBytes || size > longest) throw changed('changed');
    await file.truncate(this.#syncedBytes);
    await file.datasync();
    this.#dirtyTailBytes = 0;
  }

  /** Writes the empty line that proves all above it to be on disk. */
  async #markClosed(): Promise<void> {
    if (this.#dirtyTailBytes > 0) await this.#rollBack();
    await this.#assertUnchanged();
    const { file, lock } = this.#openFile;
    await lock.confirm();
    await file.writeFile(Buffer.from(EMPTY_LINE));
    await file.datasync();
  }

  /** @throws LostError if the path has another file, or the file another length */
  async #assertUnchanged(): Promise<void> {
    const size = await sizeAtPath(this.#openFile);
    // The length of a dirty tail is not known.
    if (size !== this.#syncedBytes && this.#dirtyTailBytes === 0) throw changed('changed');
  }
}

/** Opens a file that was closed, and compacts it where that is worth the time. */
async function openClosed<Entry>(
  old: OpenFile,
  contents: Contents<Entry>,
  format: RecordFormat<Entry>,
): Promise<Replacement> {
  if (shouldCompact(contents)) {
    // If that fails, for lack of space perhaps, the old file will do.
    const compacted = await replaceFile(old, contents, format).catch(() => undefined);
    if (compacted !== undefined) return compacted;
  }
  const { file, lock } = old;
  const { recordBytes, fileBytes } = contents;
  if ((await file.stat()).size !== fileBytes) throw changed('changed');
  await lock.confirm();
  // The mark goes first. A restored copy may never have been synced: if this sync fails, the next
  // opening must not trust the file.
  await file.truncate(recordBytes);
  await file.datasync();
  return { file, size: recordBytes, discardedPath: undefined };
}

function shouldCompact({ supersededLines, entries }: Contents<unknown>): boolean {
  return supersededLines >= COMPACT_FROM_SUPERSEDED_LINES && supersededLines > entries.size;
}

/** Replaces a file that was not closed, or that is new. */
async function replaceUnclosed<Entry>(
  old: OpenFile,
  contents: Contents<Entry>,
  format: RecordFormat<Entry>,
): Promise<Replacement> {
  try {
    return await replaceFile(old, contents, format);
  } catch (error) {
    if (contents.fileBytes === 0 || error instanceof LostError) throw error;
    const isFull = hasCode(error, 'ENOSPC', 'EDQUOT');
    const remedy = isFull ? `: free disk space for a copy beside ${old.path}` : '';
    const message =
      'it was not closed cleanly and has to be copied before it can be trusted. ' +
      `The copy failed (${reasonOf(error)}) and the file is as it was${remedy}`;
    throw explained(message, error);
  }
}
