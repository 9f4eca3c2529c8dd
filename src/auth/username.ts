/**
 * Which usernames there are, and which of them are one and the same (in the spirit of RFC 8265 UsernameCaseMapped and
 * RFC 8264 IdentifierClass). Promise: one person, one account: names that differ by case, by width or by the way their
 * accents are written have one id.
 */

/** Letters, marks, digits and printable ASCII without the space; 1 to 80 code points. */
const ID = /^[\p{L}\p{M}\p{Nd}\x21-\x7e]{1,80}$/u;

/** Letters and marks that nobody sees, and that would make two names look the same (RFC 8264 §9.13). */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u;

/** In UTF-16 code units: many times what 80 code points may take before they are normalised. Bounds the work. */
const MAX_LENGTH = 1024;

/** @returns the id: NFKC, lower case, NFKC again, one sigma, which is stable; undefined if it is not a username */
export function canonicalUsername(username: string): string | undefined {
  if (username.length > MAX_LENGTH) return undefined;
  // The small sigma has a second form for the end of a word, but only one capital.
  const id = username.normalize('NFKC').toLowerCase().normalize('NFKC').replaceAll('\u03c2', '\u03c3');
  return ID.test(id) && !INVISIBLE.test(id) ? id : undefined;
}
