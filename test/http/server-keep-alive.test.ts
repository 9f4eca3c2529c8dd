/** listen({ keepAliveSeconds }): how long the server keeps idle connections. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server as NodeServer } from 'node:http';
import { connect, type Socket } from 'node:net';
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

const TIMES: readonly [options: ListenOptions, keepAlive: string, silenceMs: number][] = [
  [{}, 'timeout=5', 6_500],
  [{ keepAliveSeconds: 1 }, 'timeout=1', 6_500],
  [{ keepAliveSeconds: 5 }, 'timeout=5', 6_500],
  [{ keepAliveSeconds: 6 }, 'timeout=6', 7_500],
  [{ keepAliveSeconds: 3600 }, 'timeout=3600', 3_601_500],
];
for (const [options, keepAlive, silenceMs] of TIMES) {
  test(`the time-out of silence outlasts keep-alive: ${JSON.stringify(options)}`, async () => {
    await withServer(app, async ({ port }) => {
      const socket = await connected(port);
      const reply = await ask(socket);
      socket.destroy();
      assert.match(reply, RegExp(`\r\nKeep-Alive: ${keepAlive}\r\n`));
      assert.equal(Number(reply.split('\r\n\r\n')[1]), silenceMs);
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
