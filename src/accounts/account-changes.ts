/**
 * Changes of an account that end its sessions, in three steps: all sessions end, the user store is
 * written, all sessions end again.
 * Promise:
 *
 * 1. If the first step fails, the account has not changed.
 * 2. The second step is one atomic write. A change by the owner is a compare-and-set on the hash
 *    that was verified, so of two such changes at once one is refused.
 * 3. A change reaches only the user that it was meant for, never a later user of the same name.
 * 4. A login under way leaves no session. If it stores its session before the third step, that step
 *    ends it. Otherwise `isCurrent` tells it that the hash was replaced.
 *
 * After an error of a store, the account is as before or as intended.
 * Accepted: if the process ends between the second and the third step, or if the session store
 * fails in each try of the third, one kind of session stays: that of a login that completed between
 * the first step and the second.
 * Accepted: a change that loses to another one after its first step may have ended a session that
 * the winner has begun. That client must log in again. So must a later user of the name who logged
 * in between the second and the third step of a removal.
 */
import { AuthError } from '../errors.ts';
import type { PublicUser, User, UserStore } from '../users/store.ts';
import type { SessionClient } from './client.ts';
import { disabledHash, enabledHash, isDisabled, isDisabledHash } from './disabled.ts';
import { findUser } from './find-user.ts';
import { MAX_TRIES, replaceHash, tooManyChanges } from './hash-replacement.ts';
import type { AccountsSettings } from './options.ts';
import {
  hashClientOf,
  userWithPassword,
  type HashClient,
  type PasswordCheck,
} from './password-check.ts';
import { asPasswordChange, checkPasswordText, refuseForbidden } from './password-rules.ts';

/** The third step is tried again, because the second has taken effect already. */
const MAX_THIRD_STEP_TRIES = 3;

/** The changes of accounts in one store. */
export class AccountChanges {
  readonly #settings: AccountsSettings;
  readonly #passwordCheck: PasswordCheck;

  constructor(settings: AccountsSettings, passwordCheck: PasswordCheck) {
    this.#settings = settings;
    this.#passwordCheck = passwordCheck;
  }

  /**
   * @returns the user with the new hash
   * @throws AuthError as `Accounts.changePassword`
   */
  async changePassword(
    id: string,
    password: string,
    newPassword: string,
    client: SessionClient,
  ): Promise<User> {
    // The text is checked first. That is cheap, and the rules are public, so a refusal reveals
    // nothing. `isForbidden` may ask another service, so it is called for the owner alone.
    const normalized = await this.#checkText(newPassword, id);
    const verified = await this.#passwordCheck.confirm(id, password, client);
    await this.#refuseForbidden(normalized, verified);
    const hashClient = hashClientOf(client);
    const { users, passwords } = this.#settings;
    const { signal, address } = hashClient;
    const passwordHash = await passwords.hash(newPassword, signal, address);
    return this.#changeByOwner(verified, password, hashClient, (user) => {
      return replaceHash(users, user, passwordHash);
    });
  }

  /** @throws as `Accounts.removeByOwner` */
  async removeByOwner(id: string, password: string, client: SessionClient): Promise<void> {
    requireRemove(this.#settings.users);
    const verified = await this.#passwordCheck.confirm(id, password, client);
    const hashClient = hashClientOf(client);
    await this.#changeByOwner(verified, password, hashClient, (user) => this.#removeStored(user));
  }

  /**
   * Sets the password of an account; a disabled one stays disabled.
   * @returns the user with the new hash
   * @throws AuthError as `Accounts.setPassword`
   */
  async setPassword(id: string, newPassword: string): Promise<User> {
    const { users, passwords } = this.#settings;
    const normalized = await this.#checkText(newPassword, id);
    const found = (await findUser(users, id)) ?? refuseUnknownUser();
    await this.#refuseForbidden(normalized, found);
    const newHash = await passwords.hash(newPassword);
    const rewrite = (hash: string) => (isDisabledHash(hash) ? disabledHash(newHash) : newHash);
    const changed = await this.#changeByAdministrator(found, (user) => {
      return this.#rewriteHash(user, rewrite);
    });
    return changed ?? refuseUnknownUser();
  }

  /** @returns the disabled user; undefined if there is no such user */
  async disable(id: string): Promise<User | undefined> {
    const found = await findUser(this.#settings.users, id);
    if (found === undefined) return undefined;
    return this.#changeByAdministrator(found, (user) => this.#rewriteHash(user, disabledHash));
  }

  /**
   * Ends all sessions first: a disabling that stopped before its third step may have left some.
   * @returns the enabled user; undefined if there is no such user
   * @throws AuthError ERR_PASSWORD_HASH if the account has no hash that can be restored
   */
  async enable(id: string): Promise<User | undefined> {
    const { users, passwords, sessions } = this.#settings;
    const rewrite = (hash: string) => enabledHash(hash, passwords);
    const found = await findUser(users, id);
    if (found === undefined || !isDisabled(found)) return found;
    // Called before any session ends, because it throws if there is no hash to restore.
    rewrite(found.passwordHash);
    await sessions?.endAll(id);
    return this.#compareAndSet(
      found,
      (user) => this.#rewriteHash(user, rewrite),
      () => this.#findAgain(found),
    );
  }

  /**
   * @returns whether the user existed
   * @throws TypeError if the store has no method `remove`
   */
  async remove(id: string): Promise<boolean> {
    const { users } = this.#settings;
    requireRemove(users);
    const found = await findUser(users, id);
    if (found === undefined) return false;
    const isRemoved = await this.#changeByAdministrator(found, (user) => this.#removeStored(user));
    return isRemoved ?? false;
  }

  /**
   * @param verified the user whose hash was verified with `password`
   * @throws AuthError ERR_CREDENTIALS if the password is not right any more
   */
  async #changeByOwner<T>(
    verified: User,
    password: string,
    client: HashClient,
    write: (user: User) => T | undefined | Promise<T | undefined>,
  ): Promise<T> {
    const reload = (user: User) => userWithPassword(user, password, client, this.#settings);
    // Checked again, because hashing is slow. If another change has won by now, this one must not
    // end the winner's new sessions.
    const user = await reload(verified);
    const changed = user &&
      (await this.#endingSessions(user.id, () => this.#compareAndSet(user, write, reload)));
    if (changed === undefined) throw new AuthError('ERR_CREDENTIALS');
    return changed;
  }

  /**
   * @param found the user as first found
   * @returns undefined if this user does not exist any more
   */
  async #changeByAdministrator<T>(
    found: User,
    write: (user: User) => T | undefined | Promise<T | undefined>,
  ): Promise<T | undefined> {
    const reload = () => this.#findAgain(found);
    const user = await reload();
    if (user === undefined) return undefined;
    return this.#endingSessions(user.id, () => this.#compareAndSet(user, write, reload));
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
    await this.#settings.sessions?.endAll(id);
    const changed = await change().catch(async (error) => {
      // As at a login, the caller gets the first error.
      await this.#endAgain(id).catch(() => undefined);
      throw error;
    });
    if (changed !== undefined) await this.#endAgain(id);
    return changed;
  }

  /** The third step. */
  async #endAgain(id: string, triesLeft = MAX_THIRD_STEP_TRIES): Promise<void> {
    try {
      await this.#settings.sessions?.endAll(id);
    } catch (error) {
      if (triesLeft === 1) throw error;
      await this.#endAgain(id, triesLeft - 1);
    }
  }

  /**
   * Makes a change by compare-and-set. A login may renew the hash meanwhile. The change is then
   * tried again with the new hash.
   * @param first the user as last found
   * @param write changes the stored user if the hash is still that of `user`, otherwise returns
   *   undefined
   * @param reload returns the stored user if the change may still be made
   */
  async #compareAndSet<T>(
    first: User,
    write: (user: User) => T | undefined | Promise<T | undefined>,
    reload: (stale: User) => Promise<User | undefined>,
  ): Promise<T | undefined> {
    let user: User | undefined = first;
    for (let tries = 0; tries < MAX_TRIES && user !== undefined; tries += 1) {
      const written = await write(user);
      if (written !== undefined) return written;
      user = await reload(user);
    }
    if (user !== undefined) throw tooManyChanges();
    return undefined;
  }

  /** @returns the stored user; undefined if it was removed, also if its name has a new user */
  async #findAgain({ id, createdAt }: User): Promise<User | undefined> {
    const latest = await findUser(this.#settings.users, id);
    return latest?.createdAt === createdAt ? latest : undefined;
  }

  #checkText(password: string, id: string): Promise<string> {
    return asPasswordChange(() => checkPasswordText(password, id, this.#settings));
  }

  #refuseForbidden(normalized: string, { username }: PublicUser): Promise<void> {
    const { isForbidden } = this.#settings;
    return asPasswordChange(() => refuseForbidden(normalized, username, isForbidden));
  }

  /**
   * Replaces the stored hash by one that is made of it.
   * @returns the user with that hash, also if it was stored already; undefined if another hash is
   *   stored
   */
  #rewriteHash(
    user: User,
    rewrite: (hash: string) => string,
  ): User | undefined | Promise<User | undefined> {
    const passwordHash = rewrite(user.passwordHash);
    if (passwordHash === user.passwordHash) return user;
    return replaceHash(this.#settings.users, user, passwordHash);
  }

  /** @returns undefined if another hash is stored */
  async #removeStored({ id, passwordHash }: User): Promise<true | undefined> {
    const { users, now } = this.#settings;
    const remove = requireRemove(users);
    return (await remove(id, Math.floor(now()), passwordHash)) || undefined;
  }
}

/**
 * @returns the bound method
 * @throws TypeError for a store that was written for version 0.1
 */
function requireRemove(users: UserStore): NonNullable<UserStore['remove']> {
  const { remove } = users;
  if (remove === undefined) throw missingMethod('remove');
  return remove.bind(users);
}

/** A store that was written for version 0.1 has none of these methods. */
export function missingMethod(name: 'remove' | 'list' | 'listRemoved'): TypeError {
  return new TypeError(`"users" expected a store with the method ${name}, got one without it`);
}

/** The caller is an administrator, so the status of a guard, 401, would be about the wrong user. */
function refuseUnknownUser(): never {
  throw new AuthError('ERR_IDENTITY_UNKNOWN', { status: 404, error: 'Not Found' });
}
