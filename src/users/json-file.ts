/** Users in a file of JSON lines, which one process at a time has open: the store that a single server needs. */
import { open, realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { AuthError, text } from '../errors.ts';
import { makeFolder } from './disk.ts';
import { lockFile } from './file-lock.ts';
import { Journal } from './journal.ts';
import { lineOf } from './json-lines.ts';
import { copyOf, type User, type UserStore } from './store.ts';

/** Keeps users in memory and, durably, in a file. */
export class JsonFileUserStore implements UserStore {
  readonly #path: string;
  readonly #journal: Journal;
  readonly #unlock: () => Promise<void>;
  /** Ids whose insert is still being written. */
  readonly #arriving = new Set<string>();
  #closing: Promise<void> | undefined;

  private constructor(path: string, journal: Journal, unlock: () => Promise<void>) {
    this.#path = path;
    this.#journal = journal;
    this.#unlock = unlock;
  }

  /**
   * Opens the file, or makes it (mode 0600) and its folder (0700).
   * @param path the file; `path.lock.*`, `path.compact` and `path.cut-*` beside it are used too
   * @throws TypeError if `path` is no string; AuthError ERR_STORE_LOCKED if another process has it open;
   *   ERR_STORE_DAMAGED if it is not in the format, with the number of the line, and the file stays as it is;
   *   ERR_STORE if the system refuses
   */
  static async open(path: string): Promise<JsonFileUserStore> {
    text('path', path);
    let unlock: (() => Promise<void>) | undefined;
    try {
      await makeFolder(dirname(resolve(path)));
      // Made first, because a link may lead to a file that is not there yet. With a+, which does not wait at a pipe.
      await (await open(path, 'a+', 0o600)).close();
      // One file has one lock, whatever link names it, and compaction replaces the file and not a link to it.
      const real = await realpath(path);
      unlock = await lockFile(real);
      return new JsonFileUserStore(path, await Journal.open(real), unlock);
    } catch (error) {
      await unlock?.();
      if (error instanceof AuthError || !(error instanceof Error)) throw error;
      const description = `${path} cannot be opened: ${error.message}: mend that, or use another folder`;
      throw new AuthError('ERR_STORE', { description, cause: error });
    }
  }

  /** How many bytes of an interrupted last write, never answered, were cut off when the file was opened. */
  get discardedBytes(): number {
    return this.#journal.discardedBytes;
  }

  /** The file in which these bytes were saved, or undefined if there were none. */
  get discardedPath(): string | undefined {
    return this.#journal.discardedPath;
  }

  find(id: string): User | undefined {
    return this.#journal.users.get(id);
  }

  /**
   * @returns after fdatasync
   * @throws AuthError ERR_STORE if it could not be written, or not be taken back; `cause` names the file and the
   *   reason; TypeError if a member is no string, RangeError if the line would be over 1 MiB
   */
  async insert(user: User): Promise<boolean> {
    const own = copyOf(user);
    if (this.#journal.users.has(own.id) || this.#arriving.has(own.id)) return false;
    this.#arriving.add(own.id);
    try {
      await this.#write('insert', own);
      return true;
    } finally {
      this.#arriving.delete(own.id);
    }
  }

  /** As insert. */
  async update(user: User): Promise<boolean> {
    const own = copyOf(user);
    if (!this.#journal.users.has(own.id)) return false;
    await this.#write('update', own);
    return true;
  }

  /** Finishes what is being written, then releases the file. */
  close(): Promise<void> {
    this.#closing ??= this.#journal.close().finally(this.#unlock);
    return this.#closing;
  }

  async #write(op: 'insert' | 'update', user: User): Promise<void> {
    const line = lineOf(op, user);
    try {
      await this.#journal.append(line);
    } catch (error) {
      // What the caller is told is constant, since it may go over the wire; the reason stands in `cause`.
      const reason = error instanceof Error ? error.message : String(error);
      const cause = new Error(`${this.#path} cannot be written: ${reason}`, { cause: error });
      throw new AuthError('ERR_STORE', { cause });
    }
    this.#journal.users.set(user.id, user);
  }
}
