/**
 * Sign up, authenticate, identify: passwords over a user store.
 * Promise: an unknown user and a wrong password cost the same work and get the same answer; what is stored and compared
 * is the canonical username.
 */
import { isPossiblePassword, MAX_PASSWORD_LENGTH } from '../crypto/password.ts';
import { AuthError } from '../errors.ts';
import {
  aFunction,
  expecting,
  objectWith,
  integerBetween,
  isObject,
  ownMember,
  readOptions,
  type Checks,
} from '../options.ts';
import { EVENTS } from '../events.ts';
import { MemoryCounts } from '../limits/memory.ts';
import { sourceOf } from '../limits/network.ts';
import { Throttle, type LimitOptions } from '../limits/throttle.ts';
import { andThen } from '../maybe-promise.ts';
import type { PublicUser, User, UserStore } from '../users/store.ts';
import { isCommonPassword } from './common-passwords.ts';
import { PasswordHasher } from './password-hasher.ts';
import { publicUserOf } from './public-user.ts';
import { canonicalUsername } from './username.ts';

/** What accounts are made of, and which passwords they may have. */
export interface AccountsOptions {
  /** Where the users are kept. */
  readonly users: UserStore;
  /** Default a `PasswordHasher` with its own defaults. */
  readonly passwords?: Pick<PasswordHasher, 'hash' | 'verify' | 'needsRehash'>;
  /** In code points, after NFC; 1 to 1024, default 8 (OWASP ASVS 5, V6.2.1). For new passwords. */
  readonly minPasswordLength?: number;
  /** The same, default 256. Whatever it is, a password has at most 1024 UTF-16 code units before NFC. */
  readonly maxPasswordLength?: number;
  /**
   * Says whether a new password, in NFC, is refused. Default: it is one of the 3,000 most used ones
   * of 8 characters or more (OWASP ASVS 5.0, 6.2.4), in any case. A function given here replaces
   * that list, and must answer true or false, at once or with a promise.
   */
  readonly isForbidden?: (password: string, username: string) => boolean | Promise<boolean>;
  /** How often passwords may be tried and accounts be made; `false` for as often as anybody likes. */
  readonly limits?: LimitOptions | false;
  /**
   * The clock of the limits, in seconds since 1970; default the system's, without the steps that it
   * makes while the process runs.
   */
  readonly now?: () => number;
}

/** Who asks. An `HttpRequest` is one; in another framework it is `{ address }`, as far as that trusts its proxies. */
export interface Client {
  /** A message of node:http is no client, though one with a `signal`, as newer types have it, would pass for one. */
  readonly socket?: never;
  /** An IPv4 or IPv6 address. Without one the limits of addresses cannot hold, and those of accounts still do. */
  readonly address?: string | undefined;
  /** Aborted when nobody waits for the answer any more, so that no password is hashed for it. */
  readonly signal?: AbortSignal | undefined;
}

const booleanCheck = expecting('an answer of true or false', (value) => typeof value === 'boolean');

const limitsCheck = expecting('false or an object of limits', (value) => value === false || isObject(value));

/** The checks of {@link AccountsOptions}, for who takes these options and passes them on. */
export const ACCOUNTS_OPTION_CHECKS: Checks<AccountsOptions> = {
  users: objectWith('find', 'insert', 'update'),
  passwords: objectWith('hash', 'verify', 'needsRehash'),
  minPasswordLength: integerBetween(1, 1024), maxPasswordLength: integerBetween(1, 1024), isForbidden: aFunction,
  limits: limitsCheck, now: aFunction,
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
    // Read from `given`, which has no prototype from which members could be inherited.
    const passwords = given.passwords ?? new PasswordHasher();
    const { limits = {}, now, ...own } = given;
    const defaults = {
      minPasswordLength: 8,
      maxPasswordLength: 256,
      isForbidden: isCommonPassword,
    };
    this.#options = { ...defaults, ...own, passwords };
    const counts = new MemoryCounts(now ?? steadyNow);
    this.#throttle = limits === false ? undefined : new Throttle(limits, counts);
    // No password could be both long and short enough.
    integerBetween(this.#options.minPasswordLength, 1024)('maxPasswordLength', this.#options.maxPasswordLength);
  }

  /**
   * Makes an account.
   * @param input whatever was sent. Its own members `username` and `password` are read, and nothing else.
   * @param client who asks, such as the `HttpRequest`
   * @returns the new user, once the store has it
   * @throws AuthError ERR_SIGNUP_BODY, ERR_USERNAME, ERR_USER_EXISTS, ERR_PASSWORD_TOO_SHORT, ERR_PASSWORD_TOO_LONG,
   *   ERR_PASSWORD_INVALID, ERR_PASSWORD_FORBIDDEN; ERR_THROTTLED, ERR_BUSY, ERR_ABORTED, ERR_STORE
   */
  async signup(input: unknown, client: Client = {}): Promise<PublicUser> {
    const { users, passwords, isForbidden } = this.#options;
    const username = ownMember(input, 'username');
    const password = ownMember(input, 'password');
    if (typeof username !== 'string' || typeof password !== 'string') throw new AuthError('ERR_SIGNUP_BODY');
    const id = canonicalUsername(username);
    if (id === undefined) throw new AuthError('ERR_USERNAME');
    const normalized = this.#checkNewPassword(password, id);
    const { signal } = client;
    if (signal?.aborted) throw new AuthError('ERR_ABORTED');
    const source = sourceOf(client.address);
    const make = async () => {
      const isBad = await isForbidden(normalized, username);
      // A forgotten `return` must not let every password through.
      booleanCheck('isForbidden', isBad);
      if (isBad) throw new AuthError('ERR_PASSWORD_FORBIDDEN');
      // Saves the work of hashing. Whether the name is free, insert decides.
      if ((await users.find(id)) !== undefined) throw new AuthError('ERR_USER_EXISTS');
      const passwordHash = await passwords.hash(password, signal, client.address);
      return this.#insert(id, username, passwordHash);
    };
    const user = await (this.#throttle?.signup(source, make) ?? make());
    if (EVENTS.signup.hasSubscribers) EVENTS.signup.publish({ id, address: source.address });
    return user;
  }

  /**
   * Takes over an account from elsewhere, such as a Flask application, with the hash that it has there.
   * @param username becomes the id in its canonical form
   * @param passwordHash a PHC scrypt string, or one of Werkzeug, which the first login replaces
   * @returns the new user, once the store has it
   * @throws AuthError ERR_USERNAME, ERR_PASSWORD_HASH if the hash is malformed or costs too much, ERR_USER_EXISTS,
   *   ERR_STORE
   */
  async importUser(username: string, passwordHash: string): Promise<PublicUser> {
    const id = typeof username === 'string' ? canonicalUsername(username) : undefined;
    if (id === undefined) throw new AuthError('ERR_USERNAME');
    // It reads the hash, and so refuses a bad one now and not at the first login.
    this.#options.passwords.needsRehash(passwordHash);
    return this.#insert(id, username, passwordHash);
  }

  /**
   * Checks a username and a password. A hash that is weaker than those made now is made anew on the way.
   * @param client who asks, such as the `HttpRequest`
   * @returns the user, or undefined if there is no such user or the password is another
   * @throws AuthError ERR_THROTTLED, before any look at the user; ERR_BUSY, ERR_ABORTED, ERR_STORE
   */
  async authenticate(
    username: string,
    password: string,
    client: Client = {},
  ): Promise<PublicUser | undefined> {
    if (typeof username !== 'string' || typeof password !== 'string') return undefined;
    const id = canonicalUsername(username);
    // Nobody can have this name, and whoever asks knows that: no work needs to hide it.
    if (id === undefined || !isPossiblePassword(password)) return undefined;
    const { signal } = client;
    const source = sourceOf(client.address);
    const check = async () => {
      const found = await this.#options.users.find(id);
      const isRight = await this.#isPassword(password, found?.passwordHash, signal, client.address);
      return isRight ? found : undefined;
    };
    const user = await (this.#throttle?.login(id, source, check) ?? check());
    if (user === undefined) return undefined;
    if (EVENTS.login.hasSubscribers) EVENTS.login.publish({ id, address: source.address });
    await this.#renewHash(user, password, client.address);
    return publicUserOf(user);
  }

  /**
   * @param claims of a token that has verified
   * @returns the user whose id is the claim `identity`, or undefined; at once where the store answers at once
   * @throws AuthError ERR_STORE
   */
  identity(
    claims: { readonly identity?: unknown },
  ): PublicUser | undefined | Promise<PublicUser | undefined> {
    if (typeof claims.identity !== 'string') return undefined;
    return andThen(this.#options.users.find(claims.identity), (user) => user && publicUserOf(user));
  }

  async #insert(id: string, username: string, passwordHash: string): Promise<PublicUser> {
    const user = { id, username, passwordHash, createdAt: new Date().toISOString() };
    if (await this.#options.users.insert(user)) return publicUserOf(user);
    throw new AuthError('ERR_USER_EXISTS');
  }

  /** What can be told of a new password by itself. @returns the password in NFC */
  #checkNewPassword(password: string, id: string): string {
    const { minPasswordLength: min, maxPasswordLength: max } = this.#options;
    // Before it is normalised, which would take long.
    if (password.length > MAX_PASSWORD_LENGTH) throw new AuthError('ERR_PASSWORD_TOO_LONG');
    if (!isPossiblePassword(password)) throw new AuthError('ERR_PASSWORD_INVALID');
    const normalized = password.normalize('NFC');
    const { length } = [...normalized];
    const description = `Password must have ${min} to ${max} characters`;
    if (length < min) throw new AuthError('ERR_PASSWORD_TOO_SHORT', { description });
    if (length > max) throw new AuthError('ERR_PASSWORD_TOO_LONG', { description });
    if (canonicalUsername(password) === id) throw new AuthError('ERR_PASSWORD_FORBIDDEN');
    return normalized;
  }

  /** A hash that cannot be read fits no password. It takes the same work, so that it tells nothing of the account. */
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
      const isUnreadable = error instanceof AuthError && error.code === 'ERR_PASSWORD_HASH' && stored !== undefined;
      if (!isUnreadable) throw error;
      return this.#isPassword(password, undefined, signal, address);
    }
  }

  /**
   * The login has succeeded already: where the queue or the store refuses, the old hash stays until
   * the next login. Any other error is a bug, and is thrown. The update expects the hash that was
   * verified, so a changed password stays changed, a removed user stays removed, and a new user of
   * the same name keeps the new password.
   */
  async #renewHash(user: User, password: string, address: string | undefined): Promise<void> {
    const { users, passwords } = this.#options;
    if (!passwords.needsRehash(user.passwordHash)) return;
    try {
      // Without a signal: the login has succeeded, even if the client has gone.
      const passwordHash = await passwords.hash(password, undefined, address);
      // The user is found anew, since other members may have changed meanwhile. The comparison here
      // is for stores of version 0.1, which ignore the second argument: a change between the two
      // steps is lost there. With `andThen` a store that answers at once has no step between the two.
      await andThen(users.find(user.id), (latest) => {
        if (latest?.passwordHash !== user.passwordHash) return false;
        return users.update({ ...latest, passwordHash }, user.passwordHash);
      });
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
    }
  }
}

/** Seconds since 1970, by a clock that is not set while the process runs. */
function steadyNow(): number {
  return (performance.timeOrigin + performance.now()) / 1000;
}
