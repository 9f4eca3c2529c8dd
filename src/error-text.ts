/**
 * The text of an error for a log.
 * Promise: it holds the name, the message and the stack of the error, and no other property. A
 * database puts the row that it refused into a property, and a cause may hold the request with its
 * password.
 */
import { AuthError, reasonOf } from './errors.ts';
import { describe } from './options.ts';

/** @returns the text of an error, or of the cause of a refusal. It never throws. */
export function textOfError(error: unknown): string {
  try {
    const reason = error instanceof AuthError && error.cause !== undefined ? error.cause : error;
    // A value that is not an error may be the secret itself.
    if (!(reason instanceof Error)) return `${describe(reason)} was thrown in place of an error`;
    const { stack, name, message } = reason;
    const text = typeof stack === 'string' && stack !== '' ? stack : `${name}: ${message}`;
    return reason instanceof AggregateError ? `${text}\n${reasonOf(reason)}` : text;
  } catch {
    return 'an error was thrown that cannot be read';
  }
}
