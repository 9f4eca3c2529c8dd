/** The routes with which an owner changes the password and removes the account, over sockets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  MemorySessionStore,
  MemoryUserStore,
  Sessions,
  type AppOptions,
  type Server,
} from '../../src/index.ts';
import { send, withApp } from '../support/app.ts';
import {
  codeOf,
  helloStatus,
  listSessions,
  logIn,
  OWNER,
  pairIn,
  refresh,
  sendAs,
  signUpOwner,
} from '../support/session-client.ts';
import { NOW, tokenOf } from '../support/tokens.ts';

const { password } = OWNER;
const NEW_PASSWORD = 'another horse';

/** Serves the application with sessions, and an owner who has signed up. */
function withOwner(
  use: (server: Server) => Promise<void>,
  options: Partial<AppOptions<unknown>> = {},
): Promise<void> {
  const sessions = new Sessions({ store: new MemorySessionStore() });
  return withApp({ sessions, ...options }, async (server) => {
    await signUpOwner(server.url);
    await use(server);
  });
}

const change = (url: string, token: string, body: object = {}) =>
  sendAs(token, `${url}/password`, 'POST', { password, new_password: NEW_PASSWORD, ...body });

test('a new password ends every session, and answers as a login', async () => {
  await withOwner(async ({ url }) => {
    const before = [await logIn(url), await logIn(url), await logIn(url, {})];
    const [{ access_token: token } = { access_token: '' }] = before;
    const changed = await change(url, token);
    assert.deepEqual(
      [changed.status, Object.keys(changed.body as object)],
      [200, ['access_token']],
    );
    for (const pair of before) {
      assert.equal(await helloStatus(url, pair.access_token), 401);
      if (pair.refresh_token !== undefined) {
        assert.equal((await refresh(url, pair.refresh_token)).status, 401);
      }
    }
    assert.equal(await helloStatus(url, pairIn(changed).access_token), 200);
    assert.equal((await send(`${url}/auth`, 'POST', OWNER)).status, 401);
    await logIn(url, { password: NEW_PASSWORD });
  });
});

test('a new password answers with a pair to a client that asks for one', async () => {
  await withOwner(async ({ url }) => {
    const changed = pairIn(await change(url, (await logIn(url)).access_token, { refresh: true }));
    assert.deepEqual(Object.keys(changed), [
      'access_token',
      'refresh_token',
      'token_type',
      'expires_in',
    ]);
    pairIn(await refresh(url, changed.refresh_token));
    assert.equal((await listSessions(url, changed.access_token)).length, 1);
  });
});

test('loginReply makes the answer to a new password too, with and without a pair', async () => {
  const loginReply: AppOptions<unknown>['loginReply'] = (token, { username }, refreshToken) => {
    return { token, username, refreshToken: refreshToken ?? 'none' };
  };
  await withOwner(async ({ url }) => {
    const login = await send(`${url}/auth`, 'POST', OWNER);
    const { token } = login.body as { token: string };
    const changed = await change(url, token);
    const { token: next, ...others } = changed.body as { token: string };
    assert.deepEqual(others, { username: 'joe', refreshToken: 'none' });
    const again = await change(url, next, {
      password: NEW_PASSWORD,
      new_password: password,
      refresh: true,
    });
    const { refreshToken } = again.body as { refreshToken: string };
    assert.equal((await refresh(url, refreshToken)).status, 200);
  }, { loginReply });
});

test('a loginReply that throws after a new password leaves no session', async () => {
  let isBroken = false;
  const loginReply: AppOptions<unknown>['loginReply'] = (token) => {
    if (isBroken) throw new Error('a bug');
    return { access_token: token };
  };
  const onError = () => undefined;
  const sessions = new Sessions({ store: new MemorySessionStore() });
  await withOwner(async ({ url }) => {
    const { access_token: token } = await logIn(url);
    isBroken = true;
    assert.equal((await change(url, token, { refresh: true })).status, 500);
    assert.deepEqual(await sessions.list('joe'), []);
    isBroken = false;
    await logIn(url, { password: NEW_PASSWORD });
    assert.equal((await sessions.list('joe')).length, 1);
  }, { loginReply, onError, sessions });
});

test('a new password that the rules refuse is 400, and nothing has changed', async () => {
  const tooShort = 'Password must have 4 to 256 characters';
  const missing = 'Expected a JSON object with the strings "password" and "new_password"';
  const guessable = 'Password is the username, or too easy to guess';
  const REFUSED: readonly (readonly [newPassword: unknown, description: string])[] = [
    ['', tooShort],
    ['abc', tooShort],
    ['x'.repeat(257), tooShort],
    ['x\0yz', 'Password is not Unicode text without NUL'],
    ['password1', guessable],
    [undefined, missing],
    [null, missing],
    [1234, missing],
    [['abcd'], missing],
  ];
  await withOwner(async ({ url }) => {
    const { access_token: token } = await logIn(url);
    for (const [newPassword, description] of REFUSED) {
      const { status, body } = await change(url, token, { new_password: newPassword });
      const refused = { status_code: 400, error: 'Password refused', description };
      assert.deepEqual([status, body], [400, refused], JSON.stringify(newPassword));
    }
    assert.equal(await helloStatus(url, token), 200);
    await logIn(url);
    assert.equal((await change(url, token, { new_password: 'abcd' })).status, 200);
  });
});

test('a removed account is refused everywhere, and its name brings nothing back', async () => {
  await withOwner(async ({ url }) => {
    const [first, second] = [await logIn(url), await logIn(url)];
    const removed = await sendAs(first.access_token, `${url}/account/remove`, 'POST', { password });
    assert.deepEqual([removed.status, removed.body], [
      200,
      { Status: 'Success', result: 'User removed' },
    ]);
    const assertOut = async () => {
      for (const pair of [first, second]) {
        assert.equal(await helloStatus(url, pair.access_token), 401);
        assert.equal((await refresh(url, pair.refresh_token)).status, 401);
      }
    };
    await assertOut();
    assert.equal((await send(`${url}/auth`, 'POST', OWNER)).status, 401);
    await signUpOwner(url);
    await assertOut();
    assert.equal(await helloStatus(url, (await logIn(url)).access_token), 200);
  });
});

test('a store that cannot remove users has no route for it', async () => {
  const memory = new MemoryUserStore();
  const users: AppOptions['users'] = {
    find: (id) => memory.find(id),
    insert: (user) => memory.insert(user),
    update: (user, expectedHash) => memory.update(user, expectedHash),
  };
  await withOwner(async ({ url }) => {
    const { access_token: token } = await logIn(url);
    const answer = await sendAs(token, `${url}/account/remove`, 'POST', { password });
    assert.equal(answer.status, 404);
    assert.equal((await change(url, token)).status, 200);
  }, { users });
});

test('a token without a session may change the password, and ends with all others', async () => {
  const now = () => NOW;
  const sessions = new Sessions({ store: new MemorySessionStore(), now });
  await withOwner(async ({ url }) => {
    const foreign = tokenOf({ identity: 'joe', iat: NOW, nbf: NOW, exp: NOW + 300 });
    const changed = pairIn(await change(url, foreign));
    assert.equal(await helloStatus(url, foreign), 401);
    assert.equal(await helloStatus(url, changed.access_token), 200);
  }, { sessions, now });
});

const GUARDED = ['/sessions/end', '/password', '/account/remove'] as const;

test('without the password nothing ends, changes or is removed', async () => {
  await withOwner(async ({ url }) => {
    const [mine, other] = [await logIn(url), await logIn(url)];
    for (const path of GUARDED) {
      for (const wrong of ['wrong', `${password} `, '', undefined, null, 1, [password]]) {
        const body = { password: wrong, new_password: NEW_PASSWORD };
        const answer = await sendAs(mine.access_token, `${url}${path}`, 'POST', body);
        const what = `${path} ${JSON.stringify(wrong)}`;
        assert.deepEqual([answer.status, codeOf(answer)], [401, 'ERR_CREDENTIALS'], what);
        assert.deepEqual(answer.body, {
          status_code: 401,
          error: 'Bad Request',
          description: 'Invalid credentials',
        });
      }
      const body = { password, new_password: NEW_PASSWORD };
      const stranger = await send(`${url}${path}`, 'POST', body);
      assert.deepEqual([stranger.status, codeOf(stranger)], [401, 'ERR_AUTHORIZATION_MISSING']);
    }
    for (const { access_token: token } of [mine, other]) {
      assert.equal(await helloStatus(url, token), 200);
    }
    await logIn(url);
  });
});

test('wrong passwords on guarded routes end in 429, for that session alone', async () => {
  await withOwner(async ({ url }) => {
    const [thief, owner] = [await logIn(url), await logIn(url)];
    const statuses = new Set<number>();
    for (let guess = 0; guess < 200 && !statuses.has(429); guess += 1) {
      const path = GUARDED[guess % GUARDED.length];
      const body = { password: `guess ${guess}`, new_password: NEW_PASSWORD };
      const answer = await sendAs(thief.access_token, `${url}${path}`, 'POST', body);
      statuses.add(answer.status);
      if (answer.status === 429) assert.ok(Number(answer.headers.get('Retry-After')) > 0);
    }
    assert.deepEqual([...statuses], [401, 429]);
    const mine = await sendAs(owner.access_token, `${url}/sessions/end`, 'POST', { password });
    assert.equal(mine.status, 200);
    assert.equal(await helloStatus(url, thief.access_token), 401);
  });
});

test('guesses of strangers at the login never keep an owner from the guarded routes', async () => {
  await withOwner(async ({ url }) => {
    const owner = await logIn(url);
    const guess = async () => {
      const body = { ...OWNER, password: 'a guess of a stranger' };
      return (await send(`${url}/auth`, 'POST', body)).status;
    };
    let status = 401;
    for (let guesses = 0; guesses < 200 && status !== 429; guesses += 1) status = await guess();
    assert.equal(status, 429);
    assert.equal((await send(`${url}/auth`, 'POST', OWNER)).status, 429);
    pairIn(await refresh(url, owner.refresh_token));
    const ended = await sendAs(owner.access_token, `${url}/sessions/end`, 'POST', { password });
    assert.equal(ended.status, 200);
    const changed = pairIn(await change(url, owner.access_token));
    assert.equal(await helloStatus(url, changed.access_token), 200);
  });
});
