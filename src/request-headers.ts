/**
 * Reads a header of a request (RFC 9110 §5): of a message of node:http, of an object that a
 * serverless adapter, a test or another runtime has in its place, or of a Request of the Web.
 * Promise: several values of one header are all in the result, so two tokens never look like one.
 */
import { isObject } from './values.ts';

/** Headers by name, or an object like `Headers` of the Web standard. */
type HeadersByName =
  | Readonly<Record<string, string | readonly string[] | undefined>>
  | { get(name: string): string | null };

/** An object with the headers of a request. */
export interface MessageHeaders {
  readonly headers: HeadersByName;
  /** Names and values in turn, as node:http received them. */
  readonly rawHeaders?: readonly string[];
}

/** @returns whether a value has headers, in `headers` or in `rawHeaders` */
export function hasHeaders(value: unknown): value is MessageHeaders {
  return isObject(value) && (isObject(value['headers']) || Array.isArray(value['rawHeaders']));
}

/**
 * A header that was received several times is read from `rawHeaders`, because node:http drops all
 * but the first Authorization or Host from `headers`. Any other is read from `headers`, into which
 * an earlier middleware may have written. If one of the two is missing or empty, the other counts.
 * @param message an object; it need not have headers
 * @param name ignoring letter case
 * @returns the value, or undefined if there is none. Several values are joined by commas (RFC 9110
 *   §5.3), those of Cookie by semicolons (RFC 9113 §8.2.3).
 */
export function headerOf(message: Partial<MessageHeaders>, name: string): string | undefined {
  const wanted = name.toLowerCase();
  const separator = wanted === 'cookie' ? '; ' : ', ';
  const rawHeaders = message.rawHeaders ?? [];
  let received: string | undefined;
  let isRepeated = false;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (!isSameName(rawHeaders[index], wanted)) continue;
    const value = rawHeaders[index + 1];
    isRepeated = received !== undefined;
    received = isRepeated ? `${received}${separator}${value}` : value;
  }
  if (isRepeated) return received;
  const { headers }: { readonly headers?: unknown } = message;
  if (!isObject(headers)) return received;
  // node:http writes names in lower case, so most look-ups end here.
  if (rawHeaders.length > 0 && Object.hasOwn(headers, wanted)) {
    return headerText(headers[wanted], separator);
  }
  if (typeof headers['get'] === 'function') return headerText(headers['get'](wanted), separator);
  const names = Object.keys(headers);
  if (names.length === 0) return received;
  const values = names.filter((key) => isSameName(key, wanted)).map((key) => headers[key]);
  return headerText(values, separator);
}

function isSameName(name: string | undefined, wanted: string): boolean {
  // Most names differ in length, and comparing that is cheaper than lower-casing them.
  return name?.length === wanted.length && name.toLowerCase() === wanted;
}

/**
 * @param value a header in any form: a string, a number such as a Content-Length, or a list
 * @returns its text, or undefined if it has none
 */
export function headerText(value: unknown, separator = ', '): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (!Array.isArray(value)) return undefined;
  const texts = value.flatMap((single) => headerText(single, separator) ?? []);
  return texts.length === 0 ? undefined : texts.join(separator);
}
