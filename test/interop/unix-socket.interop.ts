/** A server on a Unix socket behind nginx, and keep-alive between the two. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { listen, Router, type Server } from '../../src/index.ts';
import { send } from '../support/app.ts';
import { JOE } from '../support/command-client.ts';
import { emptyFolder, serve, stop } from '../support/run-command.ts';
import { skipsNginx, withNginx } from './nginx.ts';

const needsNginx = { skip: skipsNginx, timeout: 60_000 };

const HEADERS = `
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`;

test('behind nginx over a Unix socket the tutorial runs, also after kill', needsNginx, async () => {
  const cwd = await emptyFolder();
  const path = join(cwd, 'socket-1');
  const flags = `serve --scrypt-cost 1 --trust-proxy 1 --socket ${path}`;
  const killed = await serve(flags, { cwd });
  const site = `server { listen PORT; location / { proxy_pass http://unix:${path}; ${HEADERS} } }`;
  await withNginx(site, async (port) => {
    const url = `http://127.0.0.1:${port}`;
    assert.equal((await send(`${url}/signup`, 'POST', JOE)).status, 200);
    killed.child.kill('SIGKILL');
    await killed.ended;
    assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 502);
    const server = await serve(flags, { cwd });
    const login = await send(`${url}/auth`, 'POST', JOE);
    const headers = { Authorization: `JWT ${Object(login.body).access_token}` };
    const greeting = await send(`${url}/hello`, 'GET', undefined, headers);
    assert.deepEqual(greeting.body, { Status: 'Success', result: 'Hello joe' });
    assert.equal((await stop(server)).code, 0);
    assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 502);
  });
});

/** Serves on a Unix socket behind an nginx that keeps connections to it. */
async function withKeptConnections(
  keepAliveSeconds: number,
  nginxSeconds: number,
  use: (url: string, connections: Set<Socket>) => Promise<unknown>,
): Promise<void> {
  const connections = new Set<Socket>();
  const app = new Router({ trustProxy: 1 }).post('/', ({ message, address }) => {
    connections.add(message.socket);
    return address;
  });
  const path = join(await emptyFolder(), 'socket');
  const server: Server = await listen(app, { path, keepAliveSeconds });
  const site = `
    upstream latchkey {
      server unix:${path};
      keepalive 8;
      keepalive_timeout ${nginxSeconds}s;
    }
    server {
      listen PORT;
      location / {
        proxy_pass http://latchkey;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        ${HEADERS}
      }
    }`;
  await withNginx(site, (port) => use(`http://127.0.0.1:${port}`, connections));
  await server.close();
}

test('nginx sends further requests on the connection that it keeps', needsNginx, async () => {
  await withKeptConnections(75, 60, async (url, connections) => {
    for (let count = 0; count < 50; count += 1) {
      const { status, body } = await send(url, 'POST');
      assert.deepEqual([status, body], [200, '127.0.0.1']);
    }
    assert.equal(connections.size, 1);
  });
});

const CLOSERS: readonly [closer: string, keepAliveSeconds: number, nginxSeconds: number][] = [
  ['nginx', 75, 1],
  ['the server', 1, 60],
];
for (const [closer, keepAliveSeconds, nginxSeconds] of CLOSERS) {
  const times = `--keep-alive ${keepAliveSeconds}, keepalive_timeout ${nginxSeconds}s`;
  test(`the shorter time-out decides who closes: ${closer} with ${times}`, needsNginx, async () => {
    await withKeptConnections(keepAliveSeconds, nginxSeconds, async (url, connections) => {
      assert.equal((await send(url, 'POST')).status, 200);
      const [socket = assert.fail()] = connections;
      let isEndedByNginx = false;
      socket.on('end', () => (isEndedByNginx = true));
      await once(socket, 'close');
      assert.equal(isEndedByNginx, closer === 'nginx');
    });
  });
}
