/**
 * Reading and checking options and other arguments of the calling program. A mistake of the program
 * is a TypeError (the wrong kind of value) or a RangeError (the right kind, out of bounds), in one
 * grammar: `"leewaySeconds" expected a finite number of at least 0, got NaN`.
 * Promise: no message repeats a string, since it could be a token, a password or a key. Exceptions:
 * names of options, claims and fields, and paths of files.
 */
import { mostSimilar } from './similar-name.ts';
import { describe, isObject } from './values.ts';

/** Throws a TypeError or RangeError if the value of the named option is not acceptable. */
export type Check = (name: string, value: unknown) => void;

/** A check for each member of an options object. */
export type Checks<Options> = { readonly [Name in keyof Options]-?: Check };

/**
 * Reads an options object once: its own members and nothing inherited. A member that is undefined
 * counts as absent.
 * @param required members that must be present; their checks must refuse undefined
 * @returns a copy without a prototype
 * @throws TypeError for a value that is not an object of members, such as a Map
 * @throws TypeError for a member that `checks` does not name
 * @throws TypeError or RangeError for a member that fails its check, or is required and absent
 */
export function readOptions<T extends object>(
  options: T,
  checks: Checks<T>,
  required: (keyof T & string)[] = [],
): T {
  // Without the check of the tag, a Map or a promise would pass for an object without options.
  if (!isObject(options) || Object.prototype.toString.call(options) !== '[object Object]') {
    throw new TypeError(`"options" expected an object, got ${describe(options)}`);
  }
  const own: T = Object.assign(Object.create(null), options);
  for (const name of Object.keys(own) as (keyof T & string)[]) {
    if (!Object.hasOwn(checks, name)) throw unknownOption(name, Object.keys(checks));
    if (own[name] === undefined) delete own[name];
    else checks[name](name, own[name]);
  }
  for (const name of required) checks[name](name, own[name]);
  return own;
}

/** Names one option if it can, because a list of all of them would hide the one that was meant. */
function unknownOption(name: string, known: readonly string[]): TypeError {
  const meant = mostSimilar(name, known);
  const expected = meant === undefined ? `one of ${known.join(', ')}` : 'the name of an option';
  const hint = meant === undefined ? '' : `: did you mean "${meant}"?`;
  return new TypeError(`"${name}" expected ${expected}, got an unknown option${hint}`);
}

/** @returns the members of `options` that `checks` names, for a class that accepts only these */
export function pickOptions<T extends object>(options: T, checks: Checks<T>): T {
  const picked = Object.entries(options).filter(([name]) => Object.hasOwn(checks, name));
  return Object.fromEntries(picked) as T;
}

/**
 * Makes a check.
 * @param expected what the message says was expected
 * @param boundedType a value of this type that fails is out of bounds and gets a RangeError; any
 *   other value that fails gets a TypeError
 */
export function expecting(
  expected: string,
  isExpected: (value: unknown) => boolean,
  boundedType?: 'number',
): Check {
  return (name, value) => {
    if (isExpected(value)) return;
    // Environment variables are strings.
    const isText = boundedType === 'number' && typeof value === 'string' && value !== '';
    const hint = isText ? ': is "Number(...)" missing?' : '';
    const text = `"${name}" expected ${expected}, got ${describe(value)}${hint}`;
    throw typeof value === boundedType ? new RangeError(text) : new TypeError(text);
  };
}

export const aString: Check = expecting('a string', (value) => typeof value === 'string');

const isNonEmptyString = (value: unknown) => typeof value === 'string' && value !== '';
const isNonNegative = (value: unknown) => Number.isFinite(value) && Number(value) >= 0;

export const nonEmptyString: Check = expecting('a string that is not empty', isNonEmptyString);

export const aFunction: Check = expecting('a function', (value) => typeof value === 'function');

export const nonNegativeNumber: Check = expecting(
  'a finite number of at least 0',
  isNonNegative,
  'number',
);

/** 9999-12-31T23:59:59Z. A later time is a mistake, most often in milliseconds. */
export const MAX_TIME_SECONDS = 253_402_300_799;

/** The times of a token, for a program that does not set them. */
export const DEFAULT_TOKEN_TIMES = {
  lifetimeSeconds: 300,
  notBeforeSeconds: 0,
  leewaySeconds: 10,
} as const;

/** The option whose seconds `sign` adds to the time now, if the program does not pass the claim. */
const OPTION_OF_TIME: ReadonlyMap<string, string> = new Map([
  ['nbf', 'notBeforeSeconds'],
  ['exp', 'lifetimeSeconds'],
]);

/**
 * Checks a time that sign writes into a token.
 * @param claims those that the program passed. An `nbf` or `exp` that is not among them comes from
 *   an option, which the message then names.
 */
export function checkTimeClaim(name: string, value: unknown, claims: object): void {
  // Most times are good, and sign is faster if no message is prepared for them.
  if (isTime(value)) return;
  const option = Object.hasOwn(claims, name) ? undefined : OPTION_OF_TIME.get(name);
  checkTime(name, value, option === undefined ? undefined : `, which is now plus "${option}"`);
}

const isTime = (value: unknown) => typeof value === 'number' && value <= MAX_TIME_SECONDS;

/** @param note ends the message, in place of the hint at milliseconds */
function checkTime(name: string, value: unknown, note?: string): void {
  if (isTime(value)) return;
  const isNumber = typeof value === 'number';
  const looksLikeMilliseconds = isNumber && value / 1000 <= MAX_TIME_SECONDS;
  const hint = looksLikeMilliseconds ? ', which looks like milliseconds' : '';
  const expected = `seconds since 1970, up to ${MAX_TIME_SECONDS} (the year 9999)`;
  const text = `"${name}" expected ${expected}, got ${describe(value)}${note ?? hint}`;
  throw isNumber ? new RangeError(text) : new TypeError(text);
}

/** A time that a clock returned: seconds since 1970, at least 0, up to the year 9999. */
const clockTime: Check = (name, value) => {
  nonNegativeNumber(name, value);
  checkTime(name, value);
};

const systemClock = () => Date.now() / 1000;

/**
 * Wraps a clock of the calling program. With NaN from the clock every token would pass. With
 * milliseconds every token would have expired.
 * @param now a clock in seconds since 1970; default: the system's clock
 * @returns the checked clock. It throws a TypeError or RangeError if `now` returns anything but a
 *   finite number from 0 to the year 9999.
 */
export function checkedClock(now: () => number = systemClock): () => number {
  return () => {
    const seconds = now();
    clockTime('now', seconds);
    return seconds;
  };
}

export const trueOrFalse: Check = expecting('true or false', (value) => typeof value === 'boolean');

/** @param meaning what the number is, for a name that does not say it */
export function integerBetween(min: number, max: number, meaning = ''): Check {
  const isWithin = (value: unknown) =>
    Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max;
  return expecting(`a whole number from ${min} to ${max}${meaning}`, isWithin, 'number');
}

export function matching(expected: string, pattern: RegExp): Check {
  return expecting(expected, (value) => typeof value === 'string' && pattern.test(value));
}

// The copy has undefined where the list has a hole, which `every` would skip.
const isListOfStrings = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && [...value].every(isNonEmptyString);

/** A list, which may be empty, of strings that are not empty. */
export const listOfStrings: Check = expecting(
  'a list of strings that are not empty',
  isListOfStrings,
);

/** A string, or a list of at least one string; none of them empty. */
export const stringOrList: Check = expecting(
  'a string or a list of strings, none of them empty',
  (value) => isNonEmptyString(value) || (isListOfStrings(value) && value.length > 0),
);

/** An object with these methods, which may be inherited. */
export function objectWith(...methods: readonly string[]): Check {
  const hasAll = (value: unknown) =>
    isObject(value) && methods.every((name) => typeof value[name] === 'function');
  return expecting(`an object with the methods ${methods.join(', ')}`, hasAll);
}

/** Refuses a value that has one of these as an own member, even one that is undefined. */
export function withoutMembers(...members: readonly string[]): Check {
  return (name, value) => {
    for (const member of members) {
      if (!Object.hasOwn(Object(value), member)) continue;
      throw new TypeError(`"${name}" expected no member "${member}", got one`);
    }
  };
}

/**
 * A message in the grammar above about a member deep inside an argument. The names in its path may
 * hold any characters, so the message shows at most 200 of them, and U+FFFD for control and format
 * characters.
 * @param path such as `user.tags[2]`
 * @param text what was expected, and what was passed
 */
export function messageAt(path: string, text: string): string {
  const place = path.slice(0, 200).replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '\ufffd');
  return `"${place}" expected ${text}`;
}
