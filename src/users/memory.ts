import { copyOf, mayReplace, type User, type UserStore } from './store.ts';

/** Keeps users in memory until the process ends. For tests and trials. */
export class MemoryUserStore implements UserStore {
  readonly #users = new Map<string, User>();

  find(id: string): User | undefined {
    return this.#users.get(id);
  }

  insert(user: User): boolean {
    if (this.#users.has(user.id)) return false;
    this.#users.set(user.id, copyOf(user));
    return true;
  }

  update(user: User, expectedHash?: string): boolean {
    if (!mayReplace(this.#users.get(user.id), expectedHash)) return false;
    this.#users.set(user.id, copyOf(user));
    return true;
  }
}
