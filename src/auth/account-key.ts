/**
 * The key of an account in the rate limits of a program with its own users.
 * Promise: spellings of a username that a collation may treat as one user have one key. They differ
 * by letter case, width, accents, invisible characters, white space at the ends, or by letters and
 * digits that a collation equates with those of ASCII. If each spelling counted for itself, each
 * would give an attacker more guesses.
 * Accepted: names that differ only in their marks have one key too, such as Hindi names that differ
 * only in their vowel signs. They share their tries.
 * Accepted: what a collation equates with several letters has a key of its own, such as ß and ss.
 */
import { BLANK_CHARACTER, foldedUsername } from '../accounts/username.ts';

/** The length of the longest username of `Accounts`. */
const MAX_CODE_POINTS = 80;

/** In any normal form of Unicode, a letter with its accents has at most four code units. */
const MAX_FOLDED_CODE_UNITS = 4 * MAX_CODE_POINTS;

/** Marks that a collation equates with letters of ASCII, such as U+0363, a small a. */
const LETTER_MARKS = '\u0363-\u036f\u1abf\u1acc-\u1ace\u1dca\u1dd3\u1dd7-\u1dda\u1ddc\u1ddd\u1de0' +
  '\u1de3-\u1de6\u1de8\u1deb\u1ded\u1dee\u1df0-\u1df4';

/** What a collation ignores although it is neither a mark nor a control, such as tatweel. */
const IGNORED_LETTERS =
  '\u0640\u07fa\u0824\u0828\u180a\u1cd3\u1cf2\u1cf3' +
  '\ufc5e-\ufc63\ufcf2-\ufcf4\ufe70-\ufe7f\uff9e\uff9f';

const IGNORED_CLASS =
  `[\\p{M}\\p{C}\\p{Default_Ignorable_Code_Point}${IGNORED_LETTERS}]|${BLANK_CHARACTER.source}`;
const IGNORED = new RegExp(IGNORED_CLASS, 'gu');
const IGNORED_EXCEPT_LETTER_MARKS = new RegExp(`(?![${LETTER_MARKS}])(?:${IGNORED_CLASS})`, 'gu');

const NOT_ASCII = /[^\x00-\x7f]/gu;

/** Sorted as the collator sorts them. */
const LETTERS_AND_DIGITS = [...'0123456789abcdefghijklmnopqrstuvwxyz'];

/**
 * @param username any text that a client sent
 * @returns at most 80 code points. For a username of `Accounts` in letters, digits and signs of
 *   ASCII it is the canonical username.
 */
export function accountKeyOf(username: string): string {
  // Cut before the slower steps, which bounds the work.
  const kept = username.replace(IGNORED_EXCEPT_LETTER_MARKS, '').trim();
  const start = kept.slice(0, MAX_FOLDED_CODE_UNITS);
  const folded = foldedUsername(start.replace(NOT_ASCII, letterOf));
  const letters = folded.normalize('NFKD').replace(IGNORED, '').normalize('NFC');
  return [...letters.trim()].slice(0, MAX_CODE_POINTS).join('');
}

/** @returns the ASCII letter or digit that a collation takes a character for; else the character */
function letterOf(character: string): string {
  let low = 0;
  let high = LETTERS_AND_DIGITS.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const letter = LETTERS_AND_DIGITS[middle] ?? '';
    const order = compare(character, letter);
    if (order === 0) return letter;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return character;
}

let collator: Intl.Collator | undefined;

/** Compares as a collation of a database that ignores accents and letter case. */
function compare(one: string, other: string): number {
  // Made when it is first needed: it takes 10 milliseconds.
  collator ??= new Intl.Collator('en', { sensitivity: 'base' });
  return collator.compare(one, other);
}
