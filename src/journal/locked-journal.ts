/**
 * A journal that one process at a time has open. A store in a file consists of a locked journal, a
 * record format and the rules for its own writes.
 */
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { AuthError, isAuthError, reasonOf } from '../errors.ts';
import { nonEmptyString } from '../options.ts';
import { isError } from '../values.ts';
import { makeFolder, realPathOf } from './disk.ts';
import { lockFile, type FileLock } from './file-lock.ts';
import { Journal, type JournalOptions } from './journal.ts';
import { FileLostError } from './lost.ts';
import type { JournalRecord, RecordFormat } from './record-format.ts';
import { removeDrafts } from './replacement.ts';
import { ignoreFailure, isUnexplained, remedyOf, wrapError } from './system-errors.ts';

export class LockedJournal<Entry> {
  /**
   * Resolves once a write, or the check at a heartbeat, finds that another program removed,
   * replaced or modified the file, or that the lock is gone. The reason is in `cause`. It never
   * rejects.
   */
  readonly lost: Promise<AuthError>;
  readonly #path: string;
  readonly #journal: Journal<Entry>;
  readonly #lock: FileLock;
  #resolveLost: (reason: AuthError) => void = () => undefined;
  #isChecking = false;
  /** The latest write under way of each key. The next write of the key waits for it. */
  readonly #lastWrites = new Map<string, Promise<unknown>>();
  #closing: Promise<void> | undefined;

  private constructor(path: string, journal: Journal<Entry>, lock: FileLock) {
    this.#path = path;
    this.#journal = journal;
    this.#lock = lock;
    this.lost = new Promise((resolve) => {
      this.#resolveLost = resolve;
    });
    lock.onHeartbeat((heartbeat) => void this.#check(heartbeat));
  }

  /**
   * Opens the file, or creates it (mode 0600) and its folder (0700).
   * @param options tests pass a smaller threshold for compaction
   * @throws TypeError if `path` is not a string, is empty or holds a NUL character
   * @throws AuthError ERR_STORE_LOCKED if another process has the file open
   * @throws AuthError ERR_STORE_DAMAGED with the number of the line
   * @throws AuthError ERR_STORE with the error of the system as its cause
   */
  static async open<Entry>(
    path: string,
    format: RecordFormat<Entry>,
    options: Pick<JournalOptions, 'compactFromBytes'> = {},
  ): Promise<LockedJournal<Entry>> {
    nonEmptyString('path', path);
    if (path.includes('\0')) {
      throw new TypeError('"path" expected a path without NUL, got one with NUL');
    }
    let lock: FileLock | undefined;
    try {
      await makeFolder(dirname(resolve(path)));
      await createIfMissing(path);
      // All symbolic links to a file lead to one lock, and compaction replaces the file instead of
      // the link. Hard links are not detected.
      const realPath = await realPathOf(path);
      lock = await lockFile(realPath);
      await removeDrafts(realPath);
      const journal = await Journal.open(realPath, format, { ...options, lock });
      return new LockedJournal(path, journal, lock);
    } catch (error) {
      await lock?.release().catch(ignoreFailure);
      if (isAuthError(error) || !isError(error)) throw error;
      const remedy = isUnexplained(error) ? `: ${remedyOf(error, 'use another folder')}` : '';
      const description = `${path} cannot be opened: ${error.message}${remedy}`;
      throw new AuthError('ERR_STORE', { description, cause: error });
    }
  }

  /** The number of bytes of an interrupted last write that the opening cut off. */
  get discardedBytes(): number {
    return this.#journal.discardedBytes;
  }

  /** The file in which these bytes were saved, or undefined if there were none. */
  get discardedPath(): string | undefined {
    return this.#journal.discardedPath;
  }

  /** The entries that are on disk, by key. */
  get entries(): ReadonlyMap<string, Entry> {
    return this.#journal.entries;
  }

  /** @returns the entry that is on disk */
  find(key: string): Entry | undefined {
    return this.#journal.entries.get(key);
  }

  /**
   * An atomic compare-and-set. Writes of one key run one after the other: an entry is found only
   * once it is on disk, so a write that did not wait would compare with an entry that is about to
   * be replaced. Writes of different keys share a sync.
   * @param change called with the entry on disk, once all earlier writes of the key have ended
   * @returns true once the record is on disk; false if `change` returned undefined
   * @throws AuthError ERR_STORE if the write failed. If its rollback failed too, the record may be
   *   there after a restart. `cause` names the file and the reason, and has the `code` of the
   *   system's error.
   * @throws RangeError if the line would be over 1 MiB
   * @throws Error that `change` throws
   */
  async write(
    key: string,
    change: (stored: Entry | undefined) => JournalRecord | undefined,
  ): Promise<boolean> {
    if (this.#closing !== undefined) {
      throw this.#refusal('cannot be written', new Error('it is closed'));
    }
    const write = async () => this.#append(change(this.find(key)));
    const previous = this.#lastWrites.get(key);
    // The first write of a key is appended at once, before a call of `close` can begin. A failed
    // write has changed nothing, so the next one proceeds.
    const turn = previous === undefined ? write() : previous.then(write, write);
    this.#lastWrites.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#lastWrites.get(key) === turn) this.#lastWrites.delete(key);
    }
  }

  /**
   * Writes and syncs an empty line, to find out whether a write would succeed now. It shares the
   * sync of writes under way.
   * @throws AuthError ERR_STORE if not, with the reason in `cause`, also after `close`
   */
  async probe(): Promise<void> {
    await this.#explainFailure(this.#journal.probe());
  }

  /** Finishes all writes that began before the call, then releases the file. */
  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#lastWrites.values())
      .then(() => this.#journal.close())
      .finally(() => this.#lock.release());
    return this.#closing;
  }

  async #append(record: JournalRecord | undefined): Promise<boolean> {
    if (record === undefined) return false;
    await this.#explainFailure(this.#journal.append(record));
    return true;
  }

  /** Waits for a write. If it fails, explains why, and reports the loss of the file. */
  async #explainFailure(outcome: Promise<void>): Promise<void> {
    try {
      await outcome;
    } catch (error) {
      // The record is too long, which is a mistake of the caller.
      if (error instanceof RangeError) throw error;
      const refusal = this.#refusal('cannot be written', error);
      if (error instanceof FileLostError) this.#resolveLost(refusal);
      throw refusal;
    }
  }

  /** Runs at each heartbeat of the lock, so that an idle server notices a loss too. */
  async #check(heartbeat: Promise<void>): Promise<void> {
    try {
      await heartbeat;
      // While a disk hangs, only one check waits for it.
      if (this.#isChecking) return;
      this.#isChecking = true;
      await this.#journal.check().finally(() => (this.#isChecking = false));
    } catch (error) {
      // Any other failure may be temporary. If it is not, the next write reports it.
      if (!(error instanceof FileLostError)) return;
      this.#resolveLost(this.#refusal('cannot be used any more', error));
    }
  }

  /**
   * @returns an error whose own message is constant, because a client may see it. Its `cause` names
   *   the file and the reason.
   */
  #refusal(failure: string, error: unknown): AuthError {
    const cause = wrapError(`${this.#path} ${failure}: ${reasonOf(error)}`, error);
    return new AuthError('ERR_STORE', { cause });
  }
}

/**
 * A symbolic link may lead to a file that does not exist yet, and `realpath` needs it to exist. If
 * the path is a named pipe, the flag `a+` does not wait for its other end.
 */
async function createIfMissing(path: string): Promise<void> {
  await (await open(path, 'a+', 0o600)).close();
}
