/** Sessions in a file of JSON lines. One process at a time has it open, so it is for one server. */
import { LockedJournal } from '../journal/locked-journal.ts';
import type { AuthError } from '../errors.ts';
import { describe } from '../values.ts';
import { readRecord } from './record-check.ts';
import { putRecord, sessionRecordFormat } from './session-records.ts';
import { mayReplaceRecord, type SessionRecord, type SessionStore } from './store.ts';

/**
 * Keeps sessions in memory and, durably, in a file.
 * @example
 * const store = await JsonFileSessionStore.open('data/sessions.jsonl');
 * const sessions = new Sessions({ store });
 */
export class JsonFileSessionStore implements SessionStore {
  readonly #journal: LockedJournal<SessionRecord>;

  private constructor(journal: LockedJournal<SessionRecord>) {
    if (!(journal instanceof LockedJournal)) {
      const expected = 'JsonFileSessionStore.open(path)';
      throw new TypeError(`"JsonFileSessionStore" expected ${expected}, got new`);
    }
    this.#journal = journal;
  }

  /**
   * Opens the file, or creates it (mode 0600) and its folder (0700). If the store cannot see
   * whether the holder of the lock is alive, it watches the lock for 10 seconds.
   * @param path the file; `path.lock.*`, `path.compact-*` and `path.cut-*` beside it are used too
   * @throws TypeError if `path` is not a string, is empty or holds a NUL character
   * @throws AuthError ERR_STORE_LOCKED if another process has the file open
   * @throws AuthError ERR_STORE_DAMAGED with the number of the line, if the file is not in the
   *   format; the file stays unchanged
   * @throws AuthError ERR_STORE if the system refuses, with the system's error and its code in
   *   `cause`
   */
  static async open(path: string): Promise<JsonFileSessionStore> {
    const format = sessionRecordFormat(() => Date.now() / 1000);
    return new JsonFileSessionStore(await LockedJournal.open(path, format));
  }

  /**
   * Resolves once the store has lost its file, with the reason in `cause`. Another program removed
   * or replaced the file or changed its length, or this process lost its lock. A write notices
   * this, and so does a check every 2 seconds. From then on the store may find sessions that are
   * not in the file, so a server should stop. The promise never rejects.
   */
  get lost(): Promise<AuthError> {
    return this.#journal.lost;
  }

  /** The number of bytes of an interrupted last write that the opening cut off. */
  get discardedBytes(): number {
    return this.#journal.discardedBytes;
  }

  /** The file in which these bytes were saved, or undefined if there were none. */
  get discardedPath(): string | undefined {
    return this.#journal.discardedPath;
  }

  find(userId: string): SessionRecord | undefined {
    return this.#journal.find(userId);
  }

  /**
   * The comparison of the versions waits for earlier writes of this user.
   * @returns true after fdatasync; false if the version of `record` does not follow the stored one
   * @throws AuthError ERR_STORE if the write failed. If its rollback failed too, the record may be
   *   there after a restart. `cause` names the file and the reason, and has the `code` of the
   *   system's error, such as ENOSPC.
   * @throws TypeError if `userId` is not a string, or `record` is not exactly a session record
   * @throws RangeError if the line would be over 1 MiB
   */
  async put(userId: string, record: SessionRecord): Promise<boolean> {
    if (typeof userId !== 'string') {
      throw new TypeError(`"userId" expected a string, got ${describe(userId)}`);
    }
    const own = readRecord(record);
    if (typeof own === 'string') {
      throw new TypeError(`"record" expected a session record, got one that ${own}`);
    }
    return this.#journal.write(userId, (stored) =>
      mayReplaceRecord(stored, own) ? putRecord(userId, own) : undefined,
    );
  }

  /**
   * Writes an empty line to the file, and syncs it. After a failed write it writes as many bytes as
   * that one had, up to 64 KiB: on a full disk a single byte may still fit.
   * @throws AuthError ERR_STORE if a write would fail now, or if the store is closed
   */
  check(): Promise<void> {
    return this.#journal.probe();
  }

  /**
   * Finishes all writes that began before the call, then releases the file. Further calls change
   * nothing.
   */
  close(): Promise<void> {
    return this.#journal.close();
  }

  /** The same as `close`, for `await using store = await JsonFileSessionStore.open(path)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
