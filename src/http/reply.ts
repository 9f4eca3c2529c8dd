/**
 * Sends a reply of JSON or of bytes. Promise: a reply is sent whole and with its length, or not at
 * all. A reply of 204 or 304 has no body, and so no length.
 */

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { isUint8Array } from 'node:util/types';
import type { AuthError } from '../errors.ts';
import { http } from '../node-modules.ts';
import { integerBetween } from '../options.ts';
import { describe } from '../values.ts';

const statusCheck = integerBetween(200, 599);

/**
 * The headers of every reply. A {@link Reply} can replace them. This is a function because Node
 * writes the headers of an object literal faster than those of a copy by spread: for `GET /hello`
 * the copy would cost more than a tenth of the CPU time.
 */
export function defaultHeaders(): Record<string, string> {
  return {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  };
}

/** RFC 9112 §6: the body decides these headers. A reply that sets one is sent without it. */
const FRAMING_HEADER = /^(?:content-length|transfer-encoding)$/i;

/** Marks the replies of every copy of this package. JSON from outside cannot have a symbol. */
const REPLY = Symbol.for('latchkey.Reply');

/**
 * A reply with a chosen status and headers. Any other result of a handler is sent with 200.
 * @example
 * router.post('/things', () => new Reply(201, { id: 7 }, { Location: '/things/7' }));
 */
export class Reply {
  /** 200 to 599. */
  readonly status: number;
  /** Any JSON value; undefined is sent as null. Bytes are sent as they are. */
  readonly body: unknown;
  /**
   * HTTP headers. Each replaces a default header of the same name, ignoring letter case.
   * Content-Length and Transfer-Encoding are ignored.
   */
  readonly headers: Readonly<Record<string, string | string[]>>;

  static {
    Object.defineProperty(this.prototype, REPLY, { value: true });
  }

  /**
   * Makes a reply, which a handler returns.
   * @example
   * new Reply(301, null, { Location: '/new' });
   * @param status 200 to 599
   * @param body any JSON value; or a Uint8Array, such as a Buffer, whose bytes are sent as they are
   * @param headers HTTP headers to add; Content-Length and Transfer-Encoding are ignored. Bytes
   *   without a Content-Type are sent as `application/octet-stream`
   * @throws TypeError or RangeError if `status` is not a whole number from 200 to 599
   */
  constructor(status: number, body: unknown, headers: Reply['headers'] = {}) {
    statusCheck('status', status);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** @returns whether a value is a Reply, also one of another copy of this package */
export function isReply(value: unknown): value is Reply {
  return typeof value === 'object' && value !== null && Reflect.get(value, REPLY) === true;
}

/**
 * Sends a reply.
 * @throws TypeError, before anything is sent, if the body is neither JSON nor bytes, or a header is
 *   not valid
 */
function sendReply(message: IncomingMessage, response: ServerResponse, reply: Reply): void {
  const { status } = reply;
  const content = contentOf(reply);
  const headers: OutgoingHttpHeaders = defaultHeaders();
  if (typeof content !== 'string') headers['Content-Type'] = 'application/octet-stream';
  for (const [name, value] of Object.entries(reply.headers)) {
    // Checked here, because writeHead throws at an invalid header after it set those before it.
    http.validateHeaderName(name);
    const values = Array.isArray(value) ? value : [value];
    for (const single of values) http.validateHeaderValue(name, single);
    if (FRAMING_HEADER.test(name)) continue;
    // Vary is added to what the router or a middleware has set. If it were replaced, a cache could
    // serve the reply for one origin to another.
    const isVary = name.toLowerCase() === 'vary';
    replaceHeader(headers, name, isVary ? [...varyOf(response), ...values] : value);
  }
  // RFC 9110 §8.6, §15.4.5: a reply of 204 or 304 has no content.
  if (status !== 204 && status !== 304) headers['Content-Length'] = Buffer.byteLength(content);
  // If a request is refused before its body has arrived, the reply ends the connection, so that
  // the server need not read the rest of the body. A message without `complete` has no connection,
  // and HTTP/2 has no such header (RFC 9113 §8.2.2).
  const isGet = message.method === 'GET' || message.method === 'HEAD';
  const isArriving = message.complete === false && message.httpVersionMajor !== 2;
  if (status >= 400 && !isGet && isArriving) response.setHeader('Connection', 'close');
  // Adapters of serverless platforms may read the status here.
  response.statusCode = status;
  response.writeHead(status, headers);
  // A string goes out in one packet with the header.
  response.end(content);
}

/**
 * Sends the result of a handler: a {@link Reply} as it is, any other value with status 200.
 * @throws what {@link sendReply} throws
 */
export function sendResult(
  message: IncomingMessage,
  response: ServerResponse,
  result: unknown,
): void {
  sendReply(message, response, isReply(result) ? result : new Reply(200, result));
}

/**
 * Sends a refusal.
 * @throws what {@link sendReply} throws, if a program made the body or the headers
 */
export function sendRefusal(
  message: IncomingMessage,
  response: ServerResponse,
  { status, body, headers }: AuthError,
): void {
  sendReply(message, response, new Reply(status, body, headers));
}

/** @returns the values of Vary that the response has. The response of an adapter may have none. */
export function varyOf(response: Partial<ServerResponse>): string[] {
  const vary = response.getHeader?.('Vary') ?? [];
  return [vary].flat().map(String);
}

/** @throws TypeError if the body is neither a JSON value nor bytes */
function contentOf({ body }: Reply): string | Uint8Array {
  if (isUint8Array(body)) return body;
  const json = JSON.stringify(body ?? null);
  if (json === undefined) {
    throw new TypeError(`"body" expected a JSON value or a Uint8Array, got ${describe(body)}`);
  }
  return `${json}\n`;
}

/**
 * Header names are case-insensitive (RFC 9110 §5.1), but writeHead sends a header twice if its
 * name is spelled in two ways.
 */
function replaceHeader(headers: OutgoingHttpHeaders, name: string, value: string | string[]): void {
  const key = name.toLowerCase();
  const present = Object.keys(headers).find((other) => other.toLowerCase() === key);
  headers[present ?? name] = value;
}
