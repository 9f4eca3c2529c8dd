/**
 * Malformed and hostile requests over raw sockets. After each row of the table the server still
 * serves other clients, and it has acted upon valid requests only. A slow client cannot hold it.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Jwt, Router } from '../../src/index.ts';
import { serve, signalGroup } from '../support/run-command.ts';
import { lanesOf, rssOf, tryRow } from '../support/raw-client.ts';
import { rawRequests } from '../support/malformed-requests.ts';
import type { RawRow } from '../support/malformed-requests/rows.ts';
import { SECRET } from '../support/tokens.ts';
import { send, sendRaw, withApp, withServer } from '../support/app.ts';
import { WatchedStore } from '../support/doubles.ts';

const HELLO = 'GET /hello HTTP/1.1\r\nHost: x\r\n';
const token = new Jwt<{ identity: string }>({ secret: SECRET }).sign({ identity: 'joe' });
const rows = rawRequests(token);

/** The refusal is written to the socket itself. */
const TIMEOUT = RegExp([
  String.raw`^HTTP/1\.1 408 Request Timeout\r\n`,
  String.raw`\r\nError-Code: ERR_TIMEOUT\r\n`,
  String.raw`Connection: close\r\n`,
  '"status_code":408',
].join('[^]*'));

describe('over raw sockets', { concurrency: 10, timeout: 60_000 }, () => {
  test('a client that sends thousands of requests and reads no reply is cut off', async () => {
    const { child, port, ended } = await serve('serve --port 0 --users memory --throttle off');
    try {
      const rss = () => rssOf(child.pid);
      const many = `${HELLO}\r\n`.repeat(1000);
      // First a flood whose replies are read, so that its memory does not count below.
      for (let round = 0; round < 10; round += 1) {
        await sendRaw(port, `${many}${HELLO}Connection: close\r\n\r\n`);
      }
      const before = await rss();
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined).pause();
      const closed = new Promise((resolve) => socket.on('close', resolve));
      const start = performance.now();
      const write = () => {
        while (!socket.destroyed && socket.write(many));
      };
      socket.on('drain', write).on('connect', write);
      let most = before;
      const sample = async () => {
        const mib = await rss();
        most = Math.max(most, mib);
      };
      const watch = setInterval(sample, 250);
      await closed;
      clearInterval(watch);
      const seconds = (performance.now() - start) / 1000;
      assert.ok(seconds < 25, `after ${seconds} seconds`);
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

  test('each row gets exactly its replies, and then another client is served', async (t) => {
    const reported: unknown[] = [];
    const report = (error: unknown) => void reported.push(error);
    process.on('unhandledRejection', report).on('warning', report);
    t.after(() => process.off('unhandledRejection', report).off('warning', report));
    const tryLane = (lane: readonly RawRow[]) => {
      const users = new WatchedStore();
      return withApp({ users, limits: false, onError: report }, async ({ port, url }) => {
        await send(`${url}/signup`, 'POST', { username: 'joe', password: 'pass' });
        const joe = users.find('joe');
        for (const [index, row] of lane.entries()) {
          await tryRow(port, row);
          const isWithToken = index % 10 === 0;
          const authorization = isWithToken ? `Authorization: JWT ${token}\r\n` : '';
          const answer = await sendRaw(port, `${HELLO}${authorization}Connection: close\r\n\r\n`);
          const status = isWithToken ? 200 : 401;
          assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), `after ${row.name}`);
          assert.deepEqual([users.written, reported], [[joe], []], row.name);
        }
      });
    };
    await Promise.all(lanesOf(rows).map(tryLane));
  });

  test('the table has 1,000 rows with their own names, and none succeeds without a token', () => {
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
    assert.match(text, TIMEOUT);
    assert.ok(seconds > 4.5 && seconds < 9, `after ${seconds} seconds`);
  });

  test('a body that takes more than 10 seconds is a 408, even if it arrives steadily', async () => {
    const head = 'POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const { text, seconds } = await dripping(`${head}Content-Length: 1000\r\n\r\n`);
    assert.match(text, TIMEOUT);
    assert.ok(seconds > 9.5 && seconds < 15, `after ${seconds} seconds`);
  });

  test('a body that stops is a 408, and so is an expected body that never begins', async () => {
    const head = 'POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    const [stopped, expected] = await Promise.all([
      silent(`${head}Content-Length: 1000\r\n\r\n{`),
      silent(`${head}Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n`),
    ]);
    assert.match(stopped.text, /^HTTP\/1\.1 408 [^]*\r\nError-Code: ERR_TIMEOUT\r\n/);
    assert.match(expected.text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 408 /);
    for (const { seconds } of [stopped, expected])
      assert.ok(seconds > 9.5 && seconds < 15, `after ${seconds} seconds`);
  });

  test('a connection without a byte ends after 5 seconds', async () => {
    const { text, seconds } = await silent('');
    assert.match(text, /^(HTTP\/1\.1 408 [^]*)?$/);
    assert.ok(seconds > 4.5 && seconds < 9, `after ${seconds} seconds`);
  });

  test('an idle keep-alive connection ends after 5 seconds', async () => {
    const { text, seconds } = await silent(`${HELLO}\r\n`);
    assert.match(text, /^HTTP\/1\.1 401 [^]*\}\n$/);
    assert.ok(seconds > 4.5 && seconds < 9, `after ${seconds} seconds`);
  });

  test('connections beyond maxConnections are closed until there is room', async () => {
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
        // The server notices the disconnect a little later.
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

/** @returns what the server sends until it closes, and how long that takes */
function silent(text: string, byteEveryMs?: number): Promise<{ text: string; seconds: number }> {
  return withApp({}, async ({ port }) => {
    const start = performance.now();
    const socket = connect(port, '127.0.0.1');
    const drip =
      byteEveryMs === undefined ? undefined : setInterval(() => socket.write(' '), byteEveryMs);
    let received = '';
    socket.setEncoding('latin1').on('data', (some: string) => (received += some));
    // A byte that is sent after the server has closed causes a reset.
    socket.on('error', () => undefined);
    socket.write(text);
    await new Promise((resolve) => socket.on('close', resolve));
    clearInterval(drip);
    return { text: received, seconds: (performance.now() - start) / 1000 };
  });
}
