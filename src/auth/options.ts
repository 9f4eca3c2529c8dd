/** The options of JwtAuth: the type of each hook, the checks and the defaults. */
import { JWT_OPTION_CHECKS, type JwtOptions } from '../crypto/jwt-options.ts';
import type { RegisteredClaims } from '../crypto/claims.ts';
import type { Client } from '../accounts/client.ts';
import type { AuthError } from '../errors.ts';
import { limitsCheck, throttleOf } from '../limits/options.ts';
import type { LimitOptions, Throttle } from '../limits/throttle.ts';
import { isPromise, type MaybePromise } from '../maybe-promise.ts';
import {
  aFunction,
  expecting,
  nonEmptyString,
  pickOptions,
  readOptions,
  type Check,
  type Checks,
} from '../options.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { describe } from '../values.ts';
import { realmCheck, schemesCheck, tokenIn } from './authorization.ts';
import type { LoginReply, LoginReplyHook } from './login-reply.ts';
import { headerIn, headerSourceOf, type Authorization, type HeaderSource } from './requests.ts';
import { sessionsCheck, tokenSettingsOf, type TokenSettings } from './token-settings.ts';
import { TokenSigners } from './token-signers.ts';

/** The claims that hooks get. `identity` names the user, whatever `identityClaim` is. */
export type IdentityClaims = Readonly<
  RegisteredClaims & { identity?: unknown; [claim: string]: unknown }
>;

/** A user; `undefined`, `null` and `false` mean "no such user". Even 0 and '' are users. */
type LookupResult<Identity> = MaybePromise<Identity | undefined | null | false>;

/**
 * The options of {@link JwtOptions}, two hooks that find users, the sessions, and hooks that shape
 * replies.
 */
export interface JwtAuthOptions<Identity, LoginResult = LoginReply> extends JwtOptions {
  /**
   * Returns the user with this username and password. `client` is the login request. If this hook
   * throws AuthError ERR_PASSWORD_INVALID or ERR_PASSWORD_TOO_LONG with the status 400, the login
   * is refused, and counted, as with a wrong password. To refuse with these codes, set another
   * status. After ERR_PASSWORD_HASH, of `PasswordHasher.verify` for a hash that it cannot read, the
   * same happens, and Node emits a warning with the username.
   */
  readonly authenticate: (
    username: string,
    password: string,
    client: Client,
  ) => LookupResult<Identity>;
  /**
   * Returns the user whom the verified claims name. Called for each guarded request, before its
   * session is asked for. At a refresh it gets only the claim that names the user. Without a
   * user the request is refused with ERR_IDENTITY_UNKNOWN, a refresh with ERR_SESSION_ENDED.
   */
  readonly identity: (claims: IdentityClaims) => LookupResult<Identity>;
  /**
   * Makes every login a session, which can be refreshed and ended; default none. Give it the same
   * `now` as this JwtAuth. Give this object also to the code that changes passwords, such as the
   * `Accounts` of `authenticate`, so that a change ends these sessions. Not with `encode` or
   * `decode`.
   */
  readonly sessions?: Sessions | undefined;
  /**
   * Returns whether the password that `authenticate` verified for this identity is still the one of
   * the user. With sessions it is asked at a login and by `issue`, once the session has begun, so
   * that no session outlives a change of the password. Default: true.
   */
  readonly isCurrent?: (identity: Identity) => MaybePromise<boolean>;
  /** The realm in challenges (RFC 9110 §11.5), printable ASCII; default `Login Required`. */
  readonly realm?: string;
  /** The authentication schemes, compared ignoring letter case; default `['JWT', 'Bearer']`. */
  readonly schemes?: readonly string[];
  /** The name of the member of a login body with the username; default `username`. */
  readonly usernameField?: string;
  /** The name of the member of a login body with the password; default `password`. */
  readonly passwordField?: string;
  /**
   * The claim that names the user; default `identity`. It must not be exp, nbf, iat, iss or aud,
   * and with sessions not sid, gen or uid.
   * With `sub`, the id of the user must be a string (RFC 7519 §4.1.2).
   */
  readonly identityClaim?: string;
  /**
   * Returns the claims of a new token. Default: the claim `identityClaim` with the `id` of the
   * user, or with the user itself if it is a string or a number.
   */
  readonly claims?: (identity: Identity) => MaybePromise<object>;
  /** Returns further header parameters of a new token; never `alg`, `crit` or `b64`. */
  readonly header?: (
    identity: Identity,
  ) => MaybePromise<Readonly<Record<string, unknown>> | undefined>;
  /**
   * Returns the token of a login; default: signs the results of `claims` and `header`. Not with
   * `sessions`.
   */
  readonly encode?: (identity: Identity) => MaybePromise<string>;
  /**
   * Verifies a token, and returns its claims or throws AuthError; default `Jwt.verify`. `request`
   * is what `tokenFrom` gets. Not with `sessions`.
   */
  readonly decode?: (token: string, request: HeaderSource) => MaybePromise<object>;
  /**
   * Returns the token of a request, if there is one; default: from the Authorization header. It
   * gets an object with `header` and `message` from every kind of guard.
   */
  readonly tokenFrom?: (request: HeaderSource) => MaybePromise<string | null | undefined>;
  /**
   * Returns the reply to a login and to a refresh, and that of `issueReply`; default
   * `{ access_token }`, and with a refresh token a {@link TokenPair}. It gets the access token, the
   * user, and the refresh token if the client asked for one. `login` resolves to its result.
   */
  readonly loginReply?: LoginReplyHook<Identity, LoginResult>;
  /**
   * Rate limits for wrong passwords at a login, by account and by network. Default: those of
   * `LimitOptions`, counted in the memory of this JwtAuth. `false` turns them off: use it
   * if `authenticate` has limits of its own, as that of `Accounts` has.
   */
  readonly limits?: LimitOptions | false;
  /** Returns the body of a refusal; default `error.body`. Its status and headers do not change. */
  readonly errorReply?: (error: AuthError) => unknown;
}

/** A user's id in one of these claims would replace a value that `Jwt.verify` checks. */
const CHECKED_CLAIMS: readonly string[] = ['exp', 'nbf', 'iat', 'iss', 'aud'];

const identityClaimCheck = expecting(
  `the name of a claim other than ${CHECKED_CLAIMS.join(', ')}`,
  (value) => typeof value === 'string' && value !== '' && !CHECKED_CLAIMS.includes(value),
);

/** The checks of {@link JwtAuthOptions}, also for a function that passes these options on. */
export const JWT_AUTH_OPTION_CHECKS: Checks<JwtAuthOptions<unknown, unknown>> = {
  ...JWT_OPTION_CHECKS,
  authenticate: aFunction,
  identity: aFunction,
  sessions: sessionsCheck,
  isCurrent: aFunction,
  realm: realmCheck,
  schemes: schemesCheck,
  usernameField: nonEmptyString,
  passwordField: nonEmptyString,
  identityClaim: identityClaimCheck,
  claims: aFunction,
  header: aFunction,
  encode: aFunction,
  decode: aFunction,
  tokenFrom: aFunction,
  loginReply: aFunction,
  limits: limitsCheck,
  errorReply: aFunction,
};

/** The options that the settings lack, or have with another type. */
type ReplacedOption =
  | keyof JwtOptions
  | 'tokenFrom'
  | 'decode'
  | 'sessions'
  | 'loginReply'
  | 'limits';

/** The options with all defaults. `encode` and `decode` use the signers. */
export interface JwtAuthSettings<Identity, LoginResult> extends Required<
  Omit<JwtAuthOptions<Identity, LoginResult>, ReplacedOption>
> {
  readonly signers: TokenSigners;
  /** Undefined for no limits. */
  readonly throttle: Throttle | undefined;
  /** Undefined without sessions. */
  readonly tokens: TokenSettings | undefined;
  /** Undefined for the default. */
  readonly loginReply: LoginReplyHook<Identity, LoginResult> | undefined;
  /** Takes a request as a guard gets it. The hook gets a {@link HeaderSource} of it. */
  readonly tokenFrom: (request: Authorization) => MaybePromise<string | null | undefined>;
  /** As `tokenFrom`. */
  readonly decode: (token: string, request: Authorization) => MaybePromise<object>;
}

/** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
export function settingsOf<Identity, LoginResult>(
  options: JwtAuthOptions<Identity, LoginResult>,
): JwtAuthSettings<Identity, LoginResult> {
  const checks: Checks<JwtAuthOptions<Identity, LoginResult>> = JWT_AUTH_OPTION_CHECKS;
  const given = readOptions(options, checks, ['authenticate', 'identity']);
  const signers = new TokenSigners(pickOptions(given, JWT_OPTION_CHECKS));
  // A Jwt keeps the secret in a form of its own. The settings do not keep the caller's object.
  const {
    secret,
    tokenFrom,
    decode,
    sessions,
    limits,
    schemes: givenSchemes = ['JWT', 'Bearer'],
    ...others
  } = given;
  // A copy, because the caller may change the list later.
  const schemes = [...givenSchemes];
  const settings: JwtAuthSettings<Identity, LoginResult> = {
    realm: 'Login Required',
    schemes,
    usernameField: 'username',
    passwordField: 'password',
    identityClaim: 'identity',
    claims: (identity) => ({ [settings.identityClaim]: idOf(identity) }),
    header: () => undefined,
    encode: async (identity) => {
      const claims = await settings.claims(identity);
      const header = await settings.header(identity);
      return signers.current.jwt.sign(claims as Record<string, unknown>, { header });
    },
    // Making a HeaderSource takes time at every request, so without a hook none is made.
    decode: decode === undefined
      ? (token) => signers.current.jwt.verify(token)
      : (token, request) => decode(token, headerSourceOf(request)),
    tokenFrom: (request) =>
      (tokenFrom === undefined
        ? tokenIn(headerIn(request, 'authorization'), schemes)
        : tokenFrom(headerSourceOf(request))),
    signers,
    loginReply: undefined,
    throttle: throttleOf(limits, given.now),
    errorReply: (error) => error.body,
    isCurrent: () => true,
    tokens: sessions && tokenSettingsOf({ ...given, sessions }, signers),
    ...others,
  };
  if (settings.usernameField === settings.passwordField) {
    const expected = 'another name than that of "usernameField"';
    throw new TypeError(`"passwordField" expected ${expected}, got the same`);
  }
  return settings;
}

/**
 * @returns the `id` of an object, or an identity of another type itself. An id that is an object is
 *   passed on to sign, which checks it.
 * @throws TypeError if the id is not a string, a finite number or an object
 */
function idOf(identity: unknown): unknown {
  const hasMembers = typeof identity === 'object' && identity !== null;
  const id = hasMembers ? Reflect.get(identity, 'id') : identity;
  const isId = typeof id === 'string' || Number.isFinite(id);
  if (isId || (typeof id === 'object' && id !== null)) return id;
  const expected = 'a string, a number or an object with an "id" (or set the option "claims")';
  const got = hasMembers ? `${describe(identity)} with the "id" ${describe(id)}` : describe(id);
  throw hookResultError('authenticate', expected, got);
}

/** @returns the error for a wrong result of a hook. It is a mistake of the program, hence a 500. */
export function hookResultError(hook: string, expected: string, got: string): TypeError {
  return new TypeError(`"${hook}" expected to return ${expected}, got ${got}`);
}

/**
 * Checks that a method was called on its object, and not passed to a framework uncalled.
 * @param hasOwnThis whether `this` is the object of the method
 * @param call how a program has to call it, such as `auth.required(handler)`
 * @throws TypeError if a framework called the method in place of what it returns
 */
export function checkCall(hasOwnThis: boolean, name: string, call: string): void {
  if (hasOwnThis) return;
  const got = `a call without its object: pass what ${call} returns`;
  throw new TypeError(`"${name}" expected to be called as ${call}, got ${got}`);
}

/** For the identity that a program passes to `issue`: a later error would blame "authenticate". */
export const identityCheck: Check = expecting(
  'the user that a signup, a login or a change of the password returned',
  (value) => isIdentity(value) && !isPromise(value),
);

/** `false` is not an identity, because a failed comparison returns it. */
export function isIdentity<Identity>(
  value: Identity | undefined | null | false,
): value is Identity {
  return value !== undefined && value !== null && value !== false;
}
