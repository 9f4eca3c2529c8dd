/** Sends a JSON reply. Promise: a reply is sent whole and with its length, or not at all. */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { integerBetween } from '../options.ts';
import { describe } from '../values.ts';

const statusCheck = integerBetween(200, 599);

/** RFC 9112 §6: the length of the body decides these, so a reply cannot set them. */
const FRAMING_HEADER = /^(?:content-length|transfer-encoding)$/i;

/** A reply with a status or headers of its own. Other results of a handler are sent with 200. */
export class Reply {
  /** 200 to 599. */
  readonly status: number;
  /** Any JSON value; undefined is sent as null. */
  readonly body: unknown;
  /** HTTP headers. Each replaces a default header of the same name, except the length. */
  readonly headers: Readonly<Record<string, string | string[]>>;

  /**
   * @param status 200 to 599
   * @param body any JSON value
   * @param headers HTTP headers to add
   * @throws TypeError or RangeError if `status` is not a whole number from 200 to 599
   */
  constructor(status: number, body: unknown, headers: Reply['headers'] = {}) {
    statusCheck('status', status);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** @throws TypeError, before anything is sent, if the body is not JSON or a header is not valid */
export function sendReply(message: IncomingMessage, response: ServerResponse, reply: Reply): void {
  const { status, body } = reply;
  const json = JSON.stringify(body ?? null);
  if (json === undefined) {
    throw new TypeError(`"body" expected a JSON value, got ${describe(body)}`);
  }
  const text = `${json}\n`;
  const headers: OutgoingHttpHeaders = {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  };
  for (const [name, value] of Object.entries(reply.headers)) {
    // writeHead would change the response before it throws for a header.
    validateHeaderName(name);
    for (const line of [value].flat()) validateHeaderValue(name, line);
    if (!FRAMING_HEADER.test(name)) replaceHeader(headers, name, value);
  }
  // RFC 9110 §8.6, §15.4.5: a reply of 204 or 304 has no content, so it has no length.
  if (status !== 204 && status !== 304) headers['Content-Length'] = Buffer.byteLength(text);
  // The server does not wait for a body that it refuses.
  const isGet = message.method === 'GET' || message.method === 'HEAD';
  if (status >= 400 && !isGet && !message.complete) response.setHeader('Connection', 'close');
  response.writeHead(status, headers);
  // A string goes out in one packet with the header.
  response.end(text);
}

/** Header names have no case (RFC 9110 §5.1), but writeHead would send both spellings of one. */
function replaceHeader(headers: OutgoingHttpHeaders, name: string, value: string | string[]): void {
  const key = name.toLowerCase();
  const present = Object.keys(headers).find((other) => other.toLowerCase() === key);
  headers[present ?? name] = value;
}
