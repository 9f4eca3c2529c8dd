/**
 * Reading and checking options and other values of the calling program. A mistake of the program is
 * a TypeError (the wrong kind of value) or a RangeError (the right kind, out of bounds), in one
 * grammar: `"leewaySeconds" expected a finite number of at least 0, got NaN`.
 * Promise: no message repeats a string, since it could be a token, a password or a key. Names of
 * options and claims are the only exception.
 */

/** Throws a TypeError or RangeError if the value of the named option is not acceptable. */
export type Check = (name: string, value: unknown) => void;

/** A check for each member of an options object. */
export type Checks<Options> = { readonly [Name in keyof Options]-?: Check };

/**
 * Reads an options object once: its own members and nothing inherited. A member that is undefined
 * counts as absent.
 * @param required members that must be there; their checks refuse undefined
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
  // A Map, a promise or the like would pass for an object without options.
  if (!isObject(options) || Object.prototype.toString.call(options) !== '[object Object]') {
    throw new TypeError(`"options" expected an object, got ${describe(options)}`);
  }
  const own: T = Object.assign(Object.create(null), options);
  for (const name of Object.keys(own) as (keyof T & string)[]) {
    if (!Object.hasOwn(checks, name)) {
      const known = Object.keys(checks).join(', ');
      throw new TypeError(`"${name}" expected one of ${known}, got an unknown option`);
    }
    if (own[name] === undefined) delete own[name];
    else checks[name](name, own[name]);
  }
  for (const name of required) checks[name](name, own[name]);
  return own;
}

/** @returns the members of `options` that `checks` names, for a class that takes only these */
export function pickOptions<T extends object>(options: T, checks: Checks<T>): T {
  const picked = Object.entries(options).filter(([name]) => Object.hasOwn(checks, name));
  return Object.fromEntries(picked) as T;
}

/**
 * Makes a check.
 * @param expected what the message says was expected
 * @param type values of this type that fail get a RangeError, and all others a TypeError
 */
export function expecting(
  expected: string,
  isExpected: (value: unknown) => boolean,
  type?: 'number',
): Check {
  return (name, value) => {
    if (isExpected(value)) return;
    const text = `"${name}" expected ${expected}, got ${describe(value)}`;
    throw typeof value === type ? new RangeError(text) : new TypeError(text);
  };
}

const isText = (value: unknown) => typeof value === 'string' && value !== '';
const isAmount = (value: unknown) => Number.isFinite(value) && Number(value) >= 0;

export const nonEmptyString: Check = expecting('a string that is not empty', isText);

export const aFunction: Check = expecting('a function', (value) => typeof value === 'function');

export const nonNegativeNumber: Check = expecting(
  'a finite number of at least 0',
  isAmount,
  'number',
);

/** 9999-12-31T23:59:59Z. A later time is a mistake, most often in milliseconds. */
const MAX_TIME_SECONDS = 253_402_300_799;

/** A time that the program writes into a token or reads from its clock. */
export const timeInSeconds: Check = (name, value) => {
  const isNumber = typeof value === 'number';
  if (isNumber && value <= MAX_TIME_SECONDS) return;
  const isMilliseconds = isNumber && value / 1000 <= MAX_TIME_SECONDS;
  const hint = isMilliseconds ? ', which looks like milliseconds' : '';
  const expected = `seconds since 1970, up to ${MAX_TIME_SECONDS} (the year 9999)`;
  const text = `"${name}" expected ${expected}, got ${describe(value)}${hint}`;
  throw isNumber ? new RangeError(text) : new TypeError(text);
};

/** A time that a clock returned: as above, and at least 0. */
export const clockTime: Check = (name, value) => {
  nonNegativeNumber(name, value);
  timeInSeconds(name, value);
};

/**
 * With NaN from the clock every token would pass. With milliseconds every token would have expired.
 * @param now a clock in seconds since 1970
 * @returns the same clock, which throws as {@link clockTime} does instead
 */
export function checkedClock(now: () => number): () => number {
  return () => {
    const seconds = now();
    clockTime('now', seconds);
    return seconds;
  };
}

export function integerBetween(min: number, max: number): Check {
  const isWithin = (value: unknown) =>
    Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max;
  return expecting(`a whole number from ${min} to ${max}`, isWithin, 'number');
}

export function matching(expected: string, pattern: RegExp): Check {
  return expecting(expected, (value) => typeof value === 'string' && pattern.test(value));
}

/** A list of at least `min` strings, none of them empty. */
export function listOfStrings(min: number): Check {
  const isList = (value: unknown) =>
    Array.isArray(value) && value.length >= min && [...value].every(isText);
  return expecting('a list of strings that are not empty', isList);
}

/** A string, or a list of at least one string; none of them empty. */
export const stringOrList: Check = (name, value) => {
  const check = Array.isArray(value) ? listOfStrings(1) : nonEmptyString;
  check(name, value);
};

/** An object with these methods, which may be inherited. */
export function objectWith(...methods: readonly string[]): Check {
  const isMethodOf = (value: object) => (name: string) =>
    typeof Reflect.get(value, name) === 'function';
  const hasAll = (value: unknown) => isObject(value) && methods.every(isMethodOf(value));
  return expecting(`an object with the methods ${methods.join(', ')}`, hasAll);
}

/** A value that has none of these members itself, whatever their value. */
export function withoutMembers(...members: readonly string[]): Check {
  return (name, value) => {
    for (const member of members) {
      if (!Object.hasOwn(Object(value), member)) continue;
      throw new TypeError(`"${name}" expected no member "${member}", got one`);
    }
  };
}

/** @returns whether a value is an object in the sense of JSON, so not an array */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @returns whether a value is an object of a literal, of any realm, or one without a prototype */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return true;
  // Object.prototype of `node:vm` or Jest.
  const isRoot = isObject(prototype) && Object.getPrototypeOf(prototype) === null;
  return isRoot && Object.hasOwn(prototype, 'isPrototypeOf');
}

/** @returns whether a value is an array of any realm, and not an instance of a subclass */
function isPlainArray(value: unknown): value is unknown[] {
  // Array.prototype is an array too, in every realm. The prototype of a subclass is not.
  return Array.isArray(value) && Array.isArray(Object.getPrototypeOf(value));
}

/** Types of the language. A program may give its objects any other tag, so no other is repeated. */
const KNOWN_TAG =
  /^(?:Date|Map|Set|RegExp|Error|String|Number|Boolean|ArrayBuffer|(?:Uint|Int|Float)\w+Array)$/;

/**
 * Describes a value for a message. Strings, bytes and objects may be secret: only their type is
 * named.
 */
export function describe(value: unknown): string {
  const isHarmless = ['undefined', 'boolean', 'number'].includes(typeof value);
  if (value === null || isHarmless) return String(value);
  if (value === '') return 'an empty string';
  if (typeof value !== 'object') return `a ${typeof value}`;
  try {
    if (isPlainArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
    if (isPlainObject(value)) return 'an object';
    // A query of Knex, Mongoose or Prisma has to be awaited too.
    if ('then' in value) return 'a promise: is an "await" missing?';
    const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
    return KNOWN_TAG.test(tag) ? `an object of type ${tag}` : 'an instance of a class';
  } catch {
    // A Proxy may throw.
    return 'an object that cannot be read';
  }
}

/**
 * Copies a plain object or array. The value of each member is read once, so a caller that checks
 * the copy checks what it uses.
 * @returns the members, not yet checked; or the kind of any other value, for a message
 */
export function membersOf(value: unknown): Record<string, unknown> | string {
  try {
    const isArray = isPlainArray(value);
    if (!isArray && !isPlainObject(value)) return describe(value);
    const members: Record<string, unknown> = { ...value };
    const names = Object.keys(members);
    const owned = Reflect.ownKeys(value).length;
    const hidden = 'an object with a hidden or symbol member';
    if (!isArray) return owned === names.length ? members : hidden;
    // An array owns its `length` besides its elements.
    const isDense = names.every((name, index) => name === `${index}`);
    const isWhole = isDense && names.length === value.length && owned === names.length + 1;
    return isWhole ? Object.assign([], members) : 'an array with holes or further members';
  } catch {
    // The error of a getter or a Proxy may quote a claim, so it is not passed on.
    return 'an object that cannot be read';
  }
}

/**
 * A message about a claim. It shows at most 200 characters of the path, without control characters
 * and the like.
 */
export function messageAt(path: string, text: string): string {
  const place = path.slice(0, 200).replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '\ufffd');
  return `"${place}" expected ${text}`;
}

/**
 * Reads a member of an object from outside, such as a parsed body. Inherited members do not count:
 * a body may carry a `__proto__`.
 */
export function ownMember(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name);
}
