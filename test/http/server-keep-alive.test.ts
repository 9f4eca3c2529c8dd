/** listen({ keepAliveSeconds }): how long the server keeps idle connections. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server as NodeServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { listen, Router, type ListenOptions } from '../../src/index.ts';
import { withServer } from '../support/app.ts';

/** Replies with the time-out of silent connections, in milliseconds. */
const app = new Router().get('/', ({ message }) => {
  return (message.socket as Socket & { server: NodeServer }).server.timeout;
});

const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

/** Sends a request. @returns the reply, whose body is the last line */
async function ask(socket: Socket): Promise<string> {
  socket.write(REQUEST);
  const [reply] = await once(socket, 'data');
  return reply;
}

/** A client that does not close the connection itself. */
async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  await once(socket, 'connect');
  return socket;
}

test('listen refuses a time of keep-alive that is out of bounds', async () => {
  for (const keepAliveSeconds of [0, 3601, 1.5, NaN, '5']) {
    const options = { port: 0, keepAliveSeconds: keepAliveSeconds as number };
    await assert.rejects(listen(app, options), {
      message: /^"keepAliveSeconds" expected a whole number from 1 to 3600, got /,
    });
  }
});

const TIMES: readonly [options: ListenOptions, keepAlive: string][] = [
  [{}, 'timeout=5'],
  [{ keepAliveSeconds: 1 }, 'timeout=1'],
  [{ keepAliveSeconds: 3600 }, 'timeout=3600'],
];
for (const [options, keepAlive] of TIMES) {
  test(`keep-alive is told, and does not change silence: ${JSON.stringify(options)}`, async () => {
    await withServer(app, async ({ port }) => {
      const socket = await connected(port);
      const reply = await ask(socket);
      socket.destroy();
      assert.match(reply, RegExp(`\r\nKeep-Alive: ${keepAlive}\r\n`));
      assert.equal(Number(reply.split('\r\n\r\n')[1]), 6_500);
    }, options);
  });
}

test('the server closes an idle connection, and keeps one that may be idle longer', async () => {
  const short = await listen(app, { port: 0, keepAliveSeconds: 1 });
  const long = await listen(app, { port: 0, keepAliveSeconds: 60 });
  const [closed, kept] = await Promise.all([connected(short.port), connected(long.port)]);
  await Promise.all([ask(closed), ask(kept)]);
  await once(closed, 'end');
  assert.match(await ask(kept), /^HTTP\/1\.1 200 /);
  kept.destroy();
  await Promise.all([short.close(), long.close()]);
});

test('with a long keep-alive a client that sends or reads nothing is closed as ever', async () => {
  // More than the buffers of both ends hold.
  const large = 'x'.repeat(32 * 2 ** 20);
  let deafClosed: Promise<unknown> | undefined;
  const router = new Router()
    .get('/', () => 'short')
    .get('/large', ({ message }) => {
      deafClosed = once(message.socket, 'close');
      return large;
    });
  await withServer(router, async ({ port }) => {
    const [idle, deaf] = await Promise.all([connected(port), connected(port)]);
    await Promise.all([ask(idle), ask(deaf)]);
    deaf.pause().write(REQUEST.replace('/', '/large'));
    const silent = await connected(port);
    assert.match(await text(silent), /^HTTP\/1\.1 408 [^]*\r\nError-Code: ERR_TIMEOUT\r\n/);
    await deafClosed;
    assert.match(await ask(idle), /^HTTP\/1\.1 200 /);
    for (const socket of [idle, deaf]) socket.destroy();
  }, { keepAliveSeconds: 3600 });
});
