/** The messages between a process that serves `GET /hello` and the process that measures it. */
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:net';

/** The answer of every server to its only user. */
export const ANSWER = { Status: 'Success', result: 'Hello joe' };

/** The answer to every message that the measuring process sends. */
export interface Usage {
  /** Bytes of resident memory. */
  readonly rss: number;
}

/** Sends the port, then its usage at each message. Exits when the measuring process disconnects. */
export function tellParent(port: number): void {
  process.on('message', () => process.send?.({ rss: process.memoryUsage.rss() } satisfies Usage));
  process.on('disconnect', () => process.exit());
  process.send?.({ port });
}

/** @returns the port, once the server listens */
export function portOf(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
