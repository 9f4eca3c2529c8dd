/**
 * The file of users as something that is only ever appended to, whole lines at a time.
 * Promise: what was answered is on disk (fdatasync), of what was refused nothing stays, and nothing that is there is
 * ever overwritten.
 */
import fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { ignore, syncFolder, type Disk, type DiskFile } from './disk.ts';
import { GONE, LostError, type FileLock } from './file-lock.ts';
import { EMPTY_LINE, HEADER_LINE, lineOf, readUsers, type Contents } from './json-lines.ts';
import type { User } from './store.ts';

/** A file is compacted as it is opened, once it holds so many superseded lines, and more of them than users. */
const COMPACT_FROM_LINES = 1000;

/** What a journal asks of the lock on its file. */
export type JournalLock = Pick<FileLock, 'confirm' | 'isTakenOver'>;

const NO_LOCK: JournalLock = {
  confirm: async () => undefined,
  isTakenOver: false,
};

interface Place {
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
  /** The length of a torn last batch that was cut off. */
  readonly discardedBytes: number;
  readonly #place: Place;
  /** Up to where the file is known to be written and synced. */
  #size: number;
  /** Whether a failed write may have left something behind that. */
  #isTorn = false;
  /** The lines that gather while others are written, and the promise of those who wait for them. */
  #gathered = '';
  #gathering: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(contents: Contents, place: Place, size: number) {
    this.users = contents.users;
    this.discardedBytes = contents.tornBytes;
    this.#place = place;
    this.#size = size;
  }

  /**
   * Opens the file, or makes it (mode 0600).
   * @param disk default the real one
   * @param lock confirmed before an answer, and before lines are cut off or the file is replaced
   * @throws AuthError ERR_STORE_DAMAGED; whatever the disk throws
   */
  static async open(
    path: string,
    disk: Disk = fs,
    lock: JournalLock = NO_LOCK,
  ): Promise<Journal> {
    let file = await disk.open(path, 'a+', 0o600);
    try {
      if (!(await file.stat()).isFile()) throw new Error('it is no regular file');
      const contents = await readUsers(file, path);
      const { users, supersededLines, completeBytes, tornBytes } = contents;
      await lock.confirm();
      if (tornBytes > 0) await file.truncate(completeBytes);
      if (completeBytes === 0) {
        await file.chmod(0o600); // whatever the umask
        await file.writeFile(Buffer.from(HEADER_LINE));
      }
      const isWorn = supersededLines >= COMPACT_FROM_LINES && supersededLines > users.size;
      // The holder before may only be suspended, inside a write, which must not hit this file.
      if (isWorn || lock.isTakenOver) file = await compact(path, file, users, disk, lock);
      // A process that was killed may have left lines, or a name, that only the system's memory has.
      await file.datasync();
      await syncFolder(dirname(path), disk);
      const { ino, size } = await file.stat();
      return new Journal(contents, { path, disk, file, ino, lock }, size);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * While one batch is written and synced the next one gathers, so that many lines share a sync and its outcome.
   * @returns once the line is on disk; throws if it is not, or if that is not known
   */
  append(line: string): Promise<void> {
    if (this.#isClosed) throw new Error('it is closed');
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
    const checked = this.#writing.then(() => this.#checkPlace());
    this.#writing = checked.catch(() => undefined);
    await checked;
  }

  /** Finishes what is being written. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#gathering?.catch(() => undefined);
    await this.#writing;
    if (this.#isTorn) await this.#takeBack().catch(() => undefined);
    await this.#place.file.close();
  }

  /**
   * All or nothing. What a failed write leaves behind is cut off; until that works nothing more is written, because
   * nobody knows what is on disk.
   */
  async #write(lines: string): Promise<void> {
    if (this.#isTorn) await this.#takeBack();
    await this.#checkPlace();
    const { file, lock } = this.#place;
    const bytes = Buffer.from(EMPTY_LINE + lines, 'utf8');
    this.#isTorn = true;
    try {
      // A write may be short: writeFile goes on where it ended.
      await file.writeFile(bytes);
      await file.datasync();
      // If the claim is still there after the sync, the next holder will read these lines.
      await lock.confirm();
    } catch (error) {
      await this.#takeBack().catch((failure: unknown) => {
        const rest = 'what was written cannot be taken back, and may be there after a restart';
        const Kind = failure instanceof LostError ? LostError : Error;
        throw new Kind(`${error}; ${rest}`);
      });
      throw error;
    }
    this.#size += bytes.length;
    this.#isTorn = false;
  }

  /** @throws LostError if the path has another file, or the file another length */
  async #checkPlace(): Promise<void> {
    const { path, disk, ino } = this.#place;
    const found = await disk.stat(path).catch(ignore(...GONE));
    const isReplaced = found?.ino !== ino;
    if (!isReplaced && (found.size === this.#size || this.#isTorn)) return;
    const change = isReplaced ? 'replaced' : 'changed';
    const what = found === undefined ? 'removed' : change;
    const remedy = 'put it back as it was, or restart to read it anew';
    throw new LostError(`another program ${what} it: ${remedy}`);
  }

  async #takeBack(): Promise<void> {
    // Another process may have taken the file over, and answered for what follows.
    await this.#place.lock.confirm();
    await this.#place.file.truncate(this.#size);
    await this.#place.file.datasync();
    this.#isTorn = false;
  }
}

/**
 * Writes the users into a new file and puts that in the place of the old one. Should that fail, for want of space say,
 * the old one serves as well.
 * @returns the file that is now in use; the other is closed
 */
async function compact(
  path: string,
  old: DiskFile,
  users: Map<string, User>,
  disk: Disk,
  lock: JournalLock,
): Promise<DiskFile> {
  const newPath = `${path}.compact`;
  let file: DiskFile | undefined;
  try {
    // Left by a crash. Nobody else can be writing it.
    await disk.rm(newPath, { force: true });
    file = await disk.open(newPath, 'ax', 0o600);
    const { mode, uid, gid } = await old.stat();
    await file.chmod(mode);
    // Who may not give a file away keeps it.
    await file.chown(uid, gid).catch(ignore('EPERM'));
    const lines = [HEADER_LINE];
    for (const user of users.values()) {
      lines.push(lineOf('insert', user));
      if (lines.length === 1000) await file.writeFile(Buffer.from(lines.splice(0).join('')));
    }
    lines.push(EMPTY_LINE);
    await file.writeFile(Buffer.from(lines.join('')));
    await file.datasync();
    await lock.confirm();
    await disk.rename(newPath, path);
  } catch (error) {
    await file?.close();
    await disk.rm(newPath, { force: true }).catch(() => undefined);
    if (lock.isTakenOver) throw error;
    return old;
  }
  await old.close();
  return file;
}
