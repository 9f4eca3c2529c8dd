/**
 * No program gets a hash: signup, login and guard hand out a PublicUser, in the library and over a
 * real socket.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { inspect } from 'node:util';
import {
  Accounts,
  createApp,
  currentIdentity,
  JwtAuth,
  MemoryUserStore,
  Router,
  type AppOptions,
  type PublicUser,
  type User,
  type UserStore,
} from '../../src/index.ts';
import { allSaid } from '../support/assertions.ts';
import { cheapPasswords, send, withServer } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';

const JOE = { username: 'Joe', password: 'correct horse' };

interface StoreOfRows extends UserStore {
  readonly rows: Map<string, User>;
}

/** A store whose table has more columns than the port knows. It answers at once or later. */
function storeOfRows(isLate: boolean): StoreOfRows {
  const rows = new Map<string, User>();
  const answer = <T>(value: T): T | Promise<T> => (isLate ? Promise.resolve(value) : value);
  return {
    rows,
    find: (id) => answer(rows.get(id)),
    insert: (user) => {
      const row = { ...user, email: 'hidden@example.org' };
      return answer(rows.set(user.id, row).size > 0);
    },
    update: (user) => answer(rows.set(user.id, user).size > 0),
  };
}

/** Asserts that there are three members, and no trace of the rest however the user is printed. */
function assertPublic(user: unknown, store: StoreOfRows): asserts user is PublicUser {
  const row = store.rows.get('joe') ?? assert.fail('joe is not there');
  const expected = { id: 'joe', username: 'Joe', createdAt: row.createdAt };
  assert.deepEqual(user, expected);
  assert.deepEqual(Reflect.ownKeys(Object(user)), Object.keys(expected));
  const prototype = Object.getPrototypeOf(user);
  assert.deepEqual([Object.isFrozen(user), prototype], [true, Object.prototype]);
  const texts = [
    allSaid(user),
    JSON.stringify(structuredClone(user)),
    inspect({ ...Object(user) }),
  ];
  assert.doesNotMatch(texts.join(), /passwordHash|scrypt|hidden/);
}

function setUp(isLate: boolean): { store: StoreOfRows; accounts: Accounts } {
  const store = storeOfRows(isLate);
  const passwords = cheapPasswords();
  return { store, accounts: new Accounts({ users: store, passwords, limits: false }) };
}

test('signup, import, login and identity answer three members of a record', async () => {
  for (const isLate of [false, true]) {
    const { store, accounts } = setUp(isLate);
    assertPublic(await accounts.signup(JOE), store);
    const { authenticate, identity } = accounts.handlers;
    const found = [
      await accounts.authenticate('joe', JOE.password),
      await authenticate('joe', JOE.password, {}),
      await accounts.identity({ identity: 'joe' }),
      await identity({ identity: 'joe' }),
    ];
    for (const user of found) assertPublic(user, store);
    const unknown = [await identity({ identity: 'ann' }), await authenticate('ann', 'x', {})];
    assert.deepEqual(unknown, [undefined, undefined]);
    const { passwordHash = '' } = store.rows.get('joe') ?? {};
    store.rows.clear();
    assertPublic(await accounts.importUser('Joe', passwordHash), store);
  }
});

test('`identity` answers without a promise if the store does', async () => {
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
        const reply = await send(`${url}${path}`, 'GET', undefined, headers);
        assertPublic(Object.freeze(reply.body), store);
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
      // The most that a program could log of a request.
      const logged = inspect(req, { depth: Infinity, showHidden: true });
      res.end(/passwordHash|\$scrypt/.exec(logged)?.[0] ?? 'none');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { access_token: token } = Object(await auth.login({ json: () => ({ ...JOE }) }));
    const { port } = server.address() as AddressInfo;
    const headers = { Authorization: `JWT ${token}` };
    const reply = await send(`http://127.0.0.1:${port}/`, 'GET', undefined, headers);
    assert.equal(reply.body, 'none');
    assert.equal(seen.length, 2);
    for (const identity of seen) assertPublic(identity, store);
  } finally {
    server.close();
  }
});

test('each hook of the application gets a user without a hash', async () => {
  const store = storeOfRows(false);
  const seen: unknown[] = [];
  const options: AppOptions<unknown> = {
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
    const headers = { Authorization: `JWT ${token}` };
    assert.equal((await send(`${url}/hello`, 'GET', undefined, headers)).status, 200);
  });
  const encoding = createApp({
    ...options,
    encode(user) {
      seen.push(user);
      return 'token';
    },
  });
  await withServer(encoding, ({ url }) => send(`${url}/auth`, 'POST', JOE));
  assert.equal(seen.length, 5);
  for (const user of seen) assertPublic(user, store);
});

test('a program that changes the user it got does not change the stored user', async () => {
  const users = new MemoryUserStore();
  const accounts = new Accounts({ users, passwords: cheapPasswords() });
  const user = await accounts.signup(JOE);
  assert.throws(() => Object.assign(user, { id: 'root' }), TypeError);
  assert.notEqual(await accounts.identity({ identity: 'joe' }), users.find('joe'));
  assert.equal((await accounts.authenticate('joe', JOE.password))?.id, 'joe');
});
