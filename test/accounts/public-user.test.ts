/**
 * No program holds a hash: what signup, login and guard hand out is a PublicUser, wherever it comes out, over a real
 * socket too.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { inspect } from 'node:util';
import {
  Accounts, createApp, currentIdentity, JwtAuth, MemoryUserStore, Router, type AppOptions, type PublicUser, type User,
  type UserStore,
} from '../../src/index.ts';
import { allSaid } from '../support/assertions.ts';
import { cheapPasswords, send, withServer } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';

const JOE = { username: 'Joe', password: 'correct horse' };

/** A store that answers rows of a table with more columns than the port knows, at once or later. */
function storeOfRows(isLate: boolean): UserStore & { readonly rows: Map<string, User> } {
  const rows = new Map<string, User>();
  const answer = <T>(value: T): T | Promise<T> => (isLate ? Promise.resolve(value) : value);
  return {
    rows,
    find: (id) => answer(rows.get(id)),
    insert: (user) => answer(rows.set(user.id, { ...user, email: 'hidden@example.org' } as User).size > 0),
    update: (user) => answer(rows.set(user.id, user).size > 0),
  };
}

/** Three members, and not a trace of the rest in anything that a program does with it. */
function assertPublic(user: unknown, store: { readonly rows: Map<string, User> }): asserts user is PublicUser {
  const row = store.rows.get('joe') ?? assert.fail('joe is not there');
  const expected = { id: 'joe', username: 'Joe', createdAt: row.createdAt };
  assert.deepEqual(user, expected);
  assert.deepEqual(Reflect.ownKeys(Object(user)), Object.keys(expected));
  assert.deepEqual([Object.isFrozen(user), Object.getPrototypeOf(user)], [true, Object.prototype]);
  const said = [allSaid(user), JSON.stringify(structuredClone(user)), inspect({ ...Object(user) })].join();
  assert.doesNotMatch(said, /passwordHash|scrypt|hidden/);
}

function setUp(isLate: boolean): { store: ReturnType<typeof storeOfRows>; accounts: Accounts } {
  const store = storeOfRows(isLate);
  return { store, accounts: new Accounts({ users: store, passwords: cheapPasswords(), limits: false }) };
}

test('signup, import, login and identity answer three members, whatever the store has', async () => {
  for (const isLate of [false, true]) {
    const { store, accounts } = setUp(isLate);
    assertPublic(await accounts.signup(JOE), store);
    const { authenticate, identity } = accounts.handlers;
    for (const user of [
      await accounts.authenticate('joe', JOE.password),
      await authenticate('joe', JOE.password, {}),
      await accounts.identity({ identity: 'joe' }),
      await identity({ identity: 'joe' }),
    ]) assertPublic(user, store);
    assert.deepEqual([await identity({ identity: 'ann' }), await authenticate('ann', 'x', {})], [undefined, undefined]);
    const { passwordHash = '' } = store.rows.get('joe') ?? {};
    store.rows.clear();
    assertPublic(await accounts.importUser('Joe', passwordHash), store);
  }
});

test('identity answers at once where the store does', async () => {
  const { accounts } = setUp(false);
  await accounts.signup(JOE);
  assert.equal(accounts.identity({ identity: 'ann' }), undefined);
  assert.equal(Object(accounts.identity({ identity: 'joe' })).id, 'joe');
});

test('a route that sends what it got sends no hash', async () => {
  for (const isLate of [false, true]) {
    const { store, accounts } = setUp(isLate);
    const auth = new JwtAuth({ secret: SECRET, ...accounts.handlers });
    const app = new Router();
    app.post('/signup', async (request) => accounts.signup(await request.json(), request));
    app.post('/auth', auth.login);
    app.get('/me', auth.required((_request, user) => user));
    app.get('/maybe', auth.optional((_request, user) => user ?? null));
    app.get('/current', auth.required(() => currentIdentity()));
    app.get('/authorize', (request) => auth.authorize(request));
    await withServer(app, async ({ url }) => {
      assertPublic(Object.freeze((await send(`${url}/signup`, 'POST', JOE)).body), store);
      const { body } = await send(`${url}/auth`, 'POST', JOE);
      const headers = { Authorization: `JWT ${Object(body).access_token}` };
      for (const path of ['/me', '/maybe', '/current', '/authorize']) {
        assertPublic(Object.freeze((await send(`${url}${path}`, 'GET', undefined, headers)).body), store);
      }
      assert.equal((await send(`${url}/maybe`, 'GET')).body, null);
    });
  }
});

test('req.identity of the middleware has no hash', async () => {
  const { store, accounts } = setUp(true);
  await accounts.signup(JOE);
  const auth = new JwtAuth({ secret: SECRET, ...accounts.handlers });
  const guard = auth.middleware();
  const seen: unknown[] = [];
  const server = createServer((req, res) => {
    guard(req, res, () => {
      const identity: unknown = Reflect.get(req, 'identity');
      seen.push(identity, currentIdentity());
      // As a program logs a request.
      res.end(inspect(req, { depth: Infinity, showHidden: true }).match(/passwordHash|\$scrypt/)?.[0] ?? 'none');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { access_token: token } = Object(await auth.login({ json: () => ({ ...JOE }) }));
    const { port } = server.address() as AddressInfo;
    const headers = { Authorization: `JWT ${token}` };
    assert.equal((await send(`http://127.0.0.1:${port}/`, 'GET', undefined, headers)).body, 'none');
    assert.equal(seen.length, 2);
    for (const identity of seen) assertPublic(identity, store);
  } finally {
    server.close();
  }
});

test('each hook of the application gets a user without a hash', async () => {
  const store = storeOfRows(false);
  const seen: unknown[] = [];
  const options: AppOptions = {
    secret: SECRET,
    users: store,
    passwords: cheapPasswords(),
    claims(user) {
      seen.push(user);
      return { identity: user.id, ...user };
    },
    header(user) {
      seen.push(user);
      return { ...user };
    },
    loginReply(token, user) {
      seen.push(user);
      return { token, user };
    },
  };
  await withServer(createApp(options), async ({ url }) => {
    await send(`${url}/signup`, 'POST', JOE);
    const { body } = await send(`${url}/auth`, 'POST', JOE);
    const { token, user } = Object(body);
    assertPublic(Object.freeze(user), store);
    for (const segment of String(token).split('.')) {
      assert.doesNotMatch(Buffer.from(segment, 'base64url').toString(), /passwordHash|scrypt/);
    }
    assert.equal((await send(`${url}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` })).status, 200);
  });
  const encoding = createApp({ ...options, encode: (user) => (seen.push(user), 'token') });
  await withServer(encoding, ({ url }) => send(`${url}/auth`, 'POST', JOE));
  assert.equal(seen.length, 5);
  for (const user of seen) assertPublic(user, store);
});

test('an object that a program got cannot change the stored user, nor is it the stored user', async () => {
  const users = new MemoryUserStore();
  const accounts = new Accounts({ users, passwords: cheapPasswords() });
  const user = await accounts.signup(JOE);
  assert.throws(() => Object.assign(user, { id: 'root' }), TypeError);
  assert.notEqual(await accounts.identity({ identity: 'joe' }), users.find('joe'));
  assert.equal((await accounts.authenticate('joe', JOE.password))?.id, 'joe');
});
