/**
 * Explains why the server cannot listen: what is wrong, which flag or variable says so, and what
 * the operator can do about it.
 */
import { isIPv6 } from 'node:net';
import { dirname } from 'node:path';
import { reasonOf } from '../../errors.ts';
import { propertyOf } from '../../values.ts';
import type { Source } from '../arguments.ts';
import type { SourcedServeConfig } from './flags.ts';

/** Where the server was told to listen, and which settings say so. */
export type ListenPlace = Pick<
  SourcedServeConfig,
  'host' | 'port' | 'socket' | 'hostSource' | 'portSource'
>;

/**
 * @param error what `listen` threw
 * @returns the problem, and the remedy if the problem is the place
 */
export function listenProblem(error: unknown, place: ListenPlace): string {
  const code = String(propertyOf(error, 'code'));
  const { socket } = place;
  const explanation = socket === undefined
    ? EXPLANATIONS.get(code)?.(place)
    : EXPLANATIONS_OF_SOCKET.get(code)?.(socket);
  // Another error, such as a lack of file descriptors, has nothing to do with the place.
  const reason = explanation === undefined ? reasonOf(error) : `${code}: ${explanation}.`;
  return `cannot listen: ${reason}`;
}

const EXPLANATIONS: ReadonlyMap<string, (place: ListenPlace) => string> = new Map([
  ['EADDRINUSE', explainPortInUse],
  ['EACCES', explainForbiddenPort],
  ['EADDRNOTAVAIL', explainForeignAddress],
  ['EAFNOSUPPORT', explainUnsupportedAddress],
  ['EINVAL', explainRefusedAddress],
  ['ENOTFOUND', explainUnknownName],
  ['EAI_AGAIN', explainUnansweredName],
]);

/** For a Unix socket. The codes that `listenOnPath` throws, and those of the file system. */
const EXPLANATIONS_OF_SOCKET: ReadonlyMap<string, (path: string) => string> = new Map([
  ['EADDRINUSE', explainSocketInUse],
  ['ENOTSOCK', explainOtherFile],
  ['ENOENT', explainMissingFolder],
  ['ENOTDIR', explainOtherFolder],
  ['EACCES', explainForbiddenFolder],
  ['EPERM', explainNoSockets],
  ['ENOTSUP', explainNoSockets],
  ['EOPNOTSUPP', explainNoSockets],
  ['EROFS', explainReadOnly],
]);

const OTHER_SOCKET = 'use another --socket';

function explainSocketInUse(path: string): string {
  return `another process listens on ${path}. Stop it, or ${OTHER_SOCKET}`;
}

function explainOtherFile(path: string): string {
  return `${path} exists and is not a socket. Move it away, or ${OTHER_SOCKET}`;
}

function explainMissingFolder(path: string): string {
  const remedy = `create it, such as by RuntimeDirectory= of a systemd unit, or ${OTHER_SOCKET}`;
  return `the folder ${dirname(path)} does not exist: ${remedy}`;
}

function explainOtherFolder(path: string): string {
  return `${dirname(path)} is not a folder: ${OTHER_SOCKET}`;
}

function explainForbiddenFolder(path: string): string {
  const problem = `this user may not create ${path}`;
  return `${problem}: let it write the folder ${dirname(path)}, or ${OTHER_SOCKET}`;
}

function explainNoSockets(path: string): string {
  const problem = `the file system of ${dirname(path)} refuses sockets, as FAT and some shares do`;
  return `${problem}: ${OTHER_SOCKET}, such as one below /run`;
}

function explainReadOnly(path: string): string {
  const problem = `the file system of ${dirname(path)} is read-only`;
  return `${problem}: ${OTHER_SOCKET}, such as one below /run`;
}

function explainPortInUse({ host, port, portSource }: ListenPlace): string {
  const address = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  return `another process listens on ${address}. Stop it, or ${otherPort(portSource)}`;
}

/** Below it, Linux lets only privileged processes listen. */
const FIRST_UNPRIVILEGED_PORT = 1024;

function explainForbiddenPort({ port, portSource }: ListenPlace): string {
  if (port >= FIRST_UNPRIVILEGED_PORT) {
    const remedy = `change its rules, such as those of SELinux, or ${otherPort(portSource)}`;
    return `the system does not allow port ${port}: ${remedy}`;
  }
  const limit = `which is below ${FIRST_UNPRIVILEGED_PORT}`;
  const problem = `this user may not listen on port ${port}, ${limit}`;
  const proxy = `put a reverse proxy in front, and ${otherPort(portSource)}`;
  return `${problem}. Give the process the capability CAP_NET_BIND_SERVICE; or ${proxy}`;
}

const OWN_HOSTS = '--host 127.0.0.1 (this machine only) or --host 0.0.0.0 (all addresses)';

function explainForeignAddress({ host, hostSource }: ListenPlace): string {
  const remedy = `${correctionOf(hostSource)}use ${OWN_HOSTS}`;
  return `the address ${host} is not one of this machine: ${remedy}`;
}

function explainUnsupportedAddress({ host, hostSource }: ListenPlace): string {
  const reason = isIPv6(host) ? ', for example because IPv6 is off' : '';
  return `this system does not support the address ${host}${reason}: ${otherHost(hostSource)}`;
}

function explainRefusedAddress(place: ListenPlace): string {
  const { host, hostSource } = place;
  if (!isIPv6(host)) return explainUnknownName(place);
  const remedy = 'name the interface of a link-local address, as in fe80::1%eth0';
  return `the system refuses the address ${host}: ${remedy}, or ${otherHost(hostSource)}`;
}

function explainUnknownName({ host, hostSource }: ListenPlace): string {
  return `the host name ${host} has no address: ${otherHost(hostSource)}`;
}

function explainUnansweredName({ host, hostSource }: ListenPlace): string {
  const problem = `the host name ${host} cannot be looked up now, for example without a network`;
  return `${problem}: try again, or ${otherHost(hostSource)} with an address`;
}

const otherPort = (source: Source) => otherValue('--port', source);
const otherHost = (source: Source) => otherValue('--host', source);

/** @returns what the operator can do about a value: it depends on where it comes from */
function otherValue(flag: string, source: Source): string {
  const correction = correctionOf(source);
  return correction === '' ? `use another ${flag}` : `${correction}use ${flag}`;
}

/** A flag overrides a variable, but the variable would still be wrong for the next start. */
function correctionOf({ kind, name }: Source): string {
  return kind === 'variable' ? `correct or remove ${name}, or ` : '';
}
