/**
 * The registered claims (RFC 7519 §4.1) as pure functions of (claims, rules, now).
 * Promise: a claim that is present is judged, whatever its value: nothing is skipped for being falsy, null, an array,
 * infinite or of the wrong type. Times are seconds since 1970 (NumericDate, RFC 7519 §2); fractions are allowed.
 */
import { AuthError } from '../errors.ts';

/** The claims that RFC 7519 §4.1 gives a meaning. Which of them a token must have, `requiredClaims` decides. */
export interface RegisteredClaims {
  /** Issuer (§4.1.1). */ readonly iss?: string;
  /** Subject (§4.1.2). */ readonly sub?: string;
  /** Audience (§4.1.3). */ readonly aud?: string | readonly string[];
  /** Expiration time (§4.1.4), in seconds since 1970. */ readonly exp?: number;
  /** Not before (§4.1.5), in seconds since 1970. */ readonly nbf?: number;
  /** Issued at (§4.1.6), in seconds since 1970. */ readonly iat?: number;
  /** JWT ID (§4.1.7). */ readonly jti?: string;
}

/** Claims as JSON.parse returns them: an object with any members. */
export type RawClaims = Readonly<Record<string, unknown>>;

/** What claims are judged by; the names are those of JwtOptions. */
export interface ClaimRules {
  readonly requiredClaims: readonly string[];
  readonly leewaySeconds: number;
  readonly audience: readonly string[];
  readonly issuer?: string;
  readonly maxAgeSeconds?: number;
}

/**
 * All that the clock has no part in: presence, types, audience and issuer.
 * @throws AuthError ERR_JWT_CLAIM_MISSING, ERR_JWT_CLAIM_INVALID, ERR_JWT_AUDIENCE, ERR_JWT_ISSUER
 */
export function checkContent(claims: RawClaims, rules: ClaimRules): asserts claims is RawClaims & RegisteredClaims {
  // Stricter than RFC 7519 §4.1, where every claim is optional: these must be there, as own members and not null.
  for (const name of rules.requiredClaims) {
    if (!Object.hasOwn(claims, name) || claims[name] === null) throw missing(name);
  }
  if (!isTime(claims['exp'])) refuseIfOwn(claims, 'exp', 'Expiration Time claim (exp) must be a number');
  if (!isTime(claims['nbf'])) refuseIfOwn(claims, 'nbf', 'Not Before claim (nbf) must be a number');
  if (!isTime(claims['iat'])) refuseIfOwn(claims, 'iat', 'Issued At claim (iat) must be a number');
  if (!isText(claims['iss'])) refuseIfOwn(claims, 'iss', 'Issuer claim (iss) must be a string'); // RFC 7519 §4.1.1
  if (!isText(claims['sub'])) refuseIfOwn(claims, 'sub', 'Subject claim (sub) must be a string'); // RFC 7519 §4.1.2
  if (!isText(claims['jti'])) refuseIfOwn(claims, 'jti', 'JWT ID claim (jti) must be a string'); // RFC 7519 §4.1.7
  // RFC 7519 §4.1.3: who does not identify with a value in `aud` refuses the token. Without an audience configured we
  // identify with none. Compared whole, never by containment.
  if (Object.hasOwn(claims, 'aud')) {
    const audience: unknown[] = Array.isArray(claims['aud']) ? claims['aud'] : [claims['aud']];
    const isMeantForUs = audience.some((name) => rules.audience.some((own) => own === name));
    if (!isMeantForUs || audience.some((name) => typeof name !== 'string')) throw new AuthError('ERR_JWT_AUDIENCE');
  } else if (rules.audience.length > 0) {
    throw missing('aud');
  }
  if (rules.issuer !== undefined) {
    if (!Object.hasOwn(claims, 'iss')) throw missing('iss');
    if (claims['iss'] !== rules.issuer) throw new AuthError('ERR_JWT_ISSUER');
  }
  if (rules.maxAgeSeconds !== undefined && !Object.hasOwn(claims, 'iat')) throw missing('iat');
}

/**
 * The times, in the order in which the original system reported them.
 * @param claims have passed {@link checkContent}
 * @param now seconds since 1970, finite
 * @throws AuthError ERR_JWT_ISSUED_IN_FUTURE, ERR_JWT_NOT_YET_VALID, ERR_JWT_EXPIRED, ERR_JWT_TOO_OLD
 */
export function checkTimes(claims: RegisteredClaims, rules: ClaimRules, now: number): void {
  // An absent claim sets no bound. One that every object inherits (prototype pollution) can only
  // refuse more, because a claim that must be there is an own one.
  const { iat = -Infinity, nbf = -Infinity, exp = Infinity } = claims;
  const { leewaySeconds, maxAgeSeconds = Infinity } = rules;
  // Stricter than RFC 7519 §4.1.6, which gives iat no rule: a token from the future is a mistake or a forgery.
  if (iat > now + leewaySeconds) throw new AuthError('ERR_JWT_ISSUED_IN_FUTURE');
  // RFC 7519 §4.1.5: refused before nbf, accepted at it.
  if (nbf > now + leewaySeconds) throw new AuthError('ERR_JWT_NOT_YET_VALID');
  // RFC 7519 §4.1.4: refused on or after exp.
  if (now >= exp + leewaySeconds) throw new AuthError('ERR_JWT_EXPIRED');
  if (now - iat > maxAgeSeconds + leewaySeconds) throw new AuthError('ERR_JWT_TOO_OLD');
}

// JSON has no undefined: what is that is absent. It reads 1e400 as Infinity, a time that no clock reaches.
const isTime = (value: unknown) => value === undefined || Number.isFinite(value);
const isText = (value: unknown) => value === undefined || typeof value === 'string';

/** A member of a prototype is not a claim, so its type does not matter. */
function refuseIfOwn(claims: RawClaims, name: string, what: string): void {
  if (Object.hasOwn(claims, name)) throw new AuthError('ERR_JWT_CLAIM_INVALID', { description: `${what}.` });
}

function missing(name: string): AuthError {
  return new AuthError('ERR_JWT_CLAIM_MISSING', { description: `Token is missing the "${name}" claim` });
}
