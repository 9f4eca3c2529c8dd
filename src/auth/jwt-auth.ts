/**
 * As in Flask-JWT, the program passes two functions that find users, and gets a login and a guard
 * for its routes. This file does not use sockets: a request is an object with headers and a body.
 * Promise: the hooks that shape replies, `loginReply` and `errorReply`, cannot turn a refusal into
 * a success by returning normally. Whether a request passes depends on `authenticate`, `isCurrent`,
 * `tokenFrom`, `decode` and `identity`.
 */
import { isAuthError } from '../errors.ts';
import { andThen, isPromise, type MaybePromise } from '../maybe-promise.ts';
import type { Secret } from '../crypto/secret.ts';
import { aFunction, readOptions } from '../options.ts';
import { challenges } from './authorization.ts';
import {
  GUARD_OPTION_CHECKS,
  ISSUE_OPTION_CHECKS,
  type GuardOptions,
  type IssueOptions,
} from './call-options.ts';
import { withErrorReply } from './error-reply.ts';
import { Guard, handleAs, type GuardedHandler, type Passed } from './guard.ts';
import { Login } from './login.ts';
import type { LoginReply, LogoutReply } from './login-reply.ts';
import { middlewareOf, refuseMiddlewareCall, type Middleware } from './middleware.ts';
import {
  checkCall,
  identityCheck,
  settingsOf,
  type JwtAuthOptions,
  type JwtAuthSettings,
} from './options.ts';
import type { AuthRequest } from './request-body.ts';
import type { Authorization, GuardableRequest, HeaderSource } from './requests.ts';
import { SessionAuth } from './session-auth.ts';

/**
 * A login and a guard with one set of options.
 * @example
 * const auth = new JwtAuth({ secret, ...accounts.handlers });
 * router.post('/auth', auth.login);
 * router.get('/name', auth.required((_request, user) => user.username));
 * @typeParam Identity the type of user that `authenticate` and `identity` return; any type
 * @typeParam LoginResult the type of the reply to a login: that of the result of `loginReply`
 */
export class JwtAuth<Identity, LoginResult = LoginReply> {
  readonly #settings: JwtAuthSettings<Identity, LoginResult>;
  readonly #sessions: SessionAuth<Identity, LoginResult> | undefined;
  readonly #login: Login<Identity, LoginResult>;
  readonly #guard: Guard<Identity>;

  /** Whether every login is a session: whether the option `sessions` was given. */
  readonly hasSessions: boolean;

  /**
   * Makes the login and the guard, over `Accounts` or over users of your own.
   * @example
   * new JwtAuth({ secret, authenticate: logIn, identity: ({ identity }) => findUser(identity) });
   * @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds
   */
  constructor(options: JwtAuthOptions<Identity, LoginResult>) {
    const settings = settingsOf(options);
    this.#settings = settings;
    this.#sessions = settings.tokens && new SessionAuth(settings, settings.tokens);
    this.#login = new Login(settings, this.#sessions);
    this.#guard = new Guard(settings, this.#sessions);
    this.hasSessions = this.#sessions !== undefined;
  }

  /**
   * The handler of `POST /auth`: exchanges a username and a password for a token. It is bound, so
   * that `auth.login` can be passed to a router.
   * @param request an HttpRequest, a Request of the Web standard, or any other object with a method
   *   `json`, and an `address` if it is known
   * @returns the reply to send: `{ access_token }`, with sessions and `"refresh": true` in the body
   *   a {@link TokenPair}, or the result of `loginReply`
   * @throws AuthError ERR_CREDENTIALS, also if a field is missing, empty or not a string;
   *   ERR_THROTTLED, without calling `authenticate`
   * @throws AuthError ERR_STORE if the store of the sessions or of the counts fails
   * @throws AuthError ERR_BODY if the body is not JSON, ERR_LOGIN_BODY if it is not an object
   * @throws any error that `request.json` or a hook throws
   */
  readonly login = async (request: AuthRequest): Promise<LoginResult> =>
    this.#completeRefusals(this.#settings.realm, () => this.#login.replyTo(request));

  /**
   * The handler of `POST /refresh`: exchanges the `refresh_token` in the body for new tokens. It is
   * bound.
   * @param request as for `login`
   * @returns the reply to send: a {@link TokenPair}, or the result of `loginReply`
   * @throws AuthError ERR_SESSION_ENDED, ERR_JWT_*, ERR_STORE
   * @throws AuthError ERR_BODY if the body is not JSON, ERR_REFRESH_BODY if it has no token
   * @throws TypeError without the option `sessions`
   * @throws any error that `request.json` or a hook throws
   */
  readonly refresh = async (request: AuthRequest): Promise<LoginResult> =>
    this.#completeRefusals(this.#settings.realm, () => this.#sessionAuth().refresh(request));

  /**
   * The handler of `POST /logout`: ends the session of the `refresh_token` in the body. Without a
   * body it ends that of the access token of the request. It is bound.
   * @param request as for `login`. An access token is read from its headers.
   * @returns the reply to send, even if the session had ended before
   * @throws AuthError ERR_JWT_*, ERR_AUTHORIZATION_*, ERR_STORE
   * @throws AuthError ERR_BODY if the body is not JSON, ERR_REFRESH_BODY if it has no token, and
   *   without a body if the request has no access token of a session
   * @throws TypeError without the option `sessions`
   * @throws any error that `request.json` or a hook throws
   */
  readonly logout = async (request: AuthRequest): Promise<LogoutReply> =>
    this.#completeRefusals(this.#settings.realm, () => this.#sessionAuth().logout(request));

  /**
   * Makes tokens outside a login, such as after a signup or another proof. With sessions it begins
   * a session.
   * @param identity the very object that the login, the signup or the change of the password
   *   returned, so that the hook `isCurrent` can notice a later change
   * @param request the session shows its User-Agent; default none
   * @param options `refresh: false` for an access token alone; default true with sessions
   * @returns the tokens, whatever `loginReply` returns for a login
   * @throws AuthError ERR_CREDENTIALS if the hook `isCurrent` returns false, ERR_STORE
   * @throws TypeError for `refresh: true` without the option `sessions`
   * @throws any error that a hook throws
   */
  async issue(
    identity: Identity,
    request?: object,
    options: IssueOptions = {},
  ): Promise<LoginReply> {
    const { refresh } = readOptions(options, ISSUE_OPTION_CHECKS);
    identityCheck('issue', identity);
    if (this.#sessions === undefined && refresh !== true) {
      return this.#login.plainTokens(identity);
    }
    return this.#sessionAuth().issue(identity, request, refresh ?? true);
  }

  /**
   * As `issue`, for a route that shall reply as a login does, such as one that changes a password.
   * @returns the tokens, or the result of `loginReply`. If that hook throws, no session is left.
   */
  async issueReply(
    identity: Identity,
    request?: object,
    options: IssueOptions = {},
  ): Promise<LoginResult> {
    const { refresh } = readOptions(options, ISSUE_OPTION_CHECKS);
    identityCheck('issueReply', identity);
    if (this.#sessions === undefined && refresh !== true) return this.#login.plainReply(identity);
    return this.#sessionAuth().issueReply(identity, request, refresh ?? true);
  }

  /**
   * Replaces the secret, such as for a rotation without a restart. All other options stay. From the
   * next request on, a secret that is not given any more verifies no token. A request under way may
   * finish. Hooks `encode` and `decode` are not affected.
   * @param secret as the option: one secret, or a list of which the first signs and all verify
   * @throws TypeError or RangeError for a secret that the constructor refuses; the old one then
   *   stays in use
   */
  renewSecret(secret: Secret | readonly Secret[] | undefined): void {
    this.#settings.signers.renew(secret);
  }

  /**
   * Guards a handler, so that it runs only for a request with a valid token of an existing user.
   * @param handler gets the id of the session too, which is undefined without sessions and for a
   *   token without one
   * @param options a `realm` for this route alone
   * @returns the guarded handler. For a valid token it returns what `handler` returns,
   *   synchronously if all hooks and the session store are synchronous, and else a promise of it.
   *   For any other request it returns a promise that rejects with AuthError ERR_AUTHORIZATION_*,
   *   ERR_JWT_*, ERR_IDENTITY_UNKNOWN or ERR_SESSION_ENDED; with ERR_STORE if the session store
   *   fails.
   */
  required<Incoming extends GuardableRequest = HeaderSource, Result = unknown>(
    handler: (
      request: Incoming,
      identity: Identity,
      sessionId: string | undefined,
    ) => Result | PromiseLike<Result>,
    options: GuardOptions = {},
  ): (request: Incoming) => Result | Promise<Result> {
    checkCall(#settings in Object(this), 'required', 'auth.required(handler)');
    const { realm = this.#settings.realm } = readOptions(options, GUARD_OPTION_CHECKS);
    aFunction('handler', handler);
    return this.#guarded(realm, (request) => this.#guard.require(request), handler);
  }

  /**
   * As `required`, but without a token the handler gets `undefined`. A bad token is refused. The
   * realm is always that of the JwtAuth.
   */
  optional<Incoming extends GuardableRequest = HeaderSource, Result = unknown>(
    handler: (
      request: Incoming,
      identity: Identity | undefined,
      sessionId: string | undefined,
    ) => Result | PromiseLike<Result>,
  ): (request: Incoming) => Result | Promise<Result> {
    checkCall(#settings in Object(this), 'optional', 'auth.optional(handler)');
    aFunction('handler', handler);
    const { realm } = this.#settings;
    return this.#guarded(realm, (request) => this.#guard.find(request), handler);
  }

  /**
   * The guard alone, for any framework. It does not set `currentIdentity()`.
   * @param authorization the value of the Authorization header, or the request: an object with
   *   `headers`, such as a message of node:http or a Request of the Web standard, or with a method
   *   `header`, such as an HttpRequest or a request of Hono. The method must join the values of a
   *   repeated header.
   * @returns the identity
   * @throws AuthError as `required`; its `status`, `headers` and `body` are the reply to send
   */
  async authorize(authorization: string | GuardableRequest | null | undefined): Promise<Identity> {
    // The type is spelled out for the reference page: the package does not export `Authorization`.
    return andThen(this.#passed(authorization), ({ identity }) => identity);
  }

  /**
   * Makes the guard for Express, Connect, Polka and plain node:http. The guard sets
   * `req.identity`, with sessions also `req.sessionId`, and calls `next()`, or sends the refusal
   * itself. It passes any other error to `next(error)`. `guard` of `latchkey/express` sets
   * `req.user` with its type instead, and publishes its refusals.
   * @throws TypeError if it is called with arguments. With `app.get(path, auth.middleware)`, where
   *   the parentheses are missing, a client would never get a response.
   */
  middleware(): Middleware<Identity> {
    const { length } = arguments;
    if (length === 0) {
      return middlewareOf((request) => this.#passed(request), this.hasSessions);
    }
    const got = length === 1 ? '1 argument' : `${length} arguments`;
    throw new TypeError(`"middleware" expected to be called as auth.middleware(), got ${got}`);
  }

  #passed(request: Authorization): Passed<Identity> | Promise<Passed<Identity>> {
    const { realm } = this.#settings;
    return this.#completeRefusals(realm, () => this.#guard.require(request));
  }

  /** @returns the guarded handler, for `required` and `optional` */
  #guarded<Incoming extends GuardableRequest, Found, Result>(
    realm: string,
    find: (request: Incoming) => MaybePromise<Passed<Found>>,
    handler: GuardedHandler<Incoming, Found, Result>,
  ): (request: Incoming) => Result | Promise<Result> {
    // The type of the result hides the other parameters, which only a framework fills in.
    return (request: Incoming, response?: unknown, next?: unknown) => {
      if (next !== undefined) refuseMiddlewareCall(response, next);
      return this.#completeRefusals(realm, () =>
        andThen(find(request), (passed) => handleAs(passed, handler, request)),
      );
    };
  }

  #sessionAuth(): SessionAuth<Identity, LoginResult> {
    if (this.#sessions !== undefined) return this.#sessions;
    throw new TypeError('"sessions" expected an instance of Sessions, got undefined');
  }

  /**
   * @returns the result of `run`
   * @throws as `#refuse`, if `run` throws or rejects
   */
  #completeRefusals<Result>(
    realm: string,
    run: () => Result | Promise<Result>,
  ): Result | Promise<Result> {
    try {
      const result = run();
      if (!isPromise(result)) return result;
      return result.catch((error) => this.#refuse(realm, error));
    } catch (error) {
      return this.#refuse(realm, error);
    }
  }

  /**
   * Completes a refusal: `errorReply` makes its body, and a 401 gets its challenges. If
   * `errorReply` throws an AuthError, that error replaces the refusal and its body.
   * @throws AuthError the complete refusal, or any other error unchanged
   */
  async #refuse(realm: string, thrown: unknown): Promise<never> {
    if (!isAuthError(thrown)) throw thrown;
    const { schemes, errorReply } = this.#settings;
    throw await withErrorReply(thrown, errorReply, (refusal) => {
      if (refusal.status !== 401) return refusal.headers;
      return { 'WWW-Authenticate': challenges(schemes, realm, refusal), ...refusal.headers };
    });
  }
}
