/**
 * Remembers which hash was verified or set for each user object that `Accounts` returned. A login
 * asks for it once its session is stored: if the hash was replaced meanwhile, the session must end.
 * Promise: the hashes are reachable for this file alone, and only as long as the user object is.
 */

import type { PublicUser, User } from '../users/store.ts';
import { isDisabled } from './disabled.ts';
import { publicUserOf } from './public-user.ts';

/** Remembers the hash of each user object that it made. */
export class VerifiedHashes {
  readonly #hashes = new WeakMap<PublicUser, string>();

  /** @returns the user without its hash, which is remembered */
  publicUserOf(user: User): PublicUser {
    const publicUser = publicUserOf(user);
    this.#hashes.set(publicUser, user.passwordHash);
    return publicUser;
  }

  /**
   * @param stored the user in the store now
   * @returns false if the account was removed or disabled. Otherwise, whether it still has the hash
   *   that was remembered for this object. If none was remembered, false if a later user has the
   *   name, and true if not.
   */
  isCurrent(user: PublicUser, stored: User | undefined): boolean {
    if (stored === undefined || isDisabled(stored)) return false;
    const hash = this.#hashes.get(user);
    if (hash !== undefined) return hash === stored.passwordHash;
    return user.createdAt === stored.createdAt;
  }
}
