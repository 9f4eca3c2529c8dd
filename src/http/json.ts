/** A bounded JSON body in, a JSON reply out. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AuthError } from '../errors.ts';

export const MAX_BODY_BYTES: number = 16 * 1024;

/** RFC 8259 §8.1: JSON between systems is UTF-8, so no other charset is taken. */
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json[ \t]*(?:;[ \t]*charset="?utf-?8"?[ \t]*)?$/i;

/** An answer that is more than a value with status 200. */
export class Reply {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | string[]>>;

  /** @param body any JSON value */
  constructor(status: number, body: unknown, headers: Reply['headers'] = {}) {
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/**
 * @returns the parsed body; UTF-8 is checked, so no two bodies mean the same by accident
 * @throws AuthError ERR_CONTENT_TYPE, ERR_BODY_TOO_LARGE (over 16 KiB, without reading on), ERR_BODY, ERR_BAD_REQUEST,
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
    const chunks: Buffer[] = [];
    let length = 0;
    message.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= MAX_BODY_BYTES) chunks.push(chunk);
      else reject(new AuthError('ERR_BODY_TOO_LARGE'));
    });
    message.on('end', () => resolve(Buffer.concat(chunks)));
    // The client went away in the middle. Nobody reads the answer, but the handler must not wait for ever.
    for (const event of ['error', 'close']) message.on(event, () => reject(new AuthError('ERR_ABORTED')));
  });
}

/** Sends a reply whole, with its length; throws a TypeError before anything is sent if its body is no JSON. */
export function sendReply(message: IncomingMessage, response: ServerResponse, { status, body, headers }: Reply): void {
  // A string goes out in one piece with the header.
  const text = `${JSON.stringify(body ?? null)}\n`;
  // A body that is still on its way is not waited for.
  const isUnread = status >= 400 && message.method !== 'GET' && message.method !== 'HEAD' && !message.complete;
  if (isUnread) response.setHeader('Connection', 'close');
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  });
  response.end(text);
}
