/** Users in a file of JSON lines, which one process at a time has open: the store that a single server needs. */
import { open, realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { AuthError, reasonOf } from '../errors.ts';
import { nonEmptyString } from '../options.ts';
import { makeFolder } from '../journal/disk.ts';
import { lockFile, type FileLock } from '../journal/file-lock.ts';
import { Journal } from '../journal/journal.ts';
import { lineOf } from '../journal/lines.ts';
import { LostError } from '../journal/lost.ts';
import { removeDrafts } from '../journal/replacement.ts';
import { copyOf, mayReplace, type User, type UserStore } from './store.ts';

/** Keeps users in memory and, durably, in a file. */
export class JsonFileUserStore implements UserStore {
  /**
   * Resolves with the reason, in `cause`, when a write or a check every 2 seconds finds that
   * another program removed, replaced or changed the file, or that this process lost its lock. From
   * then on the store may find users that the file does not have, so a server should stop. It never
   * rejects.
   */
  readonly lost: Promise<AuthError>;
  readonly #path: string;
  readonly #journal: Journal;
  readonly #lock: FileLock;
  #tellLost: (reason: AuthError) => void = () => undefined;
  #isChecking = false;
  /** Ids whose insert is still being written. */
  readonly #arriving = new Set<string>();
  /** The latest write under way of each id; the next write of the same id waits for it. */
  readonly #underWay = new Map<string, Promise<unknown>>();
  #closing: Promise<void> | undefined;

  private constructor(path: string, journal: Journal, lock: FileLock) {
    this.#path = path;
    this.#journal = journal;
    this.#lock = lock;
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve;
    });
    lock.onBeat((beat) => void this.#check(beat));
  }

  /**
   * Opens the file, or makes it (mode 0600) and its folder (0700).
   * Where it cannot see whether the holder of the lock is alive, it waits 10 seconds for a beat.
   * @param path the file; `path.lock.*`, `path.compact-*` and `path.cut-*` beside it are used too
   * @throws TypeError if `path` is no string; AuthError ERR_STORE_LOCKED if another process has it open;
   *   ERR_STORE_DAMAGED if it is not in the format, with the number of the line, and the file stays as it is;
   *   ERR_STORE if the system refuses
   */
  static async open(path: string): Promise<JsonFileUserStore> {
    nonEmptyString('path', path);
    let lock: FileLock | undefined;
    try {
      await makeFolder(dirname(resolve(path)));
      // Made first, because a link may lead to a file that is not there yet. With a+, which does not wait at a pipe.
      await (await open(path, 'a+', 0o600)).close();
      // One file has one lock, whatever link names it, and compaction replaces the file and not a link to it.
      const real = await realpath(path);
      lock = await lockFile(real);
      await removeDrafts(real);
      return new JsonFileUserStore(path, await Journal.open(real, undefined, lock), lock);
    } catch (error) {
      await lock?.release();
      if (error instanceof AuthError || !(error instanceof Error)) throw error;
      // Errors of the system do not say what to do.
      const remedy = 'code' in error ? ': mend that, or use another folder' : '';
      const description = `${path} cannot be opened: ${error.message}${remedy}`;
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
      return await this.#inTurn(own.id, () => this.#write('insert', own));
    } finally {
      this.#arriving.delete(own.id);
    }
  }

  /** As insert. The comparison with `expectedHash` waits for earlier writes of this id. */
  async update(user: User, expectedHash?: string): Promise<boolean> {
    const own = copyOf(user);
    return this.#inTurn(own.id, async () => {
      const stored = this.#journal.users.get(own.id);
      return mayReplace(stored, expectedHash) && this.#write('update', own);
    });
  }

  /** Finishes the writes that were begun, then releases the file. */
  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#underWay.values())
      .then(() => this.#journal.close())
      .finally(() => this.#lock.release());
    return this.#closing;
  }

  /**
   * Runs the writes of one id one after another: a user is shown only once it is on disk, so a
   * write that looked earlier would compare with a hash that is being replaced. Writes of different
   * ids still share a sync.
   */
  async #inTurn(id: string, write: () => Promise<boolean>): Promise<boolean> {
    if (this.#closing !== undefined) throw this.#refusal('cannot be written', 'it is closed');
    // Without an earlier one the line is appended at once, before `close` can begin. One that
    // failed changed nothing.
    const turn = this.#underWay.get(id)?.then(write, write) ?? write();
    this.#underWay.set(id, turn);
    try {
      return await turn;
    } finally {
      if (this.#underWay.get(id) === turn) this.#underWay.delete(id);
    }
  }

  /** @returns true, once the line is on disk and the user is shown */
  async #write(op: 'insert' | 'update', user: User): Promise<boolean> {
    const line = lineOf(op, user);
    try {
      await this.#journal.append(line);
    } catch (error) {
      const refusal = this.#refusal('cannot be written', error);
      if (error instanceof LostError) this.#tellLost(refusal);
      throw refusal;
    }
    this.#journal.users.set(user.id, user);
    return true;
  }

  /** At each beat of the lock, so that an idle server notices too. */
  async #check(beat: Promise<void>): Promise<void> {
    try {
      await beat;
      // A disk that hangs gets one check at a time.
      if (this.#isChecking) return;
      this.#isChecking = true;
      await this.#journal.check().finally(() => (this.#isChecking = false));
    } catch (error) {
      // Any other failure may pass, and a write meets it as well.
      if (!(error instanceof LostError)) return;
      this.#tellLost(this.#refusal('cannot be used any more', error));
    }
  }

  /** The text is constant, since it may go over the wire. The reason stands in `cause`. */
  #refusal(what: string, error: unknown): AuthError {
    const cause = new Error(`${this.#path} ${what}: ${reasonOf(error)}`, { cause: error });
    return new AuthError('ERR_STORE', { cause });
  }
}
