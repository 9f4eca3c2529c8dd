/**
 * Bad input over a real socket: whatever is sent is answered with the right status in the JSON shape of an error, never
 * with a 500, changes no user, and leaves a server that goes on answering.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  AuthError, createApp, listen, MemoryUserStore, Reply, Router, type HttpRequest, type User,
} from '../src/index.ts';
import { INHERITED_NAMES, NOT_STRINGS, NOT_USERNAMES } from './hostile.ts';
import { cheapPasswords, collectGarbage, SECRET, send, sendRaw, withApp } from './support.ts';

const JOE = { username: 'joe', password: 'pass' };
const KIB = 1024;
const brokenUtf8 = Buffer.concat([Buffer.from('{"username":"jo'), Buffer.from([0xff, 0xc0, 0x80]), Buffer.from('e"}')]);

/** Remembers the users it was given, so that a test can see that there were none. */
class WatchedStore extends MemoryUserStore {
  readonly inserted: User[] = [];

  override insert(user: User): boolean {
    this.inserted.push(user);
    return super.insert(user);
  }
}

test('a body that is no JSON object is a 400, at signup in the shape of a signup', async () => {
  const broken = 'The body is not valid JSON in UTF-8';
  const noObject = 'The body is not a JSON object';
  const noCredentials = 'Expected a JSON object with the strings "username" and "password"';
  const rows: readonly [body: string | Uint8Array, login: string, signup: string][] = [
    ['', broken, broken],
    ['{', broken, broken],
    ['{"username":"joe","password":"pass"', broken, broken],
    ['{"username":"joe","password":"pass"}}', broken, broken],
    ["{'username':'joe','password':'pass'}", broken, broken],
    ['{"username":"joe","password":"pa\0ss"}', broken, broken],
    ['username=joe&password=pass', broken, broken],
    ['\ufeff{"username":"joe","password":"pass"}', broken, broken],
    [brokenUtf8, broken, broken],
    ['['.repeat(8000), broken, broken],
    ['null', noObject, noCredentials],
    ['true', noObject, noCredentials],
    ['1e400', noObject, noCredentials],
    ['"joe"', noObject, noCredentials],
    ['[]', noObject, noCredentials],
    ['[{"username":"joe","password":"pass"}]', noObject, noCredentials],
  ];
  const users = new WatchedStore();
  await withApp({ users }, async ({ url }) => {
    for (const [body, login, signup] of rows) {
      const atLogin = await send(`${url}/auth`, 'POST', body);
      const refused = { status_code: 400, error: 'Bad Request', description: login };
      assert.deepEqual([atLogin.status, atLogin.body], [400, refused]);
      const atSignup = await send(`${url}/signup`, 'POST', body);
      assert.deepEqual([atSignup.status, atSignup.body], [400, { Status: 'Error', result: signup }]);
    }
    assert.deepEqual(users.inserted, []);
    assert.equal((await send(`${url}/signup`, 'POST', '{"username":"joe","password":"pass"}')).status, 200);
  });
});

test('a signup without a username and a password that can be used is a 400 and makes no user', async () => {
  const isJson = (value: unknown) => !['bigint', 'symbol', 'function'].includes(typeof value);
  const isText = (value: unknown) => value instanceof String || value instanceof Date;
  const wrongKinds = NOT_STRINGS.filter((value) => isJson(value) && !isText(value));
  const bodies: object[] = [
    {},
    { username: 'joe' },
    { password: 'pass' },
    ...wrongKinds.flatMap((value) => [{ username: value, password: 'pass' }, { username: 'joe', password: value }]),
    ...NOT_USERNAMES.map((username) => ({ username, password: 'pass' })),
    ...['', 'pas', 'pass\ud800', 'pass\0', 'x'.repeat(257)].map((password) => ({ ...JOE, password })),
    { ...JOE, password: 'x'.repeat(10_000) },
    { username: 'josephine', password: 'Josephine' },
  ];
  const users = new WatchedStore();
  await withApp({ users }, async ({ url }) => {
    for (const body of bodies) {
      const answer = await send(`${url}/signup`, 'POST', body);
      const { Status, result, ...others } = answer.body as Record<string, unknown>;
      const seen = [answer.status, Status, typeof result, others];
      assert.deepEqual(seen, [400, 'Error', 'string', {}], JSON.stringify(body));
    }
    assert.deepEqual(users.inserted, []);
    assert.equal((await send(`${url}/signup`, 'POST', JOE)).status, 200);
  });
});

test('only username and password are read from a body, whatever else it carries', async () => {
  const users = new WatchedStore();
  await withApp({ users }, async ({ url }) => {
    const body =
      '{"id":"root","__proto__":{"admin":true},"constructor":1,"passwordHash":"x","createdAt":"then",' +
      '"username":"joe","password":"pass","role":"admin"}';
    assert.equal((await send(`${url}/signup`, 'POST', body)).status, 200);
    const inherited = '{"__proto__":{"username":"ann","password":"pass"}}';
    assert.equal((await send(`${url}/signup`, 'POST', inherited)).status, 400);
    assert.equal((await send(`${url}/auth`, 'POST', inherited)).status, 401);
  });
  assert.equal(users.inserted.length, 1);
  const [{ id, username, passwordHash, createdAt, ...others }] = users.inserted as [User];
  assert.deepEqual([id, username, others], ['joe', 'joe', {}]);
  assert.match(passwordHash, /^\$scrypt\$ln=1,r=8,p=1\$/);
  assert.ok(Math.abs(Date.parse(createdAt) - Date.now()) < 30_000);
});

test('names that every object inherits are ordinary names', async () => {
  await withApp({}, async ({ url }) => {
    for (const username of INHERITED_NAMES) {
      const body = { username, password: 'a password' };
      assert.equal((await send(`${url}/auth`, 'POST', body)).status, 401, username);
      assert.equal((await send(`${url}/signup`, 'POST', body)).status, 200, username);
      const { access_token: token } = (await send(`${url}/auth`, 'POST', body)).body as { access_token: string };
      const hello = await send(`${url}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` });
      assert.deepEqual(hello.body, { Status: 'Success', result: `Hello ${username}` });
    }
  });
});

test('a body of another content type, charset or encoding is a 415', async () => {
  const refused: readonly Record<string, string>[] = [
    { 'Content-Type': 'text/plain' },
    { 'Content-Type': 'application/x-www-form-urlencoded' },
    { 'Content-Type': 'multipart/form-data; boundary=x' },
    { 'Content-Type': 'application/jsonp' },
    { 'Content-Type': 'text/application/json' },
    { 'Content-Type': 'application/json; charset=latin1' },
    { 'Content-Type': 'application/json; charset=utf-16' },
    { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
  ];
  const accepted = ['application/json', 'APPLICATION/JSON ; Charset="UTF-8"', 'application/json;charset=utf8'];
  await withApp({}, async ({ url }) => {
    for (const headers of refused) {
      for (const path of ['/signup', '/auth']) {
        const { status, body } = await send(`${url}${path}`, 'POST', JOE, headers);
        const description = 'The body must be application/json in UTF-8';
        const expected = { status_code: 415, error: 'Unsupported Media Type', description };
        assert.deepEqual([status, body], [415, expected], JSON.stringify(headers));
      }
    }
    for (const type of accepted) {
      assert.equal((await send(`${url}/auth`, 'POST', JOE, { 'Content-Type': type })).status, 401, type);
    }
    const untyped = await fetch(`${url}/auth`, { method: 'POST', body: Buffer.from(JSON.stringify(JOE)) });
    assert.equal(untyped.status, 415);
  });
});

test('a body of 16 KiB is read, one byte more is a 413, with and without its length declared', async () => {
  const padded = (bytes: number) => `{"username":"joe","password":"pass"${' '.repeat(bytes - 36)}}`;
  const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
  await withApp({}, async ({ url, port }) => {
    assert.equal(padded(16 * KIB).length, 16 * KIB);
    assert.equal((await send(`${url}/auth`, 'POST', padded(16 * KIB))).status, 401);
    const tooLarge = { status_code: 413, error: 'Content Too Large', description: 'The body is too large' };
    for (const bytes of [16 * KIB + 1, 100 * KIB, 1024 * KIB]) {
      const { status, body } = await send(`${url}/auth`, 'POST', padded(bytes));
      assert.deepEqual([status, body], [413, tooLarge]);
    }
    const head = 'POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    // Refused by its length alone: none of the body ever comes.
    assert.match(await sendRaw(port, `${head}Content-Length: 1000000\r\n\r\n`), /^HTTP\/1\.1 413 /);
    for (const [bytes, status] of [[16 * KIB, 401], [16 * KIB + 1, 413], [100 * KIB, 413]] as const) {
      const request = `${head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunked(padded(bytes))}`;
      assert.match(await sendRaw(port, request), new RegExp(`^HTTP/1\\.1 ${status} `));
    }
  });
});

test('a body in chunks of one byte takes no more memory than one in one piece', async () => {
  await withApp({}, async ({ port }) => {
    const type = 'Content-Type: application/json\r\nTransfer-Encoding: chunked';
    const head = `POST /auth HTTP/1.1\r\nHost: x\r\n${type}\r\n\r\n`;
    const before = await bytesInUse();
    const sockets = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'));
    for (const socket of sockets) {
      await new Promise<void>((resolve) => socket.write(head + '1\r\na\r\n'.repeat(16_000), () => resolve()));
    }
    // They are read once a request that came after them is answered.
    assert.match(await sendRaw(port, `${head.replace('chunked', 'chunked\r\nConnection: close')}0\r\n\r\n`), /400/);
    const grown = (await bytesInUse()) - before;
    for (const socket of sockets) socket.destroy();
    assert.ok(grown < 30e6, `${grown} bytes`);
  });
});

test('requests that pile up on one connection are bounded, and cause no warning', async () => {
  let count = 0;
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  const waits = ({ signal }: HttpRequest) => {
    count += 1;
    return new Promise((resolve) => signal.addEventListener('abort', resolve));
  };
  const server = await listen(new Router().get('/', waits).get('/quick', () => 'quick'), { port: 0 });
  try {
    assert.equal(await sendRaw(server.port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(10_000)), '');
    assert.ok(count > 100 && count <= 4096, `${count} requests`);
    assert.equal((await send(`${server.url}/quick`, 'GET')).body, 'quick');
    assert.deepEqual(warnings, []);
  } finally {
    process.off('warning', onWarning);
    await server.close();
  }
});

test('whose address is not known counts as one with all the others, as through a Unix socket', async () => {
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

test('an unknown path is a 404 and a wrong method a 405 that names the right ones', async () => {
  const paths = ['/', '/hell', '/hello/', '/Hello', '//hello', '/hello%00', '/%68ello', '/../hello', '/__proto__'];
  await withApp({}, async ({ port, url }) => {
    for (const path of paths) {
      // fetch would tidy the path up.
      const answer = await sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 404 Not Found\r\n/, path);
      const body = '{"status_code":404,"error":"Not Found","description":"There is nothing at this path"}';
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
        assert.deepEqual([status, body, headers.get('allow')], [405, refused, allow], `${method} ${path}`);
      }
    }
    const head = await fetch(`${url}/hello`, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [401, '']);
    assert.equal(head.headers.get('content-length'), '110', 'HEAD tells the length that GET would have');
    assert.equal((await send(`${url}/hello?a=b`, 'GET')).status, 401, 'a query is not part of the path');
    assert.equal((await send(`${url}/${'x'.repeat(2047)}`, 'GET')).status, 404);
    assert.equal((await send(`${url}/${'x'.repeat(2048)}`, 'GET')).status, 414);
  });
});

test('requests on one connection are answered in turn, and what was done does not go unanswered', async () => {
  const post = (path: string, body: string, headers = '') =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${headers}` +
    `Content-Length: ${body.length}\r\n\r\n${body}`;
  const signup = (username: string) => post('/signup', JSON.stringify({ username, password: 'a password' }));
  const chunked =
    'POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
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
  await withApp({ users }, async ({ port }) => {
    for (const [bytes, statuses, stored] of rows) {
      users.inserted.length = 0;
      const answer = await sendRaw(port, bytes);
      const seen = [...answer.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status));
      assert.deepEqual(seen, statuses, bytes.slice(0, 200));
      assert.deepEqual(users.inserted.map(({ id }) => id), stored === undefined ? [] : [stored], bytes.slice(0, 200));
    }
  });
});

test('a connection that is reset while its CONNECT waits for an answer harms nobody else', async () => {
  const { slow, entered, release } = slowHandler();
  const server = await listen(new Router().get('/slow', slow), { port: 0 });
  try {
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\nCONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n');
    await entered;
    // Nobody but the server hears of the reset; an error that nobody listens to would end this process.
    socket.resetAndDestroy();
    assert.equal((await send(`${server.url}/nowhere`, 'GET')).status, 404);
    release();
    assert.equal((await send(`${server.url}/nowhere`, 'GET')).status, 404);
  } finally {
    await server.close();
  }
});

test('requests that wait on a connection that dies are forgotten with it', async () => {
  const { slow, entered, release } = slowHandler();
  const waiting: WeakRef<object>[] = [];
  const quick = ({ message }: { message: object }) => void waiting.push(new WeakRef(message));
  const server = await listen(new Router().get('/slow', slow).get('/quick', quick), { port: 0 });
  try {
    const socket = connect(server.port, '127.0.0.1');
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
    socket.write(get('/slow') + get('/quick').repeat(100));
    await entered;
    while (waiting.length < 100) await nextTurn();
    socket.resetAndDestroy();
    release();
    const alive = () => waiting.filter((reference) => reference.deref() !== undefined).length;
    for (let turn = 0; turn < 200 && alive() > 0; turn += 1) {
      await collectGarbage();
    }
    assert.equal(alive(), 0);
  } finally {
    await server.close();
  }
});

test('every answer is JSON that no cache keeps and no browser guesses at', async () => {
  await withApp({}, async ({ url }) => {
    const rows = [['/hello', 'GET'], ['/auth', 'POST', {}], ['/x', 'GET'], ['/auth', 'GET']] as const;
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
  const server = await listen(router, { port: 0 });
  try {
    const failing = ['/throws', '/rejects', '/throws-text', '/circular', '/bad-header', '/bad-status', '/no-json'];
    for (const path of failing) {
      const { status, body } = await send(`${server.url}${path}`, 'GET');
      const description = 'The server failed to answer this request';
      assert.deepEqual([status, body], [500, { status_code: 500, error: 'Internal Server Error', description }], path);
    }
    assert.equal(reported.length, failing.length);
    assert.deepEqual(reported.slice(0, 3), [secretive, secretive, 'the marker 4711']);
    assert.equal((await send(`${server.url}/untouchable`, 'GET')).status, 500);
    const works = await send(`${server.url}/works`, 'GET');
    assert.deepEqual([works.status, works.body, works.headers.get('x-good')], [201, ['it works'], 'yes']);
    assert.deepEqual((await send(`${server.url}/nothing`, 'GET')).body, null);
  } finally {
    await server.close();
  }
});

// Its end has been, and will not come again.
test('a body that was read already is a 500 that tells its operator, and hangs nothing', { timeout: 10_000 }, async () => {
  const reported: unknown[] = [];
  const router = new Router({ onError: (error) => reported.push(String(error)) });
  router.post('/twice', async (request) => [await request.json(), await request.json()]);
  const server = await listen(router, { port: 0 });
  try {
    assert.equal((await send(`${server.url}/twice`, 'POST', {})).status, 500);
    assert.match(reported.join(), /^TypeError: the body has been read already/);
  } finally {
    await server.close();
  }
});

test('a client that has gone before its body is read leaves no handler waiting', { timeout: 10_000 }, async () => {
  const router = new Router();
  const server = await listen(router, { port: 0 });
  const client = connect(server.port, '127.0.0.1');
  try {
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
  } finally {
    await server.close();
  }
});

test('an onError that fails as well, with what nobody can look at, is a 500 all the same', async () => {
  for (const thrown of [revoked(), Object.assign(new Error('x'), { stack: [revoked()] })]) {
    const onError = () => {
      throw thrown;
    };
    const server = await listen(new Router({ onError }).get('/', () => Promise.reject(new Error('x'))), { port: 0 });
    try {
      assert.equal((await send(server.url, 'GET')).status, 500);
    } finally {
      await server.close();
    }
  }
});

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

/** A value of which nobody can ask anything. */
function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** Memory that is not garbage, also outside of the heap. */
async function bytesInUse(): Promise<number> {
  await collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
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

test('what is wrong with the beginning of a body is seen before a handler that answers at once', async () => {
  const server = await listen(new Router().post('/', () => 'done'), { port: 0 });
  try {
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n';
    const [broken, whole] = ['zz\r\n', '1\r\na\r\n0\r\n\r\n'].map((body) => `Transfer-Encoding: chunked\r\n\r\n${body}`);
    assert.match(await sendRaw(server.port, `${head}${broken}`), /^HTTP\/1\.1 400 /);
    assert.match(await sendRaw(server.port, `${head}${whole}`), /^HTTP\/1\.1 200 /);
  } finally {
    await server.close();
  }
});
