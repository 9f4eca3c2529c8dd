/** Asserts the replies of the pages' programs that have the sessions of `session-auth.mts`. */
import assert from 'node:assert/strict';
import { send, type Answer } from './app.ts';
import type { Tokens } from './session-guard.ts';

const LOGIN = { username: 'joe', password: 'correct horse', refresh: true };
const LOGGED_OUT = { Status: 'Success', result: 'Logged out' };
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

async function assertHello(url: string, token: string, code?: string): Promise<void> {
  const { status, headers } = await send(`${url}/hello`, 'GET', undefined, bearer(token));
  assert.deepEqual([status, headers.get('error-code') ?? undefined], [code ? 401 : 200, code]);
}

/** Asserts that a program refreshes, lists and ends sessions, and changes the password. */
export async function assertSessions(url: string): Promise<void> {
  const post = async (path: string, body?: unknown, headers?: Record<string, string>) => {
    const answer = await send(url + path, 'POST', body, headers);
    return { ...answer, pair: answer.body as Tokens };
  };
  const { pair: first } = await post('/auth', LOGIN);
  const { pair: second, headers } = await post('/refresh', { refresh_token: first.refresh_token });
  assert.equal(headers.get('cache-control'), 'no-store');
  await assertHello(url, second.access_token);
  const bodies = [[{}, 400], [{ refresh_token: 'x' }, 401], ['{', 400]] as const;
  for (const [body, status] of bodies) {
    for (const path of ['/refresh', '/logout']) {
      const headers = path === '/logout' ? bearer(second.access_token) : {};
      assert.equal((await post(path, body, headers)).status, status);
    }
  }
  await assertHello(url, second.access_token);
  const byHeader = await post('/logout', undefined, bearer(second.access_token));
  assert.deepEqual([byHeader.status, byHeader.body], [200, LOGGED_OUT]);
  await assertHello(url, second.access_token, 'ERR_SESSION_ENDED');
  assert.equal((await post('/refresh', { refresh_token: second.refresh_token })).status, 401);

  const { pair: old } = await post('/auth', LOGIN);
  const { pair: other } = await post('/auth', LOGIN);
  const change = (body: object) => post('/password', body, bearer(old.access_token));
  const next = 'battery staple';
  const list = () => send(`${url}/sessions`, 'GET', undefined, bearer(old.access_token));
  const { sessions } = (await list()).body as { sessions: { is_current: boolean }[] };
  assert.ok(sessions.length >= 2);
  assert.equal(sessions.filter((session) => session.is_current).length, 1);
  const names = ['id', 'started_at', 'refreshed_at', 'agent', 'is_current'];
  for (const session of sessions) assert.deepEqual(Object.keys(session), names);
  assert.equal((await send(`${url}/sessions`, 'GET')).status, 401);
  const right = { password: LOGIN.password, new_password: next };
  assert.equal((await change({ password: 'wrong', new_password: next })).status, 401);
  for (const body of [{ ...right, new_password: 'shorter' }, { password: LOGIN.password, next }]) {
    const refused = await change(body);
    const [error, description] = ['Password refused', 'Password is too short'];
    assert.deepEqual(refused.body, { status_code: 400, error, description });
    assert.equal(refused.headers.get('error-code'), 'ERR_PASSWORD_TOO_SHORT');
  }
  await assertHello(url, other.access_token);
  const { pair: renewed } = await change({ ...right, refresh: true });
  await assertHello(url, renewed.access_token);
  for (const { access_token: token } of [old, other]) {
    await assertHello(url, token, 'ERR_SESSION_ENDED');
  }
  assert.equal((await post('/auth', LOGIN)).status, 401);
  assert.equal((await post('/auth', { ...LOGIN, password: next })).status, 200);
  const byBody = await post('/logout', { refresh_token: renewed.refresh_token });
  assert.deepEqual([byBody.status, byBody.body], [200, LOGGED_OUT]);
  await assertHello(url, renewed.access_token, 'ERR_SESSION_ENDED');

  const { pair: last } = await post('/auth', { ...LOGIN, password: next });
  const back = { password: next, new_password: LOGIN.password };
  const plain = await post('/password', back, bearer(last.access_token));
  assert.deepEqual(Object.keys(plain.pair), ['access_token']);
  await assertHello(url, plain.pair.access_token);
  await assertLimitsChange(url, plain.pair.access_token);
}

/** Asserts that a thief with a token guesses ten times, and that the owner can log in meanwhile. */
async function assertLimitsChange(url: string, token: string): Promise<void> {
  const guess = { password: 'wrong', new_password: 'battery staple' };
  const guesses = Array.from({ length: 11 }, () =>
    send(`${url}/password`, 'POST', guess, bearer(token)),
  );
  const statuses = (await Promise.all(guesses)).map(({ status }) => status);
  // One wrong password came before.
  assert.deepEqual(statuses.sort(), [...Array(9).fill(401), 429, 429]);
  assert.equal((await send(`${url}/auth`, 'POST', LOGIN)).status, 200);
}

/** Asserts that a program refreshes a session, and ends it without a body. */
export async function assertEndsSession(url: string): Promise<void> {
  const post = (path: string, body?: unknown, headers = {}) =>
    send(url + path, 'POST', body, headers);
  const { body: first } = await post('/auth', LOGIN);
  const { body: second } = await post('/refresh', first);
  const { access_token: token } = second as Tokens;
  await assertHello(url, token);
  assert.equal((await post('/logout', {}, bearer(token))).status, 400);
  await assertHello(url, token);
  const out = await post('/logout', undefined, bearer(token));
  assert.deepEqual([out.status, out.body], [200, LOGGED_OUT]);
  await assertHello(url, token, 'ERR_SESSION_ENDED');
  const { body: third } = await post('/auth', LOGIN);
  assert.deepEqual((await post('/logout', third)).body, LOGGED_OUT);
}

const ATTRIBUTES = ['Path=/', 'HttpOnly', 'Secure', 'SameSite=Strict'];

/** Asserts that a program keeps the refresh token in a cookie, and never in a body. */
export async function assertCookies(url: string): Promise<void> {
  const post = (path: string, cookie: string, headers = {}, body?: object) =>
    send(`${url}/session/${path}`, 'POST', path === 'auth' ? LOGIN : body, {
      ...(cookie !== '' && { Cookie: `other=1; ${cookie}; more=2` }),
      ...headers,
    });
  const cookieOf = ({ headers, body }: Answer): string => {
    const [cookie = '', age, ...attributes] = String(headers.get('set-cookie')).split('; ');
    assert.deepEqual([age, ...attributes], ['Max-Age=2592000', ...ATTRIBUTES]);
    assert.match(cookie, /^__Host-refresh=ey[\w.-]+$/);
    assert.deepEqual(Object.keys(body as object), ['access_token', 'token_type', 'expires_in']);
    assert.equal(headers.get('cache-control'), 'no-store');
    return cookie;
  };
  const first = cookieOf(await post('auth', ''));
  // Two tabs refresh at the same moment.
  const answers = await Promise.all([post('refresh', first), post('refresh', first)]);
  const [second = '', same] = answers.map(cookieOf);
  assert.equal(second, same);
  assert.notEqual(second, first);
  const { access_token: token } = answers[0]?.body as Tokens;
  await assertHello(url, token);
  for (const site of ['cross-site', 'same-site', 'none']) {
    for (const path of ['auth', 'refresh', 'logout']) {
      const refused = await post(path, second, { 'Sec-Fetch-Site': site });
      assert.deepEqual([refused.status, refused.headers.has('set-cookie')], [403, false]);
    }
  }
  const third = cookieOf(await post('refresh', second, { 'Sec-Fetch-Site': 'same-origin' }));
  const change = (password: string) => {
    const body = { password, new_password: 'battery staple' };
    return post('password', third, bearer(token), body);
  };
  const refused = await change('wrong');
  assert.deepEqual([refused.status, refused.headers.has('set-cookie')], [401, false]);
  const renewed = await change(LOGIN.password);
  const fourth = cookieOf(renewed);
  await assertHello(url, token, 'ERR_SESSION_ENDED');
  await assertHello(url, (renewed.body as Tokens).access_token);
  const fifth = await post('refresh', fourth);
  const { access_token: last } = fifth.body as Tokens;
  const out = await post('logout', cookieOf(fifth));
  assert.deepEqual([out.status, out.body], [200, LOGGED_OUT]);
  const cleared = `__Host-refresh=; Max-Age=0; ${ATTRIBUTES.join('; ')}`;
  assert.equal(out.headers.get('set-cookie'), cleared);
  await assertHello(url, last, 'ERR_SESSION_ENDED');
  const dead = [['refresh', '', 400], ['refresh', fourth, 401], ['logout', '', 400]] as const;
  const malformed = ['refresh', 'logout'].map((path) => [path, '__Host-refresh=x', 401] as const);
  for (const [path, cookie, status] of [...dead, ...malformed]) {
    const answer = await post(path, cookie);
    assert.deepEqual([answer.status, answer.headers.get('set-cookie')], [status, cleared]);
  }
}
