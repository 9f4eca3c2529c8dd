/**
 * What kind of value a program or a client passed, and which members it has.
 * Promise: a description never repeats a string, bytes or members, since they could be secret. The
 * kind of a value does not depend on the realm that made it, such as `node:vm`, Jest or a worker.
 */
import { isNativeError } from 'node:util/types';

/** @returns whether a value is an object in the sense of JSON, so not an array */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @returns whether a value is an object of a literal, of any realm, or one without a prototype */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (!isObject(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return true;
  // The Object.prototype of another realm, such as `node:vm` or Jest.
  const isRoot = isObject(prototype) && Object.getPrototypeOf(prototype) === null;
  return isRoot && Object.hasOwn(prototype, 'isPrototypeOf');
}

/** @returns whether a value is an array of any realm, and not an instance of a subclass */
function isPlainArray(value: unknown): value is unknown[] {
  // Array.prototype is an array too, in every realm. The prototype of a subclass is not.
  return Array.isArray(value) && Array.isArray(Object.getPrototypeOf(value));
}

/** @returns whether a value is an error of any realm. It never throws. */
export function isError(value: unknown): value is Error {
  try {
    if (isNativeError(value) || value instanceof Error) return true;
    // A DOMException of another realm, such as an AbortError, passes neither test.
    return Object.prototype.toString.call(value) === '[object DOMException]';
  } catch {
    // A Proxy may throw.
    return false;
  }
}

/**
 * Finds the class of an error by its name, because `instanceof` knows the classes of one realm and
 * of one copy of a package. It never throws.
 * @returns whether a value is an error of a class with this name, or of a subclass
 */
export function isErrorNamed(value: unknown, className: string): value is Error {
  if (!isError(value)) return false;
  try {
    for (let link: unknown = value; isObject(link); link = Object.getPrototypeOf(link)) {
      if (Object.hasOwn(link, 'name') && link['name'] === className) return true;
    }
  } catch {
    // A getter or a Proxy may throw.
  }
  return false;
}

/** Built-in types. A program may give its objects any other tag, so no other tag is repeated. */
const KNOWN_TAG =
  /^(?:Date|Map|Set|RegExp|Error|String|Number|Boolean|ArrayBuffer|(?:Uint|Int|Float)\w+Array)$/;

/**
 * @returns the kind of a value, for a message: `a string`, `an empty array`, `an object of type
 *   Date`. Only undefined, null, booleans and numbers are shown themselves.
 */
export function describe(value: unknown): string {
  const isHarmless = ['undefined', 'boolean', 'number'].includes(typeof value);
  if (value === null || isHarmless) return String(value);
  if (value === '') return 'an empty string';
  if (typeof value !== 'object') return `a ${typeof value}`;
  try {
    if (isPlainArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
    if (isPlainObject(value)) return 'an object';
    // A query of Knex, Mongoose or Prisma has a `then` too, and must be awaited like a promise.
    if ('then' in value) return 'a promise: is an "await" missing?';
    const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
    return KNOWN_TAG.test(tag) ? `an object of type ${tag}` : 'an instance of a class';
  } catch {
    // A Proxy may throw.
    return 'an object that cannot be read';
  }
}

/**
 * Copies a plain object or array, one level deep. Each member is read once, so a caller that checks
 * the copy checks the values that it will use.
 * @returns the copy, whose members are not checked; otherwise what the value is, as a text for a
 *   message
 */
export function copyMembers(value: unknown): Record<string, unknown> | string {
  try {
    const isArray = isPlainArray(value);
    if (!isArray && !isPlainObject(value)) return describe(value);
    const copy: Record<string, unknown> = { ...value };
    const names = Object.keys(copy);
    // Unlike `names`, this also counts hidden (not enumerable) and symbol members.
    const ownCount = Reflect.ownKeys(value).length;
    if (!isArray) {
      return ownCount === names.length ? copy : 'an object with a hidden or symbol member';
    }
    const isDense = names.every((name, index) => name === `${index}`);
    // The `length` of an array is an own member besides its elements.
    const isWhole = isDense && names.length === value.length && ownCount === names.length + 1;
    return isWhole ? Object.assign([], copy) : 'an array with holes or further members';
  } catch {
    // The error of a getter or a Proxy may quote a member, so it is not passed on.
    return 'an object that cannot be read';
  }
}

/**
 * Reads a member of a value from outside, such as a parsed body. Inherited members do not count, so
 * that a polluted prototype supplies none.
 */
export function ownMember(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** @returns a property of a thrown value, which may be anything, also undefined */
export function propertyOf(thrown: unknown, name: string): unknown {
  return (Object(thrown) as Readonly<Record<string, unknown>>)[name];
}
