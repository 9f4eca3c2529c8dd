/**
 * The path of a route: plain segments, and parameters such as `:id` in `/users/:id`. There are no
 * patterns, so that a reader of the routes can say which of them answers a request.
 */
import { isRegExp } from 'node:util/types';
import { matching, type Check } from '../options.ts';

/**
 * The names of the parameters of a path: `'id'` for `/users/:id`. It is `string` if the path has no
 * parameter, or is not known to the compiler.
 */
export type ParameterName<Path extends string> = [NamesIn<Path>] extends [never]
  ? string
  : NamesIn<Path>;

type NamesIn<Path extends string> = string extends Path
  ? string
  : Path extends `${infer First}/${infer Rest}`
    ? NamesIn<First> | NamesIn<Rest>
    : Path extends `:${infer Name}`
      ? Name
      : never;

const pathBeginning: Check = matching('a path that begins with "/"', /^\//);
/** A request target has no other characters (RFC 3986 §3.3). */
const pathCharacters: Check = matching(
  'a path without a query, a fragment or a space, in ASCII as encodeURI returns it',
  /^[!"$->@-~]*$/,
);

const characterCheck: Check = (name, value) => {
  pathBeginning(name, value);
  pathCharacters(name, value);
};

const PARAMETER = /^:([A-Za-z_]\w*)$/;

const CHECK_IN_HANDLER = 'write ":name", and check request.params in the handler';
const ONE_SEGMENT = 'write ":name" for any one segment, and a route for each number of segments';
const OPTIONAL_PART = 'write one route with the optional part, and one without it';
const WHOLE_SEGMENT =
  'write ":name" for the whole segment, with a name of letters, digits and "_" that does not ' +
  'begin with a digit, and split the value in the handler';

/** What other routers read as a pattern, and what to write in its place. The first one counts. */
const PATTERNS: readonly (readonly [characters: string, replacement: string])[] = [
  ['(', CHECK_IN_HANDLER],
  ['*', ONE_SEGMENT],
  ['+', ONE_SEGMENT],
  ['{', OPTIONAL_PART],
  ['?', `${OPTIONAL_PART}; the handler finds a query in request.query`],
  ['<', 'write ":name"'],
  ['[...', ONE_SEGMENT],
  ['[', 'write ":name" for the whole segment'],
  ['/$', 'write ":name" for the whole segment'],
  ['|', 'write one route for each of the alternatives'],
];

/**
 * The check of the path of a route.
 * @throws TypeError that says what to write in place of a pattern
 */
export const pathCheck: Check = (name, value) => {
  if (isRegExp(value)) refusePattern(name, 'a regular expression', CHECK_IN_HANDLER);
  if (typeof value === 'string') {
    const pattern = PATTERNS.find(([characters]) => value.includes(characters));
    if (pattern !== undefined) refusePattern(name, `a pattern with "${pattern[0]}"`, pattern[1]);
  }
  characterCheck(name, value);
  const segments = String(value).split('/');
  const isMisplaced = segments.some((text) => text.includes(':') && !PARAMETER.test(text));
  if (isMisplaced) refusePattern(name, 'a pattern with ":"', WHOLE_SEGMENT);
  const names = segments.filter((text) => PARAMETER.test(text));
  if (new Set(names).size < names.length) {
    throw new TypeError(`"${name}" expected a different name for each parameter, got one twice`);
  }
};

/** The check of a path that a client can use as it is written: it has no parameters either. */
export const plainPathCheck: Check = (name, value) => {
  if (typeof value === 'string') {
    const all = [...PATTERNS.map(([characters]) => characters), ':'];
    const found = all.find((characters) => value.includes(characters));
    if (found !== undefined) {
      const expected = 'a path of plain segments such as "/auth"';
      throw new TypeError(`"${name}" expected ${expected}, got one with "${found}"`);
    }
  }
  characterCheck(name, value);
};

/** @returns the name of the parameter that a segment of a checked path is, or undefined */
export function parameterIn(segment: string): string | undefined {
  return PARAMETER.exec(segment)?.[1];
}

function refusePattern(name: string, pattern: string, replacement: string): never {
  const expected = 'a path of plain segments and of parameters such as ":name"';
  throw new TypeError(`"${name}" expected ${expected}, got ${pattern}: ${replacement}`);
}
