/**
 * Reads the value of a Content-Type header (RFC 9110 §8.3.1).
 * Promise: the grammar is exactly that of the RFC, with spaces and tabs around it. The time is
 * linear in the length of the value, because alternatives begin with different characters.
 */

/** A media type, in lower case except for the values of its parameters. */
interface MediaType {
  /** Type and subtype, such as `application/json`. */
  readonly name: string;
  /** Names and values in their order. Quotes and backslashes are removed from quoted values. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

/** §5.6.2. */
const TOKEN = String.raw`[\w!#$%&'*+.^\x60|~-]+`;

/** What may stand between the quotes of a quoted string (§5.6.4). */
const QUOTED_TEXT = String.raw`(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*`;

/** With the white space around it. */
const TYPE_AND_SUBTYPE = new RegExp(String.raw`[ \t]*(${TOKEN}/${TOKEN})[ \t]*`, 'y');

/**
 * §5.6.6: a semicolon and a parameter, which may be missing. Captures the name, and the value as a
 * token or without the quotes of a quoted string.
 */
const PARAMETER = new RegExp(
  String.raw`;[ \t]*(?:(${TOKEN})=(?:(${TOKEN})|"(${QUOTED_TEXT})")[ \t]*)?`,
  'y',
);

const QUOTED_PAIR = /\\(.)/g;

/** @returns the media type, or undefined if the value does not match the grammar */
export function parseMediaType(value: string): MediaType | undefined {
  TYPE_AND_SUBTYPE.lastIndex = 0;
  const [, name] = TYPE_AND_SUBTYPE.exec(value) ?? [];
  if (name === undefined) return undefined;
  const parameters: [string, string][] = [];
  let position = TYPE_AND_SUBTYPE.lastIndex;
  while (position < value.length) {
    PARAMETER.lastIndex = position;
    const match = PARAMETER.exec(value);
    if (match === null) return undefined;
    const [, parameter, token, quoted = ''] = match;
    if (parameter !== undefined) {
      parameters.push([parameter.toLowerCase(), token ?? quoted.replace(QUOTED_PAIR, '$1')]);
    }
    position = PARAMETER.lastIndex;
  }
  return { name: name.toLowerCase(), parameters };
}
