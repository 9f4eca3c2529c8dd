/**
 * The request target and the Host header (RFC 9112 §3.2). The host in both has the grammar of
 * RFC 3986 §3.2.2.
 */
import { isIPv6 } from 'node:net';

/** RFC 3986 §3.2.2: the characters of a name (`unreserved` and `sub-delims`), such as commas. */
const NAME_CHARACTERS = String.raw`\w.~!$&'()*+,;=-`;

/** An IPv6 address, which is captured, or an address of a later version. */
const IN_BRACKETS = String.raw`\[(?:([\da-f:.]+)|v[\da-f]+\.[:${NAME_CHARACTERS}]+)\]`;

/** Both host and port may be empty. */
const HOST_AND_PORT = new RegExp(
  String.raw`^(?:${IN_BRACKETS}|(?:[${NAME_CHARACTERS}]|%[\da-f]{2})*)(?::\d*)?$`,
  'i',
);

/** §3.2.2: the scheme and the authority of an absolute target. Captures the authority. */
const ORIGIN = /^https?:\/\/([^/?#]*)/i;

const EMPTY_HOST = /^(?::|$)/;

/** @returns whether a value of Host is valid. RFC 9110 §7.2: it may be empty */
export function isHost(value: string): boolean {
  const match = HOST_AND_PORT.exec(value);
  const ipv6 = match?.[1];
  return match !== null && (ipv6 === undefined || isIPv6(ipv6));
}

/**
 * @returns false for a target that begins with `http://` or `https://` and goes on without a valid
 *   host. RFC 9110 §4.2.1: an empty host is not valid. §4.2.4: a username before it is not either.
 */
export function isTarget(target: string): boolean {
  const [, authority] = ORIGIN.exec(target) ?? [];
  return authority === undefined || (!EMPTY_HOST.test(authority) && isHost(authority));
}

/**
 * @returns the path of a target in origin-form or absolute-form, without its query. RFC 9110
 *   §4.2.3: an empty path is `/`. An absolute target that is not valid has no path: the result then
 *   begins with its scheme, and no route has that.
 */
export function pathOf(target: string): string {
  const [origin = ''] = isTarget(target) ? (ORIGIN.exec(target) ?? []) : [];
  const end = target.indexOf('?', origin.length);
  return target.slice(origin.length, end === -1 ? undefined : end) || '/';
}
