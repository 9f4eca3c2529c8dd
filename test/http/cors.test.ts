/** CORS on the wire, as a browser asks for it. Real sockets. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { AuthError, MemoryUserStore, Reply, Router } from '../../src/index.ts';
import { corsOriginProblem } from '../../src/http/cors.ts';
import { send, withApp, withServer } from '../support/app.ts';
import { NOT_STRINGS } from '../support/hostile.ts';

const ORIGIN = 'https://app.example';
const OTHER = 'https://app.example.evil.example';
const EXPECTED = 'origins such as "https://app.example"';
const BODY = { username: 'joe', password: 'correct horse' };

/** The headers of CORS in a reply, and Vary. */
function corsOf(headers: Headers): Record<string, string> {
  const all = [...headers].filter(([name]) => /^access-control-|^vary$/.test(name));
  return Object.fromEntries(all);
}

const READABLE = {
  'access-control-allow-origin': ORIGIN,
  'access-control-expose-headers': 'Retry-After, WWW-Authenticate, Error-Code',
  'vary': 'Origin',
};

const preflight = (url: string, method: string, origin = ORIGIN) =>
  send(url, 'OPTIONS', undefined, {
    'Origin': origin,
    'Access-Control-Request-Method': method,
    'Access-Control-Request-Headers': 'authorization,content-type',
  });

/** Each origin is written as browsers send it. */
const ORIGINS = [
  'https://app.example',
  'http://localhost:5173',
  'http://127.0.0.1:3000',
  'http://[::1]:3000',
  'https://xn--bcher-kva.example:8443',
  'http://app.example:443',
  'https://app.example:80',
  'https://my_app.example',
  'capacitor://localhost',
  'ionic://localhost',
  'capacitor://localhost:65535',
  'javascripts://x',
  'tauri://localhost',
  'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
  'moz-extension://6f5a3f5e-1b1c-4c5e-9c59-1f0f5a7f2f11',
];

const REFUSED: readonly (readonly [origin: string, problem: RegExp])[] = [
  ['*', /^a wildcard: scripts of any page could use the replies, so name the origins$/],
  ['https://*.example', /^a pattern with "\*": name each origin$/],
  ['null', /^an origin that browsers call "null": sandboxed frames of every site have it$/],
  ['NULL', /"null"/],
  ['file://', /"null"/],
  ['file:///index.html', /"null"/],
  ['data:text/html,x', /"null"/],
  ['data://host', /"null"/],
  ['about:blank', /"null"/],
  ['about://host', /"null"/],
  ['blob:https://app.example/1', /"null"/],
  ['blob://host', /"null"/],
  ['data:text/html,\n', /"null"/],
  ['', /^an empty string$/],
  ['app.example', /^a text without a scheme: begin with "https:\/\/" or "http:\/\/"$/],
  ['localhost:5173', /^a text without a scheme/],
  ['https:app.example', /^a text without a scheme/],
  ['https://app.example/', /^a slash or more behind the host: end with the host or its port$/],
  ['https://app.example/page', /^a slash or more behind the host/],
  ['https://app.example?a', /^a slash or more behind the host/],
  ['https://app.example#a', /^a slash or more behind the host/],
  ['https://App.example', /^upper-case letters: browsers send lower case$/],
  ['HTTPS://app.example', /^upper-case letters/],
  ['https://app.example:443', /^a default port, which browsers do not send: leave it out$/],
  ['http://app.example:80', /^a default port/],
  ['https://app.example:0443', /^a text that no browser sends as an origin: copy one from a req/],
  ['https://app.example:65536', /no browser sends/],
  ['https://app.example:', /no browser sends/],
  ['https://joe@app.example', /no browser sends/],
  ['https://b\u00fccher.example', /no browser sends/],
  ['https://127.1', /no browser sends/],
  ['https://app.example, https://b.example', /behind the host/],
  ['https://a.example https://b.example', /behind the host/],
  ['https://app.example\r\nx-own: 1', /no browser sends/],
  [' https://app.example', /no browser sends/],
  ['https://', /no browser sends/],
  ['capacitor://', /no browser sends/],
  ['javascript://x', /no browser sends/],
  ['vbscript://x', /no browser sends/],
  ['capacitor://localhost:65536', /no browser sends/],
  ['capacitor://localhost:080', /no browser sends/],
  ['capacitor://localhost:123456', /no browser sends/],
  ['capacitor://localhost/', /^a slash or more behind the host/],
];

test('an origin is accepted as browsers send it, and any other text is refused with the reason', () => {
  for (const origin of ORIGINS) assert.equal(corsOriginProblem(origin), undefined, origin);
  new Router({ cors: ORIGINS });
  new Router({ cors: [] });
  for (const [origin, problem] of REFUSED) {
    assert.match(corsOriginProblem(origin) ?? 'none', problem, origin);
    assert.throws(() => new Router({ cors: [ORIGIN, origin] }), {
      name: 'TypeError',
      message: `"cors" expected ${EXPECTED}, got ${corsOriginProblem(origin)}`,
    });
  }
  for (const value of NOT_STRINGS) {
    assert.throws(() => new Router({ cors: [value as string] }), {
      name: 'TypeError',
      message: /^"cors" expected origins such as /,
    });
  }
  for (const cors of [ORIGIN, true, new Set([ORIGIN]), null, { 0: ORIGIN, length: 1 }]) {
    assert.throws(() => new Router({ cors: cors as never }), {
      name: 'TypeError',
      message: /^"cors" expected a list of origins such as /,
    });
  }
  assert.throws(() => new Router({ cors: [ORIGIN, , OTHER] as string[] }), { name: 'TypeError' });
  assert.throws(() => new Router({ cors: [ORIGIN, OTHER, ORIGIN] }), {
    name: 'TypeError',
    message: '"cors" expected different origins, got one twice',
  });
});

test('a script of a listed origin may read every reply: refusals, failures and bytes too', async () => {
  const router = new Router({ cors: [OTHER, ORIGIN], onError: () => undefined })
    .get('/works', () => ({}))
    .get('/bytes', () => new Reply(200, Buffer.from('hello'), { 'Content-Type': 'text/plain' }))
    .get('/late', async () => Promise.reject(new AuthError('ERR_BUSY')))
    .get('/circular', () => 1n)
    .get('/fails', () => {
      throw new Error('the marker 4711');
    })
    .get('/:escape', () => 1);
  await withServer(router, async ({ url }) => {
    const rows: readonly (readonly [path: string, method: string, status: number])[] = [
      ['/works', 'GET', 200],
      ['/works', 'HEAD', 200],
      ['/bytes', 'GET', 200],
      ['/works', 'POST', 405],
      ['/works', 'OPTIONS', 405],
      ['/unknown/path', 'GET', 404],
      ['/%ff', 'GET', 400],
      [`/${'x'.repeat(3000)}`, 'GET', 414],
      ['/late', 'GET', 503],
      ['/circular', 'GET', 500],
      ['/fails', 'GET', 500],
    ];
    for (const [path, method, expected] of rows) {
      const isOptions = method === 'OPTIONS';
      const vary = isOptions ? 'Origin, Access-Control-Request-Method' : 'Origin';
      const own = await send(`${url}${path}`, method, undefined, { Origin: ORIGIN });
      assert.deepEqual([own.status, corsOf(own.headers)], [expected, { ...READABLE, vary }], path);
      for (const Origin of ['https://evil.example', 'null', 'HTTPS://APP.EXAMPLE', `${ORIGIN}/`]) {
        const other = await send(`${url}${path}`, method, undefined, { Origin });
        assert.deepEqual([other.status, corsOf(other.headers)], [expected, { vary }], path);
      }
      const none = await send(`${url}${path}`, method);
      assert.deepEqual([none.status, corsOf(none.headers)], [expected, { vary }], path);
    }
  });
});

test('a preflight is answered before any guard or handler, and alike for every path', async () => {
  let runs = 0;
  const run = () => (runs += 1);
  const router = new Router({ cors: [ORIGIN] })
    .get('/items/:id', run)
    .put('/items/:id', run)
    .delete('/items/all', run)
    .post('/own', run)
    .options('/own', run);
  await withServer(router, async ({ url }) => {
    const paths = ['/items/7', '/items/all', '/own?a=b', '/unknown', `/${'x'.repeat(3000)}`];
    for (const path of paths) {
      const { status, headers, body } = await preflight(`${url}${path}`, 'PUT');
      assert.deepEqual([status, body, headers.get('error-code')], [204, '', null], path);
      assert.deepEqual(corsOf(headers), {
        'access-control-allow-origin': ORIGIN,
        // Also those that the path does not have: the script then sees the 405 of its request.
        'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
        'access-control-allow-headers': 'Authorization, Content-Type',
        'access-control-max-age': '600',
        'vary': 'Origin, Access-Control-Request-Method',
      });
      const other = await preflight(`${url}${path}`, 'PUT', 'https://evil.example');
      const vary = 'Origin, Access-Control-Request-Method';
      assert.deepEqual([other.status, corsOf(other.headers)], [204, { vary }], path);
    }
    assert.equal(runs, 0);
    // Without one of the two headers it is a request like any other.
    const asked = { Origin: ORIGIN };
    assert.equal((await send(`${url}/own`, 'OPTIONS', undefined, asked)).body, 1);
    const wanted = { 'Access-Control-Request-Method': 'POST' };
    assert.equal((await send(`${url}/own`, 'OPTIONS', undefined, wanted)).body, 2);
    assert.equal((await send(`${url}/own`, 'POST', undefined, { ...asked, ...wanted })).body, 3);
  });
});

test('without the option no header of CORS is sent, and OPTIONS is a method like any other', async () => {
  for (const router of [new Router(), new Router({ cors: [] })]) {
    await withServer(router.get('/', () => 1), async ({ url }) => {
      const { status, headers } = await preflight(url, 'GET');
      assert.deepEqual([status, corsOf(headers)], [405, {}]);
      const plain = await send(url, 'GET', undefined, { Origin: ORIGIN });
      assert.deepEqual([plain.status, corsOf(plain.headers)], [200, {}]);
    });
  }
});

test('a Reply can add to Vary, and cannot take Origin away', async () => {
  const router = new Router({ cors: [ORIGIN] })
    .get('/one', () => new Reply(200, 1, { vary: 'Accept' }))
    .get('/two', () => new Reply(200, 1, { VARY: ['Accept', 'Cookie'] }))
    .get('/link', () => new Reply(200, 1, { Link: '</one>' }))
    .get('/own', () => new Reply(200, 1, { 'access-control-allow-origin': 'https://own.example' }));
  await withServer(router, async ({ url }) => {
    const headersOf = async (path: string) =>
      corsOf((await send(`${url}${path}`, 'GET', undefined, { Origin: ORIGIN })).headers);
    assert.deepEqual(await headersOf('/one'), { ...READABLE, vary: 'Origin, Accept' });
    assert.deepEqual(await headersOf('/two'), { ...READABLE, vary: 'Origin, Accept, Cookie' });
    assert.equal((await send(`${url}/link`, 'GET')).headers.get('link'), '</one>');
    const own = { ...READABLE, 'access-control-allow-origin': 'https://own.example' };
    assert.deepEqual(await headersOf('/own'), own);
  });
  const plain = new Router().get('/', () => new Reply(200, 1, { Vary: 'Accept' }));
  await withServer(plain, async ({ url }) => {
    assert.deepEqual(corsOf((await send(url, 'GET')).headers), { vary: 'Accept' });
  });
});

test('Origin is added to the Vary that a middleware has set before the router', async () => {
  const answer = () => new Reply(200, 1, { vary: 'Accept' });
  const router = new Router({ cors: [ORIGIN] }).get('/', answer);
  const handle = (message: IncomingMessage, response: ServerResponse) => {
    response.setHeader('Vary', ['Accept-Encoding', 'X-Own']);
    return router.handle(message, response);
  };
  await withServer({ handle }, async ({ url }) => {
    const sent = { Origin: ORIGIN };
    const { headers } = await send(url, 'GET', undefined, sent);
    assert.equal(headers.get('vary'), 'Accept-Encoding, X-Own, Origin, Accept');
    const { headers: refused } = await send(`${url}/unknown`, 'GET', undefined, sent);
    assert.equal(refused.get('vary'), 'Accept-Encoding, X-Own, Origin');
    const { headers: asked } = await preflight(url, 'PUT');
    const vary = 'Accept-Encoding, X-Own, Origin, Access-Control-Request-Method';
    assert.equal(asked.get('vary'), vary);
  });
});

test('a page of another origin can sign up, log in and use its token, and reads each refusal', async () => {
  await withApp({ cors: [ORIGIN], users: new MemoryUserStore() }, async ({ url }) => {
    const ask = (path: string, method: string, body?: unknown, headers = {}) =>
      send(`${url}${path}`, method, body, { Origin: ORIGIN, ...headers });
    for (const [path, method] of [['/signup', 'POST'], ['/auth', 'POST'], ['/hello', 'GET']]) {
      const { status, headers } = await preflight(`${url}${path}`, String(method));
      assert.equal(status, 204);
      const allowed = headers.get('access-control-allow-methods')?.split(', ');
      assert.ok(allowed?.includes(String(method)));
    }
    const signup = await ask('/signup', 'POST', BODY);
    assert.deepEqual([signup.status, corsOf(signup.headers)], [200, READABLE]);
    const wrong = await ask('/auth', 'POST', { ...BODY, password: 'wrong' });
    assert.deepEqual([wrong.status, corsOf(wrong.headers)], [401, READABLE]);
    assert.equal(wrong.headers.get('error-code'), 'ERR_CREDENTIALS');
    const login = await ask('/auth', 'POST', BODY);
    const { access_token: token } = login.body as { access_token: string };
    const hello = await ask('/hello', 'GET', undefined, { Authorization: `Bearer ${token}` });
    assert.deepEqual([hello.status, corsOf(hello.headers)], [200, READABLE]);
    const guarded = await ask('/hello', 'GET');
    assert.deepEqual([guarded.status, corsOf(guarded.headers)], [401, READABLE]);
    assert.match(guarded.headers.get('www-authenticate') ?? '', /^Bearer|^JWT/);
  });
});
