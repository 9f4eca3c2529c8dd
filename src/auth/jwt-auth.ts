/**
 * The idea of Flask-JWT: two functions that know the users become a login, and a guard for whatever needs one.
 * Promise: a hook can shape an answer, but none turns a refusal into a success by returning normally. Knows no sockets:
 * a request is something with headers and a body.
 */
import { Jwt } from '../crypto/jwt.ts';
import { JWT_OPTION_CHECKS, type JwtOptions } from '../crypto/jwt-options.ts';
import type { RegisteredClaims } from '../crypto/claims.ts';
import { AuthError } from '../errors.ts';
import {
  aFunction,
  describe,
  expecting,
  objectWith,
  isObject,
  pickOptions,
  readOptions,
} from '../options.ts';
import { nonEmptyString, ownMember, type Checks } from '../options.ts';
import { andThen, type MaybePromise } from '../maybe-promise.ts';
import type { Client } from '../accounts/accounts.ts';
import { challenges, realmCheck, schemesCheck, tokenIn, type HeaderSource } from './authorization.ts';
import { bringInside, runAs } from './current-identity.ts';
import { middlewareOf, type Middleware } from './middleware.ts';

/** As much of a request as a login reads. */
export interface AuthRequest extends Client {
  /** @returns the body, parsed, or a promise of it; a SyntaxError that it throws says that it is no JSON */
  json(): unknown;
}

/** Claims as the hooks get them. `identity` is there whatever `identityClaim` calls it in the token. */
export type IdentityClaims = Readonly<RegisteredClaims & { identity?: unknown; [claim: string]: unknown }>;

/** `undefined`, `null` and `false` say that there is no such user; anything else, 0 and '' too, is an identity. */
type Found<Identity> = MaybePromise<Identity | undefined | null | false>;

/** Every option of {@link JwtOptions}, who knows the users, and how the answers look. */
export interface JwtAuthOptions<Identity> extends JwtOptions {
  /** Answers the identity that has this username and password. The client is the request of the login. */
  readonly authenticate: (username: string, password: string, client: Client) => Found<Identity>;
  /** Answers the identity that verified claims belong to. Asked at every request. */
  readonly identity: (claims: IdentityClaims) => Found<Identity>;
  /** The realm of the challenges (RFC 9110 §11.5), in printable ASCII; default `Login Required`. */
  readonly realm?: string;
  /** The authentication schemes, compared without regard to case; default `['JWT', 'Bearer']`. */
  readonly schemes?: readonly string[];
  /** The member of a login's body with the username; default `username`. */
  readonly usernameField?: string;
  /** The member of a login's body with the password; default `password`. */
  readonly passwordField?: string;
  /** The claim that names the user, none of exp, nbf, iat, iss, aud; default `identity`. `sub` must be a string. */
  readonly identityClaim?: string;
  /** The claims of a new token; default the identity's `id`, or itself if it is a string or a number. */
  readonly claims?: (identity: Identity) => MaybePromise<object>;
  /** Further header parameters of a new token; never `alg`, `crit` or `b64`. */
  readonly header?: (identity: Identity) => MaybePromise<Readonly<Record<string, unknown>> | undefined>;
  /** Makes the token; default signs `claims` and `header`. */
  readonly encode?: (identity: Identity) => MaybePromise<string>;
  /** Verifies a token and answers its claims, or throws AuthError; default `Jwt.verify`. */
  readonly decode?: (token: string) => MaybePromise<object>;
  /** Finds the token in a request; default the Authorization header. */
  readonly tokenFrom?: (request: HeaderSource) => MaybePromise<string | null | undefined>;
  /** The answer to a login; default `{ access_token }`. */
  readonly loginReply?: (token: string, identity: Identity) => unknown;
  /** The body of a refusal; its status and headers stay. Default `error.body`. */
  readonly errorReply?: (error: AuthError) => unknown;
}

/** exp, nbf, iat, iss and aud have a meaning of their own, which a user's id would overwrite. */
const identityClaimCheck = expecting(
  'the name of a claim that has no meaning of its own',
  (value) => typeof value === 'string' && !['', 'exp', 'nbf', 'iat', 'iss', 'aud'].includes(value),
);

/** The checks of {@link JwtAuthOptions}, for who takes these options and passes them on. */
export const JWT_AUTH_OPTION_CHECKS: Checks<JwtAuthOptions<unknown>> = {
  ...JWT_OPTION_CHECKS,
  realm: realmCheck, schemes: schemesCheck,
  usernameField: nonEmptyString, passwordField: nonEmptyString, identityClaim: identityClaimCheck,
  authenticate: aFunction, identity: aFunction, claims: aFunction, header: aFunction, encode: aFunction, decode: aFunction,
  tokenFrom: aFunction, loginReply: aFunction, errorReply: aFunction,
};

/**
 * Login and guard over one set of options.
 * @typeParam Identity what `authenticate` and `identity` answer, of any shape
 */
export class JwtAuth<Identity> {
  readonly #options: Required<Omit<JwtAuthOptions<Identity>, keyof JwtOptions>>;

  /** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
  constructor(options: JwtAuthOptions<Identity>) {
    const checks: Checks<JwtAuthOptions<Identity>> = JWT_AUTH_OPTION_CHECKS;
    const own = readOptions(options, checks, ['authenticate', 'identity']);
    const { secret, ...others } = own;
    const jwt = new Jwt(pickOptions(own, JWT_OPTION_CHECKS));
    this.#options = {
      realm: 'Login Required',
      usernameField: 'username', passwordField: 'password', identityClaim: 'identity',
      claims: (identity) => ({ [this.#options.identityClaim]: idOf(identity) }),
      header: () => undefined,
      encode: async (identity) => {
        const claims = await this.#options.claims(identity);
        const header = await this.#options.header(identity);
        return jwt.sign(claims as Record<string, unknown>, { header });
      },
      decode: (token) => jwt.verify(token),
      tokenFrom: (request) => tokenIn(request.header('authorization'), this.#options.schemes),
      loginReply: (token) => ({ access_token: token }),
      errorReply: (error) => error.body,
      ...others,
      schemes: [...(own.schemes ?? ['JWT', 'Bearer'])],
    };
  }

  /**
   * The handler of `POST /auth`: trades a username and a password for a token. Bound, to be passed on as it is.
   * @param request an HttpRequest, a Request of the Web standard, or whatever else has a body and perhaps an address
   * @returns what is to be sent: `{ access_token }`, or what `loginReply` answers
   * @throws AuthError ERR_CREDENTIALS, also where a field is missing, empty or no string; ERR_BODY, ERR_LOGIN_BODY if
   *   the body is no JSON or no object; and what `request.json` and `authenticate` throw
   */
  readonly login = async (request: AuthRequest): Promise<unknown> =>
    this.#answer(this.#options.realm, async () => {
      const { usernameField, passwordField, authenticate, encode, loginReply } = this.#options;
      const body = await bodyOf(request);
      const username = ownMember(body, usernameField);
      const password = ownMember(body, passwordField);
      const isGiven = (value: unknown): value is string => typeof value === 'string' && value !== '';
      if (!isGiven(username) || !isGiven(password)) throw new AuthError('ERR_CREDENTIALS');
      const check = async () => authenticate(username, password, request);
      const identity = await check().catch(ignoreImpossible);
      if (!isFound(identity)) throw new AuthError('ERR_CREDENTIALS');
      const token = await encode(identity);
      if (typeof token !== 'string') throw unexpected('encode', 'a string', token);
      return loginReply(token, identity);
    });

  /**
   * Guards a handler: it runs only for a request with a valid token of an existing user.
   * @param options a `realm` for this route alone
   * @returns a handler that rejects with AuthError ERR_AUTHORIZATION_*, ERR_JWT_* or ERR_IDENTITY_UNKNOWN otherwise.
   *   It answers at once where `handler` and every hook do.
   */
  required<Request extends HeaderSource>(
    handler: (request: Request, identity: Identity) => unknown,
    options: { readonly realm?: string } = {},
  ): (request: Request) => unknown {
    const { realm = this.#options.realm } = readOptions(options, { realm: realmCheck });
    aFunction('handler', handler);
    return (request) => this.#answer(realm, () => andThen(this.#require(request), runs(handler, request)));
  }

  /** As required, but a request without a token reaches the handler too, with `undefined`. A bad token is refused. */
  optional<Request extends HeaderSource>(
    handler: (request: Request, identity: Identity | undefined) => unknown,
  ): (request: Request) => unknown {
    aFunction('handler', handler);
    return (request) => this.#answer(this.#options.realm, () => andThen(this.#identify(request), runs(handler, request)));
  }

  /**
   * The guard alone, for any framework. `currentIdentity` knows nothing of it.
   * @param authorization the value of the Authorization header; or whatever answers any header, joined where it came
   *   more than once: an HttpRequest, a request of Hono
   * @returns the identity
   * @throws AuthError as required; its `status`, `headers` and `body` are the answer to give
   */
  async authorize(authorization: string | HeaderSource | null | undefined): Promise<Identity> {
    return this.#answer(this.#options.realm, () => this.#require(sourceOf(authorization)));
  }

  /**
   * The guard for Express, Connect, Polka and plain node:http. Sets `req.identity` and calls `next()`, or answers the
   * refusal itself; what is no AuthError goes to `next(error)`.
   * @throws TypeError where it is handed on itself, in place of what it makes
   */
  middleware(...mistaken: never[]): Middleware<Identity> {
    if (mistaken.length === 0) return middlewareOf((request) => this.authorize(request));
    throw new TypeError(`"middleware" expected to be called as auth.middleware(), got ${mistaken.length} arguments`);
  }

  #require(request: HeaderSource): Identity | Promise<Identity> {
    return andThen(this.#identify(request), (identity) => {
      if (identity === undefined) throw new AuthError('ERR_AUTHORIZATION_MISSING');
      return identity;
    });
  }

  /** @returns who the request comes from, or undefined if it has no token */
  #identify(request: HeaderSource): Identity | undefined | Promise<Identity | undefined> {
    const { tokenFrom, decode } = this.#options;
    return andThen(tokenFrom(request), (token) => {
      if (token === undefined || token === null) return undefined;
      return andThen(decode(token), (claims) => this.#find(claims));
    });
  }

  #find(decoded: object): Identity | Promise<Identity> {
    const { identityClaim, identity } = this.#options;
    // verify answers an object; a hook in its place may answer anything.
    if (typeof decoded !== 'object' || decoded === null) throw unexpected('decode', 'an object', decoded);
    const isNamed = identityClaim === 'identity';
    const claims = isNamed ? decoded : { ...decoded, identity: ownMember(decoded, identityClaim) };
    return andThen(identity(claims as IdentityClaims), (found) => {
      if (isFound(found)) return found;
      throw new AuthError('ERR_IDENTITY_UNKNOWN');
    });
  }

  /** Lets a result through, and gives a refusal its challenges and its body. */
  #answer<T>(realm: string, run: () => T | Promise<T>): T | Promise<T> {
    try {
      const result = run();
      return result instanceof Promise ? result.catch((error) => this.#refuse(realm, error)) : result;
    } catch (error) {
      return this.#refuse(realm, error);
    }
  }

  async #refuse(realm: string, thrown: unknown): Promise<never> {
    if (!(thrown instanceof AuthError)) throw thrown;
    let refusal = thrown;
    let body: unknown;
    try {
      body = await this.#options.errorReply(thrown);
    } catch (own) {
      if (!(own instanceof AuthError)) throw own;
      refusal = own;
      body = own.body;
    }
    const { code, status, error, description, cause } = refusal;
    const challenge = status === 401 ? { 'WWW-Authenticate': challenges(this.#options.schemes, realm, refusal) } : {};
    const headers = { ...challenge, ...refusal.headers };
    throw new AuthError(code, { status, error, description, headers, body, cause });
  }
}

const sourceCheck = objectWith('header');
const requestCheck = objectWith('json');

function sourceOf(authorization: string | HeaderSource | null | undefined): HeaderSource {
  if (typeof authorization === 'object' && authorization !== null) {
    sourceCheck('authorization', authorization);
    // A hook may take `header` out of its request.
    return { header: (name) => authorization.header(name) };
  }
  return { header: (name) => (name.toLowerCase() === 'authorization' ? (authorization ?? undefined) : undefined) };
}

/** @throws AuthError ERR_BODY, ERR_LOGIN_BODY; TypeError for a request of a framework that has no `json` */
async function bodyOf(request: AuthRequest): Promise<object> {
  requestCheck('request', request);
  try {
    const body = await request.json();
    if (isObject(body)) return body;
  } catch (error) {
    // Its message quotes the body.
    throw error instanceof SyntaxError ? new AuthError('ERR_BODY') : error;
  }
  throw new AuthError('ERR_LOGIN_BODY');
}

/** @returns what calls the handler so that currentIdentity answers whom it gets */
function runs<Request extends HeaderSource, Identity>(
  handler: (request: Request, identity: Identity) => unknown,
  request: Request,
) {
  return (identity: Identity) => {
    if (request.message !== undefined) bringInside(identity, request.message);
    return runAs(identity, () => andThen(handler(request, identity), (result) => result));
  };
}

/** `false` is what a comparison answers that failed, and no identity. */
function isFound<Identity>(identity: Identity | undefined | null | false): identity is Identity {
  return identity !== undefined && identity !== null && identity !== false;
}

function idOf(identity: unknown): unknown {
  const id = typeof identity === 'object' && identity !== null ? Reflect.get(identity, 'id') : identity;
  if (typeof id === 'string' || (typeof id === 'object' && id !== null) || Number.isFinite(id)) return id;
  throw unexpected('authenticate', 'an identity with an id, since there is no "claims" of your own', id);
}

/** A hook's mistake is the program's: it becomes a 500, not a refusal. */
function unexpected(hook: string, what: string, got: unknown): TypeError {
  return new TypeError(`"${hook}" expected to answer ${what}, got ${describe(got)}`);
}

/**
 * A `PasswordHasher` refuses a password that no user can have (too long, NUL, lone surrogate). At a
 * login it is a wrong password. A refusal with another status is what a hook made of it.
 */
function ignoreImpossible(error: unknown): undefined {
  const codes = ['ERR_PASSWORD_INVALID', 'ERR_PASSWORD_TOO_LONG'];
  const isImpossible = error instanceof AuthError && codes.includes(error.code);
  if (!isImpossible || error.status !== 400) throw error;
}
