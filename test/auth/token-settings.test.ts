/** The options of a JwtAuth with sessions. What does not fit them is refused with the reason. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JwtAuth, MemorySessionStore, Sessions } from '../../src/index.ts';
import { authWith, BASE, jwt, request, type Options } from '../support/guard.ts';
import { sessionSetup } from '../support/session-guard.ts';

const sessions = new Sessions({ store: new MemorySessionStore() });

test('options that do not go with sessions are refused with the reason, and else accepted', () => {
  const refuses = (options: Options, name: string, message: string) => {
    assert.throws(() => authWith({ sessions, ...options }), { name, message });
    // Without sessions each of them is what it was.
    authWith(options);
  };
  const absent = 'expected to be absent with "sessions", got a function';
  refuses({ encode: () => 'x' }, 'TypeError', `"encode" ${absent}`);
  refuses({ decode: () => ({}) }, 'TypeError', `"decode" ${absent}`);
  const ofRefreshTokens = 'which refresh tokens have, got the same';
  const typeMessage = `"type" expected another type than refresh+jwt, ${ofRefreshTokens}`;
  const names = ['refresh+jwt', 'Refresh+JWT'];
  for (const type of [...names, 'application/refresh+jwt', 'APPLICATION/refresh+jwt']) {
    refuses({ type }, 'TypeError', typeMessage);
  }
  const audienceMessage =
    `"audience" expected another name than latchkey:refresh, ${ofRefreshTokens}`;
  for (const audience of ['latchkey:refresh', ['api', 'latchkey:refresh']]) {
    refuses({ audience }, 'TypeError', audienceMessage);
  }
  // With one of them, a verifier that ignores "typ" and "aud" would find a user in a refresh token.
  for (const identityClaim of ['sid', 'gen', 'uid']) {
    const expected = 'a name other than "sid", "gen" and "uid", which sessions use';
    const message = `"identityClaim" expected ${expected}, got one of these`;
    refuses({ identityClaim }, 'TypeError', message);
  }
  for (const accepted of [
    { type: 'at+jwt' },
    { type: 'x/refresh+jwt' },
    // The Kelvin sign is not a K, and the long s is not an S.
    { type: 'refre\u017fh+jwt' },
    { audience: 'latchkey:Refresh' },
    { audience: ['api'] },
    { identityClaim: 'sub' },
    { identityClaim: 'UID' },
    { encode: undefined as never },
  ]) {
    authWith({ sessions, ...accepted });
  }
});

test('a type that sessions accept is one that Jwt tells from that of refresh tokens', async () => {
  const { auth, logIn } = sessionSetup({ type: 'x/refresh+jwt' });
  const { access_token: token, refresh_token: refreshToken } = await logIn();
  assert.ok(await auth.authorize(`JWT ${token}`));
  await assert.rejects(auth.authorize(`JWT ${refreshToken}`), { code: 'ERR_JWT_TYPE' });
});

test('sessions that idle out before their access token expires are refused', () => {
  const store = new MemorySessionStore();
  const short = new Sessions({ store, idleSeconds: 60 });
  const message = '"sessions" expected "idleSeconds" of at least 61 ("lifetimeSeconds"), got 60';
  assert.throws(() => authWith({ sessions: short, lifetimeSeconds: 61 }), {
    name: 'RangeError',
    message,
  });
  authWith({ sessions: short, lifetimeSeconds: 60 });
  assert.throws(() => authWith({ sessions: short }), /at least 300 /);
});

test('sessions that end before the leeway of an access token does are refused', () => {
  const store = new MemorySessionStore();
  const short = new Sessions({ store, maxSeconds: 70 });
  const options = { sessions: short, lifetimeSeconds: 60, leewaySeconds: 11 };
  assert.throws(() => authWith(options), {
    name: 'RangeError',
    message:
      '"sessions" expected "maxSeconds" of at least 71 ' +
      '("lifetimeSeconds" and "leewaySeconds"), got 70',
  });
  authWith({ ...options, leewaySeconds: 10 });
  authWith({ ...options, leewaySeconds: undefined as never });
  authWith({ ...options, lifetimeSeconds: 59 });
  assert.throws(
    () => authWith({ ...options, lifetimeSeconds: 71 }),
    /"idleSeconds" of at least 71 /,
  );
  assert.throws(
    () => authWith({ sessions: new Sessions({ store, maxSeconds: 309 }) }),
    /least 310 /,
  );
  authWith({ sessions: new Sessions({ store, maxSeconds: 310 }) });
});

test('sessions are known by their methods, because another copy of the package may make them', () => {
  const { start: _start, ...others } = {
    start: () => undefined,
    refresh: () => undefined,
    check: () => undefined,
    acceptsWithoutSession: () => undefined,
    endOf: () => 0,
    end: () => undefined,
  };
  const incomplete: unknown[] = [{}, null, true, 'sessions', [], new MemorySessionStore(), others];
  for (const value of incomplete) {
    assert.throws(
      () => authWith({ sessions: value as Sessions }),
      /^TypeError: "sessions" expected /,
    );
  }
  authWith({ sessions: { ...others, start: _start, idleSeconds: 300 } as unknown as Sessions });
  assert.throws(() => authWith({ isCurrent: true as never }), /"isCurrent" expected a function/);
});

test('without sessions, refresh and logout name the option that is missing', async () => {
  const auth = new JwtAuth(BASE);
  const error = {
    name: 'TypeError',
    message: /^"sessions" expected an instance of Sessions, got /,
  };
  await assert.rejects(auth.refresh(request({}, { refresh_token: 'x' })), error);
  await assert.rejects(auth.logout(request()), error);
  await assert.rejects(auth.issue({ id: 'joe' }, undefined, { refresh: true }), error);
  const issued = await auth.issue({ id: 'joe' });
  assert.deepEqual(issued, { access_token: jwt.sign({ identity: 'joe' }) });
  assert.deepEqual(await auth.issue({ id: 'joe' }, request(), { refresh: false }), issued);
  await assert.rejects(auth.issue({ id: 'joe' }, undefined, { refresh: 1 as never }), {
    message: '"refresh" expected true or false, got 1',
  });
});
