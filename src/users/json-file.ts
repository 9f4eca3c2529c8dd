/**
 * Users in a file: one JSON object a line, only ever appended to. The first line names the format and its version.
 * Promise: what was answered is on disk (fdatasync), and nothing that is there is ever overwritten.
 */
import { open, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { AuthError, text } from '../errors.ts';
import { lockFile } from './file-lock.ts';
import { ignore, makeFolder, syncFolder } from './folder.ts';
import { HEADER_LINE, lineOf, readUsers } from './json-lines.ts';
import type { User, UserStore } from './store.ts';

/** A file is compacted as it is opened, once it holds so many superseded lines, and more of them than users. */
const COMPACT_FROM_LINES = 1000;

interface Opened {
  readonly file: FileHandle;
  readonly users: Map<string, User>;
  readonly discardedBytes: number;
  readonly inode: number;
  /** Up to where the file is known to be written and synced. */
  size: number;
}

/** Keeps users in memory and, durably, in a file that one process at a time may open. */
export class JsonFileUserStore implements UserStore {
  readonly #path: string;
  readonly #opened: Opened;
  readonly #unlock: () => Promise<void>;
  /** Ids whose insert is still being written. */
  readonly #arriving = new Set<string>();
  /** The lines that gather while others are written, and the promise of those who wait for them. */
  #gathered = '';
  #gathering: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  /** Whether a failed write may have left something behind `size`. */
  #isTorn = false;

  private constructor(path: string, opened: Opened, unlock: () => Promise<void>) {
    this.#path = path;
    this.#opened = opened;
    this.#unlock = unlock;
  }

  /**
   * Opens the file, or makes it (mode 0600) and its folder (0700).
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
      // One file has one lock, by whatever name, and compaction replaces the file and not a link to it.
      const real = await realpath(path).catch(() => resolve(path));
      unlock = await lockFile(real);
      return new JsonFileUserStore(path, await openFile(real), unlock);
    } catch (error) {
      await unlock?.();
      if (error instanceof AuthError || !(error instanceof Error)) throw error;
      const description = `${path} cannot be opened: ${error.message}: mend that, or use another folder`;
      throw new AuthError('ERR_STORE', { description, cause: error });
    }
  }

  /** How many bytes of a last line, torn by a crash and never answered for, were cut off when the file was opened. */
  get discardedBytes(): number {
    return this.#opened.discardedBytes;
  }

  find(id: string): User | undefined {
    return this.#opened.users.get(id);
  }

  /**
   * @returns after fdatasync
   * @throws AuthError ERR_STORE if it could not be written, or not be taken back; `cause` names the file and the reason
   */
  async insert(user: User): Promise<boolean> {
    if (this.#opened.users.has(user.id) || this.#arriving.has(user.id)) return false;
    this.#arriving.add(user.id);
    try {
      await this.#append(lineOf('insert', user));
      this.#opened.users.set(user.id, { ...user });
      return true;
    } finally {
      this.#arriving.delete(user.id);
    }
  }

  /** As insert. */
  async update(user: User): Promise<boolean> {
    if (!this.#opened.users.has(user.id)) return false;
    await this.#append(lineOf('update', user));
    this.#opened.users.set(user.id, { ...user });
    return true;
  }

  /** Finishes what is being written, then gives the file free. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.#gathering?.catch(() => undefined);
      await this.#writing;
      await this.#opened.file.close().finally(this.#unlock);
    })();
    return this.#closing;
  }

  /** While one batch is written and synced the next one gathers, so that many lines share a sync and its outcome. */
  #append(line: string): Promise<void> {
    if (this.#closing !== undefined) throw this.#failure('the store is closed');
    this.#gathered += line;
    this.#gathering ??= this.#writing.then(() => {
      const written = this.#write(this.#gathered).catch((error: unknown) => {
        throw this.#failure(error instanceof Error ? error.message : String(error));
      });
      this.#gathered = '';
      this.#gathering = undefined;
      this.#writing = written.catch(() => undefined);
      return written;
    });
    return this.#gathering;
  }

  /**
   * All or nothing. What a failed write leaves behind is cut off; until that works nothing more is written, because
   * nobody knows what is on disk.
   */
  async #write(lines: string): Promise<void> {
    const opened = this.#opened;
    if (this.#isTorn) await this.#takeBack();
    const { ino, size } = await stat(this.#path);
    if (ino !== opened.inode || size !== opened.size) {
      throw new Error(`it was changed by someone else (${opened.size} bytes became ${size}); restart to read it anew`);
    }
    this.#isTorn = true;
    try {
      opened.size += await append(opened.file, lines);
      this.#isTorn = false;
    } catch (error) {
      await this.#takeBack().catch(() => undefined);
      throw error;
    }
  }

  async #takeBack(): Promise<void> {
    await this.#opened.file.truncate(this.#opened.size);
    await this.#opened.file.datasync();
    this.#isTorn = false;
  }

  /** What the caller is told is constant, since it may go over the wire; the reason stands in `cause`. */
  #failure(reason: string): AuthError {
    return new AuthError('ERR_STORE', { cause: new Error(`${this.#path} cannot be written: ${reason}`) });
  }
}

async function openFile(path: string): Promise<Opened> {
  const file = await open(path, 'a+', 0o600);
  try {
    if (!(await file.stat()).isFile()) throw new Error('it is no regular file');
    const { users, supersededLines, completeBytes, tornBytes } = await readUsers(file, path);
    if (tornBytes > 0) await file.truncate(completeBytes);
    if (completeBytes === 0) {
      await file.chmod(0o600); // whatever the umask
      await append(file, HEADER_LINE);
      await syncFolder(dirname(path));
    }
    const isWorthCompacting = supersededLines >= COMPACT_FROM_LINES && supersededLines > users.size;
    const current = isWorthCompacting ? await compact(path, file, users) : file;
    const { size, ino } = await current.stat();
    return { file: current, users, discardedBytes: tornBytes, size, inode: ino };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Writes the users into a new file, puts that in the place of the old one and answers it. */
async function compact(path: string, old: FileHandle, users: Map<string, User>): Promise<FileHandle> {
  const newPath = `${path}.compact`;
  // Left by a crash. Nobody else can be writing it, since the lock is ours.
  await rm(newPath, { force: true });
  const file = await open(newPath, 'ax', 0o600);
  try {
    const { mode, uid, gid } = await old.stat();
    await file.chmod(mode);
    // Who may not give a file away keeps it.
    await file.chown(uid, gid).catch(ignore('EPERM'));
    const lines = [HEADER_LINE];
    for (const user of users.values()) {
      lines.push(lineOf('insert', user));
      if (lines.length === 1000) await append(file, lines.splice(0).join(''));
    }
    await append(file, lines.join(''));
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
