/**
 * Bad requests over a real socket: wrong paths and methods, pipelined and broken requests. And the
 * headers of every answer.
 */
import assert from 'node:assert/strict';
import { send, sendRaw, withApp } from '../support/app.ts';
import { WatchedStore } from '../support/doubles.ts';
import { testInEachMode as test } from '../support/session-modes.ts';

test('an unknown path gets 404, a wrong method gets 405 with the right ones in Allow', async (mode) => {
  const paths = [
    '/',
    '/hell',
    '/hello/',
    '/Hello',
    '//hello',
    '/hello%00',
    '/%68ello',
    '/../hello',
    '/__proto__',
  ];
  await withApp(mode.options(), async ({ port, url }) => {
    for (const path of paths) {
      // fetch would normalise the path.
      const answer = await sendRaw(
        port,
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      assert.match(answer, /^HTTP\/1\.1 404 Not Found\r\n/, path);
      const body =
        '{"status_code":404,"error":"Not Found","description":"There is nothing at this path"}';
      assert.ok(answer.endsWith(`\r\n\r\n${body}\n`), path);
    }
    const description = 'This path does not answer this method';
    const refused = { status_code: 405, error: 'Method Not Allowed', description };
    const rows: readonly [path: string, allow: string, methods: readonly string[]][] = [
      ['/hello', 'GET, HEAD', ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']],
      ['/auth', 'POST', ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']],
      ['/signup', 'POST', ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']],
    ];
    for (const [path, allow, methods] of rows) {
      for (const method of methods) {
        const { status, body, headers } = await send(`${url}${path}`, method);
        assert.deepEqual(
          [status, body, headers.get('allow')],
          [405, refused, allow],
          `${method} ${path}`,
        );
      }
    }
    const head = await fetch(`${url}/hello`, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [401, '']);
    assert.equal(
      head.headers.get('content-length'),
      '110',
      'HEAD declares the length of the answer to GET',
    );
    assert.equal(
      (await send(`${url}/hello?a=b`, 'GET')).status,
      401,
      'a query is not part of the path',
    );
    assert.equal((await send(`${url}/${'x'.repeat(2047)}`, 'GET')).status, 404);
    assert.equal((await send(`${url}/${'x'.repeat(2048)}`, 'GET')).status, 414);
  });
});

test('pipelined requests are answered in order, and no other is acted upon', async (mode) => {
  const post = (path: string, body: string, headers = '') =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}` +
    `Content-Length: ${body.length}\r\n\r\n${body}`;
  const signup = (username: string) =>
    post('/signup', JSON.stringify({ username, password: 'a password' }));
  const chunked =
    'POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n' +
    'Transfer-Encoding: chunked\r\n\r\n';
  const rows: readonly [bytes: string, statuses: readonly number[], stored?: string][] = [
    [`${signup('ann')}GET /hello HTTP/1.1\r\n\r\n`, [200, 400], 'ann'],
    [`${signup('bob')}garbage\r\n\r\n`, [200, 400], 'bob'],
    [`${signup('cid')}CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n`, [200, 400], 'cid'],
    [`${signup('dan')}${chunked}zz\r\n`, [200, 400], 'dan'],
    [`${post('/auth', '{}', 'Connection: close\r\n')}x`, [401]],
    [`${post('/nowhere', '{}')}${signup('eve')}`, [404]],
    [`${post('/auth', '{}', 'Content-Type: text/plain\r\n')}${signup('fay')}`, [415]],
    [`${chunked}zz\r\n`, [400]],
    [`${chunked}2;${'x'.repeat(30_000)}\r\n{}\r\n0\r\n\r\n`, [400]],
    ['CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n', [400]],
    [`${chunked.replace('chunked', 'gzip, chunked')}2\r\n{}\r\n0\r\n\r\n`, [400]],
    ['GET /hello HTTP/1.1\r\nHost: x\r\nHost: x\r\nConnection: close\r\n\r\n', [400]],
    ['GET /hello HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', [400]],
  ];
  const users = new WatchedStore();
  await withApp({ users, ...mode.options() }, async ({ port }) => {
    for (const [bytes, statuses, stored] of rows) {
      users.written.length = 0;
      const answer = await sendRaw(port, bytes);
      const seen = [...answer.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status));
      assert.deepEqual(seen, statuses, bytes.slice(0, 200));
      assert.deepEqual(
        users.written.map(({ id }) => id),
        stored === undefined ? [] : [stored],
        bytes.slice(0, 200),
      );
    }
  });
});

test('every answer is JSON that no cache stores and no browser sniffs', async (mode) => {
  await withApp(mode.options(), async ({ url }) => {
    const rows = [
      ['/hello', 'GET'],
      ['/auth', 'POST', {}],
      ['/x', 'GET'],
      ['/auth', 'GET'],
    ] as const;
    for (const [path, method, body] of rows) {
      const { headers } = await send(`${url}${path}`, method, body);
      assert.equal(headers.get('content-type'), 'application/json');
      assert.equal(headers.get('cache-control'), 'no-store');
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.ok(Number(headers.get('content-length')) > 0);
      assert.equal(headers.get('x-powered-by'), null);
    }
  });
});
