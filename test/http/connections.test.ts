/** Pipelining: its bound and its order, and connections that die while requests wait on them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { Reply, Router, type HttpRequest } from '../../src/index.ts';
import { send, sendRaw, withServer } from '../support/app.ts';
import { arrivalsOf } from '../support/arrivals.ts';
import { collectGarbage } from '../support/garbage.ts';
import { slowHandler } from '../support/slow-handler.ts';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const LAST_GET = GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');

test('pipelined requests are answered one after the other, however many', async (t) => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  let count = 0;
  const turns = async () => {
    count += 1;
    const own = count;
    await Promise.resolve();
    assert.equal(count, own, 'one after the other');
    return own;
  };
  await withServer(new Router().get('/', turns), async ({ port }) => {
    const answers = await sendRaw(port, GET.repeat(20_000) + LAST_GET);
    assert.deepEqual(
      answers.match(/^\d+$/gm),
      Array.from({ length: 20_001 }, (_, index) => String(index + 1)),
    );
    assert.deepEqual(warnings, []);
  });
});

test('3000 pipelined requests may wait, and one more closes the connection', async (t) => {
  const arrivals = arrivalsOf(t);
  const slow = async () => {
    // Until all have arrived.
    while (arrivals.length < 3001) await nextTurn();
    return 'slow';
  };
  const waits = ({ signal }: HttpRequest) => {
    return new Promise((resolve) => signal.addEventListener('abort', resolve));
  };
  const app = new Router()
    .get('/', waits)
    .get('/slow', slow);
  await withServer(app, async ({ port, url }) => {
    const requests = (GET.repeat(3000) + LAST_GET).replaceAll('GET /', 'GET /slow');
    const answers = await sendRaw(port, requests);
    assert.equal(answers.split('HTTP/1.1 200').length - 1, 3001);
    for (const tooMany of [3002, 10_000]) {
      assert.equal(await sendRaw(port, GET.repeat(tooMany)), '');
    }
    assert.equal((await send(`${url}/slow`, 'GET')).body, 'slow');
  });
});

test('requests with and without a body, and malformed ones, are answered in order', async () => {
  const app = new Router()
    .get('/', () => 'quick')
    .get('/slow', () => delay(20))
    .post('/', async (request) => new Reply(201, await request.json()));
  await withServer(app, async ({ port }) => {
    const slow = GET.replace('GET /', 'GET /slow');
    const type = 'Content-Type: application/json';
    const post = `POST / HTTP/1.1\r\nHost: x\r\n${type}\r\nContent-Length: 1\r\n\r\n1`;
    const bad = 'GET / HTTP/1.1\r\n\r\n';
    const answers = await sendRaw(port, `${slow}${GET}${post}${GET}${bad}${GET}`);
    assert.deepEqual(answers.match(/(?<=HTTP\/1\.1 )\d+/g), ['200', '200', '201', '200', '400']);
  });
});

test('a refusal comes after replies that have ended, but wait for one before them', async () => {
  for (const refused of ['malformed\r\n\r\n', 'CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n']) {
    const { slow, release } = slowHandler();
    let quickOnes = 0;
    const quick = () => {
      quickOnes += 1;
      return quickOnes;
    };
    await withServer(new Router().get('/slow', slow).post('/', quick), async ({ port }) => {
      const socket = connect(port, '127.0.0.1').setEncoding('latin1');
      const post = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1';
      let answers = '';
      socket.on('data', (text) => (answers += text));
      socket.write(GET.replace('GET /', 'GET /slow') + post.repeat(3));
      while (quickOnes < 3) await nextTurn();
      // The first of these two is refused, and the second one must not be.
      for (let count = 0; count < 2; count += 1) {
        socket.write(refused);
        await delay(20);
      }
      release();
      await once(socket, 'close');
      assert.deepEqual(answers.match(/(?<=HTTP\/1\.1 )\d+/g), ['200', '200', '200', '200', '400']);
    });
  }
});

test('a client that pipelines lets others have their turn', async () => {
  const order: string[] = [];
  const app = new Router().get('/other', () => void order.push('other'));
  await withServer(app, async ({ port }) => {
    const other = connect(port, '127.0.0.1').resume();
    await once(other, 'connect');
    app.get('/', () => {
      if (order.length === 0) other.write(LAST_GET.replace('GET /', 'GET /other'));
      order.push('pipelined');
      const start = performance.now();
      while (performance.now() - start < 2);
    });
    await Promise.all([sendRaw(port, GET.repeat(100) + LAST_GET), once(other, 'close')]);
  });
  assert.equal(order.length, 102);
  assert.notEqual(order.at(-1), 'other', 'before the last of them');
});

test('a client that does not read costs little, and loses its connection', async () => {
  let count = 0;
  let served: Socket | undefined;
  const app = new Router()
    .get('/', ({ message }) => {
      count += 1;
      served = message.socket;
      return 'x'.repeat(5_000_000);
    })
    .get('/quick', () => 'quick');
  await withServer(app, async ({ port, url }) => {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined).pause();
    socket.write(GET.repeat(200));
    while (served === undefined) await nextTurn();
    const closed = once(served, 'close');
    for (let round = 0; round < 20; round += 1) {
      assert.equal((await send(`${url}/quick`, 'GET')).body, 'quick');
    }
    await closed;
    // The system keeps the first replies in its buffers.
    assert.ok(count < 10, `${count} replies`);
    socket.destroy();
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
        assert.deepEqual([open.size, waiting], [47, 47]);
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
    const app = new Router()
      .get('/', () => 'x'.repeat(20_000))
      .get('/large', ({ message }) => {
        served.add(message.socket);
        return 'x'.repeat(10_000_000);
      });
    await withServer(app, async ({ port }) => {
      // Any two of them exceed the limit.
      const silent = Array.from({ length: 6 }, () => {
        const socket = connect(port, '127.0.0.1').on('error', () => undefined).pause();
        socket.write(GET.replace('GET /', 'GET /large') + GET.repeat(2000));
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

test('a client that disconnects after a CONNECT is noticed', { timeout: 30_000 }, async () => {
  let signal: AbortSignal | undefined;
  const waits = (request: HttpRequest) => {
    signal = request.signal;
    return new Promise((resolve) => signal?.addEventListener('abort', resolve));
  };
  await withServer(new Router().get('/', waits), async ({ port }) => {
    const socket = connect(port, '127.0.0.1');
    socket.write(`${GET}CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n`);
    while (signal === undefined) await nextTurn();
    socket.end();
    while (!signal.aborted) await delay(5);
  });
});

test('requests that wait on a connection that dies are freed with it', async (t) => {
  const { slow, entered, release } = slowHandler();
  const arrivals = arrivalsOf(t);
  await withServer(new Router().get('/slow', slow), async ({ port }) => {
    const socket = connect(port, '127.0.0.1');
    socket.write(GET.replace('GET /', 'GET /slow') + GET.repeat(60));
    await entered;
    while (arrivals.length < 61) await nextTurn();
    socket.resetAndDestroy();
    release();
    const alive = () => arrivals.filter((reference) => reference.deref() !== undefined).length;
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
