/** Pipelining: its bound and its order, and connections that die while requests wait on them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { Router, type HttpRequest } from '../../src/index.ts';
import { send, sendRaw, withServer } from '../support/app.ts';
import { collectGarbage } from '../support/garbage.ts';
import { slowHandler } from '../support/slow-handler.ts';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const LAST_GET = GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');

test('3000 pipelined requests may wait in order, and one more closes the connection', async (t) => {
  let count = 0;
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const waits = ({ signal }: HttpRequest) => {
    count += 1;
    return new Promise((resolve) => signal.addEventListener('abort', resolve));
  };
  const turns = async () => {
    count += 1;
    const own = count;
    // The last one is ready first.
    await delay(100 - own);
    return own;
  };
  const app = new Router()
    .get('/', waits)
    .get('/quick', () => 'quick')
    .get('/turns', turns);
  await withServer(app, async ({ port, url }) => {
    for (const tooMany of [3002, 10_000]) {
      count = 0;
      assert.equal(await sendRaw(port, GET.repeat(tooMany)), '');
      assert.equal(count, 3001);
    }
    count = 0;
    const answers = await sendRaw(
      port,
      (GET.repeat(63) + LAST_GET).replaceAll('GET /', 'GET /turns'),
    );
    assert.deepEqual(
      answers.match(/^\d+$/gm),
      Array.from({ length: 64 }, (_, index) => String(index + 1)),
    );
    assert.equal((await send(`${url}/quick`, 'GET')).body, 'quick');
    assert.deepEqual(warnings, []);
  });
});

test(
  'a keep-alive connection may send any number of requests, once it has its replies',
  { timeout: 60_000 },
  async () => {
    const app = new Router().get('/', () => 'quick');
    await withServer(app, async ({ port }) => {
      const socket = connect(port, '127.0.0.1').setEncoding('latin1');
      for (let round = 0; round < 40; round += 1) {
        let answers = '';
        socket.write(GET.repeat(64));
        while (answers.split('"quick"').length <= 64) answers += (await once(socket, 'data'))[0];
      }
      socket.destroy();
    });
  },
);

test(
  'all connections together may have 3000 waiting requests, not counting the first of each',
  { timeout: 60_000 },
  async () => {
    let waiting = 0;
    const slow = ({ signal }: HttpRequest) => {
      waiting += 1;
      return new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          waiting -= 1;
          resolve();
        });
      });
    };
    const app = new Router().get('/', slow).get('/quick', () => 'quick');
    await withServer(app, async ({ port, url }) => {
      const open = new Set<Socket>();
      const fill = async () => {
        for (let index = 0; index < 70; index += 1) {
          const socket = connect(port, '127.0.0.1').on('error', () => undefined);
          open.add(socket.on('close', () => open.delete(socket)));
          await once(socket, 'connect');
          socket.write(GET.repeat(64));
        }
        // 47 connections have 63 behind their first. The next has room for 39 more, and is closed.
        while (open.size > 47) await delay(10);
        await delay(100);
        assert.deepEqual([open.size, waiting], [47, 47 * 64]);
      };
      await fill();
      assert.equal((await send(`${url}/quick`, 'GET')).body, 'quick', 'a first request');
      assert.equal(await sendRaw(port, GET.repeat(64)), '');
      for (const how of ['end', 'resetAndDestroy'] as const) {
        for (const socket of open) socket[how]();
        while (waiting > 0 || open.size > 0) await delay(10);
        // No place is taken any longer, so the same number fits again.
        await fill();
      }
      for (const socket of open) socket.destroy();
    });
  },
);

test(
  'clients that pipeline requests and never read lose their connections to others',
  { timeout: 60_000 },
  async () => {
    const served = new Set<Socket>();
    const app = new Router().get('/', ({ message }) => {
      served.add(message.socket);
      return 'x'.repeat(20_000);
    });
    await withServer(app, async ({ port }) => {
      // Any two of them exceed the limit.
      const silent = Array.from({ length: 6 }, () => {
        const socket = connect(port, '127.0.0.1').on('error', () => undefined).pause();
        socket.write(GET.repeat(2000));
        return socket;
      });
      while (served.size < silent.length) await delay(5);
      const answers = await sendRaw(port, GET.repeat(1500) + LAST_GET);
      assert.equal(answers.split('HTTP/1.1 200').length - 1, 1501);
      const open = [...served].filter((socket) => !socket.destroyed);
      assert.ok(open.length <= 1, `${open.length} are open`);
      for (const socket of silent) socket.destroy();
    });
  },
);

test('a reset while a CONNECT waits for its reply harms no other client', async () => {
  const { slow, entered, release } = slowHandler();
  await withServer(new Router().get('/slow', slow), async ({ port, url }) => {
    const socket = connect(port, '127.0.0.1');
    socket.write(
      'GET /slow HTTP/1.1\r\nHost: x\r\n\r\nCONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n',
    );
    await entered;
    // An 'error' event without a listener would end this process.
    socket.resetAndDestroy();
    assert.equal((await send(`${url}/nowhere`, 'GET')).status, 404);
    release();
    assert.equal((await send(`${url}/nowhere`, 'GET')).status, 404);
  });
});

test('requests that wait on a connection that dies are freed with it', async () => {
  const { slow, entered, release } = slowHandler();
  const waiting: WeakRef<object>[] = [];
  const quick = ({ message }: { message: object }) => void waiting.push(new WeakRef(message));
  await withServer(new Router().get('/slow', slow).get('/quick', quick), async ({ port }) => {
    const socket = connect(port, '127.0.0.1');
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    socket.write(get('/slow') + get('/quick').repeat(60));
    await entered;
    while (waiting.length < 60) await nextTurn();
    socket.resetAndDestroy();
    release();
    const alive = () => waiting.filter((reference) => reference.deref() !== undefined).length;
    for (let turn = 0; turn < 200 && alive() > 0; turn += 1) await collectGarbage();
    assert.equal(alive(), 0);
  });
});

test(
  'a request that has its reply gets no second one if its body is malformed',
  { timeout: 30_000 },
  async () => {
    const app = new Router().get('/', () => 'answer');
    await withServer(app, async ({ port }) => {
      for (const method of ['GET', 'HEAD']) {
        const socket = connect(port, '127.0.0.1')
          .setEncoding('latin1')
          .on('error', () => undefined);
        const closed = once(socket, 'close');
        let answers = '';
        socket.on('data', (text) => (answers += text));
        socket.write(`${method} / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`);
        while (!answers.includes('\r\n\r\n')) await delay(5);
        socket.write('not a chunk\r\n');
        await closed;
        assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'], method);
      }
    });
  },
);
