/**
 * Routes of a router. A handler, a hook or a store that fails causes a reply with status 500 and at
 * most one report. Real sockets.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AuthError, MemoryUserStore, Reply, Router } from '../../src/index.ts';
import { fromOtherRealm, OtherAuthError, OtherReply, withGlobal } from '../support/copies.ts';
import { isReply } from '../../src/http/reply.ts';
import { NOT_STRINGS } from '../support/hostile.ts';
import { send, withApp, withServer } from '../support/app.ts';

const JOE = { username: 'joe', password: 'correct horse' };

/** A value that throws whenever it is used. */
function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

test('a route needs a valid path, a function, and a method that the path does not have yet', () => {
  const router = new Router();
  const handler = () => 1;
  const paths = ['', 'hello', 'http://x/hello', '/a?b', '/a#b', '/a b', '/\u00fc', ...NOT_STRINGS];
  for (const path of paths) {
    assert.throws(() => router.get(path as string, handler), {
      name: 'TypeError',
      message: /^"path" expected /,
    });
  }
  assert.throws(() => router.get('/a', 'handler' as never), {
    name: 'TypeError',
    message: /^"handler" expected /,
  });
  // Express has routes with several handlers. Here the second one could be a guard that never runs.
  assert.throws(() => Reflect.apply(router.get, undefined, ['/guarded', handler, handler]), {
    name: 'TypeError',
    message: /^"handler" expected one function, such as auth.required\(handler\), got 2 arguments$/,
  });
  router.get('/a', handler).post('/a', handler).get(encodeURI('/\u00fc~!"$>@'), handler);
  assert.throws(() => router.get('/a', handler), {
    name: 'TypeError',
    message: /^"path" expected /,
  });
  const misspelt = { onerror: handler } as never;
  assert.throws(() => new Router(misspelt), { name: 'TypeError', message: /^"onerror" expected / });
});

test('a handler that fails causes a 500 without details, and one report', async () => {
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
    const failing = [
      '/throws',
      '/rejects',
      '/throws-text',
      '/circular',
      '/bad-header',
      '/bad-status',
      '/no-json',
    ];
    for (const path of failing) {
      const { status, body } = await send(`${url}${path}`, 'GET');
      const description = 'The server failed to answer this request';
      assert.deepEqual(
        [status, body],
        [500, { status_code: 500, error: 'Internal Server Error', description }],
        path,
      );
    }
    assert.equal(reported.length, failing.length);
    assert.deepEqual(reported.slice(0, 3), [secretive, secretive, 'the marker 4711']);
    assert.equal((await send(`${url}/untouchable`, 'GET')).status, 500);
    const works = await send(`${url}/works`, 'GET');
    assert.deepEqual(
      [works.status, works.body, works.headers.get('x-good')],
      [201, ['it works'], 'yes'],
    );
    assert.deepEqual((await send(`${url}/nothing`, 'GET')).body, null);
  });
});

test('a handler error is still a 500 if onError throws a value that cannot be read', async () => {
  for (const thrown of [revoked(), Object.assign(new Error('x'), { stack: [revoked()] })]) {
    const onError = () => {
      throw thrown;
    };
    await withServer(
      new Router({ onError }).get('/', () => Promise.reject(new Error('x'))),
      async ({ url }) => {
        assert.equal((await send(url, 'GET')).status, 500);
      },
    );
  }
});

test('a store that throws any value, at once or later, is a 500 and one report', async () => {
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
        assert.deepEqual(
          [status, body],
          [500, { status_code: 500, error: 'Internal Server Error', description }],
          how,
        );
      }
      assert.equal(reports.length, 2, how);
      assert.equal((await send(`${url}/hello`, 'GET')).status, 401);
    });
  }
});

test('a failure after a disconnect, or during a reply, harms no other client', async () => {
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
      // The connection is closed already, so no event would abort the signal.
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

test('what another copy made: its Reply and its AuthError are sent with their own status', async () => {
  const reported: unknown[] = [];
  const router = new Router({ onError: (error) => reported.push(error) });
  class Created extends OtherReply {
    constructor() {
      super(201, 'created', { 'X-Kind': 'reply' });
    }
  }
  const replies = {
    '/own': new Reply(403, { no: 1 }, { 'X-Kind': 'reply' }),
    '/other': new OtherReply(403, { no: 1 }, { 'X-Kind': 'reply' }),
    '/sub': new Created(),
  };
  for (const [path, reply] of Object.entries(replies)) {
    router.get(path, () => reply).get(`${path}/later`, async () => reply);
  }
  const refusals = { '/own/no': AuthError, '/other/no': OtherAuthError };
  for (const [path, Kind] of Object.entries(refusals)) {
    router.get(path, () => {
      throw new Kind('ERR_USER_EXISTS', { status: 409 });
    });
  }
  await withServer(router, async ({ url }) => {
    for (const path of Object.keys(replies).flatMap((name) => [name, `${name}/later`])) {
      const { status, headers, body } = await send(`${url}${path}`, 'GET');
      const expected = path.startsWith('/sub') ? [201, 'created'] : [403, { no: 1 }];
      assert.deepEqual([status, body, headers.get('x-kind')], [...expected, 'reply'], path);
    }
    for (const path of Object.keys(refusals)) {
      assert.equal((await send(`${url}${path}`, 'GET')).status, 409, path);
    }
  });
  assert.deepEqual(reported, []);
});

test('what looks like a Reply, and is a value that a client may have sent, is sent with 200', async () => {
  const like = { status: 401, body: 'x', headers: { 'X-Kind': 'reply' } };
  const proxy = new Proxy(like, { get: (_target, name) => Reflect.get(like, name) ?? (() => 1) });
  const values = [like, JSON.parse(JSON.stringify(new Reply(401, 'x', like.headers))), [like]];
  for (const value of [...values, null, 'x', 7, Object.assign(Object.create(null), like)]) {
    await withServer(new Router().get('/', () => value), async ({ url }) => {
      const { status, headers, body } = await send(url, 'GET');
      assert.deepEqual([status, headers.get('x-kind')], [200, null]);
      assert.deepEqual(body, JSON.parse(JSON.stringify(value)));
    });
  }
  assert.equal(isReply(proxy), false);
});

test('what another realm made: its promises, errors and values are those of a handler', async () => {
  const reported: unknown[] = [];
  const error = fromOtherRealm<Error>('new TypeError("the marker 4711")');
  const router = new Router({ onError: (thrown) => reported.push(thrown) })
    .get('/value', () => fromOtherRealm('{ list: [1, new Date(0)] }'))
    .get('/promise', () => fromOtherRealm('Promise.resolve({ list: [1] })'))
    .get('/error', () => Promise.reject(error));
  await withServer(router, async ({ url }) => {
    const value = await send(`${url}/value`, 'GET');
    assert.deepEqual(value.body, { list: [1, '1970-01-01T00:00:00.000Z'] });
    assert.deepEqual((await send(`${url}/promise`, 'GET')).body, { list: [1] });
    assert.equal((await send(`${url}/error`, 'GET')).status, 500);
  });
  assert.ok(reported.length === 1 && reported[0] === error);
});

test('another global Promise, as of a polyfill: a rejected handler is answered all the same', async () => {
  const router = new Router()
    .get('/no', async () => Promise.reject(new AuthError('ERR_USER_EXISTS')))
    .get('/yes', async () => 'yes');
  class Polyfill extends Promise<unknown> {}
  await withServer(router, async ({ url }) => {
    const answers = await withGlobal('Promise', Polyfill, () =>
      Promise.all([send(`${url}/no`, 'GET'), send(`${url}/yes`, 'GET')]),
    );
    assert.deepEqual((answers as { status: number }[]).map(({ status }) => status), [400, 200]);
  });
});
