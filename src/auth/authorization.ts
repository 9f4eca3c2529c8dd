/**
 * The two HTTP headers of authentication (RFC 9110 §11): Authorization in, WWW-Authenticate out.
 * Promise: in a challenge, the realm and the description of an error are quoted strings. Quotes and
 * backslashes in them are escaped or replaced, so no text can end its string or add a challenge.
 */
import { AuthError } from '../errors.ts';
import { expecting, matching, type Check } from '../options.ts';
import { hasHeaders, headerOf, headerText, type MessageHeaders } from '../request-headers.ts';
import { isObject } from '../values.ts';
import type { IdentityCarrier } from './current-identity.ts';

/** A message of node:http, or what a framework or an adapter has in its place. */
export interface RequestMessage extends IdentityCarrier {
  /**
   * The target of the request, with its query. A router of Express that is mounted at a path leaves
   * that path out. For a Request of the Web standard it is the whole URL.
   */
  readonly url?: string | undefined;
  /** The headers by name. A Request of the Web standard has `Headers` here: use `header`. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Names and values in turn. `headers` of node:http hides a second Authorization header. */
  readonly rawHeaders?: readonly string[];
}

/** The parts of a request that the guard and the hook `tokenFrom` read. */
export interface HeaderSource {
  /** The message of the request, unless the guard got the value of a header alone. */
  readonly message?: RequestMessage | undefined;
  /**
   * @param name ignoring letter case
   * @returns the value of the header, or undefined if it is missing
   */
  header(name: string): string | undefined;
}

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
  if (!isAccepted) throw new AuthError('ERR_AUTHORIZATION_SCHEME');
  if (token === undefined) throw new AuthError('ERR_AUTHORIZATION_NO_TOKEN');
  if (third !== undefined) throw new AuthError('ERR_AUTHORIZATION_SPACES');
  return token;
}

/** @returns one challenge per scheme; that of Bearer names the error of a token (RFC 6750 §3) */
export function challenges(schemes: readonly string[], realm: string, error: AuthError): string[] {
  const quotedRealm = realm.replace(/["\\]/g, '\\$&');
  const isTokenAtFault = error.code.startsWith('ERR_JWT_') || error.code === 'ERR_IDENTITY_UNKNOWN';
  return schemes.map((scheme) => {
    const challenge = `${scheme} realm="${quotedRealm}"`;
    if (scheme.toLowerCase() !== 'bearer' || !isTokenAtFault) return challenge;
    // RFC 6750 §3 allows printable ASCII without the double quote and the backslash.
    const description = error.description.replaceAll('"', "'").replace(/[^ !#-[\]-~]/g, '?');
    return `${challenge}, error="invalid_token", error_description="${description}"`;
  });
}

/**
 * What a guard accepts: an object with `headers`, such as a message of node:http or a Request of
 * the Web standard, or an object with a method `header`, such as an HttpRequest.
 */
export type GuardableRequest = HeaderSource | MessageHeaders;

/** A {@link GuardableRequest}, or the value of its Authorization header. */
export type Authorization = string | GuardableRequest | null | undefined;

/** A message of an adapter or a test may lack its headers. */
function isMessage(value: unknown): value is RequestMessage {
  return hasHeaders(value) || (isObject(value) && typeof value['url'] === 'string');
}

/**
 * @returns the message that a request wraps, or the request itself if it is a message. An
 *   HttpRequest wraps its message as `message`, Fastify and Hono as `raw`, Koa as `req`. Only the
 *   message of node:http has the `rawHeaders` that show a second Authorization header.
 */
export function messageOf(request: unknown): RequestMessage | undefined {
  if (!isObject(request)) return undefined;
  // A middleware may add any members to a message, so its own headers come first.
  if (Array.isArray(request['rawHeaders']) && isMessage(request)) return request;
  const { message } = request;
  return isMessage(message) ? message : [request['raw'], request['req'], request].find(isMessage);
}

const requestCheck = expecting(
  'an object with "headers" or a method "header", or the value of Authorization',
  (value) => typeof value === 'string' || value === undefined || value === null,
);

/** @throws TypeError if `request` is not an {@link Authorization} */
export function headerIn(request: unknown, name: string): string | undefined {
  if (isObject(request)) {
    const { header } = request;
    // Where there are headers, they count: the method of a request of Express hides a second one.
    const isSource = typeof header === 'function' && !hasHeaders(request);
    if (isSource) return headerText(header.call(request, name), name);
    const message = messageOf(request);
    if (message !== undefined) return headerOf(message, name);
  }
  requestCheck('request', request);
  const isAuthorization = typeof request === 'string' && name.toLowerCase() === 'authorization';
  return isAuthorization ? request : undefined;
}

/**
 * @returns the request as the hook `tokenFrom` gets it, whichever guard calls the hook. Its
 *   `header` is bound, so the hook may write `({ header }) => header('authorization')`.
 */
export function headerSourceOf(request: Authorization): HeaderSource {
  return { header: (name) => headerIn(request, name), message: messageOf(request) };
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
