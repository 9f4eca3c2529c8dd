/**
 * Users in a file: one JSON object a line, only ever appended to. The first line names the format and its version.
 * Promise: what was answered is on disk (fdatasync), and nothing that is there is ever overwritten.
 */
import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { AuthError, text } from '../errors.ts';
import { lockFile } from './file-lock.ts';
import { HEADER_LINE, lineOf, readUsers } from './json-lines.ts';
import type { User, UserStore } from './store.ts';

/** A file is compacted as it is opened, once it holds so many superseded lines, and more of them than users. */
const COMPACT_FROM_LINES = 1000;
const LINES_PER_WRITE = 1000;

interface Opened {
  readonly file: FileHandle;
  readonly users: Map<string, User>;
  readonly discardedBytes: number;
  readonly size: number;
  readonly ino: number;
}

interface Pending {
  readonly line: string;
  readonly written: () => void;
  readonly failed: (error: AuthError) => void;
}

/** Keeps users in memory and, durably, in a file that one process at a time may open. */
export class JsonFileUserStore implements UserStore {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #users: Map<string, User>;
  readonly #unlock: () => Promise<void>;
  /** Ids whose insert is still being written. */
  readonly #arriving = new Set<string>();
  #pending: Pending[] = [];
  #writing: Promise<void> | undefined;
  /** Up to where the file is known to be written and synced. */
  #size: number;
  readonly #inode: number;
  /** Whether a failed write may have left something behind that. */
  #isTorn = false;
  #isClosed = false;

  /** How many bytes of a last line, torn by a crash and never answered for, were cut off when the file was opened. */
  readonly discardedBytes: number;

  private constructor(path: string, opened: Opened, unlock: () => Promise<void>) {
    this.#path = path;
    this.#file = opened.file;
    this.#users = opened.users;
    this.#size = opened.size;
    this.#inode = opened.ino;
    this.discardedBytes = opened.discardedBytes;
    this.#unlock = unlock;
  }

  /**
   * Opens the file, or makes it (mode 0600) and its folder (0700). A last line without its end is what a crash leaves
   * of a write that was never answered: it is cut off and counted in `discardedBytes`.
   *
   * @param path the file; `path.lock.*` and `path.compact` beside it are used too
   * @throws TypeError if `path` is no string; AuthError ERR_STORE_LOCKED if another process has it open;
   *   ERR_STORE_DAMAGED if it is not in the format, with the number of the line, and the file stays as it is;
   *   ERR_STORE if the system refuses
   */
  static async open(path: string): Promise<JsonFileUserStore> {
    text('path', path);
    let unlock: (() => Promise<void>) | undefined;
    try {
      await makeFolder(dirname(resolve(path)));
      unlock = await lockFile(path);
      return new JsonFileUserStore(path, await openFile(path), unlock);
    } catch (error) {
      await unlock?.();
      if (error instanceof AuthError || !(error instanceof Error)) throw error;
      throw new AuthError('ERR_STORE', { description: `${path} cannot be opened: ${error.message}`, cause: error });
    }
  }

  find(id: string): User | undefined {
    return this.#users.get(id);
  }

  /**
   * @returns after fdatasync
   * @throws AuthError ERR_STORE if it could not be written, or not be taken back; `cause` names the file and the reason
   */
  async insert(user: User): Promise<boolean> {
    if (this.#users.has(user.id) || this.#arriving.has(user.id)) return false;
    this.#arriving.add(user.id);
    try {
      await this.#append(lineOf('insert', user));
      this.#users.set(user.id, user);
      return true;
    } finally {
      this.#arriving.delete(user.id);
    }
  }

  /** As insert. */
  async update(user: User): Promise<boolean> {
    if (!this.#users.has(user.id)) return false;
    await this.#append(lineOf('update', user));
    this.#users.set(user.id, user);
    return true;
  }

  /** Finishes what is being written, then gives the file free. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#writing;
    await this.#file.close();
    await this.#unlock();
  }

  /** Queues a line. While one batch is written and synced the next one gathers, so that many share a sync. */
  #append(line: string): Promise<void> {
    if (this.#isClosed) throw this.#failure(new Error('the store is closed'));
    return new Promise((written, failed) => {
      this.#pending.push({ line, written, failed });
      this.#writing ??= this.#writePending();
    });
  }

  async #writePending(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      try {
        await this.#write(batch.map(({ line }) => line).join(''));
        for (const { written } of batch) written();
      } catch (error) {
        const failure = this.#failure(error);
        for (const { failed } of batch) failed(failure);
      }
    }
    // In the same turn in which nothing was pending, so that no line is left waiting for a writer.
    this.#writing = undefined;
  }

  /**
   * All or nothing. What a failed write leaves behind is cut off; until that works nothing more is written, because
   * nobody knows what is on disk.
   */
  async #write(lines: string): Promise<void> {
    if (this.#isTorn) await this.#takeBack();
    const { ino, size } = await stat(this.#path);
    if (ino !== this.#inode || size !== this.#size) {
      throw new Error(`it was changed by someone else (${this.#size} bytes became ${size}); restart to read it anew`);
    }
    this.#isTorn = true;
    try {
      this.#size += await append(this.#file, lines);
      this.#isTorn = false;
    } catch (error) {
      await this.#takeBack().catch(() => undefined);
      throw error;
    }
  }

  async #takeBack(): Promise<void> {
    await this.#file.truncate(this.#size);
    await this.#file.datasync();
    this.#isTorn = false;
  }

  /** What the caller is told is constant, since it may go over the wire; the reason stands in `cause`. */
  #failure(error: unknown): AuthError {
    const reason = error instanceof Error ? error.message : String(error);
    const cause = new Error(`${this.#path} cannot be written: ${reason}`, { cause: error });
    return new AuthError('ERR_STORE', { cause });
  }
}

/** Makes what is missing of a folder, and makes that durable. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = folder; made !== dirname(first); made = dirname(made)) await syncFolder(dirname(made));
}

async function openFile(path: string): Promise<Opened> {
  const file = await open(path, 'a+', 0o600);
  try {
    const { users, supersededLines, completeBytes, tornBytes } = await readUsers(file, path);
    if (tornBytes > 0) await file.truncate(completeBytes);
    if (completeBytes === 0) {
      // The umask may have taken more from the mode than it should.
      await file.chmod(0o600);
      await append(file, HEADER_LINE);
      await syncFolder(dirname(path));
    }
    const isWorthCompacting = supersededLines >= COMPACT_FROM_LINES && supersededLines > users.size;
    const current = isWorthCompacting ? await compact(path, file, users) : file;
    const { size, ino } = await current.stat();
    return { file: current, users, discardedBytes: tornBytes, size, ino };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Writes the users into a new file and puts that in the place of the old one.
 *
 * @returns the new file
 */
async function compact(path: string, old: FileHandle, users: Map<string, User>): Promise<FileHandle> {
  const newPath = `${path}.compact`;
  // Left by a crash. Nobody else can be writing it, since the lock is ours.
  await rm(newPath, { force: true });
  const file = await open(newPath, 'ax', 0o600);
  try {
    const { mode, uid, gid } = await old.stat();
    await file.chmod(mode);
    await file.chown(uid, gid);
    let lines = HEADER_LINE;
    let count = 0;
    for (const user of users.values()) {
      lines += lineOf('insert', user);
      count += 1;
      if (count % LINES_PER_WRITE > 0) continue;
      await append(file, lines);
      lines = '';
    }
    await append(file, lines);
    await rename(newPath, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await file.close();
    await rm(newPath, { force: true });
    throw error;
  }
  await old.close();
  return file;
}

/** @returns how many bytes were written and synced */
async function append(file: FileHandle, lines: string): Promise<number> {
  const bytes = Buffer.from(lines, 'utf8');
  // A write may be short: writeFile goes on where it ended.
  await file.writeFile(bytes);
  await file.datasync();
  return bytes.length;
}

/** Makes durable which files a folder holds. Windows has nothing of the kind and refuses to open a folder. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPERM' && error.code !== 'EISDIR') throw error;
  });
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}
