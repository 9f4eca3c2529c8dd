/**
 * The events on node:diagnostics_channel: signups, logins, refusals, throttled attempts and a full
 * queue. No message holds a password, a token or an unknown username.
 */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { EVENTS } from '../src/events.ts';
import { Accounts, AuthError, MemoryUserStore, PasswordHasher, Router } from '../src/index.ts';
import { cheapPasswords, send, sendRaw, withApp, withServer } from './support/app.ts';

const JOE = { username: 'Joe', password: 'the marker 4711' };
const address = '127.0.0.1';

/** The messages that are published while `act` runs. */
async function published(act: () => Promise<unknown>): Promise<unknown[]> {
  const seen: unknown[] = [];
  const listeners = Object.entries(EVENTS).map(([event, { name }]) => {
    assert.equal(name, `latchkey:${event}`);
    return [name, (message: unknown) => seen.push({ event, ...Object(message) })] as const;
  });
  for (const [name, listener] of listeners) subscribe(name, listener);
  try {
    await act();
  } finally {
    for (const [name, listener] of listeners) unsubscribe(name, listener);
  }
  return seen;
}

test('signups, logins and refusals are published, with user ids and without unknown usernames', async () => {
  await withApp({}, async ({ url, port }) => {
    const seen = await published(async () => {
      await send(`${url}/signup`, 'POST', JOE);
      await send(`${url}/signup`, 'POST', JOE);
      await send(`${url}/auth`, 'POST', JOE);
      await send(`${url}/auth`, 'POST', { ...JOE, password: 'another marker' });
      await send(`${url}/auth`, 'POST', { username: 'marker-in-the-wrong-field', password: 'x' });
      await send(`${url}/hello`, 'GET', undefined, {
        Authorization: `JWT marker.marker.${'A'.repeat(43)}`,
      });
      await send(`${url}/marker`, 'GET');
      await sendRaw(port, 'marker\r\n\r\n');
      await sendRaw(port, 'GET /marker HTTP/1.1\r\n\r\n');
    });
    const refusal = (code: string, status: number, place: object = {}) => {
      return { event: 'refusal', code, status, ...place, address };
    };
    const login = { method: 'POST', route: '/auth' };
    assert.deepEqual(seen, [
      { event: 'signup', id: 'joe', address },
      refusal('ERR_USER_EXISTS', 400, { method: 'POST', route: '/signup' }),
      { event: 'login', id: 'joe', address },
      refusal('ERR_CREDENTIALS', 401, login),
      refusal('ERR_CREDENTIALS', 401, login),
      refusal('ERR_JWT_SIGNATURE', 401, { method: 'GET', route: '/hello' }),
      refusal('ERR_NOT_FOUND', 404, { method: 'GET' }),
      // The first is not a request, and the second lacks a Host.
      refusal('ERR_BAD_REQUEST', 400),
      refusal('ERR_BAD_REQUEST', 400, { method: 'GET' }),
    ]);
    assert.doesNotMatch(JSON.stringify(seen), /marker/);
  });
});

test('a refusal names the pattern of its route, and never the path, the query or a token', async () => {
  const router = new Router();
  const refuse = () => {
    throw new AuthError('ERR_CREDENTIALS');
  };
  router.get('/users/:id/keys', refuse).put('/users/:name/keys', async () => refuse());
  const seen = await published(() => withServer(router, async ({ url }) => {
    const path = '/users/marker/keys?marker=marker';
    const headers = { Authorization: 'Bearer marker' };
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      await send(`${url}${path}`, method, undefined, headers);
    }
    await send(`${url}/users/marker%/keys`, 'GET');
  }));
  assert.doesNotMatch(JSON.stringify(seen), /marker/);
  assert.deepEqual(seen.map((event) => {
    const { code, method, route } = Object(event);
    return [code, method, route];
  }), [
    ['ERR_CREDENTIALS', 'GET', '/users/:id/keys'],
    ['ERR_CREDENTIALS', 'HEAD', '/users/:id/keys'],
    ['ERR_CREDENTIALS', 'PUT', '/users/:name/keys'],
    ['ERR_METHOD', 'DELETE', undefined],
    ['ERR_BAD_REQUEST', 'GET', undefined],
  ]);
});

test('a refusal has the method only if it is one that Node knows', async () => {
  const methodOfRefusal = async (method: string) => {
    const message = { url: '/nowhere', method };
    const [event] = await published(() => new Promise<void>((resolve) => {
      const response = { writeHead: () => undefined, end: () => resolve() };
      new Router().handle(message as never, response as never);
    }));
    return Object(event);
  };
  assert.equal((await methodOfRefusal('PATCH')).method, 'PATCH');
  const { code, ...others } = await methodOfRefusal('PATCHES');
  assert.equal(code, 'ERR_NOT_FOUND');
  assert.ok(!('method' in others) && !('route' in others));
});

test('a throttled attempt and a full queue are published, with the seconds to wait', async () => {
  const accounts = new Accounts({
    users: new MemoryUserStore(),
    passwords: cheapPasswords(),
    now: () => 0,
    limits: { triesPerAccount: 1, signupsPerAddress: 1 },
  });
  const seen = await published(async () => {
    await accounts.authenticate('joe', 'wrong', { address });
    await assert.rejects(accounts.authenticate('joe', 'wrong', { address }));
    await accounts.signup(JOE, { address });
    await assert.rejects(accounts.signup({ ...JOE, username: 'ann' }, { address }));
    const passwords = new PasswordHasher({ logN: 1, maxConcurrent: 2, maxQueued: 1 });
    await Promise.allSettled(Array.from({ length: 4 }, () => passwords.hash('x')));
  });
  assert.deepEqual(seen, [
    { event: 'throttle', kind: 'login', retryAfterSeconds: 3900, address },
    { event: 'signup', id: 'joe', address },
    { event: 'throttle', kind: 'signup', retryAfterSeconds: 3900, address },
    { event: 'overload', running: 2, waiting: 1 },
  ]);
});

test('changes of accounts are published, and a throttled confirmation', async () => {
  const accounts = new Accounts({
    users: new MemoryUserStore(),
    passwords: cheapPasswords(),
    now: () => 0,
    limits: { triesPerAccount: 1 },
  });
  await accounts.signup(JOE, { address });
  const password = 'a new marker';
  const seen = await published(async () => {
    await accounts.confirmPassword('joe', JOE.password, { address });
    await accounts.changePassword('joe', JOE.password, password, { address });
    await accounts.setPassword('joe', JOE.password);
    await accounts.disable('joe');
    await accounts.enable('joe');
    await assert.rejects(accounts.changePassword('joe', password, password, { address }));
    await assert.rejects(accounts.changePassword('joe', password, password, { address }));
    await accounts.remove('joe', { address });
    await accounts.remove('joe', { address });
  });
  assert.deepEqual(seen, [
    { event: 'password', id: 'joe', address },
    { event: 'password', id: 'joe', address: undefined },
    { event: 'throttle', kind: 'confirmation', retryAfterSeconds: 3900, address },
    { event: 'remove', id: 'joe', address },
  ]);
});

test('the address of a refusal is looked up only while a subscriber listens', async () => {
  const router = new Router();
  let lookups = 0;
  const socket = Object.defineProperty({}, 'remoteAddress', { get: () => String((lookups += 1)) });
  const message = { url: '/nowhere', method: 'GET', socket };
  const answer = () => {
    return new Promise<void>((resolve) => {
      router.handle(
        message as never,
        { writeHead: () => undefined, end: () => resolve() } as never,
      );
    });
  };
  await answer();
  assert.equal(lookups, 0);
  await published(answer);
  assert.equal(lookups, 1);
});
