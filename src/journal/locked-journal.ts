/**
 * A journal that one process at a time has open: what a store in a file is made of. A store adds a
 * record format and the rules for its own writes.
 */
import { open, realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { AuthError, reasonOf } from '../errors.ts';
import { nonEmptyString } from '../options.ts';
import { explained, makeFolder } from './disk.ts';
import { lockFile, type FileLock } from './file-lock.ts';
import { Journal } from './journal.ts';
import { LostError } from './lost.ts';
import type { JournalRecord, RecordFormat } from './record-format.ts';
import { removeDrafts } from './replacement.ts';

export class LockedJournal<Entry> {
  /**
   * Resolves with the reason, in `cause`, once a write or a check at a beat of the lock finds that
   * another program removed, replaced or changed the file, or that the lock is lost. It never
   * rejects.
   */
  readonly lost: Promise<AuthError>;
  readonly #path: string;
  readonly #journal: Journal<Entry>;
  readonly #lock: FileLock;
  #tellLost: (reason: AuthError) => void = () => undefined;
  #isChecking = false;
  /** The latest write under way of each key. The next write of the key waits for it. */
  readonly #underWay = new Map<string, Promise<unknown>>();
  #closing: Promise<void> | undefined;

  private constructor(path: string, journal: Journal<Entry>, lock: FileLock) {
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
   * @throws TypeError if `path` is not a string or is empty
   * @throws AuthError ERR_STORE_LOCKED, ERR_STORE_DAMAGED, or ERR_STORE with the system's error as
   *   its cause
   */
  static async open<Entry>(
    path: string,
    format: RecordFormat<Entry>,
  ): Promise<LockedJournal<Entry>> {
    nonEmptyString('path', path);
    let lock: FileLock | undefined;
    try {
      await makeFolder(dirname(resolve(path)));
      // A link may lead to a file that does not exist yet. With a+ this does not block at a pipe.
      await (await open(path, 'a+', 0o600)).close();
      // A file has one lock, however many links name it. Compaction replaces the file, not a link.
      const realPath = await realpath(path);
      lock = await lockFile(realPath);
      await removeDrafts(realPath);
      return new LockedJournal(path, await Journal.open(realPath, format, { lock }), lock);
    } catch (error) {
      await lock?.release();
      if (error instanceof AuthError || !(error instanceof Error)) throw error;
      // An error of the system does not say what to do. An explained one does.
      const isOfSystem = 'code' in error && error.cause === undefined;
      const remedy = isOfSystem ? ': mend that, or use another folder' : '';
      const description = `${path} cannot be opened: ${error.message}${remedy}`;
      throw new AuthError('ERR_STORE', { description, cause: error });
    }
  }

  /** How many bytes of an interrupted, unacknowledged last write were cut off at the opening. */
  get discardedBytes(): number {
    return this.#journal.discardedBytes;
  }

  /** The file in which these bytes were saved, or undefined if there were none. */
  get discardedPath(): string | undefined {
    return this.#journal.discardedPath;
  }

  /** @returns the entry that is on disk */
  find(key: string): Entry | undefined {
    return this.#journal.entries.get(key);
  }

  /**
   * An atomic compare-and-set. Writes of one key run one after the other, because an entry is shown
   * only once it is on disk: a write that did not wait would compare with an entry that is being
   * replaced. Writes of different keys share a sync.
   * @param change gets the entry on disk when it is the turn of this write
   * @returns true once the record is on disk; false if `change` returned undefined
   * @throws AuthError ERR_STORE if the record could not be written, or not be rolled back; `cause`
   *   names the file and the reason, and has the `code` of the system's error
   * @throws RangeError if the line would be over 1 MiB
   * @throws Error what `change` throws
   */
  async write(
    key: string,
    change: (stored: Entry | undefined) => JournalRecord | undefined,
  ): Promise<boolean> {
    if (this.#closing !== undefined) throw this.#refusal('cannot be written', 'it is closed');
    const write = async () => this.#append(change(this.find(key)));
    // The first write of a key is appended at once, before a call of `close` can begin. A write
    // that failed has changed nothing, so the next one goes ahead.
    const turn = this.#underWay.get(key)?.then(write, write) ?? write();
    this.#underWay.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#underWay.get(key) === turn) this.#underWay.delete(key);
    }
  }

  /** Finishes the writes that were begun, then releases the file. */
  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#underWay.values())
      .then(() => this.#journal.close())
      .finally(() => this.#lock.release());
    return this.#closing;
  }

  async #append(record: JournalRecord | undefined): Promise<boolean> {
    if (record === undefined) return false;
    try {
      await this.#journal.append(record);
      return true;
    } catch (error) {
      // The caller's mistake: its record is too long.
      if (error instanceof RangeError) throw error;
      const refusal = this.#refusal('cannot be written', error);
      if (error instanceof LostError) this.#tellLost(refusal);
      throw refusal;
    }
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
      // Any other failure may pass, and the next write meets it as well.
      if (!(error instanceof LostError)) return;
      this.#tellLost(this.#refusal('cannot be used any more', error));
    }
  }

  /** Its message is constant, because a client may see it. The reason is in `cause`. */
  #refusal(what: string, error: unknown): AuthError {
    const cause = explained(`${this.#path} ${what}: ${reasonOf(error)}`, error);
    return new AuthError('ERR_STORE', { cause });
  }
}
