/** createApp takes the options of Flask-JWT, and refuses every other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AuthError,
  createApp,
  decodeUnverified,
  MemoryUserStore,
  PasswordHasher,
  type AppOptions,
} from '../../src/index.ts';
import { send, withApp } from '../support/app.ts';
import { NOW } from '../support/guard.ts';
import { NOT_AMOUNTS, NOT_FUNCTIONS } from '../support/hostile.ts';
import { SECRET } from '../support/tokens.ts';
import {
  assertRefusesOptions,
  WRONG_OPTIONS,
  type WrongOptions,
} from '../support/wrong-options.ts';

test('the tutorial application takes every switch of the original at once', async () => {
  let time = NOW;
  const body = { user: 'joe', pass: 'correct horse' };
  const options: Partial<AppOptions<unknown>> = {
    authPath: '/login',
    usernameField: 'user',
    passwordField: 'pass',
    identityClaim: 'sub',
    schemes: ['Token'],
    realm: 'Home',
    lifetimeSeconds: 60,
    notBeforeSeconds: 20,
    leewaySeconds: 3,
    requiredClaims: ['exp', 'role'],
    now: () => time,
    claims: ({ id }) => ({ sub: id, role: 1 }),
    loginReply: (token) => ({ token }),
    errorReply: ({ code }) => code,
  };
  await withApp(options, async ({ url }) => {
    await send(`${url}/signup`, 'POST', body);
    const login = await send(`${url}/login`, 'POST', body);
    const { token } = login.body as { token: string };
    const times = { iat: NOW, nbf: NOW + 20, exp: NOW + 60 };
    assert.deepEqual(decodeUnverified(token).claims, { ...times, sub: 'joe', role: 1 });
    const [early, late] = ['ERR_JWT_NOT_YET_VALID', 'ERR_JWT_EXPIRED'];
    const welcome = { Status: 'Success', result: 'Hello joe' };
    const ANSWERS = [[16, early], [17, welcome], [62, welcome], [63, late]] as const;
    for (const [after, answer] of ANSWERS) {
      time = NOW + after;
      const Authorization = `Token ${token}`;
      const { body: given } = await send(`${url}/hello`, 'GET', undefined, { Authorization });
      assert.deepEqual(given, answer, `${after} seconds later`);
    }
    const { headers } = await send(`${url}/hello`, 'GET');
    assert.equal(headers.get('WWW-Authenticate'), 'Token realm="Home"');
    assert.equal((await send(`${url}/auth`, 'POST', body)).status, 404);
  });
});

const WRONG_APP_OPTIONS: WrongOptions = [
  ['users', [undefined, null, {}]],
  ['authPath', [null, '', 'auth', 1, ['/auth']]],
  ['minPasswordLength', NOT_AMOUNTS],
  ['onError', NOT_FUNCTIONS],
  ['page', [null, 0, 1, 'on', 'true', {}]],
  ['authenticate identity isCurrent port', [() => undefined]],
];

test('createApp refuses an unknown option, or one of the wrong kind, by its name', () => {
  const base = { secret: SECRET, users: new MemoryUserStore() };
  const table = [...WRONG_OPTIONS, ...WRONG_APP_OPTIONS];
  assertRefusesOptions((options) => createApp(options), base, table);
});

const TEXT_OF_SIGNUP_BODY = 'Expected a JSON object with the strings "username" and "password"';
const JOE = { username: 'joe', password: 'correct horse' };

test('an option that reaches both doors: the fields name the members of signup and login', async () => {
  const ROWS: readonly (readonly [options: Partial<AppOptions>, name: string, word: string])[] = [
    [{}, 'username', 'password'],
    [{ usernameField: 'email' }, 'email', 'password'],
    [{ passwordField: 'pass phrase' }, 'username', 'pass phrase'],
    [{ usernameField: 'constructor', passwordField: '__proto__' }, 'constructor', '__proto__'],
    [{ usernameField: 'password', passwordField: 'username' }, 'password', 'username'],
  ];
  for (const [options, name, word] of ROWS) {
    const bodyOf = (username: unknown, password: unknown) =>
      JSON.stringify(Object.fromEntries([[name, username], [word, password], ['role', 'admin']]));
    await withApp(options, async ({ url }) => {
      const right = bodyOf('joe@example.com', 'correct horse');
      assert.equal((await send(`${url}/signup`, 'POST', right)).status, 200, name);
      assert.equal((await send(`${url}/auth`, 'POST', right)).status, 200, name);
      assert.equal((await send(`${url}/auth`, 'POST', bodyOf('joe@example.com', 'x'))).status, 401);
      const result = `Expected a JSON object with the strings "${name}" and "${word}"`;
      if (name === 'username' && word === 'password') assert.equal(result, TEXT_OF_SIGNUP_BODY);
      const others = name === 'email' ? [JOE] : [];
      const wrong = [bodyOf('ann', 7), bodyOf(null, 'correct horse'), {}, [], null, ...others];
      for (const body of wrong) {
        const text = typeof body === 'string' ? body : JSON.stringify(body);
        const refused = await send(`${url}/signup`, 'POST', text);
        assert.deepEqual([refused.status, refused.body], [400, { Status: 'Error', result }], text);
      }
    });
  }
});

test('an option that reaches both doors: errorReply makes the body of a refused signup, login and guard', async () => {
  const errorReply: AppOptions['errorReply'] = async ({ code }) => {
    if (code === 'ERR_USER_EXISTS') {
      throw new AuthError('ERR_USERNAME', { status: 409, description: 'taken' });
    }
    return { code };
  };
  await withApp({ errorReply }, async ({ url }) => {
    assert.equal((await send(`${url}/signup`, 'POST', JOE)).status, 200);
    const ROWS = [
      ['/signup', {}, 400, { code: 'ERR_SIGNUP_BODY' }],
      ['/signup', '{', 400, { code: 'ERR_SIGNUP_BODY' }],
      ['/signup', { ...JOE, username: 'a b' }, 400, { code: 'ERR_USERNAME' }],
      ['/signup', { ...JOE, password: 'x' }, 400, { code: 'ERR_PASSWORD_TOO_SHORT' }],
      ['/signup', 'x'.repeat(20_000), 413, { code: 'ERR_BODY_TOO_LARGE' }],
      // An AuthError of the hook replaces the refusal, with its own body.
      ['/signup', JOE, 409, { Status: 'Error', result: 'taken' }],
      ['/auth', { ...JOE, password: 'x' }, 401, { code: 'ERR_CREDENTIALS' }],
    ] as const;
    for (const [path, body, status, expected] of ROWS) {
      const refused = await send(`${url}${path}`, 'POST', body);
      assert.deepEqual([refused.status, refused.body], [status, expected], JSON.stringify(body));
    }
    const guarded = await send(`${url}/hello`, 'GET');
    assert.deepEqual([guarded.status, guarded.body], [401, { code: 'ERR_AUTHORIZATION_MISSING' }]);
    // The router refuses what is not a route of the application.
    const unknown = await send(`${url}/unknown`, 'GET');
    assert.deepEqual(unknown.body, new AuthError('ERR_NOT_FOUND').body);
  });
});

test('an option that reaches both doors: with errorReply a refused signup keeps status and cause', async () => {
  const reported: unknown[] = [];
  const users = new MemoryUserStore();
  const cause = new Error('the disk is full');
  users.insert = () => {
    throw new AuthError('ERR_STORE', { cause, headers: { 'Retry-After': '77' } });
  };
  const options = {
    users,
    errorReply: () => 'no',
    onError: (error: unknown) => reported.push(error),
  };
  await withApp(options, async ({ url }) => {
    const { status, headers, body } = await send(`${url}/signup`, 'POST', JOE);
    assert.deepEqual([status, headers.get('Retry-After'), body], [503, '77', 'no']);
  });
  assert.deepEqual(reported.map((error) => error instanceof AuthError && error.cause), [cause]);
});

test('an option that reaches both doors: the clock of an app dates its tokens and its accounts', async () => {
  const users = new MemoryUserStore();
  await withApp({ users, now: () => NOW + 0.25 }, async ({ url }) => {
    await send(`${url}/signup`, 'POST', JOE);
    const { body } = await send(`${url}/auth`, 'POST', JOE);
    const { claims } = decodeUnverified((body as { access_token: string }).access_token);
    const { iat } = claims as { iat: number };
    const createdAt = users.find('joe')?.createdAt ?? '';
    assert.equal(createdAt, new Date((NOW + 0.25) * 1000).toISOString());
    assert.equal(Math.floor(Date.parse(createdAt) / 1000), Math.floor(iat));
  });
});

test('a limit meant for strangers that meets the owner: without limits tests make any number of users', async () => {
  const statusesOf = async (options: Partial<AppOptions>) => {
    const passwords = new PasswordHasher({ logN: 1, maxQueued: 100_000 });
    return withApp({ passwords, ...options }, async ({ url }) => {
      const names = Array.from({ length: 60 }, (_, index) => `user${index}`);
      const post = async (path: string, body: object) => {
        return (await send(url + path, 'POST', body)).status;
      };
      const signups =
        await Promise.all(names.map((username) => post('/signup', { ...JOE, username })));
      const wrong = { username: 'user0', password: 'wrong' };
      const logins = await Promise.all(names.map(() => post('/auth', wrong)));
      return { signups: new Set(signups), logins: new Set(logins) };
    });
  };
  const limited = await statusesOf({});
  assert.deepEqual(limited, { signups: new Set([200, 429]), logins: new Set([401, 429]) });
  const free = await statusesOf({ limits: false });
  assert.deepEqual(free, { signups: new Set([200]), logins: new Set([401]) });
});
