/**
 * What a log may hold of an error. Promise: its name, its message and its stack, and no other
 * property. A database puts the row that it refused into one of them, and a cause may hold the
 * request with its password.
 */
import { AuthError, reasonOf } from './errors.ts';
import { describe } from './options.ts';

/**
 * @returns the text of an error, or of the cause of a refusal. It never throws, whatever was
 *   thrown.
 */
export function textOfError(error: unknown): string {
  try {
    const reason = error instanceof AuthError && error.cause !== undefined ? error.cause : error;
    // Any other value may be the secret itself.
    if (!(reason instanceof Error)) return `${describe(reason)} was thrown in place of an error`;
    const { stack, name, message } = reason;
    const text = typeof stack === 'string' && stack !== '' ? stack : `${name}: ${message}`;
    return reason instanceof AggregateError ? `${text}\n${reasonOf(reason)}` : text;
  } catch {
    return 'an error was thrown that cannot be read';
  }
}
