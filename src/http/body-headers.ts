/** The headers that describe a JSON body: its framing, type, charset, coding and length. */
import { AuthError } from '../errors.ts';
import { countOf, hasRawHeaders, headerOf } from '../request-headers.ts';
import { MAX_BODY_BYTES } from './limits.ts';
import { parseMediaType } from './media-type.ts';

/**
 * JSON, and JSON of a registered format such as `application/vnd.api+json` (RFC 6839 §3.1). The
 * characters are those of RFC 6838 §4.2.
 */
const JSON_TYPE = /^application\/(?:[a-z\d][\w!#$&^.+-]*\+)?json$/;

/**
 * The names of accepted charsets, and what each means. US-ASCII is a part of UTF-8. The name `utf8`
 * is not registered, but common.
 */
const CHARSETS: ReadonlyMap<string, string> = new Map([
  ['utf-8', 'UTF-8'],
  ['utf8', 'UTF-8'],
  ['us-ascii', 'US-ASCII'],
  ['ascii', 'US-ASCII'],
]);

/** A coding in Content-Encoding that changes nothing. RFC 9110 §5.6.1: it may also be empty. */
const NO_CODING = /^[ \t]*(?:identity[ \t]*)?$/i;

/**
 * Checks the headers that matter only if the bytes of the body are still to be read.
 * @throws AuthError ERR_BAD_REQUEST for a transfer coding other than chunked, ERR_CONTENT_TYPE for
 *   a content coding, ERR_BODY_TOO_LARGE if Content-Length is over 16 KiB
 */
export function checkEncodingAndLength(message: object): void {
  // The server of `listen` refuses this too. A request of another server gets here.
  const transferCoding = headerOf(message, 'transfer-encoding')?.toLowerCase();
  if (transferCoding !== undefined && transferCoding !== 'chunked') {
    throw new AuthError('ERR_BAD_REQUEST');
  }
  const contentCodings = headerOf(message, 'content-encoding')?.split(',') ?? [];
  if (!contentCodings.every((coding) => NO_CODING.test(coding))) throw codedBody();
  const length = Number(headerOf(message, 'content-length'));
  if (length > MAX_BODY_BYTES) throw new AuthError('ERR_BODY_TOO_LARGE');
}

/**
 * RFC 8259 §11: JSON has no parameters, so unknown ones have no effect. Stricter: a charset other
 * than UTF-8 is refused, because the client may have encoded its password in it.
 * @throws AuthError ERR_CONTENT_TYPE
 */
export function checkContentType(message: object): void {
  const value = headerOf(message, 'content-type') ?? '';
  const type = parseMediaType(value);
  const isMalformed = value !== '' && type === undefined;
  if (isMalformed || isRepeated(message)) throw malformedType();
  if (type === undefined || !JSON_TYPE.test(type.name)) throw new AuthError('ERR_CONTENT_TYPE');
  const charsets = type.parameters
    .filter(([name]) => name === 'charset')
    .map(([, charset]) => CHARSETS.get(charset.toLowerCase()));
  // RFC 6838 §4.3: a parameter must not be repeated. Repetitions that agree do no harm.
  const meanings = new Set(charsets);
  if (meanings.size <= 1 && !meanings.has(undefined)) return;
  const description = 'The charset of the body must be UTF-8';
  throw new AuthError('ERR_CONTENT_TYPE', { description });
}

/**
 * Several headers could read as one when they are joined, because a quoted string may begin in the
 * first and end in the second.
 */
function isRepeated(message: object): boolean {
  return hasRawHeaders(message) && countOf(message.rawHeaders, 'content-type') > 1;
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
