/**
 * Checks the password of an account, under the rate limits.
 * Promise: no user enumeration by timing. For an unknown user, a disabled one, and one whose stored
 * hash cannot be read, a decoy hash of the current cost is verified. The last one also causes a
 * warning of Node.
 */
import { isPossiblePassword } from '../crypto/password.ts';
import { AuthError, isImpossiblePasswordError, isUnreadableHashError } from '../errors.ts';
import { sourceOf } from '../limits/network.ts';
import type { Throttle } from '../limits/throttle.ts';
import type { User } from '../users/store.ts';
import type { Client, SessionClient } from './client.ts';
import { isDisabled } from './disabled.ts';
import { findUser } from './find-user.ts';
import { MAX_TRIES, tooManyChanges } from './hash-replacement.ts';
import type { AccountsSettings } from './options.ts';
import type { PasswordHasher } from './password-hasher.ts';

/** The client for whom a hash is made or verified. Addresses take turns in the hasher's queue. */
export interface HashClient {
  readonly address: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/** @throws TypeError if the address is neither a string nor absent */
export function hashClientOf({ address, signal }: Client): HashClient {
  return { address: sourceOf(address).address, signal };
}

/**
 * @param user undefined if there is no such user
 * @returns whether the password is right; false after a decoy hash
 * @throws as `PasswordHasher.verify`, but never ERR_PASSWORD_HASH because of the user's hash
 */
async function isPasswordOf(
  user: User | undefined,
  password: string,
  { address, signal }: HashClient,
  passwords: Pick<PasswordHasher, 'verify'>,
): Promise<boolean> {
  const verify = (stored: string | undefined) => {
    return passwords.verify(password, stored, signal, address);
  };
  if (user === undefined || isDisabled(user)) return verify(undefined).then(() => false);
  try {
    return await verify(user.passwordHash);
  } catch (error) {
    if (!isUnreadableHashError(error)) throw error;
    warnOfHash(user);
    return verify(undefined);
  }
}

/** Tells the operator, because the client gets the answer to a wrong password. */
function warnOfHash({ id }: User): void {
  const fault = `The stored hash of the user ${JSON.stringify(id)} cannot be read`;
  process.emitWarning(`${fault}, so no password of this user is accepted: set a new one`);
}

/**
 * Looks a user up again whose password was right. If another hash is stored now, the password is
 * verified against that one.
 * @param verified the user whose hash was verified
 * @returns the stored user if the password is still right; undefined if it was changed, or if the
 *   account was disabled or removed, also if its name has a new user
 */
export async function userWithPassword(
  verified: User,
  password: string,
  client: HashClient,
  { users, passwords }: Pick<AccountsSettings, 'users' | 'passwords'>,
): Promise<User | undefined> {
  const latest = await findUser(users, verified.id);
  if (latest?.passwordHash === verified.passwordHash) return latest;
  // No decoy is verified for an account that is gone. The client knew its password.
  if (latest === undefined || latest.createdAt !== verified.createdAt) return undefined;
  return (await isPasswordOf(latest, password, client, passwords)) ? latest : undefined;
}

/** The two checks of a password: that of a login, and that of a user who has logged in. */
export class PasswordCheck {
  readonly #settings: Pick<AccountsSettings, 'users' | 'passwords'>;
  readonly #throttle: Throttle | undefined;

  /** @param throttle undefined for no limits */
  constructor(
    settings: Pick<AccountsSettings, 'users' | 'passwords'>,
    throttle: Throttle | undefined,
  ) {
    this.#settings = settings;
    this.#throttle = throttle;
  }

  /**
   * @returns the user; undefined if the password is wrong, or the user unknown or disabled
   * @throws AuthError ERR_THROTTLED, before the store is read; ERR_BUSY, ERR_ABORTED, ERR_STORE
   */
  login(id: string, password: string, client: Client): Promise<User | undefined> {
    const source = sourceOf(client.address);
    return this.#check(id, password, client, (check) => {
      return this.#throttle === undefined ? check() : this.#throttle.login(id, source, check);
    });
  }

  /**
   * The job may have waited in the queue, so the user is looked up again afterwards. If the stored
   * hash is another one by then, the password is verified against that one.
   * @returns the user as stored after the last verification
   * @throws AuthError as `login`; ERR_CREDENTIALS where `login` returns undefined
   */
  async confirm(id: string, password: string, client: SessionClient): Promise<User> {
    const { sessionId } = client;
    const source = sourceOf(client.address);
    const user = await this.#check(id, password, client, (verify) => {
      const check = async () => this.#stillVerified(await verify(), password, client);
      if (this.#throttle === undefined) return check();
      return this.#throttle.confirm(id, sessionId, source, check);
    });
    if (user === undefined) throw new AuthError('ERR_CREDENTIALS');
    return user;
  }

  /**
   * Looks the user up again until the stored hash is one that the password was verified with.
   * @param verified undefined if the password was wrong
   */
  async #stillVerified(
    verified: User | undefined,
    password: string,
    client: Client,
  ): Promise<User | undefined> {
    let user = verified;
    for (let tries = 0; tries < MAX_TRIES && user !== undefined; tries += 1) {
      const latest = await userWithPassword(user, password, hashClientOf(client), this.#settings);
      if (latest?.passwordHash === user.passwordHash) return latest;
      user = latest;
    }
    if (user !== undefined) throw tooManyChanges();
    return undefined;
  }

  async #check(
    id: string,
    password: string,
    client: Client,
    withLimit: (check: () => Promise<User | undefined>) => Promise<User | undefined>,
  ): Promise<User | undefined> {
    // No account can have such a password, and a client knows that from the public rules. An early
    // answer reveals nothing, so no decoy hash is verified and no try is counted.
    if (typeof password !== 'string' || !isPossiblePassword(password)) return undefined;
    const { users, passwords } = this.#settings;
    const hashClient = hashClientOf(client);
    const check = async () => {
      const user = await findUser(users, id);
      return (await isPasswordOf(user, password, hashClient, passwords)) ? user : undefined;
    };
    return withLimit(check).catch(ignoreImpossiblePassword);
  }
}

/** A hasher of the application may refuse more passwords than ours. They count as wrong ones. */
function ignoreImpossiblePassword(error: unknown): undefined {
  if (!isImpossiblePasswordError(error)) throw error;
}
