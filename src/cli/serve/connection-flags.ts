/** The flags of `latchkey serve` for what a reverse proxy needs: a Unix socket and keep-alive. */
import { DEFAULT_KEEP_ALIVE_SECONDS, MAX_KEEP_ALIVE_SECONDS } from '../../http/limits.ts';
import { isSocketPathShort, MAX_SOCKET_PATH_BYTES } from '../../http/unix-socket.ts';
import {
  wholeNumber,
  type Arguments,
  type Environment,
  type Flags,
  type Kind,
} from '../arguments.ts';
import { UsageError } from '../command-errors.ts';

export interface ConnectionConfig {
  /** The path of a Unix socket, which stands in place of host and port. */
  readonly socket: string | undefined;
  /** How long a connection may be idle between two requests. */
  readonly keepAliveSeconds: number;
}

const socketKind: Kind<string> = {
  placeholder: '<path>',
  expected: `a path of at most ${MAX_SOCKET_PATH_BYTES} bytes`,
  parse: (text) => text !== '' && isSocketPathShort(text) ? text : undefined,
  problemOf: (text) => text === '' ? '""' : `${Buffer.byteLength(text)} bytes`,
};

export const CONNECTION_FLAGS: Flags<ConnectionConfig> = {
  socket: {
    name: '--socket',
    group: 'Listening',
    help: 'Unix socket in place of address and port',
    kind: socketKind,
  },
  keepAliveSeconds: {
    name: '--keep-alive',
    group: 'Listening',
    help: 'seconds an idle connection stays open',
    kind: wholeNumber('<seconds>', 1, MAX_KEEP_ALIVE_SECONDS),
    defaultText: String(DEFAULT_KEEP_ALIVE_SECONDS),
  },
};

/**
 * @returns the environment, without HOST and PORT if `--socket` was typed. A container may set the
 *   two for every program, so they are ignored and not refused.
 */
export function listenVariables(env: Environment, { typed }: Arguments): Environment {
  if (!typed.has(CONNECTION_FLAGS.socket.name)) return env;
  return { ...env, values: { ...env.values, HOST: undefined, PORT: undefined } };
}

/** @throws UsageError for a socket beside a host or a port, or without a trusted proxy */
export function checkSocket(
  { socket, trustProxy }: ConnectionConfig & { readonly trustProxy: number },
  { typed }: Arguments,
): void {
  if (socket === undefined) return;
  for (const flag of ['--host', '--port']) {
    if (!typed.has(flag)) continue;
    throw new UsageError(`--socket is used in place of ${flag}: remove one of the two`);
  }
  if (trustProxy > 0) return;
  const reason = 'clients of a Unix socket have no address, so limits need X-Forwarded-For';
  throw new UsageError(`--socket needs --trust-proxy of at least 1: ${reason}`);
}
