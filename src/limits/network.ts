/**
 * The network of a client. All requests from one network count as one client: those from one IPv4
 * address, or from one IPv6 /64.
 * Promise: a network is a short string. It does not keep in memory the header from which the
 * address was cut.
 */
import { isIPv6 } from 'node:net';
import { expecting } from '../options.ts';

/** Maximum length of a network whose address is not IPv6. */
const MAX_OTHER_CHARACTERS = 64;

/**
 * What `HttpRequest.address` returns for a peer without an address, such as that of a Unix socket.
 * All clients of a proxy on that socket have it. If they were one network, one of them could lock
 * all others out.
 */
const UNKNOWN_ADDRESS = 'unknown';

/** Where a request comes from. */
export interface ClientSource {
  /** The address as the caller passed it, for events. */
  readonly address: string | undefined;
  /** The network of this address, by which the limits count; undefined if it is not known. */
  readonly network: string | undefined;
}

const addressCheck = expecting('an address as a string', (value) => typeof value === 'string');

/**
 * @param address of the client. An unknown one is `unknown`, empty or undefined, or null from a
 *   header that is missing.
 * @throws TypeError if it is another kind of value
 */
export function sourceOf(address: string | null | undefined): ClientSource {
  if (address === undefined || address === null) return { address: undefined, network: undefined };
  addressCheck('client.address', address);
  // A part of a header may have blanks around it, or be empty.
  const text = address.trim();
  const isKnown = text !== '' && text !== UNKNOWN_ADDRESS;
  return { address, network: isKnown ? networkOf(text) : undefined };
}

/** An address with a port, as some proxies write it: `[2001:db8::1]:80`, `192.0.2.1:80`. */
const ADDRESS_WITH_PORT = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/;

/**
 * @param text an address, also with a port
 * @returns for IPv4 the whole address, also if it is written as IPv6 (RFC 4291 §2.5.5.2); for IPv6
 *   the first 64 bits, in one spelling (RFC 4291 §2.5.1); for any other text its first 64
 *   characters
 */
export function networkOf(text: string): string {
  const [, ipv6, ipv4] = ADDRESS_WITH_PORT.exec(text) ?? [];
  const address = ipv6 ?? ipv4 ?? text;
  if (!isIPv6(address)) return copyOf(address.slice(0, MAX_OTHER_CHARACTERS));
  const [withoutZone = ''] = address.split('%'); // RFC 4007 §11
  const groups = groupsOf(withoutZone);
  const isMappedIPv4 = groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff';
  if (!isMappedIPv4) return `${groups.slice(0, 4).join(':')}::/64`;
  return dottedIPv4(groups.slice(6));
}

/** A slice of a string makes V8 keep the whole string in memory. A copy does not. */
function copyOf(slice: string): string {
  return Buffer.from(slice).toString();
}

/** @returns an IPv4 address such as `192.0.2.1`, for its two groups in an IPv6 address */
function dottedIPv4(groups: readonly string[]): string {
  const numbers = groups.map((group) => Number.parseInt(group, 16));
  return numbers.flatMap((number) => [number >> 8, number & 255]).join('.');
}

/** @returns the eight groups of an IPv6 address, in lower case and without leading zeros */
function groupsOf(address: string): string[] {
  // The URL parser normalises the spelling: lower case, no leading zeros, at most one "::".
  const { hostname } = new URL(`http://[${address}]`);
  const [before = '', after = ''] = hostname.slice(1, -1).split('::');
  const start = before === '' ? [] : before.split(':');
  const end = after === '' ? [] : after.split(':');
  const zeros = Array<string>(8 - start.length - end.length).fill('0');
  return [...start, ...zeros, ...end];
}
