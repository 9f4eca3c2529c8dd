/**
 * A login: a username and a password are exchanged for a reply with a token. With sessions the
 * tokens are those of `SessionAuth`.
 */
import { AuthError, isImpossiblePasswordError, isUnreadableHashError } from '../errors.ts';
import { describe } from '../values.ts';
import { withLimits } from './login-limits.ts';
import { defaultReplyOf, replyOf, type LoginReply } from './login-reply.ts';
import { hookResultError, isIdentity, type JwtAuthSettings } from './options.ts';
import { readCredentials, type AuthRequest } from './request-body.ts';
import type { SessionAuth } from './session-auth.ts';

/** The login of one JwtAuth, and its tokens without a session. */
export class Login<Identity, LoginResult> {
  readonly #settings: JwtAuthSettings<Identity, LoginResult>;
  readonly #sessions: SessionAuth<Identity, LoginResult> | undefined;

  constructor(
    settings: JwtAuthSettings<Identity, LoginResult>,
    sessions: SessionAuth<Identity, LoginResult> | undefined,
  ) {
    this.#settings = settings;
    this.#sessions = sessions;
  }

  /** @returns the reply to the username and the password of a request */
  async replyTo(request: AuthRequest): Promise<LoginResult> {
    const { usernameField, passwordField, throttle } = this.#settings;
    const credentials = await readCredentials(request, usernameField, passwordField);
    const { username, password, wantsRefresh } = credentials;
    const checkPassword = () =>
      withLimits(throttle, username, request, () => this.#userWith(username, password, request));
    if (this.#sessions !== undefined) {
      return this.#sessions.login(checkPassword, request, wantsRefresh);
    }
    return this.plainReply(await checkPassword());
  }

  /** @returns a token without a session */
  async plainTokens(identity: Identity): Promise<LoginReply> {
    return defaultReplyOf({ accessToken: await this.#encode(identity) });
  }

  /** @returns the reply to a login without a session */
  async plainReply(identity: Identity): Promise<LoginResult> {
    const accessToken = await this.#encode(identity);
    return replyOf({ accessToken }, identity, this.#settings.loginReply);
  }

  async #encode(identity: Identity): Promise<string> {
    const token = await this.#settings.encode(identity);
    if (typeof token !== 'string') throw hookResultError('encode', 'a string', describe(token));
    return token;
  }

  /**
   * A password that no user can have counts as a wrong one. Otherwise, with an `authenticate` that
   * hashes for known users alone, the counts would tell which users exist. If the stored hash
   * cannot be read, any password counts as a wrong one: another answer would tell that the user
   * exists.
   * @returns the user that `authenticate` finds
   * @throws AuthError ERR_CREDENTIALS if it finds none
   */
  async #userWith(
    username: string,
    password: string,
    request: AuthRequest,
  ): Promise<Identity> {
    try {
      const identity = await this.#settings.authenticate(username, password, request);
      if (isIdentity(identity)) return identity;
    } catch (error) {
      if (isUnreadableHashError(error)) warnOfHash(username);
      else if (!isImpossiblePasswordError(error)) throw error;
    }
    throw new AuthError('ERR_CREDENTIALS');
  }
}

/** Tells the operator, because the client gets the answer to a wrong password. */
function warnOfHash(username: string): void {
  const fault = `The stored hash of the user ${JSON.stringify(username)} cannot be read`;
  process.emitWarning(`${fault}, so no password of this user is accepted`);
}
