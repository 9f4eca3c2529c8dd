/** Reads a JSON body of bounded size (RFC 8259). */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { AuthError } from '../errors.ts';
import { MAX_BODY_BYTES } from './limits.ts';
import { parseMediaType } from './media-type.ts';

/**
 * JSON, and JSON of a registered format such as `application/vnd.api+json` (RFC 6839 §3.1). The
 * characters are those of RFC 6838 §4.2.
 */
const JSON_TYPE = /^application\/(?:[a-z\d][\w!#$&^.+-]*\+)?json$/;

/** Names of UTF-8, and of US-ASCII, which is a part of it. */
const UTF8_CHARSET = /^(?:utf-8|us-ascii)$/;

/** RFC 9110 §8.4: a list of content codings, all of them `identity`. An element may be empty. */
const NO_CODING = /^(?:[ \t]*(?:identity[ \t]*)?,)*[ \t]*(?:identity[ \t]*)?$/i;

const BYTE_ORDER_MARK = /^\ufeff/;

/**
 * @param type the value of Content-Type
 * @returns the parsed body. Its bytes must be valid UTF-8: a decoder would replace each invalid one
 *   by U+FFFD, and different passwords would become the same one. RFC 8259 §8.1: one byte order
 *   mark before the JSON is ignored.
 * @throws AuthError ERR_CONTENT_TYPE, ERR_BODY_TOO_LARGE (over 16 KiB), ERR_BODY, ERR_BAD_REQUEST,
 *   ERR_ABORTED
 * @throws TypeError if the body was read already
 */
export async function readJson(message: IncomingMessage, type: string): Promise<unknown> {
  const {
    'content-encoding': encoding = '',
    'content-length': length,
    'content-type': firstType = type,
    'transfer-encoding': coding,
  } = message.headers;
  const isCodingValid = coding === undefined || coding.toLowerCase() === 'chunked';
  if (!isCodingValid) throw new AuthError('ERR_BAD_REQUEST');
  // Node keeps the first of several headers. Joined they could read as one, because a quoted
  // string may begin in the first and end in the second.
  if (firstType !== type) throw malformedType();
  checkType(type);
  if (!NO_CODING.test(encoding)) throw codedBody();
  if (Number(length) > MAX_BODY_BYTES) throw new AuthError('ERR_BODY_TOO_LARGE');
  const body = await readBody(message);
  if (!isUtf8(body)) throw new AuthError('ERR_BODY');
  try {
    return JSON.parse(body.toString('utf8').replace(BYTE_ORDER_MARK, ''));
  } catch {
    // The error of JSON.parse quotes the body, which may hold a password, so it is not the cause.
    throw new AuthError('ERR_BODY');
  }
}

/**
 * RFC 8259 §11: JSON has no parameters, so unknown ones have no effect. Stricter: a charset other
 * than UTF-8 is refused, because the client may have encoded its password in it.
 * @throws AuthError ERR_CONTENT_TYPE
 */
function checkType(value: string): void {
  const type = parseMediaType(value);
  if (value !== '' && type === undefined) throw malformedType();
  if (type === undefined || !JSON_TYPE.test(type.name)) throw new AuthError('ERR_CONTENT_TYPE');
  const charsets = type.parameters
    .filter(([name]) => name === 'charset')
    .map(([, charset]) => charset.toLowerCase().replace('utf8', 'utf-8'));
  // RFC 6838 §4.3: a parameter must not be repeated. Repetitions that agree do no harm.
  const hasOneReading = new Set(charsets).size <= 1;
  if (hasOneReading && charsets.every((charset) => UTF8_CHARSET.test(charset))) return;
  const description = 'The charset of the body must be UTF-8';
  throw new AuthError('ERR_CONTENT_TYPE', { description });
}

function malformedType(): AuthError {
  const description = 'The Content-Type header is malformed or repeated';
  return new AuthError('ERR_CONTENT_TYPE', { description });
}

/** RFC 9110 §15.5.16: a refusal of a content coding names those that are accepted (§12.5.3). */
function codedBody(): AuthError {
  const description = 'The body must have no content coding, such as gzip';
  const headers = { 'Accept-Encoding': 'identity' };
  return new AuthError('ERR_CONTENT_TYPE', { description, headers });
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
