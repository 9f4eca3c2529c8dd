/** The options of JwtAuth: what each hook gets and returns, what is checked, and the defaults. */
import { JWT_OPTION_CHECKS, type JwtOptions } from '../crypto/jwt-options.ts';
import { Jwt } from '../crypto/jwt.ts';
import type { RegisteredClaims } from '../crypto/claims.ts';
import type { Client } from '../accounts/accounts.ts';
import type { AuthError } from '../errors.ts';
import type { MaybePromise } from '../maybe-promise.ts';
import {
  aFunction,
  expecting,
  nonEmptyString,
  pickOptions,
  readOptions,
  type Checks,
} from '../options.ts';
import { describe } from '../values.ts';
import { realmCheck, schemesCheck, tokenIn, type HeaderSource } from './authorization.ts';

/** Claims as hooks get them: the user is `identity`, whatever the token calls that claim. */
export type IdentityClaims = Readonly<
  RegisteredClaims & { identity?: unknown; [claim: string]: unknown }
>;

/** `undefined`, `null` and `false` mean "no such user". Any other value is one, even 0 and ''. */
export type Lookup<Identity> = MaybePromise<Identity | undefined | null | false>;

/** The options of {@link JwtOptions}, two hooks that find users, and hooks that shape replies. */
export interface JwtAuthOptions<Identity> extends JwtOptions {
  /** Returns the user with this username and password. `client` is the login request. */
  readonly authenticate: (
    username: string,
    password: string,
    client: Client,
  ) => Lookup<Identity>;
  /** Returns the user whom verified claims name. Called for every guarded request. */
  readonly identity: (claims: IdentityClaims) => Lookup<Identity>;
  /** The realm in challenges (RFC 9110 §11.5), printable ASCII; default `Login Required`. */
  readonly realm?: string;
  /** The authentication schemes, compared without regard to case; default `['JWT', 'Bearer']`. */
  readonly schemes?: readonly string[];
  /** The member of a login body with the username; default `username`. */
  readonly usernameField?: string;
  /** The member of a login body with the password; default `password`. */
  readonly passwordField?: string;
  /**
   * The claim that names the user, not exp, nbf, iat, iss or aud; default `identity`. `sub` must be
   * a string (RFC 7519 §4.1.2).
   */
  readonly identityClaim?: string;
  /** Returns the claims of a new token; default the user's `id`, or a string or number itself. */
  readonly claims?: (identity: Identity) => MaybePromise<object>;
  /** Returns further header parameters of a new token; never `alg`, `crit` or `b64`. */
  readonly header?: (
    identity: Identity,
  ) => MaybePromise<Readonly<Record<string, unknown>> | undefined>;
  /** Makes the token of a login; default signs `claims` and `header`. */
  readonly encode?: (identity: Identity) => MaybePromise<string>;
  /** Verifies a token: returns its claims or throws AuthError; default `Jwt.verify`. */
  readonly decode?: (token: string) => MaybePromise<object>;
  /** Finds the token in a request; default the Authorization header. */
  readonly tokenFrom?: (request: HeaderSource) => MaybePromise<string | null | undefined>;
  /** Returns the reply to a login; default `{ access_token }`. */
  readonly loginReply?: (token: string, identity: Identity) => unknown;
  /** Returns the body of a refusal, whose status and headers stay; default `error.body`. */
  readonly errorReply?: (error: AuthError) => unknown;
}

/** exp, nbf, iat, iss and aud have a meaning of their own, which a user's id would overwrite. */
const identityClaimCheck = expecting(
  'the name of a claim that has no meaning of its own',
  (value) => typeof value === 'string' && !['', 'exp', 'nbf', 'iat', 'iss', 'aud'].includes(value),
);

/** The checks of {@link JwtAuthOptions}, also for a caller that takes these options to pass on. */
export const JWT_AUTH_OPTION_CHECKS: Checks<JwtAuthOptions<unknown>> = {
  ...JWT_OPTION_CHECKS,
  authenticate: aFunction,
  identity: aFunction,
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
  errorReply: aFunction,
};

/** The options with every default filled in. Those of the Jwt are inside `encode` and `decode`. */
export type JwtAuthSettings<Identity> = Required<
  Omit<JwtAuthOptions<Identity>, keyof JwtOptions>
>;

/** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
export function settingsOf<Identity>(
  options: JwtAuthOptions<Identity>,
): JwtAuthSettings<Identity> {
  const checks: Checks<JwtAuthOptions<Identity>> = JWT_AUTH_OPTION_CHECKS;
  const given = readOptions(options, checks, ['authenticate', 'identity']);
  const jwt = new Jwt(pickOptions(given, JWT_OPTION_CHECKS));
  // The Jwt keeps its own form of the secret; the settings must not keep the caller's.
  const { secret, schemes: givenSchemes = ['JWT', 'Bearer'], ...others } = given;
  const schemes = [...givenSchemes];
  const settings: JwtAuthSettings<Identity> = {
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
      return jwt.sign(claims as Record<string, unknown>, { header });
    },
    decode: (token) => jwt.verify(token),
    tokenFrom: (request) => tokenIn(request.header('authorization'), schemes),
    loginReply: (token) => ({ access_token: token }),
    errorReply: (error) => error.body,
    ...others,
  };
  return settings;
}

/** @returns the `id` of an object, or the identity itself: text, a finite number or an object */
function idOf(identity: unknown): unknown {
  const isObject = typeof identity === 'object' && identity !== null;
  const id = isObject ? Reflect.get(identity, 'id') : identity;
  const isId = typeof id === 'string' || Number.isFinite(id);
  if (isId || (typeof id === 'object' && id !== null)) return id;
  const expected = 'an identity with an id, since there is no "claims" of your own';
  throw hookMistake('authenticate', expected, id);
}

/** @returns the error for a hook's wrong return value: a mistake of the program, hence a 500 */
export function hookMistake(hook: string, expected: string, got: unknown): TypeError {
  return new TypeError(`"${hook}" expected to return ${expected}, got ${describe(got)}`);
}
