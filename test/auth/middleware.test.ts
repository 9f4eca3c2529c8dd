/**
 * The guard in front of handlers that are not ours, on servers of plain node:http. test/interop has it in the
 * frameworks themselves.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import { Socket, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  AuthError, currentIdentity, Jwt, JwtAuth, Router, type GuardedRequest, type HttpRequest, type JwtAuthOptions,
} from '../../src/index.ts';
import { SECRET } from '../support/tokens.ts';
import { send, sendRaw } from '../support/app.ts';

const JOE = { id: 'joe' };
const TOKEN = new Jwt({ secret: SECRET }).sign({ identity: 'joe' });
const Authorization = `JWT ${TOKEN}`;
const CHALLENGES = 'JWT realm="Login Required", Bearer realm="Login Required"';

const authWith = (options: Partial<JwtAuthOptions<unknown>> = {}) =>
  new JwtAuth<unknown>({
    secret: SECRET,
    authenticate: () => undefined,
    identity: ({ identity }) => (identity === 'joe' ? JOE : identity),
    ...options,
  });

type Req = IncomingMessage & GuardedRequest<unknown>;

async function serve(handle: (req: Req, res: ServerResponse) => void, use: (port: number) => Promise<void>) {
  const server = createServer(handle);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const urlOf = (port: number) => `http://127.0.0.1:${port}`;

test('whoever passes has an identity, on the request and around it, and the others are refused', async () => {
  const guarded = authWith().middleware();
  const handle = (req: Req, res: ServerResponse) =>
    guarded(req, res, async () => {
      await delay(1);
      res.end(JSON.stringify([req.identity, currentIdentity()]));
    });
  await serve(handle, async (port) => {
    const good = await send(urlOf(port), 'GET', undefined, { Authorization });
    assert.deepEqual([good.status, good.body], [200, [JOE, JOE]]);
    const bad = await send(urlOf(port), 'GET');
    assert.deepEqual([bad.status, bad.body], [401, new AuthError('ERR_AUTHORIZATION_MISSING').body]);
    assert.equal(bad.headers.get('WWW-Authenticate'), CHALLENGES);
    assert.equal(bad.headers.get('Cache-Control'), 'no-store');
  });
});

// node:http keeps the first of several in `headers`, so that a proxy that looks at the last sees another one.
test('two Authorization headers are refused, as the router refuses them', async () => {
  const guarded = authWith().middleware();
  await serve((req, res) => guarded(req, res, () => res.end('passed')), async (port) => {
    const get = (...lines: string[]) =>
      sendRaw(port, ['GET / HTTP/1.1', 'Host: x', 'Connection: close', ...lines, '', ''].join('\r\n'));
    const line = `Authorization: ${Authorization}`;
    assert.match(await get(line), /^HTTP\/1\.1 200 .*passed/s);
    assert.match(await get(line, line), /^HTTP\/1\.1 401 .*Token contains spaces/s);
    assert.match(await get(line, 'authorization: Basic x'), /^HTTP\/1\.1 401 .*Token contains spaces/s);
  });
});

test('what an earlier middleware wrote into the headers is what counts', async () => {
  const guarded = authWith({ tokenFrom: ({ header }) => header('X-Token') ?? header('authorization') }).middleware();
  const handle = (req: Req, res: ServerResponse) => {
    // As one that takes the token from a cookie.
    if (req.headers.cookie !== undefined) req.headers['x-token'] = req.headers.cookie;
    guarded(req, res, () => res.end('passed'));
  };
  await serve(handle, async (port) => {
    assert.equal((await send(urlOf(port), 'GET', undefined, { Cookie: TOKEN })).body, 'passed');
    assert.equal((await send(urlOf(port), 'GET', undefined, { Cookie: TOKEN, 'X-Token': 'x' })).body, 'passed');
    assert.equal((await send(urlOf(port), 'GET', undefined, { 'X-Token': 'x' })).status, 401);
    assert.equal((await send(urlOf(port), 'GET', undefined, { 'X-Token': TOKEN })).body, 'passed');
  });
});

test('headers as a list of values, of something else than node:http, are joined', async () => {
  const guarded = authWith().middleware();
  const judge = (authorization: string | string[]) =>
    new Promise((resolve) => {
      const res = { writeHead: (status: number) => status, end: resolve };
      guarded({ headers: { authorization } }, res, (error) => resolve(error ?? 'passed'));
    });
  assert.equal(await judge([Authorization]), 'passed');
  assert.match(String(await judge([Authorization, Authorization])), /Token contains spaces/);
});

test('currentIdentity is right when the events of the request itself arrive', async () => {
  const auth = authWith();
  const read = (message: IncomingMessage, answer: (seen: unknown[]) => void) => {
    const seen: unknown[] = [];
    const look = () => void seen.push(currentIdentity());
    message.on('data', look).on('end', () => {
      look();
      answer(seen);
    });
  };
  const guarded = auth.middleware();
  const handler = ({ message }: HttpRequest) => new Promise((resolve) => read(message, resolve));
  const router = new Router().post('/required', auth.required(handler)).post('/optional', auth.optional(handler));
  router.post('/open', handler);
  const handle = (req: Req, res: ServerResponse) => {
    if (req.url !== '/middleware') return router.handle(req, res);
    return guarded(req, res, () => read(req, (seen) => res.end(`${JSON.stringify(seen)}\n`)));
  };
  await serve(handle, async (port) => {
    for (const path of ['/middleware', '/required', '/optional', '/open']) {
      // All on one connection, whose events node:http emits in one and the same context.
      const requestOf = (identity: unknown, ...more: string[]) => {
        const token = new Jwt({ secret: SECRET }).sign({ identity });
        const head = [`POST ${path} HTTP/1.1`, 'Host: x', `Authorization: JWT ${token}`, ...more];
        return [...head, 'Content-Length: 4', '', 'body'].join('\r\n');
      };
      const requests = [requestOf(1), requestOf('joe'), requestOf(2, 'Connection: close')];
      const answers = await sendRaw(port, requests.join(''));
      const bodies = [...answers.matchAll(/^\[.*\]$/gm)].map(([body]): unknown => JSON.parse(body));
      const expected = path === '/open' ? [null, null, null] : [1, JOE, 2];
      assert.deepEqual(bodies, expected.map((identity) => [identity, identity]), path);
    }
  });
});

// node:http keeps the second answer until the first is sent, and then finishes it from there.
test('currentIdentity is right when the events of the response arrive, also when it waited for another', async () => {
  const guarded = authWith().middleware();
  const seen: unknown[] = [];
  let endFirst = (): unknown => assert.fail('the first request came second');
  const handle = (req: Req, res: ServerResponse) => guarded(req, res, () => {
    for (const event of ['finish', 'close']) res.on(event, () => seen.push([req.identity, event, currentIdentity()]));
    if (req.identity === 1) return (endFirst = () => res.end('first'));
    res.end('second');
    return endFirst();
  });
  await serve(handle, async (port) => {
    const requestOf = (identity: unknown, ...more: string[]) => {
      const token = new Jwt({ secret: SECRET }).sign({ identity });
      return ['GET / HTTP/1.1', 'Host: x', `Authorization: JWT ${token}`, ...more, '', ''].join('\r\n');
    };
    assert.match(await sendRaw(port, requestOf(1) + requestOf(2, 'Connection: close')), /first.*second/s);
  });
  const expected = [1, 2].flatMap((identity) => ['close', 'finish'].map((event) => [identity, event, identity]));
  assert.deepEqual(seen.toSorted(), expected);
});

test('currentIdentity is right when a client leaves a stream of events', async () => {
  const guarded = authWith().middleware();
  let hear = (_identity: unknown): void => undefined;
  const heard = new Promise((resolve) => (hear = resolve));
  const handle = (req: Req, res: ServerResponse) => guarded(req, res, () => {
    req.on('close', () => hear(currentIdentity()));
    res.write('event: hello\n\n');
  });
  await serve(handle, async (port) => {
    const controller = new AbortController();
    await fetch(urlOf(port), { headers: { Authorization }, signal: controller.signal });
    controller.abort();
    assert.equal(await heard, JOE);
  });
});

test('of two guards in a row the second one counts', async () => {
  const [first, second] = [authWith({ identity: () => 'first' }).middleware(), authWith().middleware()];
  const handle = (req: Req, res: ServerResponse) => first(req, res, () => second(req, res, () => {
    const seen: unknown[] = [req.identity, currentIdentity()];
    req.on('data', () => seen.push(currentIdentity())).on('end', () => res.end(JSON.stringify(seen)));
  }));
  await serve(handle, async (port) => {
    const { body } = await send(urlOf(port), 'POST', {}, { Authorization });
    assert.deepEqual(body, [JOE, JOE, JOE]);
  });
});

test('a request that takes no identity is an error to next', async () => {
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  const req = Object.freeze({ headers: { authorization: Authorization } });
  const given = await new Promise((resolve) => authWith().middleware()(req, response, resolve));
  assert.match(String(given), /^TypeError: .*identity/);
});

test('a refusal that cannot be sent is an error to next, and the process lives on', async () => {
  const broken = new AuthError('ERR_BUSY', { headers: { 'X-Reason': 'a\r\nSet-Cookie: id=1' } });
  const UNSENDABLE: Readonly<Record<string, Partial<JwtAuthOptions<unknown>>>> = {
    'a body that is no JSON': { errorReply: () => 1n },
    'a body that throws': { errorReply: () => ({ toJSON: () => assert.fail() }) },
    'a header with a line break': { tokenFrom: () => Promise.reject(broken) },
  };
  for (const [what, options] of Object.entries(UNSENDABLE)) {
    const response = new ServerResponse(new IncomingMessage(new Socket()));
    const given = await new Promise((resolve) => authWith(options).middleware()({ headers: {} }, response, resolve));
    assert.ok(given instanceof Error, what);
    assert.equal(response.headersSent, false, what);
  }
});

// app.get('/hello', auth.middleware, ...) would neither answer nor go on.
test('a middleware that is handed on without its parentheses says so at the first request', () => {
  const { middleware } = authWith();
  const mistaken = middleware as (...args: unknown[]) => unknown;
  const said = '"middleware" expected to be called as auth.middleware(), got 3 arguments';
  assert.throws(() => mistaken({}, {}, () => assert.fail()), { name: 'TypeError', message: said });
});
