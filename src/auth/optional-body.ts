/**
 * Reads the body of a request that may have none. A client that logs out by its access token sends
 * none.
 * Promise: a body that cannot be read is an error, and does not count as none.
 */
import { AuthError } from '../errors.ts';
import { headerOf } from '../request-headers.ts';
import { isObject } from '../values.ts';
import { readJsonBody, type AuthRequest } from './request-body.ts';
import { messageOf } from './requests.ts';

/** The parts of a message of node:http that show whether it has a body. An adapter may lack any. */
interface BodyMessage {
  readonly body?: unknown;
  readonly complete?: boolean;
  readonly httpVersionMajor?: number;
  readonly readable?: boolean;
  readonly readableLength?: number;
  readonly stream?: { readonly endAfterHeaders?: boolean };
  once(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/**
 * @returns the parsed body of a request, or undefined if the request has none
 * @throws AuthError ERR_BODY if the body is not JSON, and what `request.json` throws
 */
export async function readOptionalBody(request: AuthRequest): Promise<unknown> {
  // A Request of the Web standard, or of Hono. Its body may be an empty stream.
  const text: unknown = isObject(request) ? request['text'] : undefined;
  if (typeof text === 'function') return parsedText(await text.call(request));
  const message = messageOf(request);
  // No message of node:http, so the program has read the body itself, and `json` returns it.
  if (message === undefined || message === request) return readJsonBody(request);
  return (await hasBody(message as BodyMessage)) ? readJsonBody(request) : undefined;
}

function parsedText(text: unknown): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(String(text));
  } catch {
    // The error of JSON.parse quotes the body, which may hold a token, so it is not the cause.
    throw new AuthError('ERR_BODY');
  }
}

/**
 * RFC 9112 §6.3: a request of HTTP/1.1 has no body if it has neither Transfer-Encoding nor
 * Content-Length.
 */
async function hasBody(message: BodyMessage): Promise<boolean> {
  if (headerOf(message, 'transfer-encoding') !== undefined) {
    // A proxy may send an empty chunked body for a request of HTTP/2 without one. If other code has
    // read the body already, its length is unknown, and it counts as a body.
    return isUnread(message) ? hasBytes(message) : true;
  }
  const length = headerOf(message, 'content-length');
  if (length !== undefined) return Number(length) !== 0;
  // RFC 9113 §8.1: in HTTP/2 the end of the stream ends a body, and the headers need not tell.
  if (message.httpVersionMajor === 2 && isUnread(message)) return hasBytes(message);
  return hasParsedBody(message);
}

function isUnread({ readable, stream }: BodyMessage): boolean {
  return readable === true && stream?.endAfterHeaders !== true;
}

/** Waits for the first byte, without reading it, or for the end. */
async function hasBytes(message: BodyMessage): Promise<boolean> {
  // Checked first: if the whole body has arrived already, there may be no further event.
  if (Number(message.readableLength) > 0) return true;
  if (message.complete === true) return false;
  return new Promise((resolve, reject) => {
    const decide = () => {
      message.off('readable', decide);
      message.off('close', abort);
      resolve(Number(message.readableLength) > 0);
    };
    const abort = () => reject(new AuthError('ERR_ABORTED'));
    // Also emitted at the end of the stream.
    message.once('readable', decide);
    message.once('close', abort);
  });
}

/**
 * @returns whether an adapter or a parser has left a body. Express 4 and mocks leave `{}` if there
 *   was none.
 */
function hasParsedBody(message: BodyMessage): boolean {
  try {
    const { body } = message;
    if (typeof body === 'string') return body !== '';
    if (typeof body !== 'object' || body === null) return body !== undefined && body !== null;
    return Object.keys(body).length > 0;
  } catch {
    // A getter that refuses malformed JSON, as in a function of Vercel.
    return true;
  }
}
