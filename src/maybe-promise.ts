/**
 * Hooks, handlers and stores may return a value or a promise of it. The guard and the router use a
 * plain value synchronously: awaiting it would cost every request extra turns of the microtask
 * queue, and more where AsyncLocalStorage follows promises. Signups and logins await it, because a
 * hash takes far longer.
 */

/** A value, or any promise of it. */
export type MaybePromise<T> = T | PromiseLike<T>;

/**
 * Calls `next` with the value: synchronously for a plain value, later for a promise.
 * @returns what `next` returns; a native Promise of it if `value` or that result is a promise of
 *   any library
 * @throws what `next` throws for a plain value; for a promise the result rejects instead
 */
export function andThen<T, Result>(
  value: MaybePromise<T>,
  next: (value: T) => MaybePromise<Result>,
): Result | Promise<Result> {
  if (isPromiseLike(value)) return afterwards(value, next);
  const result = next(value);
  return isPromiseLike(result) ? afterwards(result, (settled) => settled) : result;
}

/**
 * @returns whether a value that `andThen` or an async function returned is a promise. The global
 *   `Promise` may be another class than theirs, such as that of a polyfill.
 */
export function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return isPromiseLike(value);
}

/** @returns whether a value that a hook or a store returned is a promise, of any library */
export function isPromiseLike<T>(value: MaybePromise<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

async function afterwards<T, Result>(
  value: PromiseLike<T>,
  next: (value: T) => MaybePromise<Result>,
): Promise<Result> {
  return next(await value);
}
