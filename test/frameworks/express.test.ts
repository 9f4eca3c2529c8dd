/** Sign-up, login, refresh and logout on plain node:http. test/interop has the frameworks. */
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { isAsyncFunction } from 'node:util/types';
import {
  guard,
  login,
  logout,
  refresh,
  signup,
  type ExpressMiddleware,
} from '../../src/express.ts';
import {
  Accounts,
  AuthError,
  MemoryUserStore,
  Reply,
} from '../../src/index.ts';
import { cheapPasswords, send, sendRaw, type Answer } from '../support/app.ts';
import { fromOtherRealm, OtherAuthError } from '../support/copies.ts';
import {
  authWith,
  CHALLENGES,
  LOGIN,
  TOKEN,
  withNodeServer,
} from '../support/guard.ts';
import { serve } from '../support/middleware.ts';
import { sessionSetup, type Tokens } from '../support/session-guard.ts';

const Authorization = `JWT ${TOKEN}`;

const ofJoe = (answer: Answer) => [answer.status, Object.keys(answer.body as object)];

test('a login replies as the router does, and sends its refusals itself', async () => {
  await serve(login(authWith()), async (url, errors) => {
    const right = await send(url, 'POST', LOGIN);
    assert.deepEqual(ofJoe(right), [200, ['access_token']]);
    assert.equal(right.headers.get('cache-control'), 'no-store');
    assert.equal(right.headers.get('content-type'), 'application/json');
    const wrong = await send(url, 'POST', { ...LOGIN, password: 'wrong' });
    const { status, body } = new AuthError('ERR_CREDENTIALS');
    assert.deepEqual([wrong.status, wrong.body], [status, body]);
    assert.equal(wrong.headers.get('www-authenticate'), CHALLENGES.join(', '));
    assert.equal(wrong.headers.get('error-code'), 'ERR_CREDENTIALS');
    assert.equal((await send(url, 'POST', '{')).status, 400);
    const text = { 'Content-Type': 'text/plain' };
    assert.equal((await send(url, 'POST', LOGIN, text)).status, 415);
    assert.deepEqual(errors, []);
  });
});

test('a refusal ends a connection on which the body is still arriving', async () => {
  const head = ['POST / HTTP/1.1', 'Host: x', 'Content-Type: application/json'];
  await serve(login(authWith()), async (_url, _errors, port) => {
    const lines = [...head, 'Content-Length: 99999999', '', ''];
    const reply = await sendRaw(port, lines.join('\r\n'));
    assert.match(reply, /^HTTP\/1\.1 413 .*\r\nConnection: close\r\n/s);
  });
});

test('a Reply that the program makes is sent with its status', async () => {
  const auth = authWith({ loginReply: (token) => new Reply(201, { token }, { 'X-Own': '1' }) });
  await serve(login(auth), async (url) => {
    const answer = await send(url, 'POST', LOGIN);
    assert.deepEqual(ofJoe(answer), [201, ['token']]);
    assert.equal(answer.headers.get('x-own'), '1');
  });
});

test('an error that is not a refusal goes to next, always as an Error', async () => {
  const errors = [new Error('the database'), fromOtherRealm('new RangeError("x")')];
  for (const thrown of [...errors, undefined, 'route']) {
    const fail = () => Promise.reject(thrown);
    const auth = authWith({ authenticate: fail, tokenFrom: fail });
    for (const middleware of [login(auth), guard(auth)]) {
      await serve(middleware, async (url, passed) => {
        assert.equal((await send(url, 'POST', LOGIN)).status, 299);
        assert.equal(passed.length, 1);
        if (errors.includes(thrown)) assert.equal(passed[0], thrown);
        else assert.ok(passed[0] instanceof TypeError && passed[0].cause === thrown);
      });
    }
  }
  const refusing = authWith({ tokenFrom: () => Promise.reject(new OtherAuthError('ERR_BUSY')) });
  await serve(guard(refusing), async (url, passed) => {
    assert.equal((await send(url, 'GET')).status, 503);
    assert.deepEqual(passed, []);
  });
});

test('without next, as Polka calls a handler that stands alone, an error is a 500', async () => {
  const authenticate = () => Promise.reject(new Error('the database'));
  const auth = authWith({ authenticate });
  for (const middleware of [login(auth), guard(auth)]) {
    const alone = (req: IncomingMessage, res: ServerResponse) =>
      void Reflect.apply(middleware, undefined, [req, res]);
    await withNodeServer(alone, async (_port, url) => {
      const { status, body } = await send(url, 'POST', LOGIN, { Authorization });
      assert.deepEqual([status, body], [500, new AuthError('ERR_INTERNAL').body]);
    });
  }
});

test('a body that a parser read and dropped is an error with a remedy', async () => {
  const handler = login(authWith());
  const readFirst = (kept: object): ExpressMiddleware => (req, res, next) => {
    Object.assign(req, kept).resume().once('end', () => handler(req, res, next));
  };
  await serve(readFirst({}), async (url, errors) => {
    await send(url, 'POST', LOGIN);
    assert.match(String(errors[0]), /^TypeError: the body was read before latchkey .*parser/);
  });
  await serve(readFirst({ body: LOGIN }), async (url) => {
    assert.equal((await send(url, 'POST', LOGIN)).status, 200);
  });
});

test('a refresh and a logout need sessions; without them next gets an error', async () => {
  const { auth, logIn, live } = sessionSetup();
  const first = await logIn();
  let pair = first;
  await serve(refresh(auth), async (url) => {
    const { refresh_token } = first;
    pair = (await send(url, 'POST', { refresh_token })).body as Tokens;
    assert.notEqual(pair.refresh_token, refresh_token);
    assert.equal((await send(url, 'POST', {})).status, 400);
  });
  await serve(logout(auth), async (url) => {
    assert.equal((await send(url, 'POST')).status, 400);
    assert.equal(live().length, 1);
    const headers = { Authorization: `Bearer ${pair.access_token}` };
    const { body } = await send(url, 'POST', undefined, headers);
    assert.deepEqual(body, { Status: 'Success', result: 'Logged out' });
    assert.equal(live().length, 0);
  });
  for (const middleware of [refresh(authWith()), logout(authWith())]) {
    await serve(middleware, async (url, errors) => {
      await send(url, 'POST', { refresh_token: 'x' });
      assert.match(String(errors[0]), /^TypeError: "sessions" expected/);
    });
  }
});

test('a signup sends the replies of createApp, also the reason of a refusal', async () => {
  const accounts = new Accounts({ users: new MemoryUserStore(), passwords: cheapPasswords() });
  await serve(signup(accounts), async (url, errors) => {
    const ann = { username: 'ann', password: 'battery staple' };
    const created = await send(url, 'POST', ann);
    const success = { Status: 'Success', result: 'User created' };
    assert.deepEqual([created.status, created.body], [200, success]);
    const again = await send(url, 'POST', ann);
    const exists = { Status: 'Error', result: 'User already exists' };
    assert.deepEqual([again.status, again.body], [400, exists]);
    assert.deepEqual(errors, []);
  });
});

test('no middleware is an async function, which Restify refuses', () => {
  const auth = authWith();
  const accounts = new Accounts({ users: new MemoryUserStore(), passwords: cheapPasswords() });
  const middlewares = [login(auth), refresh(auth), logout(auth), signup(accounts), guard(auth)];
  for (const middleware of middlewares) assert.ok(!isAsyncFunction(middleware));
});

test('login and the others throw if they are passed uncalled or get another object', () => {
  for (const [name, make] of Object.entries({ guard, login, logout, refresh, signup })) {
    const call = (...args: unknown[]) => () => Reflect.apply(make, undefined, args);
    const parameter = name === 'signup' ? 'accounts' : 'auth';
    const uncalled = `"${name}" expected to be called as ${name}(${parameter}), got`;
    assert.throws(call({}, {}, () => assert.fail()), new TypeError(`${uncalled} 3 arguments`));
    assert.throws(call(), new TypeError(`${uncalled} no argument`));
    const kind = name === 'signup' ? 'an instance of Accounts' : 'a JwtAuth';
    assert.throws(call({}), new TypeError(`"${parameter}" expected ${kind}, got an object`));
    const owner = Object.assign(authWith(), { signup: () => null });
    const unknown = { name: 'TypeError', message: /got an unknown option$/ };
    assert.throws(call(owner, { realm: 'x' }), unknown);
    assert.throws(call(owner, { trustProxy: 101 }), RangeError);
    assert.equal(typeof call(owner, { trustProxy: 1 })(), 'function');
  }
});
