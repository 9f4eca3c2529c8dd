/**
 * What another realm or another copy of this package made: the modules that define AuthError and
 * Reply, loaded a second time, and values of a `node:vm` context.
 */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';

/** The tests may be compiled, and the sources with them. */
const ENDING = extname(fileURLToPath(import.meta.url));

/** Loads a file of `src` a second time. @param path below `src`, without its ending */
export const loadCopy = (path: string) =>
  import(new URL(`../../src/${path}${ENDING}?copy`, import.meta.url).href);

/** The AuthError of another copy. */
export const OtherAuthError: typeof import('../../src/errors.ts').AuthError = (
  await loadCopy('errors')
).AuthError;

/** The Reply of another copy. */
export const OtherReply: typeof import('../../src/http/reply.ts').Reply = (
  await loadCopy('http/reply')
).Reply;

/** @returns the value of an expression in a new realm */
export function fromOtherRealm<Value>(expression: string): Value {
  return runInNewContext(`(${expression})`);
}

/** Runs a function while a global is another one, as a polyfill or jsdom has it. */
export async function withGlobal<T>(
  name: 'AbortController' | 'Promise',
  value: unknown,
  run: () => Promise<T>,
): Promise<T> {
  const original = globalThis[name];
  Object.assign(globalThis, { [name]: value });
  try {
    return await run();
  } finally {
    Object.assign(globalThis, { [name]: original });
  }
}
