/** Clients of a server that shuts down, and the clock by which it calls their connections idle. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { Router, type ListenOptions, type Server } from '../../src/index.ts';
import { FIRST } from './certificates.ts';

export const GET = 'GET /quick HTTP/1.1\r\nHost: x\r\n\r\n';
export const GET_SLOW: string = GET.replace('quick', 'slow');

/** A router that answers {@link GET}. */
export const quick = (): Router => new Router().get('/quick', () => 'quick');

/** The milliseconds without a request after which the documents call a connection idle. */
export const IDLE_MS = 50;
/** The same, if a request was in flight at the beginning of the shutdown, or has come since. */
export const IDLE_UNDER_LOAD_MS = 500;

/** Each kind of server, by its scheme. */
export const KINDS: Readonly<Record<string, ListenOptions>> = {
  http: { port: 0 },
  https: { port: 0, tls: FIRST },
};

/** A connection of a client, with all that it has received. */
export interface Client {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  received: string;
}

/** Connects a client. Where the server has TLS, the client has finished the handshake. */
export async function clientOf({ url, port }: Server): Promise<Client> {
  const isSecure = url.startsWith('https:');
  const socket = isSecure
    ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : connect(port, '127.0.0.1');
  const closed = new Promise((resolve) => socket.on('close', resolve));
  const client = { socket, closed, received: '' };
  socket.setEncoding('latin1').on('error', () => undefined);
  socket.on('data', (text) => (client.received += text));
  await once(socket, isSecure ? 'secureConnect' : 'connect');
  return client;
}

/** Sends a request, and waits for its reply. */
export async function ask({ socket }: Client, request = GET): Promise<void> {
  socket.write(request);
  await once(socket, 'data');
}

/** @returns the number of replies, after each has been checked and the last says that it is one */
export function repliesOf({ received }: Client): number {
  const replies = received.split(/(?=HTTP\/1\.1 )/).filter((reply) => reply !== '');
  for (const reply of replies) assert.match(reply, /^HTTP\/1\.1 200 OK\r\n[^]*"quick"\n$/);
  assert.match(replies.at(-1) ?? '', /\r\nConnection: close\r\n/);
  return replies.length;
}

/** Far fewer turns of the event loop than there are in 50 ms, and more than a close needs. */
const FEW_TURNS = 500;

/** Waits for a promise for some turns of the event loop, which a slow machine does not shorten. */
export async function isSettledSoon(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  void promise.then(() => (isSettled = true));
  for (let count = 0; count < FEW_TURNS && !isSettled; count += 1) await turn();
  return isSettled;
}

/** Waits until each side of a connection has read what the other had sent, and acted upon it. */
export async function takeTurns(): Promise<void> {
  for (let count = 0; count < 20; count += 1) await turn();
}

/**
 * Stops the clock by which a server of this process knows how long a connection has been idle. Its
 * timers go on, so a test must not let a server wait for this clock.
 * @returns a function that moves the clock on
 */
export function stopClock(t: TestContext): (milliseconds: number) => void {
  let nowMs = performance.now();
  t.mock.method(performance, 'now', () => nowMs);
  return (milliseconds) => {
    nowMs += milliseconds;
  };
}
