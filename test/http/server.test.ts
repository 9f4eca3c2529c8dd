/**
 * A router and its server over real sockets, whatever their clients, handlers and hooks do: what fails is a 500 and one
 * report at the most, a connection that dies takes nothing with it, and close cuts nobody off.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { AuthError, createApp, HttpRequest, listen, MemoryUserStore, Reply, Router } from '../../src/index.ts';
import { NOT_STRINGS } from '../support/hostile.ts';
import { cheapPasswords, send, sendRaw, withApp, withServer } from '../support/app.ts';
import { collectGarbage } from '../support/garbage.ts';
import { SECRET } from '../support/tokens.ts';

const JOE = { username: 'joe', password: 'correct horse' };

/** A value of which nobody can ask anything. */
function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** A handler that says when it was entered, and answers once it is released. */
function slowHandler() {
  const [entered, enter] = signal();
  const [released, release] = signal();
  const slow = async () => {
    enter();
    await released;
    return 'done';
  };
  return { slow, entered, release };
}

/** A promise and what keeps it. */
function signal(): [promise: Promise<void>, resolve: () => void] {
  let resolve = () => {};
  const promise = new Promise<void>((done) => (resolve = done));
  return [promise, resolve];
}

test('a router takes paths, handlers and routes that make sense', () => {
  const router = new Router();
  const handler = () => 1;
  for (const path of ['', 'hello', 'http://x/hello', '/a?b', '/a#b', '/a b', ...NOT_STRINGS]) {
    assert.throws(() => router.get(path as string, handler), { name: 'TypeError', message: /^"path" expected / });
  }
  assert.throws(() => router.get('/a', 'handler' as never), { name: 'TypeError', message: /^"handler" expected / });
  router.get('/a', handler).post('/a', handler);
  assert.throws(() => router.get('/a', handler), { name: 'TypeError', message: /^"path" expected / });
  const misspelt = { onerror: handler } as never;
  assert.throws(() => new Router(misspelt), { name: 'TypeError', message: /^"onerror" expected / });
});

test('a header of a Reply replaces ours, whatever its case, and what has no content has no length', async () => {
  const app = new Router();
  app.get('/problem', () => new Reply(400, {}, { 'content-type': 'application/problem+json', 'X-Own': ['a', 'b'] }));
  for (const status of [204, 304]) app.get(`/${status}`, () => new Reply(status, null));
  app.get('/longer', () => new Reply(200, {}, { 'content-length': '9', 'Transfer-Encoding': 'chunked' }));
  app.get('/broken', () => new Reply(200, {}, { 'X-Own': 'a', 'X-Bad': 'a\r\nb' }));
  await withServer(app, async ({ port }) => {
    const headOf = async (path: string) => {
      const answer = await sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      return answer.split('\r\n\r\n');
    };
    const [head = ''] = await headOf('/problem');
    assert.deepEqual(head.match(/^content-type: .*$/gim), ['Content-Type: application/problem+json']);
    assert.deepEqual(head.match(/^x-own: .*$/gim), ['X-Own: a', 'X-Own: b']);
    // Its length is not a header's to say, and one that cannot be sent takes nothing along.
    assert.match((await headOf('/longer')).join('\n'), /Content-Length: 3\r\n[^]*\n\{\}\n$/);
    assert.match((await headOf('/broken'))[0] ?? '', /^HTTP\/1\.1 500 Internal Server Error\r\n(?![^]*X-Own)/);
    for (const status of [204, 304]) {
      const [own = '', body] = await headOf(`/${status}`);
      assert.match(own, RegExp(`^HTTP/1\\.1 ${status} `));
      assert.doesNotMatch(own, /content-length/i);
      assert.equal(body, '');
    }
  });
});

test('proxies are trusted by a number, or by nobody', () => {
  const message = Object.create(null) as IncomingMessage;
  for (const proxies of [NaN, -1, 1.5, 101, Infinity]) {
    assert.throws(() => new HttpRequest(message, proxies), { name: 'RangeError', message: /^"trustProxy" expected / });
  }
});

test('a handler that fails is a 500 that tells nothing, and is reported once', async () => {
  const reported: unknown[] = [];
  const router = new Router({ onError: (error) => reported.push(error) });
  const secretive = new Error('the marker 4711');
  const circular: { self?: unknown } = {};
  circular.self = circular;
  router
    .get('/throws', () => {
      throw secretive;
    })
    .get('/rejects', async () => Promise.reject(secretive))
    .get('/throws-text', () => {
      throw 'the marker 4711';
    })
    .get('/circular', () => circular)
    .get('/bad-header', () => new Reply(200, 1, { 'X-Bad': 'a\r\nb: c' }))
    .get('/bad-status', () => new Reply(101, 1))
    .get('/no-json', () => () => 1)
    .get('/untouchable', () => {
      throw revoked();
    })
    .get('/works', () => new Reply(201, ['it works'], { 'X-Good': 'yes' }))
    .get('/nothing', () => undefined);
  await withServer(router, async ({ url }) => {
    const failing = ['/throws', '/rejects', '/throws-text', '/circular', '/bad-header', '/bad-status', '/no-json'];
    for (const path of failing) {
      const { status, body } = await send(`${url}${path}`, 'GET');
      const description = 'The server failed to answer this request';
      assert.deepEqual([status, body], [500, { status_code: 500, error: 'Internal Server Error', description }], path);
    }
    assert.equal(reported.length, failing.length);
    assert.deepEqual(reported.slice(0, 3), [secretive, secretive, 'the marker 4711']);
    assert.equal((await send(`${url}/untouchable`, 'GET')).status, 500);
    const works = await send(`${url}/works`, 'GET');
    assert.deepEqual([works.status, works.body, works.headers.get('x-good')], [201, ['it works'], 'yes']);
    assert.deepEqual((await send(`${url}/nothing`, 'GET')).body, null);
  });
});

// Its end has been, and will not come again.
test('a body that was read already is a 500 and a report, and hangs nothing', { timeout: 10_000 }, async () => {
  const reported: unknown[] = [];
  const router = new Router({ onError: (error) => reported.push(String(error)) });
  router.post('/twice', async (request) => [await request.json(), await request.json()]);
  await withServer(router, async ({ url }) => {
    assert.equal((await send(`${url}/twice`, 'POST', {})).status, 500);
    assert.match(reported.join(), /^TypeError: the body has been read already/);
  });
});

test('an onError that fails as well, with what nobody can look at, is a 500 all the same', async () => {
  for (const thrown of [revoked(), Object.assign(new Error('x'), { stack: [revoked()] })]) {
    const onError = () => {
      throw thrown;
    };
    await withServer(new Router({ onError }).get('/', () => Promise.reject(new Error('x'))), async ({ url }) => {
      assert.equal((await send(url, 'GET')).status, 500);
    });
  }
});

test('a store that throws, at once or later, an error or any value, is a 500 and one report', async () => {
  const failures: Record<string, () => never | Promise<never>> = {
    'at once': () => {
      throw new Error('the marker 4711');
    },
    'later': () => Promise.reject(new Error('the marker 4711')),
    'no error': () => Promise.reject('the marker 4711'),
    'nothing': () => Promise.reject(undefined),
  };
  for (const [how, fail] of Object.entries(failures)) {
    const users = Object.assign(new MemoryUserStore(), { find: fail });
    const reports: unknown[] = [];
    await withApp({ users, onError: (error) => reports.push(error) }, async ({ url }) => {
      for (const path of ['/signup', '/auth']) {
        const { status, body } = await send(`${url}${path}`, 'POST', JOE);
        const description = 'The server failed to answer this request';
        assert.deepEqual([status, body], [500, { status_code: 500, error: 'Internal Server Error', description }], how);
      }
      assert.equal(reports.length, 2, how);
      assert.equal((await send(`${url}/hello`, 'GET')).status, 401);
    });
  }
});

test('what fails once the client has left, or while the answer is written, harms nobody else', async () => {
  const reports: unknown[] = [];
  const left = new Error('the client had left');
  const closed: Promise<unknown>[] = [];
  const untilAborted = (signal: AbortSignal) => {
    closed.push(new Promise((resolve) => signal.addEventListener('abort', resolve)));
    return closed.at(-1);
  };
  const router = new Router({ onError: (error) => reports.push(error) });
  router
    .get('/fails', async ({ signal }) => {
      await untilAborted(signal);
      throw left;
    })
    .get('/answers', async ({ signal }) => {
      await untilAborted(signal);
      return 'too late';
    })
    .get('/asks-late', async (request) => {
      closed.push(new Promise((resolve) => request.message.socket.once('close', resolve)));
      await closed.at(-1);
      // Nothing would abort it any more.
      if (request.signal.aborted) throw left;
    })
    .get('/large', () => 'x'.repeat(20_000_000))
    .get('/dies', ({ message }) => void message.socket.destroy())
    .get('/quick', () => 'quick');
  await withServer(router, async ({ port, url }) => {
    for (const path of ['/fails', '/asks-late', '/answers']) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      const before = closed.length;
      while (closed.length === before) await nextTurn();
      socket.resetAndDestroy();
      await closed.at(-1);
      await nextTurn();
    }
    assert.deepEqual(reports, [left, left]);
    const reader = connect(port, '127.0.0.1').on('error', () => undefined);
    reader.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => reader.once('data', resolve));
    reader.resetAndDestroy();
    await assert.rejects(fetch(`${url}/dies`));
    assert.equal((await send(`${url}/quick`, 'GET')).body, 'quick');
    assert.deepEqual(reports, [left, left]);
  });
});

test('a client that has gone before its body is read leaves no handler waiting', { timeout: 10_000 }, async () => {
  const router = new Router();
  await withServer(router, async ({ port }) => {
    const client = connect(port, '127.0.0.1');
    const head = ['POST /late HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Content-Length: 9', '', ''];
    const refusal = await new Promise((resolve) => {
      router.post('/late', async (request) => {
        client.destroy();
        await once(request.message.socket, 'close');
        resolve(await request.json().catch((error: unknown) => error));
      });
      client.write(`${head.join('\r\n')}{}`);
    });
    assert.deepEqual(refusal, new AuthError('ERR_ABORTED'));
  });
});

test('what is wrong with the beginning of a body is seen before a handler that answers at once', async () => {
  await withServer(new Router().post('/', () => 'done'), async ({ port }) => {
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n';
    assert.match(await sendRaw(port, `${head}zz\r\n`), /^HTTP\/1\.1 400 /);
    assert.match(await sendRaw(port, `${head}1\r\na\r\n0\r\n\r\n`), /^HTTP\/1\.1 200 /);
  });
});

test('listen checks its options, says where it listens and rejects where it cannot', async () => {
  const app = new Router();
  for (const port of [-1, 65_536, 1.5, NaN, '3000', null]) {
    await assert.rejects(listen(app, { port: port as number }), { message: /^"port" expected a whole number / });
  }
  await assert.rejects(listen(app, { host: '' }), { message: /^"host" expected / });
  await assert.rejects(listen(app, { hots: 'x' } as never), { message: /^"hots" expected / });
  await assert.rejects(listen({} as never), { message: /^"app" expected / });
  const first = await listen(app, { port: 0 });
  assert.equal(first.url, `http://127.0.0.1:${first.port}`);
  await assert.rejects(listen(app, { port: first.port }), { code: 'EADDRINUSE' });
  await first.close();
});

test('a request that is answered before its body came draws no second answer when the body is broken', {
  timeout: 30_000,
}, async () => {
  await withServer(new Router().get('/', () => 'answer'), async ({ port }) => {
    for (const method of ['GET', 'HEAD']) {
      const socket = connect(port, '127.0.0.1').setEncoding('latin1').on('error', () => undefined);
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
});

test('what follows a request that asks for an upgrade is not acted upon, in whatever packet it comes', {
  timeout: 30_000,
}, async () => {
  const asked: string[] = [];
  const post = async (request: HttpRequest) => {
    asked.push(String(await request.json()));
    return 'done';
  };
  await withServer(new Router().get('/', () => 'answer').post('/', post), async ({ port }) => {
    const upgrade = 'Connection: Upgrade\r\nUpgrade: foo\r\n';
    const smuggled = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"smuggled"';
    const head = `GET / HTTP/1.1\r\nHost: x\r\nContent-Length: ${smuggled.length}\r\n\r\n`;
    for (const first of [`GET / HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`,
      `POST / HTTP/1.1\r\nHost: x\r\n${upgrade}Content-Type: application/json\r\nContent-Length: 7\r\n\r\n"first"`]) {
      const socket = connect(port, '127.0.0.1').setEncoding('latin1').on('error', () => undefined);
      const closed = once(socket, 'close');
      let answers = '';
      socket.on('data', (text) => (answers += text));
      socket.setNoDelay().write(first + head);
      await delay(50);
      if (!socket.destroyed) socket.write(smuggled);
      await closed;
      assert.equal(answers.match(/HTTP\/1\.1 200/g)?.length, 1);
      assert.match(answers, /\r\nConnection: close\r\n/);
    }
    assert.deepEqual(asked, ['first']);
  });
});

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const LAST_GET = GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');

test('3000 requests may wait behind another, in order, and one more closes their connection, without a warning', async (t) => {
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
  const app = new Router().get('/', waits).get('/quick', () => 'quick').get('/turns', turns);
  await withServer(app, async ({ port, url }) => {
    for (const tooMany of [3002, 10_000]) {
      count = 0;
      assert.equal(await sendRaw(port, GET.repeat(tooMany)), '');
      assert.equal(count, 3001);
    }
    count = 0;
    const answers = await sendRaw(port, (GET.repeat(63) + LAST_GET).replaceAll('GET /', 'GET /turns'));
    assert.deepEqual(answers.match(/^\d+$/gm), Array.from({ length: 64 }, (_, index) => String(index + 1)));
    assert.equal((await send(`${url}/quick`, 'GET')).body, 'quick');
    assert.deepEqual(warnings, []);
  });
});

test('a connection that has its answers may ask again, any number of times', { timeout: 60_000 }, async () => {
  await withServer(new Router().get('/', () => 'quick'), async ({ port }) => {
    const socket = connect(port, '127.0.0.1').setEncoding('latin1');
    for (let round = 0; round < 40; round += 1) {
      let answers = '';
      socket.write(GET.repeat(64));
      while (answers.split('"quick"').length <= 64) answers += (await once(socket, 'data'))[0];
    }
    socket.destroy();
  });
});

test('over all connections 3000 requests may wait behind others, and a first one always may', {
  timeout: 60_000,
}, async () => {
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
  await withServer(new Router().get('/', slow).get('/quick', () => 'quick'), async ({ port, url }) => {
    const open = new Set<Socket>();
    const fill = async () => {
      for (let index = 0; index < 70; index += 1) {
        const socket = connect(port, '127.0.0.1').on('error', () => undefined);
        open.add(socket.on('close', () => open.delete(socket)));
        await once(socket, 'connect');
        socket.write(GET.repeat(64));
      }
      // 47 connections have 63 each behind their first; one more has the 39 that are left, and is closed.
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
      // All places are free again.
      await fill();
    }
    for (const socket of open) socket.destroy();
  });
});

test('a connection that is reset while its CONNECT waits for an answer harms nobody else', async () => {
  const { slow, entered, release } = slowHandler();
  await withServer(new Router().get('/slow', slow), async ({ port, url }) => {
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\nCONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n');
    await entered;
    // Nobody but the server hears of the reset; an error that nobody listens to would end this process.
    socket.resetAndDestroy();
    assert.equal((await send(`${url}/nowhere`, 'GET')).status, 404);
    release();
    assert.equal((await send(`${url}/nowhere`, 'GET')).status, 404);
  });
});

test('requests that wait on a connection that dies are forgotten with it', async () => {
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

test('clients whose address is unknown, as through a Unix socket, share one count', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-'));
  const socketPath = join(folder, 'socket');
  const app = createApp({
    secret: SECRET, users: new MemoryUserStore(), passwords: cheapPasswords(), limits: { signupsPerAddress: 2 },
  });
  const server = createServer(app.handle).listen(socketPath);
  try {
    const statuses: unknown[] = [];
    for (const username of ['joe', 'ann', 'sue']) {
      const headers = { 'Content-Type': 'application/json', 'Connection': 'close' };
      const posted = request({ socketPath, path: '/signup', method: 'POST', headers });
      posted.end(JSON.stringify({ username, password: 'a password' }));
      const [response] = await once(posted, 'response');
      response.resume();
      statuses.push(response.statusCode);
    }
    assert.deepEqual(statuses, [200, 200, 429]);
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
});

test('close answers what is in flight, refuses what comes, and ends idle connections', async () => {
  const { slow, entered, release } = slowHandler();
  const server = await listen(new Router().get('/slow', slow).get('/quick', () => 'quick'), { port: 0 });
  const idle = connect(server.port, '127.0.0.1');
  idle.write('GET /quick HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => idle.once('data', resolve));
  const idleEnded = new Promise((resolve) => idle.once('close', resolve));
  const answer = sendRaw(server.port, 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
  await entered;
  const closed = server.close();
  await idleEnded;
  await assert.rejects(fetch(`${server.url}/quick`), 'nobody listens any more');
  release();
  assert.match(await answer, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*"done"\n$/);
  await closed;
});

test('close does not wait for a client that goes away in the middle of its request', async () => {
  const server = await listen(new Router().post('/', (request) => request.json()), { port: 0 });
  const socket = connect(server.port, '127.0.0.1');
  const head = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n';
  socket.write(`${head}Expect: 100-continue\r\n\r\n`);
  await once(socket, 'data');
  const closed = server.close().then(() => 'closed');
  socket.end();
  const tooLong = new Promise((resolve) => setTimeout(resolve, 8_000, 'too long').unref());
  assert.equal(await Promise.race([closed, tooLong]), 'closed');
});

test('close answers every request that has come on a connection', async () => {
  const [entered, enter] = signal();
  const [released, release] = signal();
  let count = 0;
  const slow = async () => {
    count += 1;
    if (count === 3) enter();
    await released;
  };
  const server = await listen(new Router().get('/slow', slow), { port: 0 });
  const answer = sendRaw(server.port, 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3));
  await entered;
  const closed = server.close();
  release();
  assert.equal((await answer).match(/HTTP\/1\.1 200 OK/g)?.length, 3);
  await closed;
});
