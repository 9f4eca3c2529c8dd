import { SortedIds } from './sorted-ids.ts';
import {
  inserted,
  removed,
  removedNameIn,
  updated,
  userIn,
  type StoredUser,
} from './stored-user.ts';
import {
  checkPage,
  DEFAULT_PAGE_USERS,
  type RemovedName,
  type User,
  type UserStore,
} from './store.ts';

/**
 * Keeps users in memory until the process ends. For tests and trials.
 * @example
 * const users = new MemoryUserStore();
 * const app = createApp({ secret, users });
 */
export class MemoryUserStore implements UserStore {
  readonly #users = new Map<string, StoredUser>();
  readonly #sortedIds = new SortedIds();
  readonly #sortedRemovedIds = new SortedIds();

  find(id: string): User | undefined {
    return userIn(this.#users.get(id));
  }

  insert(user: User): boolean {
    return this.#store(inserted(this.#users.get(user.id), user));
  }

  update(user: User, expectedHash?: string): boolean {
    return this.#store(updated(this.#users.get(user.id), user, expectedHash));
  }

  remove(id: string, removedAt?: number, expectedHash?: string): boolean {
    return this.#store(removed(this.#users.get(id), removedAt, expectedHash));
  }

  list(after?: string, limit: number = DEFAULT_PAGE_USERS): readonly User[] {
    checkPage(after, limit);
    return this.#sortedIds.page(this.#users, userIn, after, limit);
  }

  listRemoved(after?: string, limit: number = DEFAULT_PAGE_USERS): readonly RemovedName[] {
    checkPage(after, limit);
    return this.#sortedRemovedIds.page(this.#users, removedNameIn, after, limit);
  }

  /** Does nothing: memory can always be read and written. */
  check(): void {}

  /** Does nothing. With it a test may write `await using` as for a file. */
  async [Symbol.asyncDispose](): Promise<void> {}

  #store(user: StoredUser | undefined): boolean {
    if (user === undefined) return false;
    this.#users.set(user.id, user);
    const isUser = userIn(user) !== undefined;
    this.#sortedIds.set(user.id, isUser);
    this.#sortedRemovedIds.set(user.id, !isUser);
    return true;
  }
}
