/** The guard on servers of plain node:http. test/interop runs it in the frameworks themselves. */
import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError, currentIdentity } from '../../src/index.ts';
import { send, sendRaw } from '../support/app.ts';
import { fromOtherRealm, OtherAuthError } from '../support/copies.ts';
import { UNREADABLE } from '../support/hostile.ts';
import {
  authOfAnyone,
  CHALLENGES,
  JOE,
  TOKEN,
  withNodeServer,
  type GuardedMessage,
  type Options,
} from '../support/guard.ts';
import { sessionSetup } from '../support/session-guard.ts';

const Authorization = `JWT ${TOKEN}`;

test('a request that passes has an identity and runs as it, and any other is refused', async () => {
  const guarded = authOfAnyone().middleware();
  const handle = (req: GuardedMessage, res: ServerResponse) =>
    guarded(req, res, async () => {
      await delay(1);
      res.end(JSON.stringify([req.identity, currentIdentity()]));
    });
  await withNodeServer(handle, async (_port, url) => {
    const good = await send(url, 'GET', undefined, { Authorization });
    assert.deepEqual([good.status, good.body], [200, [JOE, JOE]]);
    const bad = await send(url, 'GET');
    const { body } = new AuthError('ERR_AUTHORIZATION_MISSING');
    assert.deepEqual([bad.status, bad.body], [401, body]);
    assert.equal(bad.headers.get('WWW-Authenticate'), CHALLENGES.join(', '));
    assert.equal(bad.headers.get('Cache-Control'), 'no-store');
  });
});

test('with sessions a request that passes has the id of its session, and else what it had', async () => {
  const setup = sessionSetup();
  const { access_token: token } = await setup.logIn();
  const id = setup.live()[0]?.id;
  assert.ok(id);
  const seen: unknown[] = [];
  for (const guard of [setup.auth.middleware(), authOfAnyone().middleware()]) {
    const handle = (req: GuardedMessage, res: ServerResponse) =>
      guard(req, res, () => {
        seen.push(req.sessionId);
        res.end();
      });
    const handleOwn = (req: GuardedMessage, res: ServerResponse) => {
      req.sessionId = 'of the application';
      handle(req, res);
    };
    await withNodeServer(handleOwn, async (_port, url) => {
      await send(url, 'GET', undefined, { Authorization: `JWT ${token}` });
      // A token without a session.
      await send(url, 'GET', undefined, { Authorization });
    });
  }
  // A value of the application never passes for the id of a session.
  assert.deepEqual(seen, [id, undefined, 'of the application', 'of the application']);
});

// `headers` of node:http has the first value alone. A proxy may have judged the last one.
test('two Authorization headers are refused, as the router refuses them', async () => {
  const guarded = authOfAnyone().middleware();
  const handle = (req: GuardedMessage, res: ServerResponse) =>
    guarded(req, res, () => res.end('passed'));
  await withNodeServer(handle, async (port) => {
    const get = (...lines: string[]) => {
      const head = ['GET / HTTP/1.1', 'Host: x', 'Connection: close', ...lines, '', ''];
      return sendRaw(port, head.join('\r\n'));
    };
    const line = `Authorization: ${Authorization}`;
    const refused = /^HTTP\/1\.1 401 .*Token contains spaces/s;
    assert.match(await get(line), /^HTTP\/1\.1 200 .*passed/s);
    assert.match(await get(line, line), refused);
    assert.match(await get(line, 'authorization: Basic x'), refused);
  });
});

test('the guard reads what an earlier middleware wrote into the headers', async () => {
  const auth = authOfAnyone({
    tokenFrom: ({ header }) => header('X-Token') ?? header('authorization'),
  });
  const guarded = auth.middleware();
  const handle = (req: GuardedMessage, res: ServerResponse) => {
    // A middleware that takes the token from a cookie does this.
    if (req.headers.cookie !== undefined) req.headers['x-token'] = req.headers.cookie;
    guarded(req, res, () => res.end('passed'));
  };
  await withNodeServer(handle, async (_port, url) => {
    const get = (headers: Record<string, string>) => send(url, 'GET', undefined, headers);
    assert.equal((await get({ Cookie: TOKEN })).body, 'passed');
    assert.equal((await get({ Cookie: TOKEN, 'X-Token': 'x' })).body, 'passed');
    assert.equal((await get({ 'X-Token': 'x' })).status, 401);
    assert.equal((await get({ 'X-Token': TOKEN })).body, 'passed');
  });
});

test('a header that is a list of values, on a server other than node:http, is joined', async () => {
  const guarded = authOfAnyone().middleware();
  const judge = (authorization: string | string[]) =>
    new Promise((resolve) => {
      const res = { writeHead: (status: number) => status, end: resolve };
      guarded({ headers: { authorization } }, res, (error) => resolve(error ?? 'passed'));
    });
  assert.equal(await judge([Authorization]), 'passed');
  assert.match(String(await judge([Authorization, Authorization])), /Token contains spaces/);
});

const responseOfNothing = () => new ServerResponse(new IncomingMessage(new Socket()));

test('a request on which no identity can be set is an error to next', async () => {
  const req = Object.freeze({ headers: { authorization: Authorization } });
  const guarded = authOfAnyone().middleware();
  const given = await new Promise((resolve) => guarded(req, responseOfNothing(), resolve));
  assert.match(String(given), /^TypeError: .*identity/);
});

test('a refusal that cannot be sent is an error to next, and the process lives on', async () => {
  const broken = new AuthError('ERR_BUSY', { headers: { 'X-Reason': 'a\r\nSet-Cookie: id=1' } });
  const UNSENDABLE: Readonly<Record<string, Options>> = {
    'a body that is not JSON': { errorReply: () => 1n },
    'a body that throws': { errorReply: () => ({ toJSON: () => assert.fail() }) },
    'a header with a line break': { tokenFrom: () => Promise.reject(broken) },
  };
  for (const [what, options] of Object.entries(UNSENDABLE)) {
    const response = responseOfNothing();
    const guarded = authOfAnyone(options).middleware();
    const given = await new Promise((resolve) => guarded({ headers: {} }, response, resolve));
    assert.ok(given instanceof Error, what);
    assert.equal(response.headersSent, false, what);
  }
});

// app.get('/hello', auth.middleware, ...) would neither answer nor go on.
test('a middleware that is passed on without its parentheses throws at the first request', () => {
  const { middleware } = authOfAnyone();
  const uncalled = middleware as (...args: unknown[]) => unknown;
  const message = '"middleware" expected to be called as auth.middleware(), got 3 arguments';
  assert.throws(() => uncalled({}, {}, () => assert.fail()), { name: 'TypeError', message });
  assert.throws(() => uncalled({}), { message: message.replace('3 arguments', '1 argument') });
});

// A Router, Express and Fastify call it with a request, and without its object.
test('a guard that is passed on in place of a guarded handler says how it is called', () => {
  const auth = authOfAnyone();
  for (const name of ['required', 'optional'] as const) {
    const uncalled = Reflect.get(auth, name) as (...args: unknown[]) => unknown;
    const expected = `"${name}" expected to be called as auth.${name}(handler), got a call without`;
    for (const args of [[{}], [{}, {}, () => assert.fail()]]) {
      const call = () => uncalled(...args);
      const isClear = (error: unknown) =>
        error instanceof TypeError && error.message.startsWith(expected);
      assert.throws(call, isClear, name);
      assert.throws(() => Reflect.apply(uncalled, {}, args), isClear, name);
    }
    auth[name](() => 1);
  }
});

/** @returns the status of the refusal, or what the middleware passed to `next` */
const outcomeOf = (thrown: unknown) =>
  new Promise((resolve) => {
    const guard = authOfAnyone({ tokenFrom: () => Promise.reject(thrown) }).middleware();
    const res = { writeHead: resolve, end: () => undefined };
    guard({ headers: {} }, res, resolve);
  });

test('what another copy made: its AuthError is a refusal', async () => {
  assert.equal(await outcomeOf(new OtherAuthError('ERR_BUSY')), 503);
  assert.equal(await outcomeOf(new AuthError('ERR_BUSY')), 503);
});

test('what another realm made: its error goes to `next` as it is, and another value does not', async () => {
  for (const error of [new Error('x'), fromOtherRealm('new RangeError("x")')]) {
    assert.equal(await outcomeOf(error), error);
  }
  for (const value of [undefined, 'route', fromOtherRealm('{ message: "x" }'), ...UNREADABLE]) {
    const passed = await outcomeOf(value);
    assert.ok(passed instanceof TypeError && passed !== value);
    assert.match(passed.message, /^a hook threw a value that is not an Error$/);
  }
});

test("a request object that is not Node's own: the guard is no async function, for Restify", async () => {
  const guard = authOfAnyone().middleware();
  assert.equal(guard.constructor.name, 'Function');
  const response = { statusCode: 0, writeHead: () => undefined, end: () => undefined };
  await Reflect.apply(guard, undefined, [{ headers: {} }, response, assert.fail]);
  assert.equal(response.statusCode, 401);
});

test('a guarded handler that is passed as a middleware throws, and names the guard for it', () => {
  const auth = authOfAnyone();
  const req = Object.assign(new IncomingMessage(new Socket()), {
    headers: { authorization: Authorization },
  });
  const res = new ServerResponse(req);
  const next = () => undefined;
  for (const guarded of [auth.required(() => 'ran'), auth.optional(() => 'ran')]) {
    const call = (...more: readonly unknown[]) => Reflect.apply(guarded, undefined, [req, ...more]);
    assert.throws(() => call(res, next), {
      name: 'TypeError',
      message: /^"auth\.required" expected .*guard\(auth\) of latchkey\/express/,
    });
    // As Fastify, Koa and a program of its own call it.
    for (const others of [[], [res], [{}, next], [next]]) assert.equal(call(...others), 'ran');
  }
});

test('a login that gets a message of node:http rejects, and names the login for it', async () => {
  const { auth } = sessionSetup();
  const request = new IncomingMessage(new Socket());
  for (const handler of [auth.login, auth.refresh, auth.logout]) {
    await assert.rejects(async () => Reflect.apply(handler, undefined, [request]), {
      name: 'TypeError',
      message: /^"request" expected an object with a method "json" .*login\(auth\)/,
    });
  }
});
