/** Finds users. A store that was written without types may return null for a missing one. */
import { andThen } from '../maybe-promise.ts';
import type { User, UserStore } from '../users/store.ts';

/** @returns the user, or undefined; a promise only if the store returns one */
export function findUser(
  users: UserStore,
  id: string,
): User | undefined | Promise<User | undefined> {
  return andThen(users.find(id), (user) => user ?? undefined);
}
