/**
 * CORS (https://fetch.spec.whatwg.org/#http-cors-protocol): scripts of the pages of listed origins
 * may read the replies. Tokens travel in a header that a script sets, so credentials such as
 * cookies are never allowed.
 * Promise: a page of any other origin gets no header of CORS. Every reply of the router has
 * `Vary: Origin`, so that a cache does not serve the reply for one origin to another.
 * Accepted: the refusals that the server writes before the router (400, 408, 431) have neither.
 */

import type { ServerResponse } from 'node:http';
import type { Check } from '../options.ts';
import { describe } from '../values.ts';
import { Reply, varyOf } from './reply.ts';
import type { HttpRequest } from './request.ts';

/** What a script may send besides the headers that need no permission. */
const ALLOWED_HEADERS = 'Authorization, Content-Type';

/** What a script may read besides the headers that need no permission. */
const EXPOSED_HEADERS = 'Retry-After, WWW-Authenticate, Error-Code';

/** How long a browser may remember a preflight: short, so that a new release soon takes effect. */
const PREFLIGHT_MAX_AGE_SECONDS = 600;

/**
 * The same for every path, so that a script sees the 404 or 405 of its request, and a preflight
 * does not tell which routes there are.
 */
const ALLOWED_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';

/** CORS for the origins of a list. */
export class Cors {
  readonly #origins: ReadonlySet<string>;

  /** @param origins as {@link corsCheck} accepts them */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  /**
   * Sets the CORS headers of the reply that will follow, which may be a refusal.
   * @returns the reply to a preflight; undefined for any other request. A browser sends a preflight
   *   without a token, so no guard could let it pass.
   */
  start(request: HttpRequest, response: ServerResponse): Reply | undefined {
    const origin = request.header('origin');
    const isAllowed = origin !== undefined && this.#origins.has(origin);
    const isOptions = request.message.method === 'OPTIONS';
    const varying = isOptions ? ['Origin', 'Access-Control-Request-Method'] : ['Origin'];
    // A middleware may have set Vary, such as to Accept-Encoding.
    response.setHeader('Vary', [...varyOf(response), ...varying].join(', '));
    if (isAllowed) response.setHeader('Access-Control-Allow-Origin', origin);
    const wanted = request.header('access-control-request-method');
    if (!isOptions || origin === undefined || wanted === undefined) {
      if (isAllowed) response.setHeader('Access-Control-Expose-Headers', EXPOSED_HEADERS);
      return undefined;
    }
    if (!isAllowed) return new Reply(204, null);
    return new Reply(204, null, {
      'Access-Control-Allow-Methods': ALLOWED_METHODS,
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

/** RFC 6454 §6.2, with the host in ASCII. An app in Capacitor has a scheme of its own. */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/(?:[a-z\d._-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/;

/** A URL with such a scheme is a script, which runs in the origin of its page. */
const SCRIPT_SCHEME = /^(?:javascript|vbscript):/;
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
    return 'an origin that browsers call "null": sandboxed frames of every site have it';
  }
  if (!SCHEME.test(origin)) return 'a text without a scheme: begin with "https://" or "http://"';
  if (PATH.test(origin)) return 'a slash or more behind the host: end with the host or its port';
  if (origin !== origin.toLowerCase()) return 'upper-case letters: browsers send lower case';
  if (DEFAULT_PORT.test(origin)) return 'a default port, which browsers do not send: leave it out';
  const isValid = ORIGIN.test(origin) && !SCRIPT_SCHEME.test(origin) && isAsParsed(origin);
  return isValid ? undefined : 'a text that no browser sends as an origin: copy one from a request';
}

/** @returns whether the URL parser leaves an origin unchanged, as it does with that of a page */
function isAsParsed(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  // URL.origin is "null" for the schemes of apps.
  const { protocol, host } = new URL(origin);
  return `${protocol}//${host}` === origin;
}
