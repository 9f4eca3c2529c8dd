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
import {
  COMPACT_FROM_SUPERSEDED_BYTES,
  Compaction,
  copyOfEntries,
  type Snapshot,
} from './compaction.ts';
import type { Disk } from './disk.ts';
import { encodeRecord } from './lines.ts';
import { LiveBytes } from './live-bytes.ts';
import type { JournalLock } from './open-file.ts';
import { openJournalFile, type Opened } from './opening.ts';
import { versionNeededBy, type JournalRecord, type RecordFormat } from './record-format.ts';
import { SyncedFile } from './synced-file.ts';
import { ignoreFailure } from './system-errors.ts';

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
  /**
   * The open journal compacts its file once about this many bytes are superseded, and these are at
   * least half of the file. Default 8 MiB.
   */
  readonly compactFromBytes?: number;
}

/** Records that share a write and a sync. */
interface Batch {
  readonly records: JournalRecord[];
  /** The line of each record. */
  readonly lines: string[];
  /** The version that the records need. */
  version: number;
  /** For each record, the reason why the format refused it; undefined if it did not. */
  problems: readonly (string | undefined)[];
  /** The outcome of the batch. */
  readonly written: Promise<void>;
}

/** An open journal. The caller must make sure that no other process has the file open. */
export class Journal<Entry> {
  /** The number of bytes of an interrupted last write that the opening cut off. */
  readonly discardedBytes: number;
  /** The file in which these bytes were saved. */
  readonly discardedPath: string | undefined;
  readonly #entries: Map<string, Entry>;
  readonly #format: RecordFormat<Entry>;
  readonly #file: SyncedFile;
  /** The version that the header of the file names. */
  #version: number;
  readonly #liveBytes: LiveBytes;
  readonly #compactFromBytes: number;
  /** After a compaction that failed, the next one waits until the file has this length. */
  #retryFromBytes = 0;
  #compaction: Compaction<Entry> | undefined;
  /** The batch that gathers records until its turn. */
  #nextBatch: Batch | undefined;
  /** The latest operation on the file, which may wait for its turn. It never rejects. */
  #lastOperation: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  private constructor(
    { contents, ...opened }: Opened<Entry>,
    format: RecordFormat<Entry>,
    compactFromBytes: number,
  ) {
    this.discardedBytes = contents.damage.reduce((sum, { start, end }) => sum + end - start, 0);
    this.discardedPath = opened.discardedPath;
    this.#entries = contents.entries;
    this.#version = contents.version;
    this.#format = format;
    this.#file = new SyncedFile(opened.openFile, opened.size);
    this.#liveBytes = new LiveBytes(opened.liveBytes);
    this.#compactFromBytes = compactFromBytes;
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
    const {
      disk = fs,
      lock = NO_LOCK,
      compactFromBytes = COMPACT_FROM_SUPERSEDED_BYTES,
    } = options;
    const opened = await openJournalFile({ path, disk, lock }, format);
    return new Journal(opened, format, compactFromBytes);
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
    const line = encodeRecord(record);
    const version = versionNeededBy(record, this.#format);
    const batch = this.#gatheringBatch();
    batch.version = Math.max(batch.version, version);
    batch.lines.push(line);
    const index = batch.records.push(record) - 1;
    await batch.written;
    const problem = batch.problems[index];
    // A bug in the store: it wrote a record that its own `apply` refuses. The record is on disk by
    // now, and the next opening will refuse the file.
    if (problem !== undefined) throw new Error(`a record was written that ${problem}`);
  }

  /**
   * Writes and syncs an empty line, or shares the sync of the next batch. After a failed write it
   * writes as many empty lines as that write had bytes, up to 64 KiB. The file may then end in
   * empty lines, as after a clean stop. That is correct: an empty line is only ever written once
   * everything above it is on disk, and that is all it proves. If the process is killed now, the
   * next opening need not copy the file.
   * @returns once the disk has taken a write
   * @throws as `append` does
   */
  async probe(): Promise<void> {
    await this.#gatheringBatch().written;
  }

  /**
   * Checks, between two batches, that the path still has this file, with the length that this
   * journal gave it. An edit that keeps the length goes unnoticed.
   * @throws FileLostError if another program removed, replaced, extended or shortened the file
   * @throws Error of the disk
   */
  async check(): Promise<void> {
    // A batch makes the same check, and its callers get the error.
    if (this.#isClosed || this.#nextBatch !== undefined) return;
    await this.#inTurn(() => this.#file.check());
  }

  /** Finishes pending writes, and marks the file as closed if all of it is on disk. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#inTurn(async () => {
      await this.#abandonCompaction();
      await this.#file.close();
    });
  }

  /** Runs an operation on the file once the ones before it have ended. */
  #inTurn<T>(operation: () => Promise<T>): Promise<T> {
    const ended = this.#lastOperation.then(operation);
    this.#lastOperation = ended.catch(ignoreFailure);
    return ended;
  }

  #gatheringBatch(): Batch {
    if (this.#isClosed) throw new Error('it is closed');
    if (this.#nextBatch !== undefined) return this.#nextBatch;
    const batch: Batch = {
      records: [],
      lines: [],
      version: 0,
      problems: [],
      written: this.#inTurn(() => this.#write(batch)),
    };
    this.#nextBatch = batch;
    return batch;
  }

  async #write(batch: Batch): Promise<void> {
    // From here on records gather in a batch of their own.
    this.#nextBatch = undefined;
    if (batch.version > this.#version || !this.#file.isNameDurable) {
      await this.#compactNow(Math.max(batch.version, this.#version));
    }
    await this.#file.append(batch.lines.join(''));
    batch.problems = batch.records.map((record, index) => {
      return this.#apply(record, batch.lines[index] ?? '');
    });
    this.#compactIfDue();
  }

  /** @returns the reason why the format refuses the record, or undefined */
  #apply(record: JournalRecord, line: string): string | undefined {
    const entriesBefore = this.#entries.size;
    const problem = this.#format.apply(record, this.#entries);
    this.#liveBytes.count(line, entriesBefore, this.#entries.size);
    return problem;
  }

  /** Begins a compaction between two batches, when the entries are those of the file. */
  #compactIfDue(): void {
    if (this.#isClosed || this.#compaction !== undefined) return;
    const { size } = this.#file;
    const liveBytes = this.#liveBytes.bytes;
    const supersededBytes = size - liveBytes;
    const isDue = supersededBytes >= Math.max(this.#compactFromBytes, liveBytes);
    if (!isDue || size < this.#retryFromBytes) return;
    const compaction = new Compaction(this.#file, this.#snapshot(this.#version));
    this.#compaction = compaction;
    void compaction.drafted().then(() => {
      return this.#inTurn(() => this.#finish(compaction, liveBytes)).catch(ignoreFailure);
    });
  }

  /** @param estimate the live bytes when the compaction began */
  async #finish(compaction: Compaction<Entry>, estimate: number): Promise<void> {
    if (this.#compaction !== compaction) return;
    this.#compaction = undefined;
    // A failed compaction only wastes space, and the next operation reports a file that was lost.
    this.#retryFromBytes = this.#file.size + this.#compactFromBytes;
    const entryBytes = await compaction.finish();
    this.#retryFromBytes = 0;
    this.#liveBytes.correct(entryBytes, estimate);
  }

  /**
   * Replaces the file while no other operation runs, because its header must name a newer version
   * or its name is not durable.
   */
  async #compactNow(version: number): Promise<void> {
    await this.#abandonCompaction();
    const estimate = this.#liveBytes.bytes;
    const entryBytes = await new Compaction(this.#file, this.#snapshot(version)).finish();
    this.#version = version;
    this.#retryFromBytes = 0;
    this.#liveBytes.correct(entryBytes, estimate);
  }

  /** Must be called in turn, so that the compaction is not in its second phase. */
  async #abandonCompaction(): Promise<void> {
    await this.#compaction?.abandon();
    this.#compaction = undefined;
  }

  #snapshot(version: number): Snapshot<Entry> {
    const { recordsEnd } = this.#file;
    return { entries: copyOfEntries(this.#entries), recordsEnd, format: this.#format, version };
  }
}
