/**
 * The requests that a guard accepts: messages of node:http, requests that wrap one, requests of the
 * Web standard, and what adapters, tests and frameworks have in their place.
 * Promise: if a request shows that a header was received twice, the guard sees both values.
 */
import { expecting } from '../options.ts';
import {
  hasHeaders,
  hasRawHeaders,
  headerOf,
  headerText,
  messageWithin,
  type MessageHeaders,
} from '../request-headers.ts';
import { isObject } from '../values.ts';
import type { IdentityCarrier } from './current-identity.ts';

/** A message of node:http, or what a framework or an adapter has in its place. */
export interface RequestMessage extends IdentityCarrier {
  /**
   * The target of the request, with its query. A router of Express that is mounted at a path leaves
   * that path out. For a Request of the Web standard it is the whole URL.
   */
  readonly url?: string | undefined;
  /**
   * The headers by name. A Request of the Web standard has `Headers` here, and a message of an
   * adapter may have `rawHeaders` alone: use `header`.
   */
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  /** Names and values in turn. `headers` of node:http hides a second Authorization header. */
  readonly rawHeaders?: readonly string[];
}

/** The parts of a request that the guard and the hook `tokenFrom` read. */
export interface HeaderSource {
  /**
   * The message of the request. Undefined if the guard got the value of a header alone, or an
   * object that has only a method `header`.
   */
  readonly message?: RequestMessage | undefined;
  /**
   * @param name ignoring letter case
   * @returns the value of the header, or undefined if it is missing
   */
  header(name: string): string | undefined;
}

/**
 * What a guard accepts: an object with `headers`, such as a message of node:http or a Request of
 * the Web standard, or an object with a method `header`, such as an HttpRequest.
 */
export type GuardableRequest = HeaderSource | MessageHeaders;

/** A {@link GuardableRequest}, or the value of its Authorization header. */
export type Authorization = string | GuardableRequest | null | undefined;

/**
 * @returns the message that a request wraps, such as `message` in an HttpRequest or `raw` in a
 *   request of Hono; else the request itself if it has headers or a `url`, else undefined
 */
export function messageOf(request: unknown): RequestMessage | undefined {
  if (hasHeaders(request)) return messageWithin(request);
  if (!isObject(request)) return undefined;
  // The request has no headers of its own, so a message in one of these members may stand for it.
  return [request['message'], request['raw'], request['req'], request].find(isMessage);
}

/** A message of an adapter or a test may lack its headers. */
function isMessage(value: unknown): value is RequestMessage {
  return hasHeaders(value) || (isObject(value) && typeof value['url'] === 'string');
}

const requestCheck = expecting(
  'an object with "headers" or a method "header", or the value of Authorization',
  (value) => typeof value === 'string' || value === undefined || value === null,
);

/** @throws TypeError if `request` is not an {@link Authorization} */
export function headerIn(request: unknown, name: string): string | undefined {
  if (hasHeaders(request)) return headerOfBoth(request, name);
  if (isObject(request)) {
    const { header } = request;
    if (typeof header === 'function') return headerText(header.call(request, name), name);
    const message = messageOf(request);
    if (message !== undefined) return headerOf(message, name);
  }
  requestCheck('request', request);
  const isAuthorization = typeof request === 'string' && name.toLowerCase() === 'authorization';
  return isAuthorization ? request : undefined;
}

/** @returns whether {@link headerIn} can read a header of a request, which may lack the header */
export function showsHeaders(request: unknown): request is GuardableRequest {
  if (hasHeaders(request)) return true;
  if (!isObject(request)) return false;
  return typeof request['header'] === 'function' || messageOf(request) !== undefined;
}

/**
 * Without raw headers, a method `header` may know of a repeated header that `headers` hide, or the
 * other way round. If they differ, both values are in the result, so that a token is refused.
 */
function headerOfBoth(request: object, name: string): string | undefined {
  const value = headerOf(request, name);
  const header: unknown = Reflect.get(request, 'header');
  if (typeof header !== 'function' || hasRawHeaders(messageWithin(request))) return value;
  const other = headerText(header.call(request, name), name);
  if (value === undefined || other === undefined || other === value) return value ?? other;
  return `${value}, ${other}`;
}

/**
 * @returns the request as the hook `tokenFrom` gets it, whichever guard calls the hook. Its
 *   `header` is bound, so the hook may write `({ header }) => header('authorization')`.
 */
export function headerSourceOf(request: Authorization): HeaderSource {
  return { header: (name) => headerIn(request, name), message: messageOf(request) };
}
