/**
 * Accounts over a user store: sign up, check a username and password, find the user of a token.
 * Promise: no user enumeration by timing. A login with an unknown username costs the same work as a
 * wrong password, since it verifies a decoy hash, and gets the same answer. One person has one
 * account: usernames are stored and compared in their canonical form.
 */
import { isPossiblePassword } from '../crypto/password.ts';
import { AuthError } from '../errors.ts';
import {
  aFunction,
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
import { isCommonPassword } from './common-passwords.ts';
import { renewHash } from './hash-renewal.ts';
import { PasswordHasher } from './password-hasher.ts';
import { checkNewPassword, refuseForbidden, type IsForbidden } from './password-rules.ts';
import { publicUserOf } from './public-user.ts';
import { canonicalUsername } from './username.ts';

/** The parts of {@link Accounts}, its rules for new passwords and its rate limits. */
export interface AccountsOptions {
  /** The store that keeps the users. */
  readonly users: UserStore;
  /** Hashes and verifies passwords. Default: a `PasswordHasher` with its own defaults. */
  readonly passwords?: Pick<PasswordHasher, 'hash' | 'verify' | 'needsRehash'>;
  /**
   * The fewest code points of a new password after NFC; 1 to 1024, default 8 (OWASP ASVS 5.0,
   * 6.2.1).
   */
  readonly minPasswordLength?: number;
  /**
   * The most code points of a new password after NFC; 1 to 1024 and at least `minPasswordLength`,
   * default 256. Any password, before NFC, has at most 1024 UTF-16 code units.
   */
  readonly maxPasswordLength?: number;
  /**
   * Decides whether a new password is refused. It gets the password in NFC and answers true or
   * false, or a promise of one. Default: whether the password, in any case, is one of the 3,000
   * most used ones of 8 characters or more (OWASP ASVS 5.0, 6.2.4). A function replaces that list.
   */
  readonly isForbidden?: IsForbidden;
  /** Rate limits for logins and signups. Default: those of `LimitOptions`; `false` for none. */
  readonly limits?: LimitOptions | false;
  /**
   * The clock of the limits, in seconds since 1970. Default: the system's time when the process
   * started, counted on by a monotonic clock, so that a change of the system's time has no effect.
   */
  readonly now?: () => number;
}

/**
 * The client that signs up or logs in. An `HttpRequest` is one. With another framework, pass
 * `{ address: req.ip }`, or the address that the framework trusts.
 */
export interface Client {
  /**
   * Makes it a type error to pass a message of node:http. Newer versions of @types/node give it a
   * `signal`, so it would match otherwise.
   */
  readonly socket?: never;
  /** An IPv4 or IPv6 address. Without one, the limits by network do not apply. */
  readonly address?: string | undefined;
  /** Aborted when the client disconnects: a password that still waits is then not hashed. */
  readonly signal?: AbortSignal | undefined;
}

const limitsCheck = expecting('false or an object of limits', (value) => {
  return value === false || isObject(value);
});

/** The checks of {@link AccountsOptions}, for a caller that passes these options on. */
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

  /** `authenticate` and `identity`, bound, to spread into the options of `JwtAuth`. */
  readonly handlers: Pick<Accounts, 'authenticate' | 'identity'> = {
    authenticate: (username, password, client) => this.authenticate(username, password, client),
    identity: (claims) => this.identity(claims),
  };

  /** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
  constructor(options: AccountsOptions) {
    const given = readOptions(options, ACCOUNTS_OPTION_CHECKS, ['users']);
    // `given` has no prototype, so a polluted `Object.prototype` cannot supply an option.
    const passwords = given.passwords ?? new PasswordHasher();
    const { limits = {}, now = steadyNow, ...own } = given;
    const defaults = {
      minPasswordLength: 8,
      maxPasswordLength: 256,
      isForbidden: isCommonPassword,
    };
    this.#options = { ...defaults, ...own, passwords };
    this.#throttle = limits === false ? undefined : new Throttle(limits, new MemoryCounts(now));
    const { minPasswordLength, maxPasswordLength } = this.#options;
    integerBetween(minPasswordLength, 1024)('maxPasswordLength', maxPasswordLength);
  }

  /**
   * Creates an account.
   * @param input anything, such as a parsed body. Only its own members `username` and `password`
   *   are read.
   * @param client such as the `HttpRequest`
   * @returns the new user, once the store has it
   * @throws AuthError for the input: ERR_SIGNUP_BODY, ERR_USERNAME, ERR_USER_EXISTS,
   *   ERR_PASSWORD_TOO_SHORT, ERR_PASSWORD_TOO_LONG, ERR_PASSWORD_INVALID, ERR_PASSWORD_FORBIDDEN
   * @throws AuthError for load or the store: ERR_THROTTLED, ERR_BUSY, ERR_ABORTED, ERR_STORE
   * @throws TypeError if `isForbidden` answers neither true nor false
   */
  async signup(input: unknown, client: Client = {}): Promise<PublicUser> {
    const { users, passwords, isForbidden } = this.#options;
    const username = ownMember(input, 'username');
    const password = ownMember(input, 'password');
    if (typeof username !== 'string' || typeof password !== 'string') {
      throw new AuthError('ERR_SIGNUP_BODY');
    }
    const id = canonicalUsername(username);
    if (id === undefined) throw new AuthError('ERR_USERNAME');
    const normalized = checkNewPassword(password, id, this.#options);
    const { signal } = client;
    if (signal?.aborted) throw new AuthError('ERR_ABORTED');
    const source = sourceOf(client.address);
    const create = async () => {
      await refuseForbidden(normalized, username, isForbidden);
      // Saves a hash when the name is taken. Of several signups at once, `insert` lets one through.
      if ((await users.find(id)) !== undefined) throw new AuthError('ERR_USER_EXISTS');
      const passwordHash = await passwords.hash(password, signal, source.address);
      return this.#insert(id, username, passwordHash);
    };
    const user = await (this.#throttle?.signup(source, create) ?? create());
    if (EVENTS.signup.hasSubscribers) EVENTS.signup.publish({ id, address: source.address });
    return user;
  }

  /**
   * Creates an account that another system had, such as a Flask application, with its old hash.
   * @param username becomes the id in its canonical form
   * @param passwordHash a PHC scrypt string, or one of Werkzeug, which the first login replaces
   * @returns the new user, once the store has it
   * @throws AuthError ERR_USERNAME, ERR_USER_EXISTS, ERR_STORE; ERR_PASSWORD_HASH if the hash is
   *   malformed or costs too much
   */
  async importUser(username: string, passwordHash: string): Promise<PublicUser> {
    const id = typeof username === 'string' ? canonicalUsername(username) : undefined;
    if (id === undefined) throw new AuthError('ERR_USERNAME');
    this.#assertReadable(passwordHash);
    return this.#insert(id, username, passwordHash);
  }

  /**
   * Checks a username and a password. If the stored hash is weaker than new ones, a right password
   * renews it.
   * @param client such as the `HttpRequest`
   * @returns the user, or undefined for an unknown username and a wrong password alike
   * @throws AuthError ERR_THROTTLED before the store is asked; ERR_BUSY, ERR_ABORTED, ERR_STORE
   */
  async authenticate(
    username: string,
    password: string,
    client: Client = {},
  ): Promise<PublicUser | undefined> {
    if (typeof username !== 'string' || typeof password !== 'string') return undefined;
    const id = canonicalUsername(username);
    // No account can have such a username or password, and the client can tell that by itself. So
    // there is nothing to hide: no decoy hash is verified, and the rate limits count nothing.
    if (id === undefined || !isPossiblePassword(password)) return undefined;
    const { signal } = client;
    const source = sourceOf(client.address);
    const check = async () => {
      const found = await this.#options.users.find(id);
      const stored = found?.passwordHash;
      const isRight = await this.#isPassword(password, stored, signal, source.address);
      return isRight ? found : undefined;
    };
    const user = await (this.#throttle?.login(id, source, check) ?? check());
    if (user === undefined) return undefined;
    if (EVENTS.login.hasSubscribers) EVENTS.login.publish({ id, address: source.address });
    await renewHash(user, password, source.address, this.#options);
    return publicUserOf(user);
  }

  /**
   * @param claims of a token that has verified
   * @returns the user whose id is the claim `identity`, or undefined; not in a promise if the store
   *   answers without one
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
      createdAt: new Date().toISOString(),
    };
    if (await this.#options.users.insert(user)) return publicUserOf(user);
    throw new AuthError('ERR_USER_EXISTS');
  }

  /** @throws AuthError ERR_PASSWORD_HASH if the hash is malformed or costs too much */
  #assertReadable(passwordHash: string): void {
    // Only parsing matters here, so the answer is dropped.
    this.#options.passwords.needsRehash(passwordHash);
  }

  /**
   * @param stored the hash of the user, or undefined for an unknown user: a decoy hash is verified
   * @returns whether the password is right. No password fits an unreadable hash. A decoy hash is
   *   verified in its place, so that the time does not tell that the account exists.
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
      const isUnreadable = error instanceof AuthError && error.code === 'ERR_PASSWORD_HASH';
      if (!isUnreadable || stored === undefined) throw error;
      return passwords.verify(password, undefined, signal, address);
    }
  }
}

/** Seconds since 1970, by a clock that is never set while the process runs. */
function steadyNow(): number {
  return (performance.timeOrigin + performance.now()) / 1000;
}
