/**
 * Replaces a weak password hash during a login, the only time at which the password is known.
 * Promise: a renewal undoes no other change, because it is a compare-and-set on the hash that was
 * verified. A changed password stays changed, and a removed user stays removed. A new user of the
 * same name keeps the new password.
 */
import { AuthError } from '../errors.ts';
import { andThen } from '../maybe-promise.ts';
import type { User, UserStore } from '../users/store.ts';
import type { PasswordHasher } from './password-hasher.ts';

/** The store and the hasher of the accounts. */
export interface HashRenewalTools {
  readonly users: UserStore;
  readonly passwords: Pick<PasswordHasher, 'hash' | 'needsRehash'>;
}

/**
 * Stores a new hash if the old one is weaker than those that are made now. The login has already
 * succeeded, so a refusal of the queue or the store is ignored: the old hash stays until the next
 * login.
 * @param user as it was when its hash was verified
 * @param password the right password of this user
 * @param address of the client, for the queue of the hasher
 * @throws any error that is not an AuthError, because that is a bug
 */
export async function renewHash(
  user: User,
  password: string,
  address: string | undefined,
  { users, passwords }: HashRenewalTools,
): Promise<void> {
  if (!passwords.needsRehash(user.passwordHash)) return;
  try {
    // Without a signal: the login has succeeded, even if the client has disconnected since.
    const passwordHash = await passwords.hash(password, undefined, address);
    // Another process may have changed other members meanwhile, so the user is read again. A store
    // of version 0.1 ignores the expected hash and relies on the comparison here. There a change
    // between `find` and `update` is lost. `andThen` leaves no such gap if `find` answers at once.
    await andThen(users.find(user.id), (latest) => {
      if (latest?.passwordHash !== user.passwordHash) return false;
      return users.update({ ...latest, passwordHash }, user.passwordHash);
    });
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
  }
}
