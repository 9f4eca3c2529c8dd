/**
 * Which usernames are valid, and which of them name one account (in the spirit of RFC 8265
 * UsernameCaseMapped and RFC 8264 IdentifierClass).
 * Promise: one person has one account. Names that differ by case, by width or by the way their
 * accents are written have one canonical username, which is the id of the account.
 *
 * Accepted: the following pairs are two names each, although the second is the capital of the
 * first: ß and SS, the Turkish ı and I, the Greek iota subscript (as in ᾳ) and Ι. So are i and İ,
 * whose small form is i with a dot (U+0307). Folding them would make one name of Weiß and Weiss,
 * and would change the ids of existing users. Letters of different scripts that look alike are two
 * names as well.
 */

/** Letters, marks, digits and printable ASCII without the space; 1 to 80 code points. */
const ID = /^[\p{L}\p{M}\p{Nd}\x21-\x7e]{1,80}$/u;

/**
 * Invisible letters and marks, which make two names look the same (RFC 8264 §9.13). Among them are
 * the joiners U+200C and U+200D, which Persian and Indic names use. They are visible only between
 * certain letters (RFC 5892 appendix A), and JavaScript does not know the joining types of letters.
 */
const IGNORABLE = /\p{Default_Ignorable_Code_Point}/u;

/**
 * Invisible too, but not ignorable by the tables of Unicode. Names do not need them: the Brahmi
 * number joiner, the mirror and the blanks of hieroglyphs, the filler of Khitan, the selector of
 * Duployan, the modifiers of SignWriting.
 */
const BLANK = /[\u{1107f}\u{13440}-\u{13442}\u{16fe4}\u{1bc9d}\u{1da9b}-\u{1daaf}]/u;

/**
 * Marks that are visible only by how they place the letters around them: those that stack
 * consonants (Indic_Syllabic_Category=Invisible_Stacker in Unicode 16), U+2D7F of Tifinagh, which
 * joins two letters, and the tones of Miao, which move a vowel. Khmer, Burmese, Chakma and other
 * scripts need them.
 */
const STACKER = '[\u1039\u17d2\u1a60\u1bab\u2d7f\uaaf6\u{10a3f}\u{11133}\u{113d0}\u{1193e}' +
  '\u{11a47}\u{11a99}\u{11d45}\u{11d97}\u{11f42}\u{16f8f}-\u{16f92}]';

/**
 * A stacker in a place where it is invisible. A stacker must follow a letter without case (\p{Lo}),
 * as all letters of those scripts are; marks may stand between them. It must not follow another
 * stacker. It may end a name, because Burmese that is written for Zawgyi fonts has it there.
 */
const STRAY_STACKER = new RegExp(`(?<!\\p{Lo}\\p{M}*)${STACKER}|${STACKER}{2}`, 'u');

/** Small letters whose capital has another small form: the final sigma and old Cyrillic letters. */
const SECOND_SMALL_LETTER = /[\u03c2\u1c80-\u1c88]/g;

/**
 * The longest username in UTF-16 code units, many times what 80 code points take before NFKC. It
 * bounds the work of normalisation.
 */
const MAX_CODE_UNITS = 1024;

/**
 * @returns the canonical username: NFKC, lower case, one small letter for each capital, NFKC;
 *   undefined if the name is not a valid username
 */
export function canonicalUsername(username: string): string | undefined {
  if (username.length > MAX_CODE_UNITS) return undefined;
  const id = username
    .normalize('NFKC')
    .toLowerCase()
    // Before NFKC, which may compose the other small letter with the accent after it.
    .replace(SECOND_SMALL_LETTER, (letter) => letter.toUpperCase().toLowerCase())
    .normalize('NFKC');
  const isName = ID.test(id) && !IGNORABLE.test(id) && !BLANK.test(id) && !STRAY_STACKER.test(id);
  return isName ? id : undefined;
}
