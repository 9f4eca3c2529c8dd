/**
 * base64url without padding, of UTF-8 text (RFC 4648 §5 and §3.2, RFC 7515 §2).
 * Promise: a segment has one spelling. A segment that is decoded here encodes back to the very same
 * characters.
 */

/** @returns base64url; a lone surrogate of `text` becomes U+FFFD, as always in UTF-8 */
export function encodeText(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}

/**
 * Node's decoder is lenient: it takes padding, the alphabet of §4, white space, junk and stray
 * trailing bits, and it replaces broken UTF-8. Encoding the result again shows all of that at once,
 * because only the canonical spelling of a text (RFC 4648 §3.5) encodes back to itself.
 * @returns the text, or undefined if `segment` is not the canonical base64url of well-formed UTF-8.
 *   The time taken depends on the segment, which is not secret.
 */
export function decodeText(segment: string): string | undefined {
  const text = Buffer.from(segment, 'base64url').toString('utf8');
  return encodeText(text) === segment ? text : undefined;
}
