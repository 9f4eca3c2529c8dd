/**
 * The idea of Flask-JWT: two functions that find users become a login, and a guard for any route.
 * Promise: a hook can shape a reply, but no hook turns a refusal into a success by returning
 * normally. This file knows no sockets: a request is an object with headers and a body.
 */
import { AuthError } from '../errors.ts';
import { andThen } from '../maybe-promise.ts';
import { aFunction, readOptions } from '../options.ts';
import { ownMember } from '../values.ts';
import { challenges, headerSourceOf, realmCheck, type HeaderSource } from './authorization.ts';
import { bindListeners, runAs } from './current-identity.ts';
import { isImpossiblePassword, readCredentials, type AuthRequest } from './login.ts';
import { middlewareOf, type Middleware } from './middleware.ts';
import {
  hookMistake,
  settingsOf,
  type IdentityClaims,
  type JwtAuthOptions,
  type JwtAuthSettings,
} from './options.ts';

/**
 * Login and guard over one set of options.
 * @typeParam Identity what `authenticate` and `identity` return, of any shape
 */
export class JwtAuth<Identity> {
  readonly #settings: JwtAuthSettings<Identity>;

  /** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
  constructor(options: JwtAuthOptions<Identity>) {
    this.#settings = settingsOf(options);
  }

  /**
   * The handler of `POST /auth`: trades a username and a password for a token. It is bound, so that
   * `auth.login` can be passed to a router.
   * @param request an HttpRequest, a Request of the Web standard, or any object with a body and
   *   perhaps an address
   * @returns the reply to send: `{ access_token }`, or what `loginReply` returns
   * @throws AuthError ERR_CREDENTIALS, also if a field is missing, empty or not a string
   * @throws AuthError ERR_BODY if the body is not JSON, ERR_LOGIN_BODY if it is not an object
   * @throws what `request.json` and the hooks throw
   */
  readonly login = async (request: AuthRequest): Promise<unknown> =>
    this.#attempt(this.#settings.realm, () => this.#logIn(request));

  /**
   * Guards a handler: it runs only for a request with a valid token of an existing user.
   * @param options a `realm` for this route alone
   * @returns the guarded handler, synchronous if `handler` and every hook are. It rejects any other
   *   request with AuthError ERR_AUTHORIZATION_*, ERR_JWT_* or ERR_IDENTITY_UNKNOWN.
   */
  required<Request extends HeaderSource>(
    handler: (request: Request, identity: Identity) => unknown,
    options: { readonly realm?: string } = {},
  ): (request: Request) => unknown {
    const { realm = this.#settings.realm } = readOptions(options, { realm: realmCheck });
    aFunction('handler', handler);
    return (request) =>
      this.#attempt(realm, () =>
        andThen(this.#require(request), (identity) => handleAs(identity, handler, request)),
      );
  }

  /** As `required`, but without a token the handler gets `undefined`. A bad token is refused. */
  optional<Request extends HeaderSource>(
    handler: (request: Request, identity: Identity | undefined) => unknown,
  ): (request: Request) => unknown {
    aFunction('handler', handler);
    return (request) =>
      this.#attempt(this.#settings.realm, () =>
        andThen(this.#identify(request), (identity) => handleAs(identity, handler, request)),
      );
  }

  /**
   * The guard alone, for any framework. It does not set `currentIdentity()`.
   * @param authorization the value of the Authorization header, or an object that has headers, such
   *   as an HttpRequest or a request of Hono. Its `header` joins the values of a repeated header.
   * @returns the identity
   * @throws AuthError as `required`; its `status`, `headers` and `body` are the reply to send
   */
  async authorize(authorization: string | HeaderSource | null | undefined): Promise<Identity> {
    return this.#attempt(this.#settings.realm, () => this.#require(headerSourceOf(authorization)));
  }

  /**
   * The guard for Express, Connect, Polka and plain node:http. It sets `req.identity` and calls
   * `next()`, or sends the refusal itself. Any other error goes to `next(error)`.
   * @param none never given. `app.get(path, auth.middleware)`, without its parentheses, would never
   *   answer. The type `never[]` makes that a compile error, and without types it throws.
   * @throws TypeError if it is called with arguments
   */
  middleware(...none: never[]): Middleware<Identity> {
    if (none.length === 0) return middlewareOf((request) => this.authorize(request));
    const got = `${none.length} arguments`;
    throw new TypeError(`"middleware" expected to be called as auth.middleware(), got ${got}`);
  }

  async #logIn(request: AuthRequest): Promise<unknown> {
    const { usernameField, passwordField, encode, loginReply } = this.#settings;
    const { username, password } = await readCredentials(request, usernameField, passwordField);
    const identity = await this.#authenticate(username, password, request);
    const token = await encode(identity);
    if (typeof token !== 'string') throw hookMistake('encode', 'a string', token);
    return loginReply(token, identity);
  }

  async #authenticate(username: string, password: string, request: AuthRequest): Promise<Identity> {
    const { authenticate } = this.#settings;
    try {
      const identity = await authenticate(username, password, request);
      if (isIdentity(identity)) return identity;
    } catch (error) {
      if (!isImpossiblePassword(error)) throw error;
    }
    throw new AuthError('ERR_CREDENTIALS');
  }

  #require(request: HeaderSource): Identity | Promise<Identity> {
    return andThen(this.#identify(request), (identity) => {
      if (identity === undefined) throw new AuthError('ERR_AUTHORIZATION_MISSING');
      return identity;
    });
  }

  /**
   * Finds the token, verifies it, and finds the user whom its claims name. With plain `async` a
   * request would take up to a third longer, so each step is synchronous where its hook is.
   * @returns the identity, or undefined if the request has no token
   */
  #identify(request: HeaderSource): Identity | undefined | Promise<Identity | undefined> {
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

  /** @returns the result of `run`. An AuthError that `run` throws becomes a complete refusal. */
  #attempt<Result>(realm: string, run: () => Result | Promise<Result>): Result | Promise<Result> {
    try {
      const result = run();
      if (!(result instanceof Promise)) return result;
      return result.catch((error) => this.#refuse(realm, error));
    } catch (error) {
      return this.#refuse(realm, error);
    }
  }

  /**
   * Completes a refusal: `errorReply` makes its body, and a 401 gets its challenges. An AuthError
   * that `errorReply` throws takes the place of the refusal, with a body of its own.
   * @throws AuthError, or `thrown` itself if it is not an AuthError
   */
  async #refuse(realm: string, thrown: unknown): Promise<never> {
    if (!(thrown instanceof AuthError)) throw thrown;
    let refusal = thrown;
    let body: unknown;
    try {
      body = await this.#settings.errorReply(thrown);
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      refusal = error;
      body = error.body;
    }
    const { code, status, error, description, cause } = refusal;
    const { schemes } = this.#settings;
    const own = status === 401 ? { 'WWW-Authenticate': challenges(schemes, realm, refusal) } : {};
    const headers = { ...own, ...refusal.headers };
    throw new AuthError(code, { status, error, description, headers, body, cause });
  }
}

/** Calls a handler so that `currentIdentity()` is the user of its request. */
function handleAs<Request extends HeaderSource, Identity>(
  identity: Identity,
  handler: (request: Request, identity: Identity) => unknown,
  request: Request,
): unknown {
  if (request.message !== undefined) bindListeners(identity, request.message);
  // A lazy query begins when its `then` is called, so andThen calls it in here too.
  return runAs(identity, () => andThen(handler(request, identity), (result) => result));
}

/** @returns the claims as the hook `identity` gets them */
function claimsForHook(decoded: object, identityClaim: string): IdentityClaims {
  // Jwt.verify returns an object. A hook in its place may return anything.
  if (typeof decoded !== 'object' || decoded === null) {
    throw hookMistake('decode', 'an object', decoded);
  }
  if (identityClaim === 'identity') return decoded as IdentityClaims;
  return { ...decoded, identity: ownMember(decoded, identityClaim) };
}

/** `false` is not an identity: it is what a failed comparison returns. */
function isIdentity<Identity>(value: Identity | undefined | null | false): value is Identity {
  return value !== undefined && value !== null && value !== false;
}
