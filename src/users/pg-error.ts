/**
 * What may be told of an error of a database client. A client puts whatever it knows into an error:
 * the failing row, with the hash of the password (`detail` of pg), the statement, its parameters.
 * Promise: what comes back holds no hash of ours or of Werkzeug, no value of 8 characters or more
 * that was sent, and no shorter one as a word of its own.
 */

/** A hash, up to the next space or quotation mark: PHC has commas in it. */
const STORED_HASHES = /(?:\$scrypt\$|scrypt:)[^\s"']*/gi;

/** The name of a class or the code of an error. */
const IDENTIFIER = /^\w{1,64}$/;

/** A letter or digit of any script, or an underscore. */
const WORD_CHARACTER = /[\p{L}\p{N}_]/u;

/** A shorter value is taken out only as a whole word: a user `e` leaves the message legible. */
const LONG_VALUE = 8;

/** From where to where a text is not to be told. */
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
  // PostgreSQL names the kind of an error by a code, such as 42P01 for a table that is not there.
  return isIdentifier(code) ? Object.assign(error, { code }) : error;
}

function isIdentifier(value: unknown): value is string {
  return typeof value === 'string' && IDENTIFIER.test(value);
}

function messageOf(thrown: unknown): string {
  const { message, errors } = Object(thrown) as Readonly<Record<'message' | 'errors', unknown>>;
  // A host with several addresses has an error for each. That of all of them has no message.
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

/** @returns whether the characters on both sides of a place belong to one word */
function isWithinWord(text: string, place: number): boolean {
  return WORD_CHARACTER.test(text.charAt(place - 1)) && WORD_CHARACTER.test(text.charAt(place));
}

/** @returns the text with `...` in place of each span, and one for spans that touch or overlap */
function without(spans: readonly Span[], text: string): string {
  let told = '';
  let place = 0;
  for (const { start, end } of spans.toSorted((one, other) => one.start - other.start)) {
    if (told === '' || start > place) told += `${text.slice(place, start)}...`;
    place = Math.max(place, end);
  }
  return told + text.slice(place);
}
