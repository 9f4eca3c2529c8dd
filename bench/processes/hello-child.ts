/** The messages between a process that serves `GET /hello` and the process that measures it. */
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:net';

/** The answer of every server to its only user. */
export const ANSWER = { Status: 'Success', result: 'Hello joe' };

/** The answer to every message that the measuring process sends. */
export interface Usage {
  /** Bytes of resident memory. */
  readonly rss: number;
  /** The most that `rss` has been so far. */
  readonly peakRss: number;
}

/** The first message of a server. */
export interface Listening {
  readonly port: number;
  /** Of the user joe. A server whose tokens need no session leaves it out. */
  readonly token?: string;
  /** The session of joe, for a server that reads it from a cookie and no token. */
  readonly cookie?: string;
}

function usageNow(): Usage {
  const peakRss = process.resourceUsage().maxRSS * 1024;
  return { rss: process.memoryUsage.rss(), peakRss };
}

/** Sends where the server listens, then its usage at each message. Exits when the measuring process disconnects. */
export function tellParent(listening: Listening): void {
  process.on('message', () => process.send?.(usageNow()));
  process.on('disconnect', () => process.exit());
  process.send?.(listening);
}

/** @returns the port, once the server listens */
export function portOf(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
