/** Reads a JSON body of bounded size (RFC 8259). */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { AuthError } from '../errors.ts';
import { MAX_BODY_BYTES } from './limits.ts';

/** RFC 8259 §8.1: JSON between systems is UTF-8, so no other charset is accepted. */
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json[ \t]*(?:;[ \t]*charset="?utf-?8"?[ \t]*)?$/i;

/**
 * @param type the value of Content-Type
 * @returns the parsed body. It is checked to be UTF-8: a decoder would turn any broken bytes into
 *   U+FFFD, and so different passwords into one.
 * @throws AuthError ERR_CONTENT_TYPE, ERR_BODY_TOO_LARGE (over 16 KiB), ERR_BODY, ERR_BAD_REQUEST,
 *   ERR_ABORTED
 * @throws TypeError if the body was read already
 */
export async function readJson(message: IncomingMessage, type: string): Promise<unknown> {
  const {
    'content-encoding': encoding,
    'content-length': length,
    'transfer-encoding': coding = 'chunked',
  } = message.headers;
  if (coding.toLowerCase() !== 'chunked') throw new AuthError('ERR_BAD_REQUEST');
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

/**
 * Listens to events, which reads on behind the limit. An async iterator would stop there, and then
 * Node would notice only after 10 seconds that the client has disconnected.
 */
function readBody(message: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (message.readableEnded) {
      // 'end' does not come again, so this promise would never settle.
      throw new TypeError('the body has been read already, such as by another middleware');
    }
    if (message.destroyed) throw new AuthError('ERR_ABORTED');
    // Chunks are copied into one buffer: 16 KiB in chunks of one byte would take megabytes.
    let body = Buffer.alloc(0);
    let length = 0;
    message.on('data', (chunk: Buffer) => {
      const end = length + chunk.length;
      if (end > MAX_BODY_BYTES) {
        reject(new AuthError('ERR_BODY_TOO_LARGE'));
        return;
      }
      if (end > body.length) body = Buffer.concat([body], Math.min(2 * end, MAX_BODY_BYTES));
      chunk.copy(body, length);
      length = end;
    });
    message.on('end', () => resolve(body.subarray(0, length)));
    // The client disconnected before the end of its body. The handler must not wait forever.
    const abort = () => reject(new AuthError('ERR_ABORTED'));
    message.on('error', abort).on('close', abort);
  });
}
