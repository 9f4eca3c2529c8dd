/** What a process that serves `GET /hello` and the one that measures it tell each other. */
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:net';

/** What every way answers to the one user there is. */
export const ANSWER = { Status: 'Success', result: 'Hello joe' };

/** What a server tells of itself whenever it is asked. */
export interface Usage {
  /** Bytes of resident memory. */
  readonly rss: number;
}

/** Tells the port, and then the usage as often as it is asked for, until nobody is there to ask. */
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
