/**
 * The request target and the Host header (RFC 9112 §3.2). The host in both has the grammar of
 * RFC 3986 §3.2.2.
 */
import { isIPv6 } from 'node:net';

/** RFC 3986 §3.2.2: the characters of a host name: `unreserved` and `sub-delims`. */
const NAME_CHARACTERS = String.raw`\w.~!$&'()*+,;=-`;

/** An IPv6 address, which is captured, or an address of a later version. */
const IN_BRACKETS = String.raw`\[(?:([\da-f:.]+)|v[\da-f]+\.[:${NAME_CHARACTERS}]+)\]`;

/** Both host and port may be empty. */
const HOST_AND_PORT = new RegExp(
  String.raw`^(?:${IN_BRACKETS}|(?:[${NAME_CHARACTERS}]|%[\da-f]{2})*)(?::\d*)?$`,
  'i',
);

/** RFC 9112 §3.2.2: scheme and authority of an absolute target. Captures the authority. */
const ORIGIN = /^https?:\/\/([^/?#]*)/i;

const EMPTY_HOST = /^(?::|$)/;

/** @returns whether a value of Host is valid. RFC 9110 §7.2: it may be empty */
export function isHost(value: string): boolean {
  const match = HOST_AND_PORT.exec(value);
  const ipv6 = match?.[1];
  return match !== null && (ipv6 === undefined || isIPv6(ipv6));
}

/** RFC 9110 §4.2.1: an empty host is not valid. RFC 9110 §4.2.4: nor is a username before it. */
function isAuthority(authority: string): boolean {
  return !EMPTY_HOST.test(authority) && isHost(authority);
}

/**
 * @returns whether a target that begins with `http://` or `https://` goes on with a valid host and
 *   port; true for any other target, which has no authority
 */
export function hasValidAuthority(target: string): boolean {
  const [, authority] = ORIGIN.exec(target) ?? [];
  return authority === undefined || isAuthority(authority);
}

/**
 * @returns the path of a target in origin-form or absolute-form, without its query. RFC 9110
 *   §4.2.3: an empty path is `/`. An absolute target whose authority is not valid has no path: the
 *   result then begins with its scheme, and no route has that.
 */
export function pathOf(target: string): string {
  const [origin = '', authority] = ORIGIN.exec(target) ?? [];
  const start = authority !== undefined && isAuthority(authority) ? origin.length : 0;
  const end = target.indexOf('?', start);
  return target.slice(start, end === -1 ? undefined : end) || '/';
}

/** @returns the query of a target, without its `?`; empty if there is none */
export function queryOf(target: string): string {
  const start = target.indexOf('?');
  return start === -1 ? '' : target.slice(start + 1);
}
