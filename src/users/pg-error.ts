/**
 * Removes secrets from the errors of a database client. A client puts all that it knows into an
 * error: the failing row with the password hash (`detail` of pg), the statement, its parameters.
 * Promise: the new error holds no scrypt hash, no sent value of 8 characters or more, and no
 * shorter sent value as a word of its own.
 */

/** A hash of ours or of Werkzeug, up to the next space or quotation mark: PHC contains commas. */
const STORED_HASHES = /(?:\$scrypt\$|scrypt:)[^\s"']*/gi;

/** A class name or an error code. */
const IDENTIFIER = /^\w{1,64}$/;

/** A letter or digit of any script, or an underscore. */
const WORD_CHARACTER = /[\p{L}\p{N}_]/u;

/** A shorter value is removed only as a whole word, so a user `e` leaves the message legible. */
const LONG_VALUE = 8;

/** A part of a message that must be removed. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * @param thrown what the client threw, which may be anything
 * @param values the parameters of the statement
 * @returns an error with the name, the code and the message of `thrown`, with a stack of its own,
 *   and nothing else. In the message `...` stands for each value.
 */
export function withoutValues(thrown: unknown, values: readonly string[]): Error {
  const message = messageOf(thrown);
  const hashes = Array.from(message.matchAll(STORED_HASHES), ({ index, 0: { length } }) => {
    return { start: index, end: index + length };
  });
  const sent = values.flatMap((value) => spansOf(value, message));
  const error = new Error(without([...hashes, ...sent], message));
  const { name, code } = Object(thrown) as Readonly<Record<'name' | 'code', unknown>>;
  if (isIdentifier(name) && name !== 'Error') error.name = name;
  // PostgreSQL tells the kind of an error by a code, such as 42P01 for an undefined table.
  return isIdentifier(code) ? Object.assign(error, { code }) : error;
}

function isIdentifier(value: unknown): value is string {
  return typeof value === 'string' && IDENTIFIER.test(value);
}

function messageOf(thrown: unknown): string {
  const { message, errors } = Object(thrown) as Readonly<Record<'message' | 'errors', unknown>>;
  // A host with several addresses has an error for each, in an AggregateError without a message.
  if (message === '' && Array.isArray(errors)) return errors.map(messageOf).join(', ');
  return typeof message === 'string' ? message : 'the client threw what is not an Error';
}

/** @returns where a value stands in a message */
function spansOf(value: string, message: string): Span[] {
  const spans: Span[] = [];
  let start = value === '' ? -1 : message.indexOf(value);
  while (start !== -1) {
    const end = start + value.length;
    const isPartOfWord = isWithinWord(message, start) || isWithinWord(message, end);
    if (value.length >= LONG_VALUE || !isPartOfWord) spans.push({ start, end });
    start = message.indexOf(value, start + 1);
  }
  return spans;
}

/** @returns whether the characters on both sides of a position belong to one word */
function isWithinWord(text: string, place: number): boolean {
  return WORD_CHARACTER.test(text.charAt(place - 1)) && WORD_CHARACTER.test(text.charAt(place));
}

/** @returns the text with `...` for each span; spans that touch or overlap share one */
function without(spans: readonly Span[], text: string): string {
  let told = '';
  let place = 0;
  for (const { start, end } of spans.toSorted((one, other) => one.start - other.start)) {
    if (told === '' || start > place) told += `${text.slice(place, start)}...`;
    place = Math.max(place, end);
  }
  return told + text.slice(place);
}
