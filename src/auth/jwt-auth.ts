/**
 * As in Flask-JWT, the program passes two functions that find users, and gets a login and a guard
 * for its routes. This file does not use sockets: a request is an object with headers and a body.
 * Promise: the hooks that shape replies, `loginReply` and `errorReply`, cannot turn a refusal into
 * a success by returning normally. Whether a request passes depends on `authenticate`, `tokenFrom`,
 * `decode` and `identity`.
 */
import { AuthError, isAuthError, isImpossiblePasswordError } from '../errors.ts';
import { andThen, isPromise, type MaybePromise } from '../maybe-promise.ts';
import { aFunction, readOptions } from '../options.ts';
import { describe, ownMember } from '../values.ts';
import { challenges, realmCheck } from './authorization.ts';
import { bindListeners, runAs } from './current-identity.ts';
import { withErrorReply } from './error-reply.ts';
import { readCredentials, type AuthRequest } from './login.ts';
import { middlewareOf, type Middleware } from './middleware.ts';
import {
  hookResultError,
  settingsOf,
  type IdentityClaims,
  type JwtAuthOptions,
  type JwtAuthSettings,
} from './options.ts';
import {
  messageOf,
  type Authorization,
  type GuardableRequest,
  type HeaderSource,
} from './requests.ts';

/**
 * A login and a guard with one set of options.
 * @typeParam Identity the type of user that `authenticate` and `identity` return; any type
 */
export class JwtAuth<Identity> {
  readonly #settings: JwtAuthSettings<Identity>;

  /** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
  constructor(options: JwtAuthOptions<Identity>) {
    this.#settings = settingsOf(options);
  }

  /**
   * The handler of `POST /auth`: exchanges a username and a password for a token. It is bound, so
   * that `auth.login` can be passed to a router.
   * @param request an HttpRequest, a Request of the Web standard, or any other object with a method
   *   `json`, and an `address` if it is known
   * @returns the reply to send: `{ access_token }`, or the result of `loginReply`
   * @throws AuthError ERR_CREDENTIALS, also if a field is missing, empty or not a string
   * @throws AuthError ERR_BODY if the body is not JSON, ERR_LOGIN_BODY if it is not an object
   * @throws any error that `request.json` or a hook throws
   */
  readonly login = async (request: AuthRequest): Promise<unknown> =>
    this.#completingRefusals(this.#settings.realm, () => this.#replyToLogin(request));

  /**
   * Guards a handler, so that it runs only for a request with a valid token of an existing user.
   * @param options a `realm` for this route alone
   * @returns the guarded handler. For a valid token it returns what `handler` returns,
   *   synchronously if all hooks are synchronous. Otherwise it returns a promise that rejects with
   *   AuthError ERR_AUTHORIZATION_*, ERR_JWT_* or ERR_IDENTITY_UNKNOWN.
   */
  required<Request extends GuardableRequest = HeaderSource>(
    handler: (request: Request, identity: Identity) => unknown,
    options: { readonly realm?: string } = {},
  ): (request: Request) => unknown {
    const { realm = this.#settings.realm } = readOptions(options, { realm: realmCheck });
    aFunction('handler', handler);
    return this.#guard(realm, (request) => this.#requireIdentity(request), handler);
  }

  /**
   * As `required`, but without a token the handler gets `undefined`. A bad token is refused. The
   * realm is always that of the JwtAuth.
   */
  optional<Request extends GuardableRequest = HeaderSource>(
    handler: (request: Request, identity: Identity | undefined) => unknown,
  ): (request: Request) => unknown {
    aFunction('handler', handler);
    const { realm } = this.#settings;
    return this.#guard(realm, (request) => this.#findIdentity(request), handler);
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
    return this.#completingRefusals(this.#settings.realm, () =>
      this.#requireIdentity(authorization),
    );
  }

  /**
   * Makes the guard for Express, Connect, Polka and plain node:http. The guard sets `req.identity`
   * and calls `next()`, or sends the refusal itself. It passes any other error to `next(error)`.
   * @param none must be empty. With `app.get(path, auth.middleware)`, where the parentheses are
   *   missing, a client would never get a response. The type `never[]` makes that a compile error.
   *   In a program without types it throws at the first request.
   * @throws TypeError if it is called with arguments
   */
  middleware(...none: never[]): Middleware<Identity> {
    if (none.length === 0) return middlewareOf((request) => this.authorize(request));
    const got = none.length === 1 ? '1 argument' : `${none.length} arguments`;
    throw new TypeError(`"middleware" expected to be called as auth.middleware(), got ${got}`);
  }

  /** @returns the guarded handler, for `required` and `optional` */
  #guard<Request extends GuardableRequest, Found>(
    realm: string,
    findIdentity: (request: Request) => MaybePromise<Found>,
    handler: (request: Request, identity: Found) => unknown,
  ): (request: Request) => unknown {
    return (request) =>
      this.#completingRefusals(realm, () =>
        andThen(findIdentity(request), (identity) => handleAs(identity, handler, request)),
      );
  }

  async #replyToLogin(request: AuthRequest): Promise<unknown> {
    const { usernameField, passwordField, encode, loginReply } = this.#settings;
    const { username, password } = await readCredentials(request, usernameField, passwordField);
    const identity = await this.#checkCredentials(username, password, request);
    const token = await encode(identity);
    if (typeof token !== 'string') throw hookResultError('encode', 'a string', describe(token));
    return loginReply(token, identity);
  }

  /**
   * @returns the identity that `authenticate` finds
   * @throws AuthError ERR_CREDENTIALS if it finds none, or if no user can have such a password
   */
  async #checkCredentials(
    username: string,
    password: string,
    request: AuthRequest,
  ): Promise<Identity> {
    const { authenticate } = this.#settings;
    try {
      const identity = await authenticate(username, password, request);
      if (isIdentity(identity)) return identity;
    } catch (error) {
      if (!isImpossiblePasswordError(error)) throw error;
    }
    throw new AuthError('ERR_CREDENTIALS');
  }

  /**
   * @returns the identity
   * @throws AuthError as `#findIdentity`; ERR_AUTHORIZATION_MISSING if the request has no token
   */
  #requireIdentity(request: Authorization): Identity | Promise<Identity> {
    return andThen(this.#findIdentity(request), (identity) => {
      if (identity === undefined) throw new AuthError('ERR_AUTHORIZATION_MISSING');
      return identity;
    });
  }

  /**
   * Finds the token, verifies it, and finds the user whom its claims name. Each step is synchronous
   * if its hook is. As an `async` function it would make a request take up to a third longer.
   * @returns the identity, or undefined if the request has no token
   * @throws AuthError ERR_AUTHORIZATION_*, ERR_JWT_* or ERR_IDENTITY_UNKNOWN
   */
  #findIdentity(request: Authorization): Identity | undefined | Promise<Identity | undefined> {
    // The hook `identity` finds a user. Its new name keeps the hook apart from its result.
    const { tokenFrom, decode, identity: findUser, identityClaim } = this.#settings;
    return andThen(tokenFrom(request), (token) => {
      if (token === undefined || token === null) return undefined;
      return andThen(decode(token), (decoded) => {
        const claims = claimsForHook(decoded, identityClaim);
        return andThen(findUser(claims), (user) => {
          if (!isIdentity(user)) throw new AuthError('ERR_IDENTITY_UNKNOWN');
          return user;
        });
      });
    });
  }

  /**
   * @returns the result of `run`
   * @throws as `#refuse`, if `run` throws or rejects
   */
  #completingRefusals<Result>(
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

/** Calls a handler so that `currentIdentity()` returns the identity of its request. */
function handleAs<Request, Identity>(
  identity: Identity,
  handler: (request: Request, identity: Identity) => unknown,
  request: Request,
): unknown {
  const message = messageOf(request);
  if (message !== undefined) bindListeners(identity, message);
  // Queries of Knex and Mongoose start when `then` is called. `andThen` calls it inside `runAs`, so
  // that they too see this identity.
  return runAs(identity, () => andThen(handler(request, identity), (result) => result));
}

/** @returns the claims for the hook `identity`, with the claim `identityClaim` as `identity` */
function claimsForHook(decoded: object, identityClaim: string): IdentityClaims {
  // Jwt.verify returns an object. A hook `decode` that replaces it may return any value.
  if (typeof decoded !== 'object' || decoded === null) {
    throw hookResultError('decode', 'an object', describe(decoded));
  }
  if (identityClaim === 'identity') return decoded as IdentityClaims;
  return { ...decoded, identity: ownMember(decoded, identityClaim) };
}

/** `false` is not an identity, because a failed comparison returns it. */
function isIdentity<Identity>(value: Identity | undefined | null | false): value is Identity {
  return value !== undefined && value !== null && value !== false;
}
