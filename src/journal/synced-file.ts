/**
 * The file of an open journal: batches are appended to it and synced, and a failed batch is rolled
 * back. A draft can take its place. The caller runs one method at a time.
 * Promise: up to `size` the file is on disk, and so is its name while `isNameDurable` is true.
 */
import { reasonOf } from '../errors.ts';
import { syncName } from './disk.ts';
import type { Draft } from './draft.ts';
import { EMPTY_LINE } from './lines.ts';
import { fileChangedError, FileLostError } from './lost.ts';
import { assertUnchanged, type OpenFile } from './open-file.ts';
import { ignoreFailure, wrapError } from './system-errors.ts';

/** The most bytes of one probe, each an empty line: more than a block of most file systems has. */
const MAX_PROBE_BYTES = 1 << 16;

export class SyncedFile {
  #openFile: OpenFile;
  /** The file is known to be written and synced up to this length. */
  #syncedBytes: number;
  /** The offset behind the last record. Only empty lines of probes follow. */
  #recordsEnd: number;
  /**
   * The most bytes that may follow `#syncedBytes`: those of the write under way, or of a failed
   * write that was not rolled back.
   */
  #dirtyTailBytes = 0;
  /**
   * The length of the longest failed write. It is 0 again once a write succeeds that has this
   * length, or at least MAX_PROBE_BYTES.
   */
  #failedBytes = 0;
  #isNameDurable = true;

  /** @param size the length of the file, all of which is on disk, and so is its name */
  constructor(openFile: OpenFile, size: number) {
    this.#openFile = openFile;
    this.#syncedBytes = size;
    this.#recordsEnd = size;
  }

  get openFile(): OpenFile {
    return this.#openFile;
  }

  get size(): number {
    return this.#syncedBytes;
  }

  /** The offset behind the last record. A draft must not end in empty lines: see `#giveName`. */
  get recordsEnd(): number {
    return this.#recordsEnd;
  }

  /**
   * If false, after a power cut the previous file may be back under this name. A further sync of
   * the folder would prove nothing, since Linux reports a failed sync only once. So the file must
   * be replaced before a record is acknowledged.
   */
  get isNameDurable(): boolean {
    return this.#isNameDurable;
  }

  /**
   * Writes a batch: an empty line and all lines, or none of them. A failed write is rolled back.
   * Until a rollback succeeds nothing more is written, because the state of the disk is unknown.
   * @param lines none for a probe, which writes only the empty line. After a failed write it writes
   *   as many empty lines as that write had bytes: on a full disk a single byte may still fit into
   *   the last block of the file.
   */
  async append(lines: string): Promise<void> {
    if (this.#dirtyTailBytes > 0) await this.#rollBack();
    await this.check();
    const { file, lock } = this.#openFile;
    const probeBytes = Math.min(Math.max(this.#failedBytes, 1), MAX_PROBE_BYTES);
    const text = lines === '' ? EMPTY_LINE.repeat(probeBytes) : EMPTY_LINE + lines;
    const bytes = Buffer.from(text, 'utf8');
    this.#dirtyTailBytes = bytes.length;
    try {
      // If the system writes only a part of the bytes, writeFile continues after that part.
      await file.writeFile(bytes);
      await file.datasync();
      // If the lock is still held after the sync, the next holder will read these lines.
      await lock.confirm();
    } catch (error) {
      this.#failedBytes = Math.max(this.#failedBytes, bytes.length);
      await this.#rollBack().catch((failure: unknown) => {
        const fate = 'the write cannot be rolled back and may be there after a restart';
        const message = `${reasonOf(error)}; ${fate}: ${reasonOf(failure)}`;
        throw wrapError(message, error, failure instanceof FileLostError ? FileLostError : Error);
      });
      throw error;
    }
    this.#syncedBytes += bytes.length;
    this.#dirtyTailBytes = 0;
    if (bytes.length >= Math.min(this.#failedBytes, MAX_PROBE_BYTES)) this.#failedBytes = 0;
    if (lines !== '') this.#recordsEnd = this.#syncedBytes;
  }

  /**
   * Copies the rest of the records into the draft, syncs it, and uses it from then on.
   * @param copiedTo the offset up to which the draft has the records of this file
   * @throws FileLostError if the file or the lock is lost
   * @throws Error of the disk. This file is then still in use and the draft is removed, or the
   *   draft is in use and `isNameDurable` is false.
   */
  async replaceWith(draft: Draft, copiedTo: number): Promise<void> {
    await draft.orDiscard(this.#giveName(draft, copiedTo));
    const old = this.#openFile;
    await old.file.close().catch(ignoreFailure);
    this.#openFile = { ...old, file: draft.file };
    this.#syncedBytes = draft.size;
    this.#recordsEnd = draft.size;
    this.#isNameDurable = false;
    await syncName(old.path, draft.file, old.disk);
    this.#isNameDurable = true;
  }

  /** @throws FileLostError if the path has another file, or the file has another length */
  async check(): Promise<void> {
    // With a dirty tail the length is unknown.
    const isLengthKnown = this.#dirtyTailBytes === 0;
    await assertUnchanged(this.#openFile, isLengthKnown ? this.#syncedBytes : undefined);
  }

  /** Marks the file as closed if all of it is on disk, and closes it. */
  async close(): Promise<void> {
    // Without the mark the next opening copies the file. That costs time and loses nothing.
    await this.#markClosed().catch(ignoreFailure);
    await this.#openFile.file.close();
  }

  /**
   * The draft gets no empty line at its end. Its name may turn out not to be durable, and the
   * process may be killed. The next opening must then not take the file for a closed one.
   */
  async #giveName(draft: Draft, copiedTo: number): Promise<void> {
    if (this.#dirtyTailBytes > 0) await this.#rollBack();
    if (this.#recordsEnd > copiedTo) {
      await draft.copy({ start: copiedTo, end: this.#recordsEnd });
      await draft.sync();
    }
    await draft.takeName(this.#syncedBytes);
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
    if (!this.#isNameDurable) return;
    if (this.#dirtyTailBytes > 0) await this.#rollBack();
    await this.check();
    const { file, lock } = this.#openFile;
    await lock.confirm();
    await file.writeFile(Buffer.from(EMPTY_LINE));
    await file.datasync();
  }
}
