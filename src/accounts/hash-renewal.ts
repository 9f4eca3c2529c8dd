/**
 * Replaces a weak password hash during a login. A new hash needs the password, which the store does
 * not have.
 * Promise: a renewal undoes no change of a password and no removal, because it is a compare-and-set
 * on the hash that was verified. A new user of the same name keeps the new password.
 * Accepted: if `find` of the store returns a promise, a change of `username` or `createdAt` between
 * `find` and `update` is lost. So may be a change of the password in that time, if the store was
 * written for version 0.1: its `update` ignores the hash that it should compare with.
 */
import { isAuthError } from '../errors.ts';
import { andThen } from '../maybe-promise.ts';
import type { User, UserStore } from '../users/store.ts';
import type { PasswordHasher } from './password-hasher.ts';

interface StoreAndHasher {
  readonly users: UserStore;
  readonly passwords: Pick<PasswordHasher, 'hash' | 'needsRehash'>;
}

/**
 * Stores a new hash if the old one is weaker than new ones. The login has already succeeded, so an
 * AuthError of the hasher or of the store is ignored, also ERR_BUSY because memory is missing. The
 * old hash then stays until the next login.
 * @param user the record whose hash was verified
 * @param password the right password of this user
 * @param address of the client, for the queue of the hasher
 * @throws any error that is not an AuthError, such as a bug of the store
 */
export async function renewHash(
  user: User,
  password: string,
  address: string | undefined,
  { users, passwords }: StoreAndHasher,
): Promise<void> {
  if (!passwords.needsRehash(user.passwordHash)) return;
  try {
    // Without a signal, because the renewal is useful even if the client has disconnected.
    const passwordHash = await passwords.hash(password, undefined, address);
    // The user is read again, because another process may have changed other members meanwhile. The
    // comparison here is for stores of version 0.1, which do not compare in `update`. If `find`
    // returns a plain value, `andThen` calls `update` before any other code can run.
    await andThen(users.find(user.id), (latest) => {
      if (latest?.passwordHash !== user.passwordHash) return undefined;
      return users.update({ ...latest, passwordHash }, user.passwordHash);
    });
  } catch (error) {
    if (!isAuthError(error)) throw error;
  }
}
