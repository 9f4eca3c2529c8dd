/**
 * Which requests count as one client: those from one IPv4 address, or from one IPv6 /64.
 * Promise: a network is a short string of its own. It does not keep in memory the header that the
 * address was cut from.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** Kept of an address that is neither IPv4 nor IPv6. */
const MAX_OTHER_CHARACTERS = 64;

/** Where a request comes from. */
export interface ClientSource {
  /** The address as the caller gave it, for events. */
  readonly address: string | undefined;
  /** What the limits count by. */
  readonly network: string | undefined;
}

/** @param address of the client, or undefined if the caller does not know it */
export function sourceOf(address: string | undefined): ClientSource {
  return {
    address,
    network: address === undefined ? undefined : networkOf(address),
  };
}

/**
 * @returns for IPv4 the whole address, also if it is written as IPv6 (RFC 4291 §2.5.5.2); for IPv6
 *   the first 64 bits, in one spelling (RFC 4291 §2.5.1); for any other text its first 64
 *   characters
 */
export function networkOf(address: string): string {
  // V8 keeps a whole header alive for a slice of it. `join` and `Buffer` make strings of their own.
  if (isIPv4(address)) return address.split('.').map(Number).join('.');
  if (!isIPv6(address)) return Buffer.from(address.slice(0, MAX_OTHER_CHARACTERS)).toString();
  const [withoutZone = ''] = address.split('%', 1); // RFC 4007 §11
  const groups = groupsOf(withoutZone);
  const isMappedIPv4 = groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff';
  if (!isMappedIPv4) return `${groups.slice(0, 4).join(':')}::/64`;
  return groups
    .slice(6)
    .map((group) => Number(`0x${group}`))
    .flatMap((group) => [group >> 8, group & 255])
    .join('.');
}

/** @returns the eight groups of an IPv6 address, in lower case and without leading zeros */
function groupsOf(address: string): string[] {
  // The URL parser writes an address in one way: lower case, at most one "::".
  const { hostname } = new URL(`http://[${address}]`);
  const [before = '', after = ''] = hostname.slice(1, -1).split('::');
  const start = before === '' ? [] : before.split(':');
  const end = after === '' ? [] : after.split(':');
  const zeros = Array<string>(8 - start.length - end.length).fill('0');
  return [...start, ...zeros, ...end];
}
