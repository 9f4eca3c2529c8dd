/**
 * Which requests count as one client: those from one IPv4 address, or from one /64 of IPv6.
 * Promise: a network is a short text of its own. It keeps no header in memory of which the address
 * was a part.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** The longest text that is kept of an address that is neither IPv4 nor IPv6. */
const MAX_OTHER_LENGTH = 64;

/** Where a request comes from. */
export interface ClientSource {
  /** As the caller gave it: for events. */
  readonly address: string | undefined;
  /** What limits count by. */
  readonly network: string | undefined;
}

/** @param address of the client, or undefined where the caller does not know one */
export function sourceOf(address: string | undefined): ClientSource {
  return {
    address,
    network: address === undefined ? undefined : networkOf(address),
  };
}

/**
 * @returns all of an IPv4 address, also where it is written as IPv6 (RFC 4291 §2.5.5.2); of an IPv6
 *   address its first 64 bits, however it is written (RFC 4291 §2.5.1); of any other text its first
 *   64 characters
 */
export function networkOf(address: string): string {
  // Joined from numbers, it is a new string: V8 keeps all of a header alive for a part of it.
  if (isIPv4(address)) return address.split('.').map(Number).join('.');
  if (!isIPv6(address)) return Buffer.from(address.slice(0, MAX_OTHER_LENGTH)).toString();
  const [withoutZone = ''] = address.split('%', 1); // RFC 4007 §11
  const groups = groupsOf(withoutZone);
  const isMapped = groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff';
  if (!isMapped) return `${groups.slice(0, 4).join(':')}::/64`;
  return groups
    .slice(6)
    .map((group) => Number(`0x${group}`))
    .flatMap((group) => [group >> 8, group & 255])
    .join('.');
}

/** @returns the eight groups of an IPv6 address, in lower case and without leading zeros */
function groupsOf(address: string): string[] {
  // A URL writes an address in one way: small hexadecimal digits and at most one "::".
  const { hostname } = new URL(`http://[${address}]`);
  const [before = '', after = ''] = hostname.slice(1, -1).split('::');
  const start = before === '' ? [] : before.split(':');
  const end = after === '' ? [] : after.split(':');
  const zeros = Array<string>(8 - start.length - end.length).fill('0');
  return [...start, ...zeros, ...end];
}
