/**
 * Which usernames are valid, and which of them mean the same account. The rules follow the idea of
 * RFC 8265 UsernameCaseMapped and RFC 8264 IdentifierClass, with differences.
 * Promise: the canonical username is the id of the account. It is the same for usernames that
 * differ only by letter case, by width, by the Unicode spelling of their accents or by ASCII white
 * space at their ends.
 *
 * Accepted: in some names a small letter and its capital make two accounts:
 *
 * - ß and SS;
 * - the Turkish ı and I;
 * - the Greek iota subscript, as in ᾳ, and the capital iota Ι;
 * - i and İ, because the small form of İ is i with a dot (U+0307).
 *
 * If these were folded, Weiß and Weiss would be the same account, and the ids of existing users
 * would change. Letters of different scripts that look alike also make two accounts.
 */
import { AuthError } from '../errors.ts';

/** Keyboards of phones add a space after a word. No username can contain any white space. */
const OUTER_WHITE_SPACE = /^[\t\n\v\f\r ]+|[\t\n\v\f\r ]+$/g;

/** Letters, marks, digits and printable ASCII without the space; 1 to 80 code points. */
const ID_PATTERN = /^[\p{L}\p{M}\p{Nd}\x21-\x7e]{1,80}$/u;

/**
 * Invisible letters and marks, with which two names can look the same (RFC 8264 §9.13). Among them
 * are the joiners U+200C and U+200D, which Persian and Indic names use. They have an effect only
 * between certain letters (RFC 5892 A.1 and A.2). JavaScript cannot tell which letters these are.
 */
const IGNORABLE_CHARACTER = /\p{Default_Ignorable_Code_Point}/u;

/**
 * Characters that are invisible too, but that Unicode does not list as ignorable. Names do not need
 * them: the Brahmi number joiner, the mirror and the blanks of hieroglyphs, the filler of Khitan,
 * the selector of Duployan, the modifiers of SignWriting.
 */
export const BLANK_CHARACTER: RegExp =
  /[\u{1107f}\u{13440}-\u{13442}\u{16fe4}\u{1bc9d}\u{1da9b}-\u{1daaf}]/u;

/**
 * Marks that are visible only by how they place the letters around them: those that stack
 * consonants (Indic_Syllabic_Category=Invisible_Stacker in Unicode 16), U+2D7F of Tifinagh, which
 * joins two letters, and the tones of Miao, which move a vowel. Khmer, Burmese, Chakma and other
 * scripts need them.
 */
const STACKER_CLASS = '[\u1039\u17d2\u1a60\u1bab\u2d7f\uaaf6\u{10a3f}\u{11133}\u{113d0}\u{1193e}' +
  '\u{11a47}\u{11a99}\u{11d45}\u{11d97}\u{11f42}\u{16f8f}-\u{16f92}]';

/**
 * A stacker in a place where it is invisible. A stacker must follow a letter without case (\p{Lo}),
 * as all letters of those scripts are. Marks may stand between the two. A stacker must not follow
 * another stacker. It may end a name, as in Burmese text for Zawgyi fonts.
 */
const STRAY_STACKER = new RegExp(`(?<!\\p{Lo}\\p{M}*)${STACKER_CLASS}|${STACKER_CLASS}{2}`, 'u');

/** Small letters whose capital has another small letter: the final sigma, old Cyrillic letters. */
const SECOND_SMALL_LETTER = /[\u03c2\u1c80-\u1c88]/g;

/**
 * Maximum length of a username in UTF-16 code units, before it is trimmed and put into NFKC. It
 * bounds the work of both. Usernames of 80 code points need far fewer.
 */
const MAX_CODE_UNITS = 1024;

/**
 * @returns the canonical username: without ASCII white space at its ends, NFKC, lower case, one
 *   small letter for each capital, NFKC again; undefined if `username` is not valid
 */
export function canonicalUsername(username: string): string | undefined {
  if (username.length > MAX_CODE_UNITS) return undefined;
  const id = foldedUsername(username);
  return ID_PATTERN.test(id) && !hasInvisible(id) ? id : undefined;
}

/**
 * @param username of at most 1024 code units
 * @returns the username without ASCII white space at its ends
 */
function trimUsername(username: string): string {
  return username.replace(OUTER_WHITE_SPACE, '');
}

/**
 * @param sent the username of a new account, as the client sent it
 * @returns its canonical username, and its first spelling
 * @throws AuthError ERR_USERNAME if it is not valid
 */
export function newUsername(sent: string): { readonly id: string; readonly username: string } {
  const id = canonicalUsername(sent);
  if (id === undefined) throw usernameRefusal(sent);
  return { id, username: trimUsername(sent) };
}

/**
 * @param username one that `canonicalUsername` refuses
 * @returns AuthError ERR_USERNAME. The user cannot see an invisible character, so the refusal says
 *   that there is one.
 */
function usernameRefusal(username: string): AuthError {
  const isShort = username.length <= MAX_CODE_UNITS;
  if (!isShort || !hasInvisible(foldedUsername(username))) return new AuthError('ERR_USERNAME');
  const description = 'Username must not have invisible characters, such as zero-width joiners';
  return new AuthError('ERR_USERNAME', { description });
}

/**
 * @param username of at most 1024 code units
 * @returns the canonical form, whether or not the username is valid
 */
export function foldedUsername(username: string): string {
  return trimUsername(username)
    .normalize('NFKC')
    .toLowerCase()
    // Before NFKC, which could join the second small letter to the accent that follows it.
    .replace(SECOND_SMALL_LETTER, (letter) => letter.toUpperCase().toLowerCase())
    .normalize('NFKC');
}

function hasInvisible(id: string): boolean {
  return IGNORABLE_CHARACTER.test(id) || BLANK_CHARACTER.test(id) || STRAY_STACKER.test(id);
}
