/**
 * Replaces a weak password hash during a login. A new hash needs the password, which the store does
 * not have.
 * Promise: a renewal never undoes a change of the password or a removal, because it is
 * a compare-and-set on the hash that was verified. A new user of the same name keeps its own
 * password.
 */
import { isAuthError } from '../errors.ts';
import type { User, UserStore } from '../users/store.ts';
import { replaceHash } from './hash-replacement.ts';
import { userWithPassword } from './password-check.ts';
import type { PasswordHasher } from './password-hasher.ts';

interface StoreAndHasher {
  readonly users: UserStore;
  readonly passwords: Pick<PasswordHasher, 'hash' | 'verify' | 'needsRehash'>;
}

/**
 * Stores a new hash if the old one is weaker than new ones. The login has already succeeded, so an
 * AuthError of the hasher or of the store is ignored, such as ERR_BUSY for lack of memory. The old
 * hash then stays until the next login.
 * @param user the record whose hash was verified
 * @param password the right password of this user
 * @param address of the client, for the queue of the hasher
 * @returns the user with the hash that the password was last verified with: the new one, one that
 *   another login has stored meanwhile, or that of `user`
 * @throws any error that is not an AuthError, such as a bug of the store
 */
export async function renewHash(
  user: User,
  password: string,
  address: string | undefined,
  { users, passwords }: StoreAndHasher,
): Promise<User> {
  if (!passwords.needsRehash(user.passwordHash)) return user;
  try {
    // Without a signal, because the renewal is useful even if the client has disconnected.
    const passwordHash = await passwords.hash(password, undefined, address);
    const renewed = await replaceHash(users, user, passwordHash);
    if (renewed !== undefined) return renewed;
    // Another login was faster, or the password was changed. Verifying it again tells which.
    const client = { address, signal: undefined };
    return (await userWithPassword(user, password, client, { users, passwords })) ?? user;
  } catch (error) {
    if (!isAuthError(error)) throw error;
    return user;
  }
}
