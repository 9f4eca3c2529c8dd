/**
 * Reads a header of a request (RFC 9110 §5): of a message of node:http, of a request that wraps
 * one, of a Request of the Web standard, or of what an adapter, a test or another runtime has in
 * place of these.
 * Promise: if a request shows that a header was received several times, all values are in the
 * result, so that two tokens never look like one.
 */
import { isMap } from 'node:util/types';
import { http } from './node-modules.ts';
import { describe, isObject } from './values.ts';

/** An object with the headers of a request. */
export interface MessageHeaders {
  /** Headers by name, or `Headers` of the Web standard. */
  readonly headers: object;
  /** Names and values in turn, as node:http received them. */
  readonly rawHeaders?: readonly string[];
}

/** The members in which requests have their headers, or the message that they wrap. */
interface RequestMembers {
  readonly rawHeaders?: readonly string[];
  readonly headers?: unknown;
  /** All values by name, in an event of Amazon API Gateway. Its `headers` have only the last. */
  readonly multiValueHeaders?: unknown;
  readonly raw?: unknown;
  readonly req?: unknown;
}

/** @returns whether a value has `headers`, `rawHeaders` or `multiValueHeaders` */
export function hasHeaders(value: unknown): value is object {
  if (!isObject(value)) return false;
  const { headers, multiValueHeaders }: RequestMembers = value;
  return hasRawHeaders(value) || isObject(headers) || isObject(multiValueHeaders);
}

/** @returns whether a value has a list of raw headers, which may be empty */
export function hasRawHeaders(value: unknown): value is { readonly rawHeaders: readonly string[] } {
  return isObject(value) && Array.isArray(value['rawHeaders']);
}

/**
 * @param request an object with headers
 * @returns the message of node:http that it wraps, as Fastify does in `raw`, Koa in `req` and hapi
 *   in `raw.req`: only this one shows that a header was received twice. Otherwise the request.
 */
export function messageWithin(request: object): object {
  const { headers, raw, req }: RequestMembers = request;
  // Raw headers, and `Headers` of the Web standard, are complete. Others can hide a repeated one.
  if (hasRawHeaders(request) || hasMethodGet(headers)) return request;
  const nested = isObject(raw) ? raw['req'] : undefined;
  return [raw, req, nested].find(hasRawHeaders) ?? request;
}

/**
 * A header that was received several times is read from `rawHeaders`, because node:http drops all
 * but the first Authorization or Host from `headers`. Any other is read from `headers`, which an
 * earlier middleware may have changed.
 * @param request an object; it need not have headers. One of `headers` and `rawHeaders` may be
 *   missing or empty: then the other counts. In a message of node:http `headers` are never missing,
 *   so an empty object there means that they were removed.
 * @param name ignoring letter case
 * @returns the value, or undefined if there is none. Several values are joined by commas (RFC 9110
 *   §5.3), those of Cookie by semicolons (RFC 9113 §8.2.3).
 */
export function headerOf(request: object, name: string): string | undefined {
  const wanted = name.toLowerCase();
  const message: RequestMembers = messageWithin(request);
  const rawHeaders = message.rawHeaders ?? [];
  const { multiValueHeaders } = message;
  const headers = isObject(multiValueHeaders) ? multiValueHeaders : message.headers;
  const index = indexOfName(rawHeaders, wanted, 0);
  if (index === -1) return valueIn(headers, wanted);
  if (indexOfName(rawHeaders, wanted, index + 2) !== -1) return rawValues(rawHeaders, wanted);
  const received = rawHeaders[index + 1];
  // Most look-ups end here: node:http writes names in lower case, and few headers are changed.
  if (isObject(headers) && headers[wanted] === received) return received;
  const isEmpty = !isObject(headers) || Object.keys(headers).length === 0;
  const isOfNode = message instanceof http.IncomingMessage;
  return isEmpty && !isOfNode ? received : valueIn(headers, wanted);
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

function hasMethodGet(
  headers: unknown,
): headers is { get(name: string): unknown } & Readonly<Record<string, unknown>> {
  return isObject(headers) && typeof headers['get'] === 'function';
}

/**
 * @param headers an object, in which two names may differ in letter case alone
 * @throws TypeError for a promise of headers, as Next.js has them
 */
function valueIn(headers: unknown, wanted: string): string | undefined {
  if (!isObject(headers)) return undefined;
  if (typeof headers['then'] === 'function') {
    throw new TypeError(`"headers" expected an object, got ${describe(headers)}`);
  }
  if (isMap(headers)) return valueIn(Object.fromEntries(headers), wanted);
  if (hasMethodGet(headers)) return headerText(headers.get(wanted), wanted);
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
