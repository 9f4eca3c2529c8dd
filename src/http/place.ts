/** Where a server listens: at an address and a port, or at a Unix socket. */
import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import { listenOnPath } from './unix-socket.ts';

/** The options that say where to listen. */
interface PlaceOptions {
  readonly host?: string;
  readonly port?: number;
  /** The path of a Unix socket. */
  readonly path?: string;
}

/** Where a server listens, once it does. */
export interface Place {
  /** What follows `http://` in the URL of the server. */
  readonly authority: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  /** Removes the Unix socket, if there is one. Call it before the server stops listening. */
  readonly removeSocket?: () => void;
}

const HOST_IN_BRACKETS = /^\[(.+)\]$/;

/** @throws TypeError for a Unix socket beside a host or a port */
export function checkPlace(options: PlaceOptions): void {
  if (options.path === undefined) return;
  for (const name of ['host', 'port'] as const) {
    if (options[name] === undefined) continue;
    throw new TypeError(`"path" expected no option "${name}" beside it, got one`);
  }
}

/** @returns where the server listens, once it does */
export async function startListening(server: Server, options: PlaceOptions): Promise<Place> {
  const { path, port = 3000, host = '127.0.0.1' } = options;
  if (path !== undefined) {
    const removeSocket = await listenOnPath(server, path);
    return { authority: `unix:${path}`, port: 0, removeSocket };
  }
  const listening = once(server, 'listening');
  // In a URL an IPv6 address has brackets, and node:net would look them up as a name.
  server.listen(port, host.replace(HOST_IN_BRACKETS, '$1'));
  await listening;
  // A server that listens on TCP has an address object.
  const { address, family, port: actualPort } = server.address() as AddressInfo;
  const authority = `${family === 'IPv6' ? `[${address}]` : address}:${actualPort}`;
  return { authority, port: actualPort };
}
