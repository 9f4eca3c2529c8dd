/** Errors of the file system: which one it is, and how to explain it to an operator. */
import { isError, propertyOf } from '../values.ts';

/** The path has no file: ENOTDIR if a file took the place of its folder, ESTALE on NFS. */
export const NO_FILE_CODES: readonly string[] = ['ENOENT', 'ENOTDIR', 'ESTALE'];

/** @returns whether a thrown value is an error of the system with one of these codes */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return isError(error) && 'code' in error && codes.includes(String(error.code));
}

/**
 * Makes a handler for `catch`, which returns undefined for an error with one of these codes and
 * throws every other error.
 */
export function ignore(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (!hasCode(error, ...codes)) throw error;
  };
}

/** A handler for `catch` where a failure does not matter, or is reported elsewhere. */
export function ignoreFailure(): undefined {
  return undefined;
}

/**
 * Explains an error.
 * @returns an error with this message, with `error` as its cause, and with the `code` that `error`
 *   has, such as EIO
 */
export function wrapError(
  message: string,
  error: unknown,
  Kind: new (message: string, options: ErrorOptions) => Error = Error,
): Error {
  const wrapped = new Kind(message, { cause: error });
  const code = propertyOf(error, 'code');
  return code === undefined ? wrapped : Object.assign(wrapped, { code });
}

/** @returns whether this is an error of the system that `wrapError` has not explained */
export function isUnexplained(error: Error): boolean {
  return 'code' in error && error.cause === undefined;
}
