/**
 * A draft: the file that will replace the file of a journal. It has a name of its own until all of
 * it is on disk.
 * Promise: a draft takes the name only of the file that it was made from, and only while this
 * process holds the lock. Its length is then the one that was written.
 */
import { encodeRecord, headerLine } from './lines.ts';
import { fileChangedError } from './lost.ts';
import { assertUnchanged, changeOf, type OpenFile } from './open-file.ts';
import type { DiskFile } from './disk.ts';
import type { ByteRange } from './reader.ts';
import type { RecordFormat } from './record-format.ts';
import { ignore, ignoreFailure, NOT_SETTABLE_CODES } from './system-errors.ts';

/** Pieces are small, because the process does other work only between two of them. */
const CHARACTERS_PER_WRITE = 1 << 18;
const BYTES_PER_COPY = 1 << 20;

export class Draft {
  readonly file: DiskFile;
  readonly #old: OpenFile;
  readonly #path: string;
  #size = 0;

  private constructor(old: OpenFile, path: string, file: DiskFile) {
    this.#old = old;
    this.#path = path;
    this.file = file;
  }

  /** @param hasHeader whether the old file has a header. The draft then gets the file's mode. */
  static async create(old: OpenFile, hasHeader: boolean): Promise<Draft> {
    const { path, disk, lock } = old;
    const draftPath = `${path}.compact-${lock.id}`;
    // Without a lock all drafts share one name, and a crash may have left one.
    await disk.rm(draftPath, { force: true });
    const draft = new Draft(old, draftPath, await disk.open(draftPath, 'ax+', 0o600));
    await draft.orDiscard(copyOwnerAndMode(old.file, draft.file, hasHeader));
    return draft;
  }

  /** The number of bytes written. */
  get size(): number {
    return this.#size;
  }

  /**
   * Writes the header and the record of each entry, in pieces.
   * @param beforePiece called before each piece but the last; if it throws, the writing ends with
   *   that error
   */
  async writeEntries<Entry>(
    entries: Iterable<readonly [string, Entry]>,
    format: RecordFormat<Entry>,
    version: number,
    beforePiece: () => void = () => undefined,
  ): Promise<void> {
    let lines = headerLine(format.name, version);
    for (const [key, entry] of entries) {
      lines += encodeRecord(format.recordOf(entry, key));
      if (lines.length < CHARACTERS_PER_WRITE) continue;
      beforePiece();
      await this.#write(Buffer.from(lines));
      lines = '';
    }
    await this.#write(Buffer.from(lines));
  }

  /** Appends a part of the old file. */
  async copy(range: ByteRange): Promise<void> {
    await copyBytes(this.#old.file, this.file, range);
    this.#size += range.end - range.start;
  }

  async sync(): Promise<void> {
    await this.file.datasync();
  }

  /**
   * Takes the name of the old file, which stays open. The caller must sync the folder before it
   * treats the draft as durable.
   * @param oldBytes the length of the old file when its content was last known
   * @throws FileLostError if the lock is gone, if the old file has changed, or if its path has
   *   another file
   * @throws Error if another program has removed, replaced, extended or shortened the draft
   */
  async takeName(oldBytes: number): Promise<void> {
    const { path, file, disk, lock } = this.#old;
    // If another program has added a line since the file was read, the draft lacks it.
    if ((await file.stat()).size !== oldBytes) throw fileChangedError('modified');
    await lock.confirm();
    await assertUnchanged(this.#old);
    await this.#assertWhole();
    await disk.rename(this.#path, path);
  }

  /** Closes and removes the draft, if possible. */
  async discard(): Promise<void> {
    await this.file.close().catch(ignoreFailure);
    await this.#old.disk.rm(this.#path, { force: true }).catch(ignoreFailure);
  }

  /** Discards the draft if the step fails. */
  async orDiscard<T>(step: Promise<T>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  /** The old file still has everything, so a changed draft is not a loss. */
  async #assertWhole(): Promise<void> {
    const { disk } = this.#old;
    const change = await changeOf({ path: this.#path, file: this.file, disk }, this.#size);
    if (change !== undefined) throw new Error(`another program ${change} ${this.#path}`);
  }

  async #write(bytes: Buffer): Promise<void> {
    await this.file.writeFile(bytes);
    this.#size += bytes.length;
  }
}

/**
 * Gives the draft the owner and the mode of the old file. A file without a header is treated as
 * new: the draft then has mode 0600, also if an operator created the empty file with another mode.
 */
async function copyOwnerAndMode(
  old: DiskFile,
  draft: DiskFile,
  hasHeader: boolean,
): Promise<void> {
  const { mode, uid, gid } = await old.stat();
  const isOwnerCopied = await draft.chown(uid, gid).then(() => true, ignore(...NOT_SETTABLE_CODES));
  // If this process may not change the owner, the draft has the group of this process, which the
  // old mode was not meant for.
  const safeMode = isOwnerCopied ? mode : mode & 0o700;
  // If the mode cannot be set, the draft keeps 0600 at most, or the mode that the mount sets.
  await draft.chmod(hasHeader ? safeMode : 0o600).catch(ignore(...NOT_SETTABLE_CODES));
}

/** Appends a part of one file to another. */
export async function copyBytes(
  from: DiskFile,
  to: DiskFile,
  { start, end }: ByteRange,
): Promise<void> {
  const chunk = Buffer.allocUnsafe(Math.min(BYTES_PER_COPY, end - start));
  let position = start;
  while (position < end) {
    const length = Math.min(chunk.length, end - position);
    const { bytesRead } = await from.read(chunk, 0, length, position);
    if (bytesRead === 0) throw fileChangedError('modified');
    await to.writeFile(chunk.subarray(0, bytesRead));
    position += bytesRead;
  }
}
