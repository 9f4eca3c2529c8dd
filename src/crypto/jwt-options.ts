/** The options of Jwt and of sign, with a check for each of them. */
import * as check from '../options.ts';
import type { Secret } from './secret.ts';

/** How tokens are signed and verified. Times are in seconds, finite and at least 0. */
export interface JwtOptions {
  /** One secret, or a list for rotation: the first signs, all verify. `undefined` is refused. */
  readonly secret: Secret | readonly Secret[] | undefined;
  /** Time from now until `exp`; default 300. */
  readonly lifetimeSeconds?: number;
  /** Time from now until `nbf`; default 0. */
  readonly notBeforeSeconds?: number;
  /** How far clocks may differ, for `exp`, `nbf`, `iat` and the age; default 10. */
  readonly leewaySeconds?: number;
  /** The `iss` claim: sign writes it, verify requires it. Default none. */
  readonly issuer?: string;
  /** The `aud` claim: sign writes it, verify requires one of its values. Default: refuse `aud`. */
  readonly audience?: string | readonly string[];
  /**
   * The `typ` header parameter; default `JWT`. If this option is set, a token must have it
   * (RFC 8725 §3.11). If not, a token may lack `typ`; if it has one, that must be `JWT`.
   */
  readonly type?: string;
  /** Claims that a token must have, for sign and for verify. Default `exp`, `iat` and `nbf`. */
  readonly requiredClaims?: readonly string[];
  /** The greatest `now - iat`; default none. */
  readonly maxAgeSeconds?: number;
  /** The longest token, in characters; 64 to 1,048,576, default 8192. */
  readonly maxTokenLength?: number;
  /** Verified tokens to cache, each of up to 16,383 characters; 0 to 1,000,000, default 1000. */
  readonly cacheSize?: number;
  /** The clock, in seconds since 1970, from 0 to the year 9999. Default: the system's clock. */
  readonly now?: () => number;
}

/** What sign accepts besides the claims. */
export interface SignOptions {
  /** Seconds from now until `exp` of this token; default the `lifetimeSeconds` of the Jwt. */
  readonly lifetimeSeconds?: number;
  /** More header parameters, such as a `kid` for other verifiers. Never `alg`, `crit` or `b64`. */
  readonly header?: Readonly<Record<string, unknown>> | undefined;
}

const NEW_SECRET = 'text: make one with "npx --no latchkey secret", and keep it in a variable';

/** The checks of {@link JwtOptions}. Exported, because JwtAuth accepts these options too. */
export const JWT_OPTION_CHECKS: check.Checks<JwtOptions> = {
  // keysOf checks the rest.
  secret: check.expecting(NEW_SECRET, (value) => value !== undefined && value !== null),
  lifetimeSeconds: check.nonNegativeNumber,
  notBeforeSeconds: check.nonNegativeNumber,
  leewaySeconds: check.nonNegativeNumber,
  issuer: check.nonEmptyString,
  audience: check.stringOrList,
  type: check.nonEmptyString,
  requiredClaims: check.listOfStrings,
  maxAgeSeconds: check.nonNegativeNumber,
  maxTokenLength: check.integerBetween(64, 1_048_576),
  cacheSize: check.integerBetween(0, 1_000_000),
  now: check.aFunction,
};

/** The checks of {@link SignOptions}. copyObject checks that `header` is a plain object. */
export const SIGN_OPTION_CHECKS: check.Checks<SignOptions> = {
  lifetimeSeconds: check.nonNegativeNumber,
  header: check.withoutMembers('alg', 'crit', 'b64'),
};
