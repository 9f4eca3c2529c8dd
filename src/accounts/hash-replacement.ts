/**
 * Replaces a stored hash by compare-and-set.
 * Accepted: if `find` of the store returns a promise, a change of `username` or `createdAt` between
 * `find` and `update` is lost. A change of the password can be lost in the same way if the store
 * was written for version 0.1, whose `update` ignores `expectedHash`.
 */
import { AuthError } from '../errors.ts';
import { andThen } from '../maybe-promise.ts';
import type { User, UserStore } from '../users/store.ts';

/** Each failed try means that a login or another change has replaced the hash meanwhile. */
export const MAX_TRIES = 10;

/** @returns the error that a caller throws after its last try */
export function tooManyChanges(): AuthError {
  const cause = new Error(`the hash of a user was another one at each of ${MAX_TRIES} tries`);
  return new AuthError('ERR_STORE', { cause });
}

/**
 * @param user whose `passwordHash` must still be stored
 * @param passwordHash what replaces it
 * @returns the stored user with the new hash; undefined, and nothing has changed, if the user does
 *   not exist or has another hash
 * @throws AuthError ERR_STORE. The store may have made the change all the same.
 */
export function replaceHash(
  users: UserStore,
  user: User,
  passwordHash: string,
): User | undefined | Promise<User | undefined> {
  // The user is read again, because another process may have changed other members meanwhile. The
  // comparison here is for stores of version 0.1, which do not compare in `update`. If `find`
  // returns a plain value, `andThen` calls `update` before any other code can run.
  return andThen(users.find(user.id), (latest) => {
    if (latest?.passwordHash !== user.passwordHash) return undefined;
    const changed = { ...latest, passwordHash };
    return andThen(users.update(changed, user.passwordHash), (isUpdated) => {
      return isUpdated ? changed : undefined;
    });
  });
}
