/** The routes of sessions over a real socket, row by row of the table on the front page. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import {
  AuthError,
  createApp,
  MemorySessionStore,
  MemoryUserStore,
  Sessions,
  type AppOptions,
  type Server,
} from '../../src/index.ts';
import { cheapPasswords, send, withApp, withServer } from '../support/app.ts';
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
import { NOW, SECRET, tokenOf } from '../support/tokens.ts';

const { password } = OWNER;
const ENDED = {
  status_code: 401,
  error: 'Invalid session',
  description: 'Session has ended, log in again',
};

/** Serves the application with sessions, and an owner who has signed up. */
function withSessions(
  use: (server: Server, sessions: Sessions) => Promise<void>,
  options: Partial<AppOptions> = {},
): Promise<void> {
  const sessions = new Sessions({ store: new MemorySessionStore() });
  return withApp({ sessions, ...options }, async (server) => {
    await signUpOwner(server.url);
    await use(server, options.sessions ?? sessions);
  });
}

test('a login that asks for a refresh token gets a pair, any other one the token alone', async () => {
  await withSessions(async ({ url }) => {
    const pair = await send(`${url}/auth`, 'POST', { ...OWNER, refresh: true });
    assert.deepEqual(Object.keys(pair.body as object), [
      'access_token',
      'refresh_token',
      'token_type',
      'expires_in',
    ]);
    const { token_type: type, expires_in: seconds } = pair.body as Record<string, unknown>;
    assert.deepEqual([pair.status, type, seconds], [200, 'Bearer', 300]);
    for (const wanted of [undefined, false, null, 1, 'true', 'false', [true], {}]) {
      const { status, body } = await send(`${url}/auth`, 'POST', { ...OWNER, refresh: wanted });
      assert.deepEqual([status, Object.keys(body as object)], [200, ['access_token']]);
    }
  });
});

test('a refresh gives a new pair, and the same one again to a client that lost it', async () => {
  await withSessions(async ({ url }) => {
    const first = await logIn(url);
    const answer = await refresh(url, first.refresh_token);
    assert.deepEqual(Object.keys(answer.body as object), [
      'access_token',
      'refresh_token',
      'token_type',
      'expires_in',
    ]);
    const second = pairIn(answer);
    assert.notEqual(second.refresh_token, first.refresh_token);
    assert.equal(
      pairIn(await refresh(url, first.refresh_token)).refresh_token,
      second.refresh_token,
    );
    assert.equal(await helloStatus(url, second.access_token), 200);
  });
});

test('a refresh without a usable token is 400 or 401, and changes nothing', async () => {
  await withSessions(async ({ url }) => {
    const pair = await logIn(url);
    const before = await listSessions(url, pair.access_token);
    for (const body of [{}, { refresh_token: null }, { refresh_token: 1 }, { refresh_token: '' }]) {
      const answer = await send(`${url}/refresh`, 'POST', body);
      assert.deepEqual([answer.status, codeOf(answer)], [400, 'ERR_REFRESH_BODY']);
    }
    const forged = `${pair.refresh_token.slice(0, -2)}AA`;
    const refused: readonly (readonly [token: string, code: string])[] = [
      ['garbage', 'ERR_JWT_MALFORMED'],
      [forged, 'ERR_JWT_SIGNATURE'],
      [pair.access_token, 'ERR_JWT_TYPE'],
    ];
    for (const [token, code] of refused) {
      const answer = await refresh(url, token);
      assert.deepEqual([answer.status, codeOf(answer)], [401, code]);
    }
    assert.equal(await helloStatus(url, pair.refresh_token), 401);
    assert.deepEqual(await listSessions(url, pair.access_token), before);
    pairIn(await refresh(url, pair.refresh_token));
  });
});

test('a logout ends the session of the token in its body or its header, and no other', async () => {
  const loggedOut = { Status: 'Success', result: 'Logged out' };
  await withSessions(async ({ url }) => {
    const [byRefresh, byAccess, other] = [await logIn(url), await logIn(url), await logIn(url)];
    const body = { refresh_token: byRefresh.refresh_token };
    const first = await send(`${url}/logout`, 'POST', body);
    assert.deepEqual([first.status, first.body], [200, loggedOut]);
    const second = await sendAs(byAccess.access_token, `${url}/logout`, 'POST');
    assert.deepEqual([second.status, second.body], [200, loggedOut]);
    for (const pair of [byRefresh, byAccess]) {
      const hello = await sendAs(pair.access_token, `${url}/hello`, 'GET');
      assert.deepEqual([hello.status, hello.body], [401, ENDED]);
      assert.equal(codeOf(hello), 'ERR_SESSION_ENDED');
      const again = await refresh(url, pair.refresh_token);
      assert.deepEqual([again.status, again.body], [401, ENDED]);
    }
    // RFC 7009 §2.2: what the client wanted is the case already.
    assert.equal((await send(`${url}/logout`, 'POST', body)).status, 200);
    assert.equal(await helloStatus(url, other.access_token), 200);
  });
});

test('a logout with neither token is 400, and so is one of a token without a session', async () => {
  await withSessions(async ({ url }) => {
    const { access_token: token } = await logIn(url);
    for (const body of [undefined, {}, { refresh_token: 1 }]) {
      assert.equal((await send(`${url}/logout`, 'POST', body)).status, 400, JSON.stringify(body));
    }
    const now = Math.floor(Date.now() / 1000);
    const foreign = tokenOf({ identity: 'joe', iat: now, nbf: now, exp: now + 300 });
    assert.equal((await sendAs(foreign, `${url}/logout`, 'POST')).status, 400);
    assert.equal((await sendAs('garbage', `${url}/logout`, 'POST')).status, 401);
    assert.equal(await helloStatus(url, token), 200);
    assert.equal((await sendAs(token, `${url}/logout`, 'POST')).status, 200);
  });
});

test('the sessions of an account are listed, and that of the request is marked', async () => {
  let seconds = NOW;
  const now = () => seconds;
  const sessions = new Sessions({ store: new MemorySessionStore(), now });
  await withSessions(async ({ url }) => {
    const phone = pairIn(await send(`${url}/auth`, 'POST', { ...OWNER, refresh: true }, {
      'User-Agent': 'a phone',
    }));
    seconds = NOW + 20;
    const laptop = pairIn(await send(`${url}/auth`, 'POST', OWNER, { 'User-Agent': 'a laptop' }));
    seconds = NOW + 60;
    const refreshed = pairIn(await refresh(url, phone.refresh_token));
    const listed = await listSessions(url, refreshed.access_token);
    const [{ id: phoneId } = { id: '' }, { id: laptopId } = { id: '' }] = listed;
    assert.deepEqual(listed, [
      {
        id: phoneId,
        started_at: NOW,
        refreshed_at: NOW + 60,
        agent: 'a phone',
        is_current: true,
      },
      {
        id: laptopId,
        started_at: NOW + 20,
        refreshed_at: NOW + 20,
        agent: 'a laptop',
        is_current: false,
      },
    ]);
    const seenByLaptop = await listSessions(url, laptop.access_token);
    assert.deepEqual(seenByLaptop.map((session) => session.is_current), [false, true]);
    const stranger = await send(`${url}/sessions`, 'GET');
    assert.deepEqual([stranger.status, codeOf(stranger)], [401, 'ERR_AUTHORIZATION_MISSING']);
  }, { sessions, now });
});

test('the owner ends one session by its id and the password', async () => {
  await withSessions(async ({ url }) => {
    const [mine, thief] = [await logIn(url), await logIn(url)];
    const listed = await listSessions(url, mine.access_token);
    const id = listed.find((session) => !session.is_current)?.id;
    const end = (body: object) => sendAs(mine.access_token, `${url}/sessions/end`, 'POST', body);
    const wrong = await end({ id, password: 'wrong' });
    assert.deepEqual([wrong.status, codeOf(wrong)], [401, 'ERR_CREDENTIALS']);
    const unknown = await end({ id: `${id}x`, password });
    assert.deepEqual([unknown.status, Object(unknown.body).description], [
      400,
      'The account has no such session',
    ]);
    assert.equal(await helloStatus(url, thief.access_token), 200);
    const ended = await end({ id, password });
    assert.deepEqual(
      [ended.status, ended.body],
      [200, { Status: 'Success', result: 'Session ended' }],
    );
    assert.equal(await helloStatus(url, thief.access_token), 401);
    assert.equal((await refresh(url, thief.refresh_token)).status, 401);
    assert.equal(await helloStatus(url, mine.access_token), 200);
  });
});

test('without an id all other sessions end, and that of the request stays', async () => {
  await withSessions(async ({ url }) => {
    const [mine, ...others] = [await logIn(url), await logIn(url), await logIn(url, {})];
    const ended = await sendAs(mine.access_token, `${url}/sessions/end`, 'POST', { password });
    const expected = { Status: 'Success', result: 'All other sessions ended' };
    assert.deepEqual([ended.status, ended.body], [200, expected]);
    for (const { access_token: token } of others) assert.equal(await helloStatus(url, token), 401);
    assert.equal(await helloStatus(url, mine.access_token), 200);
    pairIn(await refresh(url, mine.refresh_token));
  });
});

test('an end of sessions publishes latchkey:logout, if one has ended', async () => {
  const events: unknown[] = [];
  const listen = (message: unknown) => events.push(message);
  subscribe('latchkey:logout', listen);
  await withSessions(async ({ url }) => {
    const { access_token: token } = await logIn(url);
    const published = async (body: object): Promise<number> => {
      const before = events.length;
      await sendAs(token, `${url}/sessions/end`, 'POST', body);
      return events.length - before;
    };
    assert.equal(await published({ password }), 0, 'there is no other session');
    await logIn(url);
    assert.equal(await published({ password: 'wrong' }), 0);
    assert.equal(await published({ password, id: 'unknown' }), 0);
    assert.equal(await published({ password }), 1);
    assert.equal(await published({ password }), 0, 'they have ended already');
    const [{ id } = { id: '' }] = await listSessions(url, token);
    assert.equal(await published({ password, id }), 1);
  });
  unsubscribe('latchkey:logout', listen);
  const event = { id: 'joe', address: '127.0.0.1' };
  assert.deepEqual(events, [event, event]);
});

test('a session of another account cannot be ended by its id', async () => {
  await withSessions(async ({ url }) => {
    const mine = await logIn(url);
    const ann = { ...OWNER, username: 'ann' };
    await send(`${url}/signup`, 'POST', ann);
    const hers = await logIn(url, ann);
    const [{ id } = { id: '' }] = await listSessions(url, hers.access_token);
    const body = { id, password };
    const refused = await sendAs(mine.access_token, `${url}/sessions/end`, 'POST', body);
    assert.equal(refused.status, 400);
    assert.equal(await helloStatus(url, hers.access_token), 200);
    assert.equal(
      (await sendAs(hers.access_token, `${url}/sessions/end`, 'POST', body)).status,
      200,
    );
  });
});

test('a token without a session lists sessions, and ends itself with all others', async () => {
  let seconds = NOW;
  const now = () => seconds;
  const sessions = new Sessions({ store: new MemorySessionStore(), now });
  await withSessions(async ({ url }) => {
    const other = await logIn(url);
    const foreign = tokenOf({ identity: 'joe', iat: NOW, nbf: NOW, exp: NOW + 300 });
    assert.deepEqual(
      (await listSessions(url, foreign)).map((session) => session.is_current),
      [false],
    );
    assert.equal((await sendAs(foreign, `${url}/sessions/end`, 'POST', { password })).status, 200);
    for (const token of [foreign, other.access_token]) {
      assert.equal(await helloStatus(url, token), 401);
    }
    // Later ones of the same issuer are accepted again: after the leeway of ten seconds.
    seconds = NOW + 11;
    const later = tokenOf({ identity: 'joe', iat: NOW + 11, nbf: NOW, exp: NOW + 300 });
    assert.equal(await helloStatus(url, later), 200);
  }, { sessions, now });
});

test('errorReply, the realm and the names of fields reach every route of a session', async () => {
  const options: Partial<AppOptions> = {
    passwordField: 'pin',
    realm: 'Home',
    errorReply: ({ code }: AuthError) => ({ problem: code }),
  };
  const sessions = new Sessions({ store: new MemorySessionStore() });
  await withApp({ ...options, sessions }, async ({ url }) => {
    const joe = { username: 'joe', pin: password };
    await send(`${url}/signup`, 'POST', joe);
    const { access_token: token } = pairIn(await send(`${url}/auth`, 'POST', joe));
    const wrong = { password, pin: 'wrong' };
    for (const path of ['/sessions/end', '/password', '/account/remove']) {
      const body = { ...wrong, new_pin: 'another horse' };
      const answer = await sendAs(token, `${url}${path}`, 'POST', body);
      assert.deepEqual([answer.status, answer.body], [401, { problem: 'ERR_CREDENTIALS' }], path);
      assert.match(answer.headers.get('WWW-Authenticate') ?? '', /^JWT realm="Home"/);
    }
    const none = await send(`${url}/refresh`, 'POST', {});
    assert.deepEqual([none.status, none.body], [400, { problem: 'ERR_REFRESH_BODY' }]);
    const neither = await send(`${url}/logout`, 'POST', {});
    assert.deepEqual([neither.status, typeof Object(neither.body).problem], [400, 'string']);
    const ended = await sendAs(token, `${url}/sessions/end`, 'POST', { pin: password });
    assert.equal(ended.status, 200);
  });
});

const PATHS = [
  ['POST', '/refresh'],
  ['POST', '/logout'],
  ['GET', '/sessions'],
  ['POST', '/sessions/end'],
  ['POST', '/password'],
  ['POST', '/account/remove'],
] as const;

test('without sessions these paths do not exist, and with them they have one method', async () => {
  await withApp({}, async ({ url }) => {
    for (const [method, path] of PATHS) {
      const answer = await send(`${url}${path}`, method, method === 'POST' ? {} : undefined);
      assert.deepEqual([answer.status, codeOf(answer)], [404, 'ERR_NOT_FOUND'], path);
    }
  });
  await withSessions(async ({ url }) => {
    for (const [method, path] of PATHS) {
      const other = await send(`${url}${path}`, method === 'POST' ? 'GET' : 'POST');
      assert.deepEqual([other.status, codeOf(other)], [405, 'ERR_METHOD'], path);
      const answer = await send(`${url}${path}`, method, method === 'POST' ? {} : undefined);
      assert.ok(answer.status === 400 || answer.status === 401, path);
    }
  });
});

test('the store being unavailable is 503 on every route, and nothing has changed', async () => {
  let isAway = false;
  class Away extends MemorySessionStore {
    override find(userId: string) {
      if (isAway) throw new AuthError('ERR_STORE');
      return super.find(userId);
    }
  }
  const sessions = new Sessions({ store: new Away() });
  await withSessions(async ({ url }) => {
    const pair = await logIn(url);
    isAway = true;
    const body = { password, new_password: 'another horse' };
    for (const [method, path] of PATHS) {
      const sent = path === '/refresh' ? pair : body;
      const isLogout = path === '/logout';
      const answer = await sendAs(
        pair.access_token,
        `${url}${path}`,
        method,
        method === 'GET' || isLogout ? undefined : sent,
      );
      assert.deepEqual([answer.status, codeOf(answer)], [503, 'ERR_STORE'], path);
    }
    assert.equal((await send(`${url}/auth`, 'POST', OWNER)).status, 503);
    isAway = false;
    pairIn(await refresh(url, pair.refresh_token));
    await logIn(url);
  }, { sessions });
});

test('a program reaches the JwtAuth and the Accounts of the application', async () => {
  const users = new MemoryUserStore();
  const app = createApp({ secret: SECRET, users, passwords: cheapPasswords() });
  app.get('/id', app.auth.required((_request, user) => user.id));
  await app.accounts.signup(OWNER);
  await withServer(app, async ({ url }) => {
    const { access_token: token } = await logIn(url, {});
    assert.equal((await sendAs(token, `${url}/id`, 'GET')).body, 'joe');
  });
});
