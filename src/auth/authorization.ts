/**
 * The two HTTP headers of authentication (RFC 9110 §11): Authorization in, WWW-Authenticate out.
 * Promise: in a challenge, the realm and the description of an error are quoted strings. Quotes and
 * backslashes in them are escaped or replaced, so no text can end its string or add a challenge.
 */
import { AuthError, type AuthErrorCode } from '../errors.ts';
import { expecting, matching, type Check } from '../options.ts';
import { headerDetail } from './refusal-details.ts';

/**
 * Captures the scheme, the token, and the first character of a third part. Named groups would make
 * the guard slower.
 */
const SCHEME_AND_TOKEN = /^[ \t]*([^ \t]+)(?:[ \t]+([^ \t]+)(?:[ \t]+([^ \t]))?)?/;

/**
 * Reads `Authorization: <scheme> <token>`, which must have exactly two parts. The texts of the
 * refusals are those of Flask-JWT.
 * @param schemes the accepted schemes, compared ignoring letter case (RFC 9110 §11.1)
 * @returns the token, or undefined if the header is missing or blank
 * @throws AuthError ERR_AUTHORIZATION_SCHEME, ERR_AUTHORIZATION_NO_TOKEN or
 *   ERR_AUTHORIZATION_SPACES
 */
export function tokenIn(
  authorization: string | undefined,
  schemes: readonly string[],
): string | undefined {
  const [, scheme, token, third] = authorization?.match(SCHEME_AND_TOKEN) ?? [];
  if (scheme === undefined) return undefined;
  const given = scheme.toLowerCase();
  const isAccepted = schemes.some((accepted) => accepted.toLowerCase() === given);
  if (!isAccepted) throw refusalOf('ERR_AUTHORIZATION_SCHEME', authorization, schemes);
  if (token === undefined) throw refusalOf('ERR_AUTHORIZATION_NO_TOKEN', authorization, schemes);
  if (third !== undefined) throw refusalOf('ERR_AUTHORIZATION_SPACES', authorization, schemes);
  return token;
}

function refusalOf(
  code: AuthErrorCode,
  authorization: string | undefined,
  schemes: readonly string[],
): AuthError {
  return new AuthError(code, { detail: headerDetail(authorization ?? '', schemes) });
}

/**
 * The codes, besides ERR_JWT_*, by which a token is refused. It was verified, but it names no
 * existing user, or it has no session that is still good.
 */
const TOKEN_FAULTS: ReadonlySet<string> = new Set(['ERR_IDENTITY_UNKNOWN', 'ERR_SESSION_ENDED']);

/** @returns one challenge per scheme; that of Bearer names the error of a token (RFC 6750 §3) */
export function challenges(schemes: readonly string[], realm: string, error: AuthError): string[] {
  const quotedRealm = realm.replace(/["\\]/g, '\\$&');
  const isTokenAtFault = error.code.startsWith('ERR_JWT_') || TOKEN_FAULTS.has(error.code);
  return schemes.map((scheme) => {
    const challenge = `${scheme} realm="${quotedRealm}"`;
    if (scheme.toLowerCase() !== 'bearer' || !isTokenAtFault) return challenge;
    // RFC 6750 §3 allows printable ASCII without the double quote and the backslash.
    const description = error.description.replaceAll('"', "'").replace(/[^ !#-[\]-~]/g, '?');
    return `${challenge}, error="invalid_token", error_description="${description}"`;
  });
}

export const realmCheck: Check = matching('a string of printable ASCII', /^[ -~]+$/);

/** The grammar `token` of RFC 9110 §5.6.2, which has nothing to do with access tokens. */
const SCHEME_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const isScheme = (value: unknown) => typeof value === 'string' && SCHEME_NAME.test(value);
export const schemesCheck: Check = expecting(
  'a list of authentication schemes, such as Bearer, without spaces',
  // A copy, because `every` skips the holes of an array.
  (value) => Array.isArray(value) && value.length > 0 && [...value].every(isScheme),
);
