/**
 * base64url without padding, of UTF-8 text (RFC 4648 §5 and §3.2, RFC 7515 §2).
 * Promise: each text has exactly one valid encoding. A segment that decodeText accepts encodes back
 * to the same characters.
 */

/** @returns base64url; UTF-8 cannot hold a lone surrogate, so it becomes U+FFFD */
export function encodeText(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}

/**
 * Node's decoder is lenient: it accepts padding, the alphabet of §4, white space, junk and stray
 * trailing bits, and it replaces broken UTF-8. So the result is encoded again and compared: only
 * the canonical encoding of a text (RFC 4648 §3.5) encodes back to itself.
 * @returns the text, or undefined if `segment` is not the canonical base64url of well-formed UTF-8.
 *   The time depends on the segment, which is not secret.
 */
export function decodeText(segment: string): string | undefined {
  const text = Buffer.from(segment, 'base64url').toString('utf8');
  return encodeText(text) === segment ? text : undefined;
}
