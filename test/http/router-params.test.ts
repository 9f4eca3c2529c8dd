/** Routes with parameters, and the members of a request that hold them. Real sockets. */
import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { createApp, HttpRequest, MemoryUserStore, Router } from '../../src/index.ts';
import { cheapPasswords, send, sendRaw, withServer } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';

/** Sends a request whose path no client library changes. @returns status line and body */
async function ask(port: number, target: string, method = 'GET'): Promise<string> {
  const head = `${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  const answer = await sendRaw(port, head);
  const [, status = ''] = answer.split(' ');
  return `${status} ${answer.split('\r\n\r\n')[1]?.trim()}`;
}

test('a parameter is one segment that is not empty, and is decoded', async () => {
  const router = new Router()
    .get('/users/:id', ({ params }) => params.id)
    .get('/users/:user/items/:item', ({ params }) => [params.user, params.item])
    .get('/plain', ({ params }) => Object.keys(params));
  await withServer(router, async ({ port }) => {
    const rows: readonly (readonly [target: string, answer: string])[] = [
      ['/users/7', '200 "7"'],
      ['/users/7?id=8', '200 "7"'],
      ['http://x/users/7', '200 "7"'],
      ['/users/%C3%BC%20+', '200 "\xc3\xbc +"'],
      ['/users/a%2Fb%3F', '200 "a/b?"'],
      ['/users/..', '200 ".."'],
      ['/users/__proto__/items/:item', '200 ["__proto__",":item"]'],
      ['/plain', '200 []'],
    ];
    for (const [target, answer] of rows) assert.equal(await ask(port, target), answer, target);
    const unknown = ['/users/', '/users', '/users/7/', '/users//items/1', '//7', '/USERS/7', '*'];
    for (const target of unknown) assert.match(await ask(port, target), /^404 /, target);
  });
});

test('a broken percent-escape in a parameter is a 400, and no handler runs', async () => {
  let runs = 0;
  const router = new Router().get('/:id', ({ params }) => [(runs += 1), params.id]);
  await withServer(router, async ({ port }) => {
    for (const escape of ['%', '%4', '%zz', '%ff', '%C3', '%ED%A0%80']) {
      const answer = await ask(port, `/${escape}`);
      assert.match(answer, /^400 .*"A percent-escape in the path is broken, or is not UTF-8"/);
    }
    assert.equal(runs, 0);
    assert.equal(await ask(port, '/%41'), '200 [1,"A"]');
  });
});

test('a plain segment wins over a parameter, and a dead end is left for the next route', async () => {
  const router = new Router()
    .get('/users/:id', () => 'one')
    .get('/users/me', () => 'me')
    .delete('/users/:id', () => 'removed')
    .get('/users/me/:part', () => 'mine')
    .get('/users/:id/items', () => 'items')
    .get('/:room/me/items/all', () => 'all');
  await withServer(router, async ({ port }) => {
    assert.equal(await ask(port, '/users/me'), '200 "me"');
    assert.equal(await ask(port, '/users/you'), '200 "one"');
    assert.equal(await ask(port, '/users/me', 'DELETE'), '200 "removed"');
    assert.equal(await ask(port, '/users/me/items'), '200 "mine"');
    assert.equal(await ask(port, '/users/you/items'), '200 "items"');
    assert.equal(await ask(port, '/users/me/items/all'), '200 "all"');
    assert.match(await ask(port, '/users/you/items/all'), /^404 /);
  });
});

test('HEAD, OPTIONS and the methods of a 405 work with and without parameters', async () => {
  const router = new Router()
    .get('/users/:id', ({ params }) => params.id)
    .put('/users/:name', ({ params }) => params.name)
    .options('/users/:id', () => 'options')
    .post('/users/me', () => 'me')
    .options('/plain', () => 'plain');
  await withServer(router, async ({ port, url }) => {
    const head = await fetch(`${url}/users/seven`, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, '8']);
    assert.equal(await ask(port, '/users/7', 'PUT'), '200 "7"');
    assert.equal(await ask(port, '/users/7', 'OPTIONS'), '200 "options"');
    assert.equal(await ask(port, '/plain', 'OPTIONS'), '200 "plain"');
    const allowed = async (path: string) => {
      const { status, headers } = await send(`${url}${path}`, 'PATCH');
      return [status, headers.get('allow')];
    };
    assert.deepEqual(await allowed('/users/7'), [405, 'GET, HEAD, PUT, OPTIONS']);
    assert.deepEqual(await allowed('/users/me'), [405, 'POST, GET, HEAD, PUT, OPTIONS']);
    assert.deepEqual(await allowed('/plain'), [405, 'OPTIONS']);
  });
});

test('a route whose paths another one answers is refused, whatever its parameters are called', () => {
  const router = new Router().get('/users/:id', () => 1).get('/users/:id/:part', () => 1);
  router.post('/users/:id', () => 1).get('/users/id', () => 1).get('/users/:id/', () => 1);
  for (const path of ['/users/:id', '/users/:name']) {
    assert.throws(() => router.get(path, () => 1), {
      name: 'TypeError',
      message: '"path" expected a new route, got one that already answers GET',
    });
  }
});

test('a guard stands before a handler with parameters, and passes the request on', async () => {
  const app = createApp({
    secret: SECRET,
    users: new MemoryUserStore(),
    passwords: cheapPasswords(),
  });
  app.get('/items/:item', app.auth.required(({ params, query }, user) => {
    return [params.item, query.get('page'), user.username];
  }));
  await withServer(app, async ({ url }) => {
    const user = await app.accounts.signup({ username: 'joe', password: 'correct horse' });
    const { access_token: token } = await app.auth.issue(user);
    const headers = { Authorization: `Bearer ${token}` };
    const { status, body } = await send(`${url}/items/7?page=2`, 'GET', undefined, headers);
    assert.deepEqual([status, body], [200, ['7', '2', 'joe']]);
    assert.equal((await send(`${url}/items/7?page=2`, 'GET')).status, 401);
  });
});

test('the address of a client behind proxies is the same on a route with parameters', async () => {
  const router = new Router({ trustProxy: 1 }).get('/:any', ({ address }) => address);
  await withServer(router, async ({ url }) => {
    const headers = { 'X-Forwarded-For': '192.0.2.1' };
    assert.equal((await send(`${url}/7`, 'GET', undefined, headers)).body, '192.0.2.1');
  });
});

test('query is what follows the first question mark, parsed once', async () => {
  const router = new Router().get('/search', (request) => {
    assert.equal(request.query, request.query);
    return [...request.query];
  });
  await withServer(router, async ({ port }) => {
    const rows: readonly (readonly [target: string, pairs: unknown])[] = [
      ['/search', []],
      ['/search?', []],
      ['/search?a=1&a=2&b', [['a', '1'], ['a', '2'], ['b', '']]],
      ['/search?a=b+c%2B?d', [['a', 'b c+?d']]],
      ['/search?a=%ff%', [['a', '\xef\xbf\xbd%']]],
      ['http://x/search?__proto__=1', [['__proto__', '1']]],
    ];
    for (const [target, pairs] of rows) {
      assert.equal(await ask(port, target), `200 ${JSON.stringify(pairs)}`, target);
    }
  });
});

test('a request of a test can have parameters, and an object in place of its message', () => {
  const message = { url: new URL('http://x/users/7?a=1') } as unknown as IncomingMessage;
  const request = new HttpRequest(message, 0, { id: '7' });
  const { path, params: { id }, query } = request;
  assert.deepEqual([path, id, query.get('a')], ['/users/7', '7', '1']);
  const bare = new HttpRequest({} as IncomingMessage);
  assert.deepEqual([Object.keys(bare.params), [...bare.query]], [[], []]);
  for (const params of [null, '7', 7, ['7'], () => '7']) {
    assert.throws(() => new HttpRequest(message, 0, params as never), {
      name: 'TypeError',
      message: /^"params" expected an object, got /,
    });
  }
});

test('what a handler writes into the parameters reaches no other request', async () => {
  const writing = (request: HttpRequest) => {
    const before = Object.keys(request.params);
    const isWritten = Reflect.set(request.params, 'role', 'admin');
    return [before, isWritten];
  };
  const router = new Router().get('/plain', writing).get('/of/:name', writing);
  await withServer(router, async ({ url }) => {
    for (let time = 0; time < 2; time += 1) {
      assert.deepEqual((await send(`${url}/plain`, 'GET')).body, [[], false]);
      assert.deepEqual((await send(`${url}/of/joe`, 'GET')).body, [['name'], true]);
    }
  });
  assert.deepEqual(Object.keys(new HttpRequest({} as IncomingMessage).params), []);
});

test('a target of 2048 characters finds its route, and a longer one is refused', async () => {
  const router = new Router().get('/:name', () => 1);
  await withServer(router, async ({ port }) => {
    const target = `/${'x'.repeat(2047)}`;
    assert.equal(await ask(port, target), '200 1');
    assert.match(await ask(port, `${target}x`), /^414 /);
  });
});
