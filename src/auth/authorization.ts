/** The two HTTP headers of authentication (RFC 9110 §11): Authorization in, WWW-Authenticate out. */
import { AuthError } from '../errors.ts';
import { expecting, matching, type Check } from '../options.ts';
import type { Emitter } from './current-identity.ts';

/** Where a token is looked for. */
export interface HeaderSource {
  /** The message of node:http below it, if there is one. */
  readonly message?: Emitter;
  /** @returns the value of a header, named without regard to case */
  header(name: string): string | undefined;
}

/** Two parts, and where a third begins. */
const PARTS = /^[ \t]*([^ \t]+)(?:[ \t]+([^ \t]+)(?:[ \t]+([^ \t]))?)?/;

/**
 * Reads `Authorization: <scheme> <token>`. Two parts, as the original system wanted them, and in its words.
 * @param schemes those that are accepted, compared without regard to case (RFC 9110 §11.1)
 * @returns the token, or undefined if there is no such header
 * @throws AuthError ERR_AUTHORIZATION_SCHEME, ERR_AUTHORIZATION_NO_TOKEN, ERR_AUTHORIZATION_SPACES
 */
export function tokenIn(authorization: string | undefined, schemes: readonly string[]): string | undefined {
  const [, scheme, token, others] = authorization?.match(PARTS) ?? [];
  if (scheme === undefined) return undefined;
  const given = scheme.toLowerCase();
  if (!schemes.some((accepted) => accepted.toLowerCase() === given)) throw new AuthError('ERR_AUTHORIZATION_SCHEME');
  if (token === undefined) throw new AuthError('ERR_AUTHORIZATION_NO_TOKEN');
  if (others !== undefined) throw new AuthError('ERR_AUTHORIZATION_SPACES');
  return token;
}

/** @returns a challenge for each scheme; the one for Bearer also says what is wrong with the token (RFC 6750 §3) */
export function challenges(schemes: readonly string[], realm: string, error: AuthError): string[] {
  const quotedRealm = realm.replace(/["\\]/g, '\\$&');
  const isTokenAtFault = error.code.startsWith('ERR_JWT_') || error.code === 'ERR_IDENTITY_UNKNOWN';
  return schemes.map((scheme) => {
    const challenge = `${scheme} realm="${quotedRealm}"`;
    if (scheme.toLowerCase() !== 'bearer' || !isTokenAtFault) return challenge;
    // RFC 6750 §3 allows neither the double quote nor the backslash, nor anything beyond ASCII.
    const description = error.description.replaceAll('"', "'").replace(/[^ !#-[\]-~]/g, '?');
    return `${challenge}, error="invalid_token", error_description="${description}"`;
  });
}

export const realmCheck: Check = matching('a string of printable ASCII', /^[ -~]+$/);

const SCHEME = /^[\w!#$%&'*+.^`|~-]+$/;
const isScheme = (value: unknown) => typeof value === 'string' && SCHEME.test(value);
export const schemesCheck: Check = expecting(
  'a list of authentication schemes',
  (value) => Array.isArray(value) && value.length > 0 && [...value].every(isScheme),
);
