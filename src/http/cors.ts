/**
 * CORS (https://fetch.spec.whatwg.org/#http-cors-protocol): scripts of the pages of listed origins
 * may read the replies. Tokens travel in a header that a script sets, so credentials such as
 * cookies are never allowed.
 * Promise: a page of any other origin gets no header of CORS. Every reply has `Vary: Origin`, so
 * that a cache does not serve the reply for one origin to another.
 */

import type { ServerResponse } from 'node:http';
import type { Check } from '../options.ts';
import { describe } from '../values.ts';
import { Reply } from './reply.ts';
import type { HttpRequest } from './request.ts';

/** What a script may send besides the headers that need no permission. */
const ALLOWED_HEADERS = 'Authorization, Content-Type';

/** What a script may read besides the headers that need no permission. */
const EXPOSED_HEADERS = 'Retry-After, WWW-Authenticate, Error-Code';

/** How long a browser may remember a preflight: long for a page, short for a new release. */
const PREFLIGHT_MAX_AGE_SECONDS = 600;

/** The methods that a route can have. */
const ALL_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** CORS for the origins of a list. */
export class Cors {
  readonly #origins: ReadonlySet<string>;

  /** @param origins as {@link corsCheck} accepts them */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  /**
   * Sets the headers of the reply that will follow, which may be a refusal.
   * @param methodsOf returns the methods of a path, none if it is unknown
   * @returns the reply to a preflight; undefined for any other request. A browser sends a preflight
   *   without a token, so no guard could let it pass.
   */
  begin(
    request: HttpRequest,
    response: ServerResponse,
    methodsOf: (path: string) => string[],
  ): Reply | undefined {
    const origin = request.header('origin');
    const isAllowed = origin !== undefined && this.#origins.has(origin);
    const isOptions = request.message.method === 'OPTIONS';
    response.setHeader('Vary', isOptions ? 'Origin, Access-Control-Request-Method' : 'Origin');
    if (isAllowed) response.setHeader('Access-Control-Allow-Origin', origin);
    const wanted = request.header('access-control-request-method');
    if (!isOptions || origin === undefined || wanted === undefined) {
      if (isAllowed) response.setHeader('Access-Control-Expose-Headers', EXPOSED_HEADERS);
      return undefined;
    }
    if (!isAllowed) return new Reply(204, null);
    const methods = methodsOf(request.path);
    // For an unknown path the browser must go on, so that the script sees the 404.
    const allowedMethods = methods.length === 0 ? ALL_METHODS : methods;
    return new Reply(204, null, {
      'Access-Control-Allow-Methods': allowedMethods.join(', '),
      'Access-Control-Allow-Headers': ALLOWED_HEADERS,
      'Access-Control-Max-Age': String(PREFLIGHT_MAX_AGE_SECONDS),
    });
  }
}

const EXPECTED = 'origins such as "https://app.example"';

/** The check of a list of origins. An empty list turns CORS off. */
export const corsCheck: Check = (name, value) => {
  if (!Array.isArray(value)) {
    throw new TypeError(`"${name}" expected a list of ${EXPECTED}, got ${describe(value)}`);
  }
  // A hole in the list comes out as undefined, which is refused.
  for (const origin of value) {
    const problem = corsOriginProblem(origin);
    if (problem !== undefined) {
      throw new TypeError(`"${name}" expected ${EXPECTED}, got ${problem}`);
    }
  }
  if (new Set(value).size < value.length) {
    throw new TypeError(`"${name}" expected different origins, got one twice`);
  }
};

/** RFC 6454 §6.2, with the host in ASCII. Shells of apps have schemes of their own. */
const ORIGIN = /^([a-z][a-z\d+.-]*):\/\/(?:[a-z\d._-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/;

const WITHOUT_PAGE_ORIGIN = /^(?:null|(?:file|data|about|blob):.*)$/is;
const SCHEME = /^[^/]+:\/\//;
const PATH = /^[^/]+:\/\/[^/?#]*[/?#]/;
const DEFAULT_PORT = /^(?:http:\/\/.*:80|https:\/\/.*:443)$/;

/**
 * @returns what is wrong with an origin, to be put after "got"; undefined for a valid one, which is
 *   written as browsers send it. The text does not repeat the origin.
 */
export function corsOriginProblem(origin: unknown): string | undefined {
  if (typeof origin !== 'string' || origin === '') return describe(origin);
  if (origin === '*') {
    return 'a wildcard: scripts of any page could use the replies, so name the origins';
  }
  if (origin.includes('*')) return 'a pattern with "*": name each origin';
  if (WITHOUT_PAGE_ORIGIN.test(origin)) {
    return 'one that browsers send as "null": sandboxed frames of every site have this origin';
  }
  if (!SCHEME.test(origin)) return 'a text without a scheme, such as "https://"';
  if (PATH.test(origin)) return 'a slash or more behind the host: end with the host or its port';
  if (origin !== origin.toLowerCase()) return 'upper-case letters: browsers send lower case';
  if (DEFAULT_PORT.test(origin)) return 'a default port, which browsers do not send: leave it out';
  const [, scheme = ''] = ORIGIN.exec(origin) ?? [];
  const isWeb = scheme === 'http' || scheme === 'https';
  const isValid = isWeb ? isAsParsed(origin) : scheme !== '';
  return isValid ? undefined : 'a text that no browser sends as an origin: copy one from a request';
}

/** @returns whether the URL parser leaves an origin unchanged, as it does with that of a page */
function isAsParsed(origin: string): boolean {
  return URL.canParse(origin) && new URL(origin).origin === origin;
}
