/**
 * `latchkey/express` in Express 5 and 4, Connect and Polka, before and behind their body parsers.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import connect from 'connect';
import express from 'express';
import express4 from 'express4';
import polka from 'polka';
import { guard, login, refusal, type Next } from '../../src/express.ts';
import { AuthError, currentIdentity, Jwt, JwtAuth } from '../../src/index.ts';
import { send, sendRaw } from '../support/app.ts';
import { root } from '../support/documents.ts';
import { SECRET } from '../support/tokens.ts';

const JOE = { username: 'joe', password: 'correct horse' };
const jwt = new Jwt<{ identity: string; exp?: number }>({ secret: SECRET });
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
const TOKEN = jwt.sign({ identity: 'joe' });
const EXPIRED = jwt.sign({ identity: 'joe', exp: Math.floor(Date.now() / 1000) - 60 });

/** Each test has a JwtAuth of its own, because it counts wrong passwords. */
const makeAuth = () => new JwtAuth<string>({
  secret: SECRET,
  authenticate: (username, password) => {
    const headers = { 'Retry-After': '7' };
    if (username === 'flood') throw new AuthError('ERR_THROTTLED', { headers });
    if (username === 'broken') throw new Error('the database');
    return password === JOE.password ? username : undefined;
  },
  identity: (claims) => String(claims.identity),
});

/** Where the JSON parser of the framework stands: before the login, behind it, or nowhere. */
type Parser = 'before' | 'behind' | 'none';
type Handle = (req: IncomingMessage, res: ServerResponse, next: Next) => void;

interface Setup {
  readonly parser: Parser;
  /** Whether `refusal` and an error handler of the program are there. */
  readonly handlesErrors: boolean;
}

const greet: Handle = (req, res) => {
  res.end(JSON.stringify([Reflect.get(req, 'user'), currentIdentity()]));
};
const refuseLater: Handle = (_req, _res, next) => next(new AuthError('ERR_BUSY'));
const refuseAsync = async () => {
  await Promise.resolve();
  throw new AuthError('ERR_USER_EXISTS');
};
/** As the page says for Express 4 and Connect. */
const catching: Handle = (_req, _res, next) => void refuseAsync().catch(next);
/** As the page says for Polka, which gives no `next` to a handler that stands alone. */
const catchingInPolka: Handle = (req, res, next) =>
  void refuseAsync().catch((error: unknown) => refusal(error, req, res, next));
const fail: Handle = (_req, _res, next) => next(new Error('secret'));
const parse = express.json();

/** The error handler of a program. It sees what is not a refusal. */
const onError = (error: unknown, _req: IncomingMessage, res: ServerResponse, next: Next) => {
  if (error instanceof AuthError) return next(error);
  res.writeHead(Number(Reflect.get(Object(error), 'status') ?? 599)).end();
};

type Make = (setup: Setup) => Handle;

function makeExpress(framework: typeof express): Make {
  return ({ parser, handlesErrors }) => {
    const auth = makeAuth();
    const guarded = guard(auth);
    const app = framework();
    const sub = framework.Router();
    sub.post('/auth', login(auth));
    sub.get('/hello', guarded, greet);
    if (parser === 'before') app.use(framework.json());
    app.post('/auth', login(auth));
    app.use('/sub', sub);
    if (parser === 'behind') app.use(framework.json());
    app.get('/hello', guarded, greet);
    app.get('/refuses', guarded, refuseLater);
    app.get('/catches', catching);
    app.get('/fails', guarded, fail);
    // Express calls both: a program may register it in two files.
    if (handlesErrors) app.use(refusal, refusal, onError);
    return (req, res) => void Reflect.apply(app, undefined, [req, res]);
  };
}

const makeConnect: Make = ({ parser, handlesErrors }) => {
  const auth = makeAuth();
  const guarded = guard(auth);
  const app = connect();
  const sub = connect();
  sub.use('/auth', login(auth)).use('/hello', guarded).use('/hello', greet);
  if (parser === 'before') app.use(parse as connect.NextHandleFunction);
  app.use('/auth', login(auth)).use('/sub', sub);
  if (parser === 'behind') app.use(parse as connect.NextHandleFunction);
  app.use('/hello', guarded).use('/hello', greet);
  app.use('/refuses', guarded).use('/refuses', refuseLater);
  app.use('/fails', guarded).use('/fails', fail);
  app.use('/catches', catching);
  if (handlesErrors) app.use(refusal).use(refusal).use(onError);
  return (req, res) => app(req, res);
};

const makePolka: Make = ({ parser, handlesErrors }) => {
  const auth = makeAuth();
  const guarded = guard(auth);
  const app = handlesErrors ? polka({ onError: refusal }) : polka();
  const sub = polka();
  sub.post('/auth', login(auth)).get('/hello', guarded, greet);
  if (parser === 'before') app.use(parse);
  app.post('/auth', login(auth));
  app.use('/sub', sub);
  // In Polka a middleware runs before all routes.
  if (parser === 'behind') app.use('/hello', parse);
  app.get('/hello', guarded, greet).get('/refuses', guarded, refuseLater);
  app.get('/fails', guarded, fail).get('/catches', catchingInPolka);
  return (req, res) => void Reflect.apply(app.handler, app, [req, res]);
};

const FRAMEWORKS: Readonly<Record<string, Make>> = {
  'Express 5': makeExpress(express),
  'Express 4': makeExpress(express4 as unknown as typeof express),
  'Connect': makeConnect,
  'Polka': makePolka,
};

async function serve(handle: Handle, use: (url: string, port: number) => Promise<void>) {
  const server = createServer((req, res) => handle(req, res, () => assert.fail()));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    await use(`http://127.0.0.1:${port}`, port);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

async function assertRefused(
  answer: Awaited<ReturnType<typeof send>>,
  code: ConstructorParameters<typeof AuthError>[0],
): Promise<void> {
  const { status, body } = new AuthError(code);
  assert.deepEqual([answer.status, answer.body], [status, body]);
  assert.equal(answer.headers.get('error-code'), code);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
}

async function assertLogin(url: string, { parser, handlesErrors }: Setup): Promise<void> {
  const right = await send(url, 'POST', JOE);
  assert.deepEqual([right.status, Object.keys(Object(right.body))], [200, ['access_token']]);
  assert.equal(right.headers.get('cache-control'), 'no-store');
  await assertRefused(await send(url, 'POST', { ...JOE, password: 'x' }), 'ERR_CREDENTIALS');
  const flood = await send(url, 'POST', { ...JOE, username: 'flood' });
  await assertRefused(flood, 'ERR_THROTTLED');
  assert.equal(flood.headers.get('retry-after'), '7');
  for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
    const answer = await send(url, 'POST', 'username=joe', { 'Content-Type': type });
    await assertRefused(answer, 'ERR_CONTENT_TYPE');
  }
  const malformed = await send(url, 'POST', '{"username":"joe","password":correct horse}');
  assert.equal(malformed.status, 400);
  // A parser before the login refuses it, and then `refusal` answers.
  if (parser !== 'before' || handlesErrors) await assertRefused(malformed, 'ERR_BODY');
}

async function assertGuard(url: string, port: number): Promise<void> {
  const good = await send(`${url}/hello`, 'GET', undefined, bearer(TOKEN));
  assert.deepEqual([good.status, good.body], [200, ['joe', 'joe']]);
  await assertRefused(await send(`${url}/hello`, 'GET'), 'ERR_AUTHORIZATION_MISSING');
  const expired = await send(`${url}/hello`, 'GET', undefined, bearer(EXPIRED));
  await assertRefused(expired, 'ERR_JWT_EXPIRED');
  assert.match(expired.headers.get('www-authenticate') ?? '', /error="invalid_token"/);
  const raw = (...lines: string[]) =>
    sendRaw(port, [...lines, 'Host: x', 'Connection: close', '', ''].join('\r\n'));
  const line = `Authorization: Bearer ${TOKEN}`;
  const path = new URL(url).pathname.replace(/\/$/, '');
  const twice = await raw(`GET ${path}/hello HTTP/1.1`, line, line);
  assert.match(twice, /^HTTP\/1\.1 401 .*Token contains spaces/s);
}

async function assertHead(url: string): Promise<void> {
  const head = (headers = {}) => send(`${url}/hello`, 'HEAD', undefined, headers);
  const [good, bad] = [await head(bearer(TOKEN)), await head()];
  assert.deepEqual([good.status, good.body, bad.status, bad.body], [200, '', 401, '']);
}

for (const [name, make] of Object.entries(FRAMEWORKS)) {
  for (const parser of ['before', 'behind', 'none'] as const) {
    for (const handlesErrors of [true, false]) {
      const setup = { parser, handlesErrors };
      const what = `parser ${parser}, ${handlesErrors ? 'with' : 'without'} the error middleware`;
      test(`${name}, ${what}: login and guard answer as the router does`, async () => {
        await serve(make(setup), async (url, port) => {
          await assertLogin(`${url}/auth`, setup);
          await assertGuard(url, port);
          // Polka has a route for HEAD only if the program makes one.
          if (name !== 'Polka') await assertHead(url);
          await assertLogin(`${url}/sub/auth`, setup);
          await assertGuard(`${url}/sub`, port);
        });
      });
    }
  }

  test(`${name}: refusals of handlers are sent, and the program sees every other error`, async () => {
    await serve(make({ parser: 'none', handlesErrors: true }), async (url) => {
      const get = (path: string) => send(url + path, 'GET', undefined, bearer(TOKEN));
      await assertRefused(await get('/refuses'), 'ERR_BUSY');
      await assertRefused(await get('/catches'), 'ERR_USER_EXISTS');
      const broken = await send(`${url}/auth`, 'POST', { ...JOE, username: 'broken' });
      const failed = [await get('/fails'), broken];
      for (const { status, body } of failed) {
        // Polka has no error handler but `refusal`.
        assert.equal(status, name === 'Polka' ? 500 : 599);
        assert.doesNotMatch(JSON.stringify(body), /secret|database|\bat /);
      }
      assert.equal((await get('/nowhere')).status, 404);
    });
  });
}

for (const [name, make] of Object.entries(FRAMEWORKS)) {
  test(`${name}: refusal answers the errors of a body parser, and no body is logged`, async (t) => {
    const logged = t.mock.method(console, 'error', () => undefined);
    await serve(make({ parser: 'before', handlesErrors: true }), async (url) => {
      const post = (body: unknown, headers = {}) => send(`${url}/auth`, 'POST', body, headers);
      await assertRefused(await post('{"password":correct horse}'), 'ERR_BODY');
      const large = JSON.stringify({ ...JOE, more: 'x'.repeat(200_000) });
      await assertRefused(await post(large), 'ERR_BODY_TOO_LARGE');
      const charset = { 'Content-Type': 'application/json; charset=x' };
      await assertRefused(await post(JOE, charset), 'ERR_CONTENT_TYPE');
      await assertRefused(await post(JOE, { 'Content-Encoding': 'x' }), 'ERR_CONTENT_TYPE');
      for (const encoding of ['gzip', 'deflate', ...(name === 'Express 4' ? [] : ['br'])]) {
        await assertRefused(await post(JOE, { 'Content-Encoding': encoding }), 'ERR_BODY');
      }
      assert.equal((await post(JOE)).status, 200);
    });
    assert.deepEqual(logged.mock.calls, []);
  });
}

test('with the error handler of the page, Express sends each refusal in the shape of errorReply', async () => {
  const page = readFileSync(join(root, 'src/auth/frameworks.md'), 'utf8').replace(/\s+/g, ' ');
  const sentence = /`status` from 400 to 499 with `errorReply\((new [^`]+)\)`/;
  const [, code = ''] = sentence.exec(page) ?? [];
  const refusalOf: unknown = new Function('AuthError', 'error', `return ${code}`);
  assert.ok(typeof refusalOf === 'function');
  const app = express().use(express.json()).post('/', (req, res) => void res.json(req.body));
  app.use((error: unknown, _req: unknown, res: express.Response, _next: unknown) => {
    const { status, headers } = refusalOf(AuthError, error);
    res.status(status).set(headers).json({ shape: 'own' });
  });
  await serve((req, res) => void Reflect.apply(app, undefined, [req, res]), async (url) => {
    for (const [status, body, headers] of [
      [400, '{"password":correct horse}', {}],
      [413, JSON.stringify('x'.repeat(200_000)), {}],
      [415, '{}', { 'Content-Type': 'application/json; charset=latin1' }],
      [415, '{}', { 'Content-Encoding': 'x' }],
      [400, '{}', { 'Content-Encoding': 'gzip' }],
    ] as const) {
      const answer = await send(url, 'POST', body, headers);
      assert.deepEqual([answer.status, answer.body], [status, { shape: 'own' }]);
    }
  });
});

for (const [name, framework] of [
  ['Express 5', express],
  ['Express 4', express4 as unknown as typeof express],
] as const) {
  test(`a guard sets no member that a request has in ${name}`, async () => {
    const members = new Set<string>();
    const app = framework();
    app.use(framework.json()).get('/:id', (req, res) => {
      for (const name of Object.getOwnPropertyNames(req)) members.add(name);
      for (const name of Object.getOwnPropertyNames(framework.request)) members.add(name);
      res.end();
    });
    await serve((req, res) => void Reflect.apply(app, undefined, [req, res]), async (url) => {
      assert.equal((await send(`${url}/1?q=2`, 'GET')).status, 200);
    });
    assert.ok(members.has('body') && members.has('hostname'));
    const auth = makeAuth();
    for (const property of members) {
      assert.throws(() => guard(auth, { property }), { name: 'TypeError' }, property);
    }
  });
}

for (const [name, framework] of [
  ['Express 5', express],
  ['Express 4', express4 as unknown as typeof express],
] as const) {
  test(`the event of a refusal has the pattern of its route in ${name}`, async () => {
    const seen: unknown[] = [];
    const listener = (message: unknown) => seen.push(message);
    subscribe('latchkey:refusal', listener);
    const auth = makeAuth();
    const app = framework();
    const keys = framework.Router().get('/keys/:key', guard(auth), () => assert.fail());
    app.get('/users/:id', guard(auth), () => assert.fail());
    app.use('/teams/:team', keys);
    app.get('/thrown/:id', (_req, _res, next) => next(new AuthError('ERR_BUSY')));
    app.use(guard(auth), refusal);
    await serve((req, res) => void Reflect.apply(app, undefined, [req, res]), async (url) => {
      for (const path of ['/users/marker', '/teams/marker/keys/marker', '/thrown/marker', '/']) {
        await send(`${url}${path}?marker`, 'GET');
      }
    });
    unsubscribe('latchkey:refusal', listener);
    const routes = ['/users/:id', '/keys/:key', '/thrown/:id', undefined];
    assert.deepEqual(seen.map((message) => Reflect.get(Object(message), 'route')), routes);
    assert.doesNotMatch(JSON.stringify(seen), /marker/);
  });
}

for (const [name, parser] of [
  ['express.text()', express.text({ type: '*/*' })],
  ['express.raw()', express.raw({ type: '*/*' })],
] as const) {
  test(`a login reads JSON behind ${name}`, async () => {
    const app = express().use(parser).post('/auth', login(makeAuth()));
    await serve((req, res) => void Reflect.apply(app, undefined, [req, res]), async (url) => {
      assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 200);
      const malformed = await send(`${url}/auth`, 'POST', '{"password":correct horse}');
      await assertRefused(malformed, 'ERR_BODY');
    });
  });
}

test('wrong passwords are limited in Express, by account and by network', async () => {
  const app = express().post('/auth', login(makeAuth(), { trustProxy: 1 }));
  await serve((req, res) => void Reflect.apply(app, undefined, [req, res]), async (url) => {
    const logIn = (password: string, address = '192.0.2.1') =>
      send(`${url}/auth`, 'POST', { ...JOE, password }, { 'X-Forwarded-For': address });
    for (let tries = 0; tries < 10; tries += 1) {
      await assertRefused(await logIn('wrong'), 'ERR_CREDENTIALS');
    }
    const limited = await logIn(JOE.password);
    await assertRefused(limited, 'ERR_THROTTLED');
    assert.match(limited.headers.get('retry-after') ?? '', /^\d+$/);
    assert.equal((await logIn(JOE.password, '198.51.100.1')).status, 200);
  });
});
