/** Errors of the file system: which one it is, and how to explain it to an operator. */
import { isError, propertyOf } from '../values.ts';

/** The path has no file: ENOTDIR if a file took the place of its folder, ESTALE on NFS. */
export const NO_FILE_CODES: readonly string[] = ['ENOENT', 'ENOTDIR', 'ESTALE'];

/** The file system does not have the call. Linux and macOS number ENOTSUP differently. */
const NO_CALL_CODES: readonly string[] = ['EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

/**
 * The file system has no owners, modes or times of its own, or does not let this process set them.
 */
export const NOT_SETTABLE_CODES: readonly string[] = [...NO_CALL_CODES, 'EPERM', 'EACCES'];

/** The file system cannot sync a folder, or on Windows not even open one. */
export const NO_FOLDER_SYNC_CODES: readonly string[] = [
  ...NO_CALL_CODES,
  'EBADF',
  'EISDIR',
  'EPERM',
];

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

/** What an operator can do about the file, by the code of the error. */
const REMEDIES: ReadonlyMap<string, string> = new Map<string, string>([
  ['EACCES', 'let the user of this process read and write this file and its folder'],
  ['EPERM', 'make sure that no attribute (lsattr) and no sandbox protects it'],
  ['EROFS', 'mount its file system for writing'],
  ['ENOSPC', 'free disk space or inodes'],
  ['EDQUOT', 'free disk space or raise the disk quota'],
  ['EFBIG', 'raise the limit on file sizes (ulimit -f)'],
  ['EISDIR', 'name a file in that folder'],
  ['ENXIO', 'name a file: this path is a socket or a device'],
  ['ENOENT', 'fix or remove the symbolic link on this path, or create the folder that it names'],
  ['ELOOP', 'fix the symbolic links on this path, which lead in a circle'],
  ['ENAMETOOLONG', 'shorten its name (latchkey makes a file with a longer name beside it)'],
  ['EBUSY', 'stop the program that has it open'],
  ['ESTALE', 'mount its network share again'],
  ...['ETIMEDOUT', 'EHOSTDOWN', 'EHOSTUNREACH', 'ENOTCONN', 'ENODEV', 'EXDEV'].map((code) => {
    return [code, 'check the mount'] as const;
  }),
  ['EIO', 'check the disk and the log of the system'],
]);

/** What an operator can do about a limit of the system. In another folder it would be the same. */
const LIMIT_REMEDIES: ReadonlyMap<string, string> = new Map([
  ['EMFILE', 'raise the limit on open files of this process (ulimit -n)'],
  ['ENFILE', 'raise the limit on open files of the system (sysctl fs.file-max)'],
  ['ENOMEM', 'free memory'],
]);

/**
 * @param elsewhere another way out, such as "use another folder", for an error that has to do with
 *   the place of the file
 * @returns what an operator can do about an error: a phrase that completes "<message>: "
 */
export function remedyOf(error: unknown, elsewhere: string): string {
  const limitRemedy = limitRemedyOf(error);
  if (limitRemedy !== undefined) return limitRemedy;
  // The file in the way may be a device such as /dev/null, which must not be renamed.
  if (hasCode(error, 'ENOTDIR')) return `this path needs a folder where a file is: ${elsewhere}`;
  if (hasCode(error, 'ENOENT') && propertyOf(error, 'syscall') === 'mkdir') {
    return `the system lets no process create a folder there: ${elsewhere}`;
  }
  if (hasCode(error, ...NO_CALL_CODES)) {
    const isSync = ['fsync', 'fdatasync'].includes(String(propertyOf(error, 'syscall')));
    const lack = isSync
      ? 'this file system cannot sync a file, so a power cut could undo any write'
      : 'this file system lacks this call, or does not accept the name';
    return `${lack}: ${elsewhere}`;
  }
  const remedy = REMEDIES.get(String(propertyOf(error, 'code'))) ?? 'fix that';
  return `${remedy}, or ${elsewhere}`;
}

/** @returns what an operator can do about a limit; undefined if the error has another reason */
export function limitRemedyOf(error: unknown): string | undefined {
  return LIMIT_REMEDIES.get(String(propertyOf(error, 'code')));
}

/** @returns whether this is an error of the system that `wrapError` has not explained */
export function isUnexplained(error: Error): boolean {
  return 'code' in error && error.cause === undefined;
}
