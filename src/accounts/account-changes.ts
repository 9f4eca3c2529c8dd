/**
 * Changes of an account that end its sessions, in three steps: all sessions end, the user store is
 * written, all sessions end again.
 * Promise:
 *
 * 1. If the first step fails, nothing has changed.
 * 2. The second step is one atomic write. A password change is a compare-and-set on the hash that
 *    was verified, so of two changes at once one is refused.
 * 3. A login under way leaves no session. If it stores its session before the third step, that step
 *    ends it. Otherwise it finds another hash than the one that it verified (`isCurrent`).
 *
 * After an error of a store, the account is as before or as intended, in either case without the
 * sessions from before.
 * Accepted: if the process ends between the second and the third step, a login on another server
 * that began and ended between the first and the second keeps its session.
 */
import { AuthError } from '../errors.ts';
import type { User } from '../users/store.ts';
import { disabledHash, enabledHash, isDisabled } from './disabled.ts';
import { replaceHash } from './hash-replacement.ts';
import type { AccountsSettings } from './options.ts';
import { isPasswordOf, type HashClient } from './password-check.ts';

/** Each failed try means that a login or an administrator has replaced the hash meanwhile. */
const MAX_TRIES = 10;

type Settings = Pick<AccountsSettings, 'users' | 'passwords' | 'sessions' | 'now'>;

/** The changes of accounts in one store. */
export class AccountChanges {
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /**
   * @param verified the user whose hash was verified with `password`
   * @param newPassword obeys the rules for new passwords
   * @returns the user with the new hash; undefined if `password` is not right any more
   */
  async changePassword(
    verified: User,
    password: string,
    newPassword: string,
    client: HashClient,
  ): Promise<User | undefined> {
    const { users, passwords } = this.#settings;
    const { signal, address } = client;
    const passwordHash = await passwords.hash(newPassword, signal, address);
    // Asked again after the slow hash: a change that has lost already must not end the sessions
    // that the winner has begun since.
    let user = await this.#userWithPassword(verified, password, client);
    if (user === undefined) return undefined;
    return this.#endingSessions(verified.id, async () => {
      for (let tries = 0; tries < MAX_TRIES && user !== undefined; tries += 1) {
        const changed = await replaceHash(users, user, passwordHash);
        if (changed !== undefined) return changed;
        // A login may have renewed the hash. That must not refuse the owner.
        user = await this.#userWithPassword(user, password, client);
      }
      if (user !== undefined) throw tooManyChanges();
      return undefined;
    });
  }

  /**
   * Sets the password of an account; a disabled one stays disabled.
   * @param newPassword obeys the rules for new passwords
   * @returns the user with the new hash; undefined if there is no such user
   */
  async setPassword(id: string, newPassword: string): Promise<User | undefined> {
    const newHash = await this.#settings.passwords.hash(newPassword);
    return this.#endingSessions(id, () => {
      return this.#rewriteHash(id, (hash) => {
        return isDisabled({ passwordHash: hash }) ? disabledHash(newHash) : newHash;
      });
    });
  }

  /** @returns the disabled user; undefined if there is no such user */
  async disable(id: string): Promise<User | undefined> {
    if ((await this.#settings.users.find(id)) === undefined) return undefined;
    return this.#endingSessions(id, () => this.#rewriteHash(id, disabledHash));
  }

  /**
   * @returns the enabled user; undefined if there is no such user
   * @throws AuthError ERR_PASSWORD_HASH if the account has no hash that can be restored
   */
  async enable(id: string): Promise<User | undefined> {
    const { passwords } = this.#settings;
    return this.#rewriteHash(id, (hash) => enabledHash(hash, passwords));
  }

  /**
   * @returns whether the user existed
   * @throws TypeError if the store has no method `remove`
   */
  async remove(id: string): Promise<boolean> {
    const { users, now } = this.#settings;
    if (users.remove === undefined) throw missingMethod('remove');
    if ((await users.find(id)) === undefined) return false;
    const removed = await this.#endingSessions(id, async () => {
      const isRemoved = await users.remove?.(id, Math.floor(now()));
      return isRemoved ? true : undefined;
    });
    return removed === true;
  }

  /**
   * The three steps. The third also follows an error of the second, because the store may have made
   * the change all the same.
   * @param change returns undefined if it has changed nothing
   */
  async #endingSessions<T>(
    id: string,
    change: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const { sessions } = this.#settings;
    await sessions?.endAll(id);
    const changed = await change().catch(async (error) => {
      await sessions?.endAll(id);
      throw error;
    });
    if (changed !== undefined) await sessions?.endAll(id);
    return changed;
  }

  /**
   * @param verified a user who had this password
   * @returns the stored user if the password is still right; undefined if it was changed, or if the
   *   account was disabled or removed
   */
  async #userWithPassword(
    verified: User,
    password: string,
    client: HashClient,
  ): Promise<User | undefined> {
    const { users, passwords } = this.#settings;
    const latest = await users.find(verified.id);
    if (latest === undefined || latest.passwordHash === verified.passwordHash) return latest;
    return (await isPasswordOf(latest, password, client, passwords)) ? latest : undefined;
  }

  /**
   * Replaces the stored hash by one that is made of it.
   * @returns the user with that hash, also if it was stored already; undefined if there is no such
   *   user
   */
  async #rewriteHash(id: string, rewrite: (hash: string) => string): Promise<User | undefined> {
    const { users } = this.#settings;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const user = await users.find(id);
      if (user === undefined) return undefined;
      const passwordHash = rewrite(user.passwordHash);
      if (passwordHash === user.passwordHash) return user;
      const changed = await replaceHash(users, user, passwordHash);
      if (changed !== undefined) return changed;
    }
    throw tooManyChanges();
  }
}

/** A store that was written for version 0.1 has no `remove` and no `list`. */
export function missingMethod(name: 'remove' | 'list'): TypeError {
  return new TypeError(`"users" expected a store with the method ${name}, got one without it`);
}

function tooManyChanges(): AuthError {
  const cause = new Error(`the store refused to replace a hash ${MAX_TRIES} times`);
  return new AuthError('ERR_STORE', { cause });
}
