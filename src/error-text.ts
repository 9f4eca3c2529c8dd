/**
 * The text of an error for a log.
 * Promise: the text holds the name, the message and the stack of the error, and no other property;
 * for an AggregateError also the messages of its errors. Databases put the row that they refused
 * into a property, and a cause may hold a request with its password.
 */
import { isAuthError, reasonOf } from './errors.ts';
import { describe, isError, isErrorNamed } from './values.ts';

/**
 * Describes an error for a log. It never throws, whatever `error` is.
 * @param error an error, or a refusal whose cause is then described instead
 */
export function textOfError(error: unknown): string {
  try {
    const reason = isAuthError(error) && error.cause !== undefined ? error.cause : error;
    // A thrown value that is not an error may be a secret, so only its kind is shown.
    if (!isError(reason)) return `${describe(reason)} was thrown in place of an error`;
    const { stack, name, message } = reason;
    const text = typeof stack === 'string' && stack !== '' ? stack : `${name}: ${message}`;
    return isErrorNamed(reason, 'AggregateError') ? `${text}\n${reasonOf(reason)}` : text;
  } catch {
    return 'an error was thrown that cannot be read';
  }
}
