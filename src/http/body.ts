/** A bounded JSON body in, a JSON reply out. */
import { isUtf8 } from 'node:buffer';
import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { AuthError } from '../errors.ts';
import { describe, integerBetween } from '../options.ts';

export const MAX_BODY_BYTES: number = 16 * 1024;

/** RFC 8259 §8.1: JSON between systems is UTF-8, so no other charset is taken. */
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json[ \t]*(?:;[ \t]*charset="?utf-?8"?[ \t]*)?$/i;

const replyStatus = integerBetween(200, 599);

/** An answer that is more than a value with status 200. */
export class Reply {
  /** 200 to 599. */
  readonly status: number;
  /** Any JSON value; undefined is sent as null. */
  readonly body: unknown;
  /** HTTP headers; each replaces one that every answer has, but for the length. */
  readonly headers: Readonly<Record<string, string | string[]>>;

  /** @param status 200 to 599 @param body any JSON value @throws TypeError or RangeError if `status` is none */
  constructor(status: number, body: unknown, headers: Reply['headers'] = {}) {
    replyStatus('status', status);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/**
 * @returns the parsed body; UTF-8 is checked, since broken bytes would all become U+FFFD
 * @throws AuthError ERR_CONTENT_TYPE, ERR_BODY_TOO_LARGE (over 16 KiB), ERR_BODY, ERR_BAD_REQUEST,
 *   ERR_ABORTED
 */
export async function readJson(message: IncomingMessage, type: string): Promise<unknown> {
  const { 'content-encoding': encoding, 'content-length': length, 'transfer-encoding': coding } = message.headers;
  if ((coding ?? 'chunked').toLowerCase() !== 'chunked') throw new AuthError('ERR_BAD_REQUEST');
  if (!JSON_TYPE.test(type) || encoding !== undefined) throw new AuthError('ERR_CONTENT_TYPE');
  if (Number(length) > MAX_BODY_BYTES) throw new AuthError('ERR_BODY_TOO_LARGE');
  const body = await readBody(message);
  try {
    if (isUtf8(body)) return JSON.parse(body.toString('utf8'));
  } catch {
    // The parser's message quotes the body, which may hold a password.
  }
  throw new AuthError('ERR_BODY');
}

function readBody(message: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // Its 'end' will not come again, and this promise would never settle.
    if (message.readableEnded) throw new TypeError('the body has been read already, such as by another middleware');
    if (message.destroyed) throw new AuthError('ERR_ABORTED');
    // Chunks are copied: kept as they are, 16 KiB in chunks of one byte would take megabytes.
    let body = Buffer.alloc(0);
    let length = 0;
    message.on('data', (chunk: Buffer) => {
      const end = length + chunk.length;
      if (end > MAX_BODY_BYTES) return reject(new AuthError('ERR_BODY_TOO_LARGE'));
      if (end > body.length) body = Buffer.concat([body], Math.min(2 * end, MAX_BODY_BYTES));
      chunk.copy(body, length);
      length = end;
    });
    message.on('end', () => resolve(body.subarray(0, length)));
    // The client went away in the middle. Nobody reads the answer, but the handler must not wait for ever.
    for (const event of ['error', 'close']) message.on(event, () => reject(new AuthError('ERR_ABORTED')));
  });
}

/** Sends a reply whole, with its length; throws a TypeError before anything is sent if it cannot be sent. */
export function sendReply(message: IncomingMessage, response: ServerResponse, { status, body, headers }: Reply): void {
  const json = JSON.stringify(body ?? null);
  if (json === undefined) throw new TypeError(`"body" expected a JSON value, got ${describe(body)}`);
  // A string goes out in one piece with the header.
  const text = `${json}\n`;
  const all: OutgoingHttpHeaders = {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  };
  for (const [name, value] of Object.entries(headers)) {
    // writeHead would have changed the response before it refuses one.
    validateHeaderName(name);
    for (const one of [value].flat()) validateHeaderValue(name, one);
    // RFC 9112 §6.2: how long the body is, is not a header's to say.
    if (/^(?:content-length|transfer-encoding)$/i.test(name)) continue;
    // Names have no case (RFC 9110 §5.1): writeHead would send two spellings of one as two headers.
    all[Object.keys(all).find((own) => own.toLowerCase() === name.toLowerCase()) ?? name] = value;
  }
  // RFC 9110 §8.6, §15.4.5: neither has content, so neither has the length of it.
  if (status !== 204 && status !== 304) all['Content-Length'] = Buffer.byteLength(text);
  // A body that is still on its way is not waited for.
  const isUnread = status >= 400 && message.method !== 'GET' && message.method !== 'HEAD' && !message.complete;
  if (isUnread) response.setHeader('Connection', 'close');
  response.writeHead(status, all);
  response.end(text);
}
