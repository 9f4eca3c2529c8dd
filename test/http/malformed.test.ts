/**
 * What nobody with good intentions sends, over sockets of its own: after each row of the table the server still answers
 * others, nothing was done that was not asked for rightly, and nobody can hold on to the server by being slow.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Jwt, Router } from '../../src/index.ts';
import { serve, signalGroup } from '../support/run-command.ts';
import { rssOf, tryRow } from '../support/raw-client.ts';
import { rawRequests } from '../support/malformed-requests.ts';
import { SECRET } from '../support/tokens.ts';
import { send, sendRaw, withApp, withServer } from '../support/app.ts';
import { WatchedStore } from '../support/doubles.ts';

const HELLO = 'GET /hello HTTP/1.1\r\nHost: x\r\n';
const token = new Jwt<{ identity: string }>({ secret: SECRET }).sign({ identity: 'joe' });
const rows = rawRequests(token);

describe('a raw client', { concurrency: 10, timeout: 60_000 }, () => {
  test('a client that asks for thousands of answers and reads none is given up, and costs little memory', async () => {
    const { child, port, ended } = await serve('serve --port 0 --users memory --throttle off');
    try {
      const rss = () => rssOf(child.pid);
      const many = `${HELLO}\r\n`.repeat(1000);
      // What any flood costs, if it is read.
      for (let round = 0; round < 10; round += 1)
        await sendRaw(port, `${many}${HELLO}Connection: close\r\n\r\n`);
      const before = rss();
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined).pause();
      const closed = new Promise((resolve) => socket.on('close', resolve));
      const start = performance.now();
      const write = () => {
        while (!socket.destroyed && socket.write(many));
      };
      socket.on('drain', write).on('connect', write);
      let most = before;
      const watch = setInterval(() => (most = Math.max(most, rss())), 250);
      await closed;
      clearInterval(watch);
      const seconds = (performance.now() - start) / 1000;
      assert.ok(seconds > 6 && seconds < 18, `after ${seconds} seconds`);
      assert.ok(
        socket.bytesWritten > 1000 * HELLO.length && most - before < 96,
        `${most - before} MiB`,
      );
      assert.equal((await send(`http://127.0.0.1:${port}/hello`, 'GET')).status, 401);
    } finally {
      signalGroup(child, 'SIGTERM');
      await ended;
    }
  });

  test('each row gets its answers and no other, and then the server answers somebody else', async (t) => {
    const reported: unknown[] = [];
    const report = (error: unknown) => void reported.push(error);
    process.on('unhandledRejection', report).on('warning', report);
    t.after(() => process.off('unhandledRejection', report).off('warning', report));
    const users = new WatchedStore();
    await withApp({ users, limits: false, onError: report }, async ({ port, url }) => {
      await send(`${url}/signup`, 'POST', { username: 'joe', password: 'pass' });
      const joe = users.find('joe');
      for (const [index, row] of rows.entries()) {
        await tryRow(port, row);
        const [status, authorization] =
          index % 10 === 0 ? [200, `Authorization: JWT ${token}\r\n`] : [401, ''];
        const answer = await sendRaw(port, `${HELLO}${authorization}Connection: close\r\n\r\n`);
        assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), `after ${row.name}`);
        assert.deepEqual([users.written, reported], [[joe], []], row.name);
      }
    });
  });

  test('the table has a thousand rows, each with a name of its own, and none without a token may succeed', () => {
    assert.ok(rows.length > 1000);
    assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length);
    for (const { name, bytes, answers } of rows) {
      assert.ok(
        answers.every((status) => [100, 200].includes(status) || (status >= 400 && status < 500)),
        name,
      );
      if (!bytes.toString('latin1').includes(token)) assert.ok(!answers.includes(200), name);
    }
  });

  test('headers that take more than 5 seconds are a 408', async () => {
    const { text, seconds } = await dripping('GET /hello HTTP/1.1\r\nHost: x\r\nX: ');
    assert.match(
      text,
      /^HTTP\/1\.1 408 Request Timeout\r\n[^]*Connection: close\r\n[^]*"status_code":408/,
    );
    assert.ok(seconds > 4.5 && seconds < 9, `after ${seconds} seconds`);
  });

  test('a body that takes more than 10 seconds is a 408, however steadily it comes', async () => {
    const head =
      'POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n';
    const { text, seconds } = await dripping(head);
    assert.match(
      text,
      /^HTTP\/1\.1 408 Request Timeout\r\n[^]*Connection: close\r\n[^]*"status_code":408/,
    );
    assert.ok(seconds > 9.5 && seconds < 15, `after ${seconds} seconds`);
  });

  test('a body that stops coming is a 408 as well, and an expected one that never comes', async () => {
    const head = 'POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const [stopped, expected] = await Promise.all([
      silent(`${head}Content-Length: 1000\r\n\r\n{`),
      silent(`${head}Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n`),
    ]);
    assert.match(stopped.text, /^HTTP\/1\.1 408 /);
    assert.match(expected.text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 408 /);
    for (const { seconds } of [stopped, expected])
      assert.ok(seconds > 9.5 && seconds < 15, `after ${seconds} seconds`);
  });

  test('a connection that says nothing at all ends after 5 seconds', async () => {
    const { text, seconds } = await silent('');
    assert.match(text, /^(HTTP\/1\.1 408 [^]*)?$/);
    assert.ok(seconds > 4.5 && seconds < 9, `after ${seconds} seconds`);
  });

  test('a connection that has its answer and asks nothing more ends after 5 seconds', async () => {
    const { text, seconds } = await silent(`${HELLO}\r\n`);
    assert.match(text, /^HTTP\/1\.1 401 [^]*\}\n$/);
    assert.ok(seconds > 4.5 && seconds < 9, `after ${seconds} seconds`);
  });

  test('connections beyond maxConnections are closed at once, and taken again when there is room', async () => {
    await withServer(
      new Router().get('/hello', () => 'hello'),
      async ({ port }) => {
        const sockets = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
        for (const socket of sockets) {
          socket.write(`${HELLO}\r\n`);
          const [answer] = await once(socket, 'data');
          assert.match(String(answer), /^HTTP\/1\.1 200 /);
        }
        const hello = () => sendRaw(port, `${HELLO}Connection: close\r\n\r\n`);
        assert.equal(await hello(), '');
        sockets[0]?.destroy();
        let answer = '';
        // The server hears of the end a little later.
        for (let tries = 0; answer === '' && tries < 100; tries += 1) {
          await delay(10);
          answer = await hello();
        }
        assert.match(answer, /^HTTP\/1\.1 200 /);
        sockets[1]?.destroy();
      },
      { maxConnections: 2 },
    );
  });
});

/** Sends a text and then a byte every half second. */
const dripping = (text: string) => silent(text, 500);

/** Sends a text, and then nothing: what comes back until the server closes, and how long that took. */
function silent(text: string, byteEveryMs?: number): Promise<{ text: string; seconds: number }> {
  return withApp({}, async ({ port }) => {
    const start = performance.now();
    const socket = connect(port, '127.0.0.1');
    const drip =
      byteEveryMs === undefined ? undefined : setInterval(() => socket.write(' '), byteEveryMs);
    let received = '';
    socket.setEncoding('latin1').on('data', (some: string) => (received += some));
    // A byte that comes after the end is answered with a reset.
    socket.on('error', () => undefined);
    socket.write(text);
    await new Promise((resolve) => socket.on('close', resolve));
    clearInterval(drip);
    return { text: received, seconds: (performance.now() - start) / 1000 };
  });
}
