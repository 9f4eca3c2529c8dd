/**
 * The secrets in a text: that of the secret file, of LATCHKEY_SECRET, or of a file for `inspect`.
 * Promise: a text that holds more than secrets, such as a comment or a name in front, is refused,
 * and not taken as a secret. No message repeats the text.
 */
import { keysOf } from '../../crypto/secret.ts';
import { reasonOf } from '../../errors.ts';
import { CommandError } from '../command-errors.ts';

const NEW_SECRET = '"latchkey secret" prints a new secret.';

/** U+FFFD stands for bytes that are not UTF-8. */
const NOT_TEXT = /[\ufffd\0]/;
/** Without a space after the `#` the line may be a secret. */
const COMMENT = /^#.* /;
const USER_FILE_START = '{"format":';
const BYTE_ORDER_MARK = /^\ufeff/;
/** ASCII in UTF-16, read as UTF-8: with a byte order mark, or little-endian without one. */
const UTF_16 = /^\ufffd\ufffd(?:\0.|.\0)|^[^\0]\0[^\0]\0/s;
/**
 * The start of `NAME=value`, `export name=value` and `my-secret: value`. Base64 has `=` only at its
 * end, so another character must follow. A random password hardly ever begins with four capitals
 * and `=`.
 */
const NAMES_BEFORE_VALUES: readonly RegExp[] = [
  /^[A-Z][A-Z0-9_]{3,} *= *[^\s=]/,
  /^export +\w+ *= *[^\s=]/,
  /^[\w.-]*secret[\w.-]* *[:=] *[^\s=]/i,
];
const IN_QUOTATION_MARKS = /^(["'`]).*\1$/;
/**
 * Two or more texts in base64, base64url or hex, each of which is long enough to be a secret. A
 * tool that makes such texts uses neither a comma nor a backslash.
 */
const SECRETS_ON_ONE_LINE = /^[\w+/=-]{32,}(?:(?:\\n|,)[\w+/=-]{32,})+$/;
/** The start of the messages of `keysOf`. The command names the source, and advises at the end. */
const SUBJECT = /^"secret" expected (?:the output of ".+?", or )?/;

/** Its message holds the remedy: the form of the text is wrong, and its secrets may be good. */
class FormError extends TypeError {}

/**
 * @param text one secret per line: the first signs and all verify, so that a secret can be rotated.
 *   Empty lines are skipped.
 * @param source the variable, the file or the flag that the text comes from, for messages
 * @param remedy a sentence: what the operator can do about a secret that `Jwt` refuses
 * @throws CommandError for a mistake in the text, such as a comment, and for a secret that `Jwt`
 *   refuses
 */
export function secretsIn(
  text: string,
  source: string,
  remedy: string = NEW_SECRET,
): readonly string[] {
  try {
    return checkedSecrets(text);
  } catch (error) {
    const reason = reasonOf(error).replace(SUBJECT, `${source} expected `);
    const message = error instanceof FormError ? reason : `${reason}. ${remedy}`;
    throw new CommandError(message, { cause: error });
  }
}

/** @throws TypeError or RangeError that names "secret" and does not repeat it */
function checkedSecrets(givenText: string): readonly string[] {
  const text = givenText.replace(BYTE_ORDER_MARK, '');
  if (UTF_16.test(text)) {
    throw new FormError('"secret" expected UTF-8, got UTF-16: save it as UTF-8');
  }
  // All bytes that are not UTF-8 become U+FFFD, and a power cut can leave NULs: such a key can be
  // guessed.
  if (NOT_TEXT.test(text)) {
    throw new TypeError('"secret" expected text in UTF-8 without NUL, got other bytes');
  }
  // Another system user who can write the folder can move the user file here. The first line of a
  // user file is known to everyone.
  if (text.startsWith(USER_FILE_START)) {
    throw new FormError('"secret" expected secrets, got a user file: name the secret file');
  }
  const secrets = text.split(/\r?\n/).filter((line) => line !== '');
  const isMistake = (line: string) => line !== line.trim() || COMMENT.test(line);
  if (secrets.some(isMistake)) {
    const expected = 'no comment, and no space at the ends of a line';
    throw new FormError(`"secret" expected ${expected}: remove them`);
  }
  if (secrets.length === 0) {
    throw new RangeError('"secret" expected at least 32 bytes, got an empty text');
  }
  // Throws for a weak secret or a key file. A PEM file is recognised only as a whole, so the whole
  // text is checked as one more secret.
  keysOf(text.trim());
  const [wrapping] = [text, ...secrets].flatMap((part) => wrappingOf(part) ?? []);
  if (wrapping !== undefined) {
    const expected = 'a line with nothing but the secret';
    throw new FormError(`"secret" expected ${expected}, got ${wrapping}: write the secret alone`);
  }
  if (secrets.some((line) => SECRETS_ON_ONE_LINE.test(line))) {
    const expected = 'one secret a line';
    const found = 'several that a comma or the characters \\n separate';
    throw new FormError(`"secret" expected ${expected}, got ${found}: use real line breaks`);
  }
  keysOf(secrets);
  return secrets;
}

/**
 * @param part a line, or the whole text
 * @returns what it has around the secret; undefined if it has nothing
 */
function wrappingOf(part: string): string | undefined {
  if (NAMES_BEFORE_VALUES.some((name) => name.test(part))) return 'a name in front of it';
  if (IN_QUOTATION_MARKS.test(part)) return 'quotation marks around it';
  return isJson(part) ? 'JSON' : undefined;
}

/** A number is not meant: digits may be a secret. */
function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object';
  } catch {
    return false;
  }
}
