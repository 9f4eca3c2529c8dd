/**
 * Accounts over a user store: sign up, check a username and password, find the user of a token.
 * Promise: no user enumeration by timing. A login with an unknown username gets the same answer as
 * one with a wrong password, after the same work: it verifies a decoy hash of the current cost.
 * There is one account for each canonical form of a username.
 * Accepted: a stored hash of another cost takes another time and amount of memory. Both can show
 * that the account exists. A login renews a weaker hash, but not a stronger one.
 */
import { AuthError } from '../errors.ts';
import { publishUser } from '../events.ts';
import { sourceOf } from '../limits/network.ts';
import type { Throttle } from '../limits/throttle.ts';
import { andThen } from '../maybe-promise.ts';
import type { PublicUser } from '../users/store.ts';
import { ownMember } from '../values.ts';
import { AccountChanges, missingMethod } from './account-changes.ts';
import { createUser } from './account-creation.ts';
import type { Client, SessionClient } from './client.ts';
import { checkHash, isDisabled } from './disabled.ts';
import { findUser } from './find-user.ts';
import type { AccountHandlers } from './handlers.ts';
import { renewHash } from './hash-renewal.ts';
import { settingsOf, type AccountsOptions, type AccountsSettings } from './options.ts';
import { hashClientOf, PasswordCheck } from './password-check.ts';
import { checkPasswordText, refuseForbidden } from './password-rules.ts';
import { publicUserOf } from './public-user.ts';
import { endEarlierSessions, isTokenOfUser } from './token-age.ts';
import { canonicalUsername, newUsername } from './username.ts';
import { VerifiedHashes } from './verified-hashes.ts';

/**
 * The accounts of a service: sign-up, login, changes and removal.
 * @example const user = await new Accounts({ users }).signup({ username: 'Joe', password });
 */
export class Accounts {
  readonly #settings: AccountsSettings;
  readonly #throttle: Throttle | undefined;
  readonly #passwordCheck: PasswordCheck;
  readonly #changes: AccountChanges;
  readonly #verifiedHashes = new VerifiedHashes();

  /** Options of `JwtAuth`, to spread into them. */
  readonly handlers: AccountHandlers;

  /**
   * Makes the accounts over a user store.
   * @example new Accounts({ users, sessions, minPasswordLength: 10 });
   * @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds
   */
  constructor(options: AccountsOptions) {
    this.#settings = settingsOf(options);
    const { throttle, sessions } = this.#settings;
    this.#throttle = throttle;
    this.#passwordCheck = new PasswordCheck(this.#settings, throttle);
    this.#changes = new AccountChanges(this.#settings, this.#passwordCheck);
    this.handlers = {
      authenticate: (username, password, client) => this.authenticate(username, password, client),
      identity: (claims) => this.identity(claims),
      isCurrent: (user) => this.isCurrent(user),
      limits: false,
      ...(sessions !== undefined && { sessions }),
    };
  }

  /**
   * Creates an account.
   * @param input any value, such as a parsed body. Only its own members `username` and `password`
   *   are read. ASCII white space at the ends of the username is removed.
   * @param client such as the `HttpRequest`
   * @returns the new user, once the store has it
   * @throws AuthError because of the input: ERR_SIGNUP_BODY, ERR_USERNAME, ERR_USER_EXISTS,
   *   ERR_PASSWORD_TOO_SHORT, ERR_PASSWORD_TOO_LONG, ERR_PASSWORD_INVALID, ERR_PASSWORD_FORBIDDEN
   * @throws AuthError for load, client or store: ERR_THROTTLED, ERR_BUSY, ERR_ABORTED, ERR_STORE
   * @throws TypeError if `isForbidden` returns neither true nor false
   */
  async signup(input: unknown, client: Client = {}): Promise<PublicUser> {
    const { passwords, isForbidden } = this.#settings;
    const sentUsername = ownMember(input, 'username');
    const password = ownMember(input, 'password');
    if (typeof sentUsername !== 'string' || typeof password !== 'string') {
      throw new AuthError('ERR_SIGNUP_BODY');
    }
    const { id, username } = newUsername(sentUsername);
    const normalized = checkPasswordText(password, id, this.#settings);
    const { signal } = client;
    if (signal?.aborted) throw new AuthError('ERR_ABORTED');
    const source = sourceOf(client.address);
    const create = async () => {
      await refuseForbidden(normalized, username, isForbidden);
      // Not `normalized`: the hasher normalises by itself.
      const makeHash = () => passwords.hash(password, signal, source.address);
      return createUser(id, username, makeHash, this.#settings);
    };
    const throttle = this.#throttle;
    const user = throttle === undefined ? await create() : await throttle.signup(source, create);
    publishUser('signup', id, source);
    return this.#verifiedHashes.publicUserOf(user);
  }

  /**
   * Creates an account with a password hash that another system, such as Flask, has made.
   * @param username its canonical form becomes the id; trimmed as by `signup`
   * @param passwordHash a PHC scrypt string, or a hash of Werkzeug, which the first login replaces.
   *   With `!` before it the account is disabled.
   * @returns the new user, once the store has it
   * @throws AuthError ERR_USERNAME, ERR_USER_EXISTS, ERR_STORE; ERR_PASSWORD_HASH if the hash is
   *   malformed or costs too much
   */
  async importUser(username: string, passwordHash: string): Promise<PublicUser> {
    if (typeof username !== 'string') throw new AuthError('ERR_USERNAME');
    const { id, username: firstSpelling } = newUsername(username);
    checkHash(passwordHash, this.#settings.passwords);
    return publicUserOf(await createUser(id, firstSpelling, () => passwordHash, this.#settings));
  }

  /**
   * Checks a username and a password. If the password is right and the stored hash is weaker than
   * new ones, a new hash replaces it.
   * @param client such as the `HttpRequest`
   * @returns the user; undefined for an unknown username, a wrong password or a disabled account
   * @throws AuthError ERR_THROTTLED, before the store is read; ERR_BUSY, ERR_ABORTED, ERR_STORE
   */
  async authenticate(
    username: string,
    password: string,
    client: Client = {},
  ): Promise<PublicUser | undefined> {
    if (typeof username !== 'string' || typeof password !== 'string') return undefined;
    const id = canonicalUsername(username);
    // No account can have such a username, and a client knows that from the public rules. An early
    // answer reveals nothing, so no decoy hash is verified and no try is counted.
    if (id === undefined) return undefined;
    const user = await this.#passwordCheck.login(id, password, client);
    if (user === undefined) return undefined;
    const { address } = hashClientOf(client);
    publishUser('login', id, { address });
    const renewed = await renewHash(user, password, address, this.#settings);
    return this.#verifiedHashes.publicUserOf(renewed);
  }

  /**
   * Finds the user whom the claims of a verified token name.
   * @returns the user whose id is the claim `identity`. Undefined if there is none, if the account
   *   is disabled, and for a token that belongs to an earlier, removed user of this name: it was
   *   issued before the removal, and has no session. It is a promise only if the store returns one,
   *   or with `sessions` for a name that was removed before.
   * @throws AuthError ERR_STORE
   */
  identity(
    claims: { readonly identity?: unknown; readonly iat?: unknown; readonly sid?: unknown },
  ): PublicUser | undefined | Promise<PublicUser | undefined> {
    if (typeof claims.identity !== 'string') return undefined;
    return andThen(findUser(this.#settings.users, claims.identity), (user) => {
      if (user === undefined || isDisabled(user)) return undefined;
      const { sessions } = this.#settings;
      const { validAfter } = user;
      if (!isTokenOfUser(user, claims, sessions !== undefined)) return undefined;
      if (sessions === undefined || validAfter === undefined) return publicUserOf(user);
      // The guard, or the refresh, then finds that an earlier user's session has ended.
      return andThen(endEarlierSessions(user, validAfter, sessions), () => publicUserOf(user));
    });
  }

  /**
   * Decides whether a login may keep the session that it has begun. `JwtAuth` asks once it has
   * stored the session; the reason is in `account-changes.ts`.
   * @param user the very object that a method here returned, not a copy
   * @returns false if the account was removed or disabled, also if the name has a new user. If a
   *   password was verified or set for this object, also false if the stored hash has been replaced
   *   since. It is a promise only if the store returns one.
   * @throws AuthError ERR_STORE
   */
  isCurrent(user: PublicUser): boolean | Promise<boolean> {
    return andThen(findUser(this.#settings.users, user.id), (stored) =>
      this.#verifiedHashes.isCurrent(user, stored));
  }

  /**
   * Asks a logged-in user for the password once more. A wrong one counts for the account and the
   * session alone, and not as a login.
   * @param id of the user whom the guard found
   * @param client such as `{ address, signal, sessionId }` of the request
   * @returns the user, who still had this password once it was verified
   * @throws AuthError ERR_CREDENTIALS if the password is wrong, or the account is unknown or
   *   disabled; ERR_THROTTLED, before the store is read; ERR_BUSY, ERR_ABORTED, ERR_STORE
   */
  async confirmPassword(
    id: string,
    password: string,
    client: SessionClient = {},
  ): Promise<PublicUser> {
    const user = await this.#passwordCheck.confirm(id, password, client);
    return this.#verifiedHashes.publicUserOf(user);
  }

  /**
   * Changes the password of a logged-in user, and ends all sessions.
   * @param id of the user whom the guard found
   * @param password the current one
   * @param newPassword obeys the rules of a signup
   * @param client such as `{ address, signal, sessionId }` of the request
   * @returns the user, once the store has the new hash and all sessions have ended
   * @throws AuthError as `confirmPassword`; ERR_CREDENTIALS also if the password was changed
   *   meanwhile; ERR_PASSWORD_* as `signup`, with the title `Password refused`. After ERR_STORE the
   *   password is the old or the new one.
   * @throws TypeError if `isForbidden` returns neither true nor false
   */
  async changePassword(
    id: string,
    password: string,
    newPassword: string,
    client: SessionClient = {},
  ): Promise<PublicUser> {
    const changed = await this.#changes.changePassword(id, password, newPassword, client);
    publishUser('password', id, sourceOf(client.address));
    return this.#verifiedHashes.publicUserOf(changed);
  }

  /**
   * Sets the password of a user, without asking for the old one, and ends all sessions. For
   * administrators. A disabled account stays disabled.
   * @param newPassword obeys the rules of a signup
   * @returns the user, once the store has the new hash and all sessions have ended
   * @throws AuthError ERR_IDENTITY_UNKNOWN with the status 404 if there is no such user, or if the
   *   name got a new user meanwhile; ERR_PASSWORD_* as `changePassword`; ERR_BUSY, ERR_STORE
   * @throws TypeError if `isForbidden` returns neither true nor false
   */
  async setPassword(id: string, newPassword: string): Promise<PublicUser> {
    const changed = await this.#changes.setPassword(id, newPassword);
    publishUser('password', id, {});
    return this.#verifiedHashes.publicUserOf(changed);
  }

  /**
   * Ends all sessions of an account, and refuses its logins and its tokens from now on.
   * @returns false if there is no such user
   * @throws AuthError ERR_STORE
   */
  async disable(id: string): Promise<boolean> {
    return (await this.#changes.disable(id)) !== undefined;
  }

  /**
   * Lets a disabled account log in again, with the password that it has. Its sessions stay ended.
   * @returns false if there is no such user
   * @throws AuthError ERR_PASSWORD_HASH if the account has no password; ERR_STORE
   */
  async enable(id: string): Promise<boolean> {
    return (await this.#changes.enable(id)) !== undefined;
  }

  /**
   * Removes an account and ends all its sessions. For administrators. Its tokens are refused from
   * now on, also once another user has signed up with the name.
   * @param client such as the `HttpRequest`, for the event
   * @returns false if there is no such user
   * @throws AuthError ERR_STORE
   * @throws TypeError if the store has no method `remove`
   */
  async remove(id: string, client: Client = {}): Promise<boolean> {
    const source = sourceOf(client.address);
    const isRemoved = await this.#changes.remove(id);
    // The rate limits treat known and unknown names alike, so the counts and known networks of this
    // name stay. They expire like all others.
    if (isRemoved) publishUser('remove', id, source);
    return isRemoved;
  }

  /**
   * As `remove`, for the owner, who proves the password as for `changePassword`.
   * @param id of the user whom the guard found
   * @param client such as `{ address, signal, sessionId }` of the request
   * @returns true, once the account is removed and all sessions have ended
   * @throws AuthError as `confirmPassword`; ERR_CREDENTIALS also if the password was changed, or
   *   the account disabled or removed, meanwhile
   * @throws TypeError if the store has no method `remove`
   */
  async removeByOwner(id: string, password: string, client: SessionClient = {}): Promise<boolean> {
    const source = sourceOf(client.address);
    await this.#changes.removeByOwner(id, password, client);
    publishUser('remove', id, source);
    return true;
  }

  /**
   * Lists one page of the users, sorted by id.
   * @param after the page begins behind this id; default: at the first user
   * @param limit the greatest number of users on the page, 1 to 1000; default 100
   * @throws AuthError ERR_STORE
   * @throws TypeError if the store has no method `list`; TypeError or RangeError for an argument
   */
  async list(after?: string, limit?: number): Promise<PublicUser[]> {
    const { users } = this.#settings;
    if (users.list === undefined) throw missingMethod('list');
    return (await users.list(after, limit)).map(publicUserOf);
  }
}
