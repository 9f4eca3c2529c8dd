/** Reads a JSON body of bounded size (RFC 8259). */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { AuthError } from '../errors.ts';
import { MAX_BODY_BYTES } from './limits.ts';

/** RFC 8259 §8.1: JSON between systems is UTF-8, so no other charset is accepted. */
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json[ \t]*(?:;[ \t]*charset="?utf-?8"?[ \t]*)?$/i;

/**
 * @param type the value of Content-Type
 * @returns the parsed body. Its bytes must be valid UTF-8: a decoder would replace each invalid one
 *   by U+FFFD, and different passwords would become the same one.
 * @throws AuthError ERR_CONTENT_TYPE, ERR_BODY_TOO_LARGE (over 16 KiB), ERR_BODY, ERR_BAD_REQUEST,
 *   ERR_ABORTED
 * @throws TypeError if the body was read already
 */
export async function readJson(message: IncomingMessage, type: string): Promise<unknown> {
  const {
    'content-encoding': encoding,
    'content-length': length,
    'transfer-encoding': coding,
  } = message.headers;
  const isCodingValid = coding === undefined || coding.toLowerCase() === 'chunked';
  if (!isCodingValid) throw new AuthError('ERR_BAD_REQUEST');
  if (!JSON_TYPE.test(type) || encoding !== undefined) throw new AuthError('ERR_CONTENT_TYPE');
  if (Number(length) > MAX_BODY_BYTES) throw new AuthError('ERR_BODY_TOO_LARGE');
  const body = await readBody(message);
  if (!isUtf8(body)) throw new AuthError('ERR_BODY');
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    // The error of JSON.parse quotes the body, which may hold a password, so it is not the cause.
    throw new AuthError('ERR_BODY');
  }
}

/**
 * Reads a body through events. After the limit it reads on and discards, so that the server notices
 * at once when the client disconnects. An async iterator would stop reading, and Node would notice
 * only after 10 seconds.
 */
function readBody(message: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (message.readableEnded) {
      // 'end' does not come again, so this promise would never settle.
      reject(new TypeError('the body has been read already, such as by another middleware'));
      return;
    }
    if (message.destroyed) {
      reject(new AuthError('ERR_ABORTED'));
      return;
    }
    // Chunks are copied into one buffer: 16 KiB in chunks of one byte would take megabytes.
    let body = Buffer.alloc(0);
    let length = 0;
    message.on('data', (chunk: Buffer) => {
      const end = length + chunk.length;
      if (end > MAX_BODY_BYTES) {
        reject(new AuthError('ERR_BODY_TOO_LARGE'));
        return;
      }
      if (end > body.length) {
        // Buffer.concat copies the old bytes and fills the rest with zeros.
        body = Buffer.concat([body], Math.min(2 * end, MAX_BODY_BYTES));
      }
      chunk.copy(body, length);
      length = end;
    });
    message.on('end', () => resolve(body.subarray(0, length)));
    // If the client disconnects before 'end', the handler must not wait forever. 'close' also comes
    // after 'end'; then the promise is resolved already, and this has no effect.
    const abort = () => reject(new AuthError('ERR_ABORTED'));
    message.on('error', abort).on('close', abort);
  });
}
