/**
 * Reads a JSON body (RFC 8259) of bounded size.
 * Accepted: a value that another parser has made of the body is returned unchecked. Text and bytes
 * that it left are parsed here.
 */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { isAnyArrayBuffer, isUint8Array } from 'node:util/types';
import { AuthError } from '../errors.ts';
import { describe, propertyOf } from '../values.ts';
import { checkContentType, checkEncodingAndLength } from './body-headers.ts';
import { MAX_BODY_BYTES } from './limits.ts';

const BYTE_ORDER_MARK = /^\ufeff/;

/**
 * @returns the parsed body. Its bytes must be valid UTF-8: a decoder would replace each invalid one
 *   by U+FFFD, and different passwords would become the same one. RFC 8259 §8.1: one byte order
 *   mark before the JSON is ignored. A body that another parser has read is checked only if
 *   it is a string or bytes.
 * @throws AuthError ERR_CONTENT_TYPE, ERR_BODY_TOO_LARGE (over 16 KiB), ERR_BODY, ERR_BAD_REQUEST,
 *   ERR_ABORTED
 * @throws TypeError if the body was read already and `message.body` does not hold it, or if that is
 *   neither bytes nor text nor a parsed value
 */
export async function readJson(message: IncomingMessage): Promise<unknown> {
  checkContentType(message);
  const body = isReadable(message) ? await readBody(message) : parsedBody(message);
  const bytes = bodyBytesOf(body);
  if (bytes === undefined) return body;
  if (bytes.length > MAX_BODY_BYTES) throw new AuthError('ERR_BODY_TOO_LARGE');
  if (!isUtf8(bytes)) throw new AuthError('ERR_BODY');
  try {
    return JSON.parse(bytes.toString('utf8').replace(BYTE_ORDER_MARK, ''));
  } catch {
    // The error of JSON.parse quotes the body, which may hold a password, so it is not the cause.
    throw new AuthError('ERR_BODY');
  }
}

/** @returns whether the bytes can still be read. They take precedence over `message.body`. */
function isReadable(message: IncomingMessage): boolean {
  const { readable, complete, socket }: Partial<IncomingMessage> = message;
  if (readable !== true) return false;
  // All bytes have arrived.
  if (complete === true) return true;
  // Bytes can arrive over a connected socket. Over one without a connection, as a test may make it,
  // none will ever arrive.
  if (typeof socket?.once === 'function' && socket.pending !== true) return true;
  // Without a connection the stream is read only if no parser has left a body.
  return bodyMemberOf(message) === undefined;
}

/**
 * @returns the member `body`, in which a body parser leaves the parsed body. Express 4 sets it to
 *   `{}` for a body that its parser has not read.
 * @throws AuthError ERR_BODY if it is a getter that refuses malformed JSON, as in a function of
 *   Vercel
 */
function bodyMemberOf(message: object): unknown {
  try {
    return Reflect.get(message, 'body');
  } catch (error) {
    const status = propertyOf(error, 'statusCode') ?? propertyOf(error, 'status');
    // Its message may quote the body, so it is not the cause.
    throw status === 400 ? new AuthError('ERR_BODY') : error;
  }
}

/**
 * @returns the member `body` of a message whose bytes cannot be read
 * @throws AuthError ERR_BODY, ERR_ABORTED
 * @throws TypeError if it is missing, or is not what a parser of JSON or text returns
 */
function parsedBody(message: IncomingMessage): unknown {
  const { destroyed, readableEnded }: Partial<IncomingMessage> = message;
  const body = bodyMemberOf(message);
  if (body !== undefined && isParsed(body)) return body;
  if (destroyed === true && readableEnded !== true) throw new AuthError('ERR_ABORTED');
  const remedy =
    'let latchkey come before the parser, or pass { json: () => parsedBody } to login in place ' +
    'of the request, or parsedBody to signup';
  if (readableEnded === true && body === undefined) {
    throw new TypeError(`the body was read before latchkey got the request: ${remedy}`);
  }
  const expected = '"message" expected a stream that can be read, or a parsed "body"';
  throw new TypeError(`${expected}, got ${describe(body)} as "body": ${remedy}`);
}

/** @returns whether a parser of JSON, text or bytes may have made it: not a stream or FormData */
function isParsed(body: unknown): boolean {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return true;
  if (isUint8Array(body) || isAnyArrayBuffer(body)) return true;
  const isStream = 'pipe' in body && typeof body.pipe === 'function';
  return !isStream && Object.prototype.toString.call(body) === '[object Object]';
}

/**
 * @returns the bytes of a string, an ArrayBuffer, a Buffer or another Uint8Array of any realm;
 *   undefined for any other value
 * @throws AuthError ERR_BODY for a string with a lone surrogate, which UTF-8 cannot encode
 */
function bodyBytesOf(data: unknown): Buffer | undefined {
  if (typeof data === 'string') {
    if (!data.isWellFormed()) throw new AuthError('ERR_BODY');
    return Buffer.from(data);
  }
  if (isAnyArrayBuffer(data)) return Buffer.from(data);
  if (!isUint8Array(data)) return undefined;
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * Reads a body through events. After the limit it reads on and discards, so that the server notices
 * at once when the client disconnects. An async iterator would stop reading, and Node would notice
 * only after 10 seconds.
 */
function readBody(message: IncomingMessage): Promise<Buffer> {
  checkEncodingAndLength(message);
  return new Promise((resolve, reject) => {
    // Chunks are copied into one buffer: 16 KiB in chunks of one byte would take megabytes.
    let body = Buffer.alloc(0);
    let length = 0;
    const append = (chunk: unknown) => {
      // Behind `setEncoding`, and in streams of tests, a chunk is a string.
      const bytes = bodyBytesOf(chunk);
      if (bytes === undefined) {
        throw new TypeError(`"message" expected a stream of bytes, got ${describe(chunk)}`);
      }
      const end = length + bytes.length;
      if (end > MAX_BODY_BYTES) throw new AuthError('ERR_BODY_TOO_LARGE');
      if (end > body.length) {
        // Buffer.concat copies the old bytes and fills the rest with zeros.
        body = Buffer.concat([body], Math.min(2 * end, MAX_BODY_BYTES));
      }
      bytes.copy(body, length);
      length = end;
    };
    message.on('data', (chunk: unknown) => {
      try {
        append(chunk);
      } catch (error) {
        reject(error);
      }
    });
    message.on('end', () => resolve(body.subarray(0, length)));
    // If the client disconnects before 'end', the handler must not wait forever. 'close' also comes
    // after 'end'; then the promise is resolved already, and this has no effect.
    const abort = () => reject(new AuthError('ERR_ABORTED'));
    message.on('error', abort).on('close', abort);
  });
}
