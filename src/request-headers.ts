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
  return isObject(value) && (Array.isArray(value['rawHeaders']) || isObject(value['headers']));
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
  const rawHeaders = message.rawHeaders ?? [];
  const { headers }: { readonly headers?: unknown } = message;
  const index = indexOfName(rawHeaders, wanted, 0);
  if (index === -1) return valueIn(headers, wanted);
  if (indexOfName(rawHeaders, wanted, index + 2) !== -1) return rawValues(rawHeaders, wanted);
  const received = rawHeaders[index + 1];
  // Most look-ups end here: node:http writes names in lower case, and few headers are changed.
  if (isObject(headers) && headers[wanted] === received) return received;
  return Object.keys(Object(headers)).length === 0 ? received : valueIn(headers, wanted);
}

/**
 * @param wanted a name in lower case
 * @returns how many headers of this name were received
 */
export function countOf(rawHeaders: readonly string[], wanted: string): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (isSameName(rawHeaders[index], wanted)) count += 1;
  }
  return count;
}

/** @returns the index of the next name that is `wanted`, or -1 */
function indexOfName(rawHeaders: readonly string[], wanted: string, start: number): number {
  for (let index = start; index < rawHeaders.length; index += 2) {
    if (isSameName(rawHeaders[index], wanted)) return index;
  }
  return -1;
}

function isSameName(name: string | undefined, wanted: string): boolean {
  // Most names differ in length, and comparing that is cheaper than lower-casing them.
  return name?.length === wanted.length && name.toLowerCase() === wanted;
}

function rawValues(rawHeaders: readonly string[], wanted: string): string | undefined {
  const isValue = (index: number) => index % 2 === 1 && isSameName(rawHeaders[index - 1], wanted);
  return headerText(rawHeaders.filter((_text, index) => isValue(index)), wanted);
}

/** @param headers in which two names may differ in letter case alone */
function valueIn(headers: unknown, wanted: string): string | undefined {
  if (!isObject(headers)) return undefined;
  if (typeof headers['get'] === 'function') return headerText(headers['get'](wanted), wanted);
  const names = Object.keys(headers).filter((name) => isSameName(name, wanted));
  return headerText(names.map((name) => headers[name]), wanted);
}

/**
 * @param value a header in any form: a string, a number such as a Content-Length, or a list
 * @param name the name of the header, ignoring letter case
 * @returns its text, or undefined if it has none
 */
export function headerText(value: unknown, name: string): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (!Array.isArray(value)) return undefined;
  const texts = value.flatMap((single) => headerText(single, name) ?? []);
  return texts.length === 0 ? undefined : texts.join(name.toLowerCase() === 'cookie' ? '; ' : ', ');
}
