/** Users in a file of JSON lines. One process at a time has it open, so it is for one server. */
import { LockedJournal } from '../journal/locked-journal.ts';
import type { JournalRecord } from '../journal/record-format.ts';
import type { AuthError } from '../errors.ts';
import { SortedIds } from './sorted-ids.ts';
import {
  checkPage,
  copyOf,
  DEFAULT_PAGE_USERS,
  systemSeconds,
  type RemovedName,
  type User,
  type UserStore,
} from './store.ts';
import {
  inserted,
  removed,
  removedNameIn,
  updated,
  userIn,
  type StoredUser,
} from './stored-user.ts';
import { removalRecord, USER_RECORDS, userRecord } from './user-records.ts';

/**
 * Keeps users in memory and, durably, in a file.
 * @example
 * const users = await JsonFileUserStore.open('data/users.jsonl');
 * const app = createApp({ secret, users });
 */
export class JsonFileUserStore implements UserStore {
  readonly #journal: LockedJournal<StoredUser>;
  /** Ids whose insert is being written. */
  readonly #insertingIds = new Set<string>();
  readonly #sortedIds = new SortedIds();
  readonly #sortedRemovedIds = new SortedIds();

  private constructor(journal: LockedJournal<StoredUser>) {
    if (!(journal instanceof LockedJournal)) {
      const expected = 'JsonFileUserStore.open(path)';
      throw new TypeError(`"JsonFileUserStore" expected ${expected}, got new`);
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
  static async open(path: string): Promise<JsonFileUserStore> {
    return new JsonFileUserStore(await LockedJournal.open(path, USER_RECORDS));
  }

  /**
   * Resolves once the store has lost its file, with the reason in `cause`. Another program removed
   * or replaced the file or changed its length, or this process lost its lock. A write notices
   * this, and so does a check every 2 seconds. From then on the store may find users that are not
   * in the file, so a server should stop. The promise never rejects.
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

  find(id: string): User | undefined {
    return userIn(this.#journal.find(id));
  }

  /**
   * @returns true after fdatasync; false if the id is taken, perhaps by an insert that is still
   *   being written
   * @throws AuthError ERR_STORE if the write failed. If its rollback failed too, the user may be
   *   there after a restart. `cause` names the file and the reason, and has the `code` of the
   *   system's error, such as ENOSPC.
   * @throws TypeError if a member is not a string, or `validAfter` is not a number
   * @throws RangeError if `validAfter` is not a time from 1970 to the year 9999, or if the line
   *   would be over 1 MiB
   */
  async insert(user: User): Promise<boolean> {
    const own = copyOf(user);
    // Answered at once, without waiting for an insert of this id that is being written.
    if (this.find(own.id) !== undefined || this.#insertingIds.has(own.id)) return false;
    this.#insertingIds.add(own.id);
    try {
      return await this.#write(own.id, (stored) => {
        const next = inserted(stored, own);
        return next && userRecord('insert', next);
      });
    } finally {
      this.#insertingIds.delete(own.id);
    }
  }

  /**
   * The comparison with `expectedHash` waits for earlier writes of this id.
   * @returns true after fdatasync; false if the user does not exist or has another hash
   * @throws AuthError ERR_STORE, TypeError and RangeError as `insert` does, except those about
   *   `validAfter`
   */
  async update(user: User, expectedHash?: string): Promise<boolean> {
    const own = copyOf(user);
    return this.#write(own.id, (stored) => {
      const next = updated(stored, own, expectedHash);
      return next && userRecord('update', next);
    });
  }

  /**
   * The comparison with `expectedHash` waits for earlier writes of this id. The file keeps the name
   * and the time of its removal, also through a compaction.
   * @param removedAt whole seconds since 1970; default: the clock of the system
   * @returns true after fdatasync; false if the user does not exist or has another hash
   * @throws AuthError ERR_STORE as `insert` does
   * @throws TypeError or RangeError if `removedAt` is not such a number
   */
  async remove(
    id: string,
    removedAt: number = systemSeconds(),
    expectedHash?: string,
  ): Promise<boolean> {
    return this.#write(id, (stored) => {
      const next = removed(stored, removedAt, expectedHash);
      return next && removalRecord(next);
    });
  }

  list(after?: string, limit: number = DEFAULT_PAGE_USERS): readonly User[] {
    checkPage(after, limit);
    return this.#sortedIds.page(this.#journal.entries, userIn, after, limit);
  }

  listRemoved(after?: string, limit: number = DEFAULT_PAGE_USERS): readonly RemovedName[] {
    checkPage(after, limit);
    return this.#sortedRemovedIds.page(this.#journal.entries, removedNameIn, after, limit);
  }

  /**
   * Writes an empty line to the file, and syncs it. After a failed write it writes as many bytes as
   * that one had, up to 64 KiB: on a full disk a single byte may still fit.
   * @throws AuthError ERR_STORE if a write would fail now, or if the store is closed
   */
  check(): Promise<void> {
    return this.#journal.probe();
  }

  async #write(
    id: string,
    change: (stored: StoredUser | undefined) => JournalRecord | undefined,
  ): Promise<boolean> {
    const isWritten = await this.#journal.write(id, change);
    if (!isWritten) return false;
    const isUser = this.find(id) !== undefined;
    this.#sortedIds.set(id, isUser);
    this.#sortedRemovedIds.set(id, !isUser);
    return true;
  }

  /**
   * Finishes all writes that began before the call, then releases the file. Further calls change
   * nothing.
   */
  close(): Promise<void> {
    return this.#journal.close();
  }

  /** The same as `close`, for `await using store = await JsonFileUserStore.open(path)`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
