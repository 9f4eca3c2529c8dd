/** The messages between a process that serves `GET /hello` and the process that measures it. */
import type { AddressInfo, Server } from 'node:net';
import type { User } from '../../src/index.ts';

/** The answer of every server to this user. */
export function answerTo(name: string): { readonly Status: string; readonly result: string } {
  return { Status: 'Success', result: `Hello ${name}` };
}

/** The answer of a server with one user. */
export const ANSWER = answerTo('joe');

/** The answer to every message that the measuring process sends. */
export interface Usage {
  /** Bytes of resident memory. */
  readonly rss: number;
  /** The most that `rss` has been so far. */
  readonly peakRss: number;
}

/** A user who asks. The names of all users of one server are equally long. */
export interface HelloUser {
  readonly name: string;
  /** The header that proves the user, such as `Authorization: Bearer <token>`. */
  readonly proof: string;
}

/** @returns the user of this name for a store. No password fits the hash. */
export function storedUser(name: string): User {
  return {
    id: name,
    username: name,
    passwordHash: 'none',
    createdAt: '2026-01-01T00:00:00.000Z',
  };
}

/** @returns the header of a client that has this token */
export function bearer(token: string): string {
  return `Authorization: Bearer ${token}`;
}

/** The first message of a server. */
export interface Listening {
  readonly port: number;
  /** Default: the user joe, with a token without a session. */
  readonly users?: readonly HelloUser[];
}

export function usageNow(): Usage {
  const peakRss = process.resourceUsage().maxRSS * 1024;
  return { rss: process.memoryUsage.rss(), peakRss };
}

/**
 * Sends where the server listens, and its usage after each message. Exits when the measuring
 * process disconnects.
 */
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
