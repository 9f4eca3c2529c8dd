/**
 * Explains why the server cannot listen: what is wrong, which flag or variable says so, and what
 * the operator can do about it.
 */
import { isIPv6 } from 'node:net';
import { reasonOf } from '../errors.ts';
import { propertyOf } from '../values.ts';
import type { SourcedServeConfig } from './flags.ts';

/** Where the server was told to listen, and which settings say so. */
export type ListenPlace = Pick<SourcedServeConfig, 'host' | 'port' | 'hostSource' | 'portSource'>;

/**
 * @param error what `listen` threw
 * @returns the problem and the remedy
 */
export function listenProblem(error: unknown, place: ListenPlace): string {
  const code = String(propertyOf(error, 'code'));
  const explain = EXPLANATIONS.get(code);
  // Another error, such as a lack of file descriptors, has nothing to do with the host or the port.
  const reason = explain === undefined ? reasonOf(error) : `${code}: ${explain(place)}.`;
  return `cannot listen: ${reason}`;
}

const EXPLANATIONS: ReadonlyMap<string, (place: ListenPlace) => string> = new Map([
  ['EADDRINUSE', inUse],
  ['EACCES', forbidden],
  ['EADDRNOTAVAIL', notOwn],
  ['EAFNOSUPPORT', unsupported],
  ['EINVAL', refused],
  ['ENOTFOUND', unknownName],
  ['EAI_AGAIN', unansweredName],
]);

function inUse({ host, port, portSource }: ListenPlace): string {
  const address = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  return `another process listens on ${address}. Stop it, or ${otherPort(portSource)}`;
}

/** Below it, Linux lets only privileged processes listen. */
const FIRST_FREE_PORT = 1024;

function forbidden({ port, portSource }: ListenPlace): string {
  if (port >= FIRST_FREE_PORT) {
    const remedy = `change its rules, such as those of SELinux, or ${otherPort(portSource)}`;
    return `the system does not allow port ${port}: ${remedy}`;
  }
  const problem = `this user may not listen on port ${port}, which is below ${FIRST_FREE_PORT}`;
  const proxy = `put a reverse proxy in front, and ${otherPort(portSource)}`;
  return `${problem}. Give the process the capability CAP_NET_BIND_SERVICE; or ${proxy}`;
}

function notOwn({ host, hostSource }: ListenPlace): string {
  const remedy = 'This machine has 127.0.0.1, and 0.0.0.0 stands for all its addresses';
  return `the address ${host} is not one of this machine: ${otherHost(hostSource)}. ${remedy}`;
}

function unsupported({ host, hostSource }: ListenPlace): string {
  const problem = `this system does not support addresses such as ${host}, as without IPv6`;
  return `${problem}: ${otherHost(hostSource)}`;
}

function refused(place: ListenPlace): string {
  const { host, hostSource } = place;
  if (!isIPv6(host)) return unknownName(place);
  const remedy = 'A link-local address needs its interface, as in fe80::1%eth0';
  return `the system refuses the address ${host}: ${otherHost(hostSource)}. ${remedy}`;
}

function unknownName({ host, hostSource }: ListenPlace): string {
  return `the host name ${host} has no address: ${otherHost(hostSource)}`;
}

function unansweredName({ host, hostSource }: ListenPlace): string {
  const problem = `the host name ${host} cannot be looked up now, as without a network`;
  return `${problem}: try again, or ${otherHost(hostSource)} with an address`;
}

const otherPort = (source: string) => otherValue('--port', source);
const otherHost = (source: string) => otherValue('--host', source);

/** @returns what the operator can do about a value: it depends on where it comes from */
function otherValue(flag: string, source: string): string {
  const isOfFlag = source.endsWith(flag);
  return isOfFlag ? `use another ${flag}` : `correct or remove ${source}, or use ${flag}`;
}
