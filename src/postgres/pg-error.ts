/**
 * Removes secrets from the errors of a database client. A client adds all that it knows to an
 * error: the failing row with the password hash (`detail` of pg), the statement, its parameters.
 * Promise: the message of the new error holds no scrypt hash, and no sent value of 8 characters or
 * more. It holds no shorter sent value that was a word of the original message. Its name and code
 * are copied only if they are words of letters, digits and underscores, up to 64 characters long.
 */
import { propertyOf } from '../values.ts';

/** A scrypt hash, in PHC form or of Werkzeug, up to the next space or quotation mark. */
const STORED_HASHES = /(?:\$scrypt\$|scrypt:)[^\s"']*/gi;

/** The form of a class name or an error code. */
const IDENTIFIER = /^\w{1,64}$/;

/** A letter or digit of the Basic Multilingual Plane, or an underscore. */
const WORD_CHARACTER = /[\p{L}\p{N}_]/u;

/**
 * The length from which a value is removed everywhere. A shorter value is removed only as a whole
 * word: otherwise a user `e` would make every message illegible.
 */
const LONG_VALUE_LENGTH = 8;

/** A part of a message that must be removed. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * @param thrown what the client threw, which may be anything
 * @param values the parameters of the statement
 * @returns an error with the name, the code and the message of `thrown`, and with a new stack. In
 *   the message `...` stands for each hash, and for each value that the promise names.
 */
export function withoutValues(thrown: unknown, values: readonly string[]): Error {
  const message = messageOf(thrown);
  const hashes = Array.from(message.matchAll(STORED_HASHES), (match) => {
    return { start: match.index, end: match.index + match[0].length };
  });
  const sent = values.flatMap((value) => spansOf(value, message));
  const error = new Error(redact(message, [...hashes, ...sent]));
  const name = propertyOf(thrown, 'name');
  if (isIdentifier(name) && name !== 'Error') error.name = name;
  // PostgreSQL names the kind of an error by a code, such as 42P01 for an undefined table.
  const code = propertyOf(thrown, 'code');
  return isIdentifier(code) ? Object.assign(error, { code }) : error;
}

function isIdentifier(value: unknown): value is string {
  return typeof value === 'string' && IDENTIFIER.test(value);
}

function messageOf(thrown: unknown): string {
  const message = propertyOf(thrown, 'message');
  const errors = propertyOf(thrown, 'errors');
  // For a host with several addresses, the client throws an AggregateError without a message. It
  // holds one error for each address.
  if (message === '' && Array.isArray(errors) && errors.length > 0) {
    return errors.map(messageOf).join(', ');
  }
  if (message === '') return 'the client threw an error without a message';
  // A database that is down causes no TypeError. Knex has a different method `query`, for example.
  if (propertyOf(thrown, 'name') === 'TypeError') {
    return `"client" failed with a TypeError: is it a client with query(text, values)? ${message}`;
  }
  return typeof message === 'string' ? message : 'the client threw a value that is not an Error';
}

/** @returns where a value must be removed from a message */
function spansOf(value: string, message: string): Span[] {
  if (value === '') return [];
  const spans: Span[] = [];
  let start = message.indexOf(value);
  while (start !== -1) {
    const end = start + value.length;
    const isPartOfWord = isWithinWord(message, start) || isWithinWord(message, end);
    if (value.length >= LONG_VALUE_LENGTH || !isPartOfWord) spans.push({ start, end });
    start = message.indexOf(value, start + 1);
  }
  return spans;
}

/** @returns whether the characters on both sides of a position belong to one word */
function isWithinWord(text: string, position: number): boolean {
  const before = text.charAt(position - 1);
  const after = text.charAt(position);
  return WORD_CHARACTER.test(before) && WORD_CHARACTER.test(after);
}

/** @returns the text with `...` in place of each span; spans that touch or overlap share one */
function redact(text: string, spans: readonly Span[]): string {
  let result = '';
  let position = 0;
  for (const { start, end } of spans.toSorted((one, other) => one.start - other.start)) {
    if (result === '' || start > position) result += `${text.slice(position, start)}...`;
    position = Math.max(position, end);
  }
  return result + text.slice(position);
}
