/**
 * Copies the claims and the header that a program passes to sign (JSON values: RFC 8259 §3).
 * Promise: each member is read once, and JSON.stringify writes the copy unchanged. A value that
 * JSON leaves out or rewrites is refused. A message names the place and the kind of a value; it
 * shows the value only if that is a number, a boolean, null or undefined.
 * Accepted: -0 is written as 0, which equals it.
 */
import { messageAt } from '../options.ts';
import { copyMembers, isObject } from '../values.ts';

/** Each member is a string, a finite number, a boolean, null, or an array or object of these. */
export type JsonObject = Record<string, unknown>;

/** Far more levels than claims need, and few enough for a JSON parser that recurses. */
const MAX_DEPTH = 100;

/**
 * @param option the name of `value` in messages. A member of the header is `header.kid`; a member
 *   of the claims is `sub`, without `claims.` before it.
 * @returns a copy of a plain object, which may be of another realm or without a prototype
 * @throws TypeError; RangeError for a number that is not finite, and for more than 100 levels
 */
export function copyObject(option: 'claims' | 'header', value: unknown): JsonObject {
  const copy = copyOf(option, value, 1);
  if (isObject(copy)) return copy;
  throw new TypeError(`"${option}" expected a plain object, got an array`);
}

/** @param depth the level of `value`; the claims and the header are level 1 */
function copyOf(path: string, value: unknown, depth: number): JsonObject {
  const copy = copyMembers(value);
  const expected = depth === 1 ? 'a plain object' : 'a JSON value';
  if (typeof copy === 'string') throw new TypeError(messageAt(path, `${expected}, got ${copy}`));
  for (const [name, member] of Object.entries(copy)) {
    if (typeof member === 'string' || Number.isFinite(member)) continue;
    if (typeof member === 'boolean' || member === null) continue;
    const step = Array.isArray(copy) ? `[${name}]` : `.${name}`;
    const place = depth === 1 && path === 'claims' ? name : path + step;
    if (typeof member === 'number') {
      throw new RangeError(messageAt(place, `a finite number, got ${member}`));
    }
    // An object that contains itself has no last level, so it is refused here too.
    if (depth === MAX_DEPTH) {
      throw new RangeError(messageAt(place, `at most ${MAX_DEPTH} levels, got more or a cycle`));
    }
    copy[name] = copyOf(place, member, depth + 1);
  }
  return copy;
}
