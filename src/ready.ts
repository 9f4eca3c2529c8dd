/**
 * Values that may be there at once or come later, as those of hooks, handlers and stores. What is there is not awaited,
 * which would cost each request some turns of the microtask queue, and more where AsyncLocalStorage follows promises.
 */

/** A value, or any promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/** A value, or a Promise of JavaScript's own. */
export type Ready<T> = T | Promise<T>;

/** @returns the value itself, or a Promise of what it will be */
export function ready<T>(value: Awaitable<T>): Ready<T> {
  return isThere(value) ? value : later(value, (it) => it);
}

/** @returns what `next` makes of the value, at once where it is there */
export function goOn<T, Result>(value: Awaitable<T>, next: (value: T) => Awaitable<Result>): Ready<Result> {
  return isThere(value) ? ready(next(value)) : later(value, next);
}

function isThere<T>(value: Awaitable<T>): value is T {
  return typeof (value as { then?: unknown } | null | undefined)?.then !== 'function';
}

/** An await, which a promise with a `then` of its own cannot deceive. */
async function later<T, Result>(value: PromiseLike<T>, next: (value: T) => Awaitable<Result>): Promise<Result> {
  return next(await value);
}
