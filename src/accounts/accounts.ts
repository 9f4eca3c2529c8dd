/**
 * Accounts over a user store: sign up, check a username and password, find the user of a token.
 * Promise: no user enumeration by timing. A login with an unknown username gets the same answer as
 * one with a wrong password, after the same work: it verifies a decoy hash of the current cost.
 * There is one account for each canonical form of a username.
 * Accepted: a stored hash of another cost takes a different time and another amount of memory, so
 * time, or a refusal for want of memory, can show that the account exists. A login renews a weaker
 * hash, but not a stronger one.
 */
import { isPossiblePassword } from '../crypto/password.ts';
import { AuthError, isAuthError, isImpossiblePasswordError } from '../errors.ts';
import {
  aFunction,
  checkedClock,
  expecting,
  integerBetween,
  objectWith,
  readOptions,
  type Checks,
} from '../options.ts';
import { isObject, ownMember } from '../values.ts';
import { EVENTS } from '../events.ts';
import { MemoryCounts } from '../limits/memory.ts';
import { sourceOf } from '../limits/network.ts';
import { Throttle, type LimitOptions } from '../limits/throttle.ts';
import { andThen } from '../maybe-promise.ts';
import type { PublicUser, User, UserStore } from '../users/store.ts';
import type { Client } from './client.ts';
import { isCommonPassword } from './common-passwords.ts';
import { renewHash } from './hash-renewal.ts';
import { PasswordHasher } from './password-hasher.ts';
import { checkPasswordText, refuseForbidden, type IsForbidden } from './password-rules.ts';
import { publicUserOf } from './public-user.ts';
import { canonicalUsername, trimUsername, usernameRefusal } from './username.ts';

/** The store and the hasher of {@link Accounts}, the rules for new passwords, the rate limits. */
export interface AccountsOptions {
  /** The store that keeps the users. */
  readonly users: UserStore;
  /** Hashes and verifies passwords. Default: a `PasswordHasher` with its own defaults. */
  readonly passwords?: Pick<PasswordHasher, 'hash' | 'verify' | 'needsRehash'>;
  /**
   * Minimum length of a new password in code points, after NFC; 1 to 1024, default 8 (OWASP ASVS
   * 5.0, 6.2.1).
   */
  readonly minPasswordLength?: number;
  /**
   * Maximum length of a new password in code points, after NFC; 1 to 1024 and at least
   * `minPasswordLength`, default 256. In addition, no password may have more than 1024 UTF-16 code
   * units before NFC.
   */
  readonly maxPasswordLength?: number;
  /**
   * Decides whether a new password is refused. It gets the password in NFC, and returns true or
   * false or a promise of one. Default: whether the password, ignoring letter case, is one of the
   * 3,000 most used ones of 8 characters or more (OWASP ASVS 5.0, 6.2.4). A function replaces that
   * list.
   */
  readonly isForbidden?: IsForbidden;
  /** Rate limits for logins and signups. Default: those of `LimitOptions`. `false` means none. */
  readonly limits?: LimitOptions | false;
  /**
   * The clock of the limits and of `createdAt`, in seconds since 1970. Default: for `createdAt` the
   * system's clock. For the limits a monotonic clock, set to the system's time when the process
   * starts: later changes of the system's time have no effect.
   */
  readonly now?: () => number;
}

const limitsCheck = expecting('false or an object of limits', (value) => {
  return value === false || isObject(value);
});

/** The checks of {@link AccountsOptions}, also for a function that passes these options on. */
export const ACCOUNTS_OPTION_CHECKS: Checks<AccountsOptions> = {
  users: objectWith('find', 'insert', 'update'),
  passwords: objectWith('hash', 'verify', 'needsRehash'),
  minPasswordLength: integerBetween(1, 1024),
  maxPasswordLength: integerBetween(1, 1024),
  isForbidden: aFunction,
  limits: limitsCheck,
  now: aFunction,
};

/** The accounts of a service. */
export class Accounts {
  readonly #options: Required<Omit<AccountsOptions, 'limits' | 'now'>>;
  readonly #throttle: Throttle | undefined;
  /** When an account is created: now. */
  readonly #creationTime: () => Date;

  /** `authenticate` and `identity`, bound, to spread into the options of `JwtAuth`. */
  readonly handlers: Pick<Accounts, 'authenticate' | 'identity'> = {
    authenticate: (username, password, client) => this.authenticate(username, password, client),
    identity: (claims) => this.identity(claims),
  };

  /** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
  constructor(options: AccountsOptions) {
    const given = readOptions(options, ACCOUNTS_OPTION_CHECKS, ['users']);
    // `given` has no prototype, so prototype pollution cannot supply an option.
    const passwords = given.passwords ?? new PasswordHasher();
    const { limits = {}, now, ...others } = given;
    const defaults = {
      minPasswordLength: 8,
      maxPasswordLength: 256,
      isForbidden: isCommonPassword,
    };
    this.#options = { ...defaults, ...others, passwords };
    const counts = new MemoryCounts(now ?? steadyNow);
    this.#throttle = limits === false ? undefined : new Throttle(limits, counts);
    const clock = now && checkedClock(now);
    this.#creationTime = () => (clock === undefined ? new Date() : new Date(clock() * 1000));
    const { minPasswordLength, maxPasswordLength } = this.#options;
    // The message names an option that the caller has set. The other one may be a default.
    if (given.maxPasswordLength === undefined) {
      integerBetween(1, maxPasswordLength)('minPasswordLength', minPasswordLength);
    } else {
      integerBetween(minPasswordLength, 1024)('maxPasswordLength', maxPasswordLength);
    }
  }

  /**
   * Creates an account.
   * @param input any value, such as a parsed body. Only its own members `username` and `password`
   *   are read. ASCII white space at the ends of the username is removed.
   * @param client such as the `HttpRequest`
   * @returns the new user, once the store has it
   * @throws AuthError because of the input: ERR_SIGNUP_BODY, ERR_USERNAME, ERR_USER_EXISTS,
   *   ERR_PASSWORD_TOO_SHORT, ERR_PASSWORD_TOO_LONG, ERR_PASSWORD_INVALID, ERR_PASSWORD_FORBIDDEN
   * @throws AuthError because of the load, the client or the store: ERR_THROTTLED, ERR_BUSY,
   *   ERR_ABORTED, ERR_STORE
   * @throws TypeError if `isForbidden` returns neither true nor false
   */
  async signup(input: unknown, client: Client = {}): Promise<PublicUser> {
    const { users, passwords, isForbidden } = this.#options;
    const sentUsername = ownMember(input, 'username');
    const password = ownMember(input, 'password');
    if (typeof sentUsername !== 'string' || typeof password !== 'string') {
      throw new AuthError('ERR_SIGNUP_BODY');
    }
    const id = canonicalUsername(sentUsername);
    if (id === undefined) throw usernameRefusal(sentUsername);
    const username = trimUsername(sentUsername);
    const normalized = checkPasswordText(password, id, this.#options);
    const { signal } = client;
    if (signal?.aborted) throw new AuthError('ERR_ABORTED');
    const source = sourceOf(client.address);
    const create = async () => {
      await refuseForbidden(normalized, username, isForbidden);
      // Skips hashing when the name is taken. Of several signups of one name at once, `insert` lets
      // one through.
      if ((await users.find(id)) !== undefined) throw new AuthError('ERR_USER_EXISTS');
      // Not `normalized`: the hasher normalises by itself.
      const passwordHash = await passwords.hash(password, signal, source.address);
      return this.#insert(id, username, passwordHash);
    };
    const throttle = this.#throttle;
    const user = throttle === undefined ? await create() : await throttle.signup(source, create);
    if (EVENTS.signup.hasSubscribers) EVENTS.signup.publish({ id, address: source.address });
    return user;
  }

  /**
   * Creates an account with a password hash that another system has made, such as a Flask
   * application.
   * @param username its canonical form becomes the id; trimmed as by `signup`
   * @param passwordHash a PHC scrypt string, or a hash of Werkzeug, which the first login replaces
   * @returns the new user, once the store has it
   * @throws AuthError ERR_USERNAME, ERR_USER_EXISTS, ERR_STORE; ERR_PASSWORD_HASH if the hash is
   *   malformed or costs too much
   */
  async importUser(username: string, passwordHash: string): Promise<PublicUser> {
    if (typeof username !== 'string') throw new AuthError('ERR_USERNAME');
    const id = canonicalUsername(username);
    if (id === undefined) throw usernameRefusal(username);
    // Called because it throws if the hash cannot be read. Its result does not matter here.
    this.#options.passwords.needsRehash(passwordHash);
    return this.#insert(id, trimUsername(username), passwordHash);
  }

  /**
   * Checks a username and a password. If the password is right and the stored hash is weaker than
   * new ones, a new hash replaces it.
   * @param client such as the `HttpRequest`
   * @returns the user, or undefined for an unknown username and for a wrong password
   * @throws AuthError ERR_THROTTLED, before the store is read; ERR_BUSY, ERR_ABORTED, ERR_STORE
   */
  async authenticate(
    username: string,
    password: string,
    client: Client = {},
  ): Promise<PublicUser | undefined> {
    if (typeof username !== 'string' || typeof password !== 'string') return undefined;
    const id = canonicalUsername(username);
    // No account can have such a username or password, and a client knows that from the public
    // rules. An early answer reveals nothing, so no decoy hash is verified and no try is counted.
    if (id === undefined || !isPossiblePassword(password)) return undefined;
    const { signal } = client;
    const source = sourceOf(client.address);
    const check = async () => {
      const found = await this.#options.users.find(id);
      const stored = found?.passwordHash;
      const isRight = await this.#isPassword(password, stored, signal, source.address);
      return isRight ? found : undefined;
    };
    const throttle = this.#throttle;
    const login = throttle === undefined ? check() : throttle.login(id, source, check);
    const user = await login.catch(ignoreImpossiblePassword);
    if (user === undefined) return undefined;
    if (EVENTS.login.hasSubscribers) EVENTS.login.publish({ id, address: source.address });
    await renewHash(user, password, source.address, this.#options);
    return publicUserOf(user);
  }

  /**
   * @param claims of a verified token
   * @returns the user whose id is the claim `identity`, or undefined. It is a promise only if the
   *   store returns one.
   * @throws AuthError ERR_STORE
   */
  identity(
    claims: { readonly identity?: unknown },
  ): PublicUser | undefined | Promise<PublicUser | undefined> {
    if (typeof claims.identity !== 'string') return undefined;
    return andThen(this.#options.users.find(claims.identity), (user) => user && publicUserOf(user));
  }

  /** @throws AuthError ERR_USER_EXISTS, ERR_STORE */
  async #insert(id: string, username: string, passwordHash: string): Promise<PublicUser> {
    const user: User = {
      id,
      username,
      passwordHash,
      createdAt: this.#creationTime().toISOString(),
    };
    if (await this.#options.users.insert(user)) return publicUserOf(user);
    throw new AuthError('ERR_USER_EXISTS');
  }

  /**
   * Verifies a decoy hash if the user is unknown, or if the stored hash cannot be read. The time of
   * a login then does not tell whether the account exists.
   * @param stored the hash of the user, or undefined for an unknown user
   * @returns whether the password is right; false after a decoy hash
   */
  async #isPassword(
    password: string,
    stored: string | undefined,
    signal: AbortSignal | undefined,
    address: string | undefined,
  ): Promise<boolean> {
    const { passwords } = this.#options;
    try {
      return await passwords.verify(password, stored, signal, address);
    } catch (error) {
      const isAboutHash = isAuthError(error) && error.code === 'ERR_PASSWORD_HASH';
      const isUnreadable = isAboutHash && stored !== undefined;
      if (isUnreadable) return passwords.verify(password, undefined, signal, address);
      throw error;
    }
  }
}

/** A hasher of the application may refuse more passwords than ours. Such a login is wrong. */
function ignoreImpossiblePassword(error: unknown): undefined {
  if (!isImpossiblePasswordError(error)) throw error;
}

/** @returns seconds since 1970, from a monotonic clock */
function steadyNow(): number {
  return (performance.timeOrigin + performance.now()) / 1000;
}
