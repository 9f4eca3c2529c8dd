/** Errors of the system, as Node makes them. */

/** @param code such as EIO @param syscall the call that failed, such as fsync */
export function systemError(code: string, syscall: string): Error {
  const error = new Error(`${code}: made by the test, ${syscall}`);
  return Object.assign(error, { code, syscall });
}
