/** Refresh and logout: each row of the table of refreshes, lost answers, theft, races, clocks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeUnverified, Jwt } from '../../src/index.ts';
import { JOE, NOW, refusal, request, TOKEN } from '../support/guard.ts';
import {
  eventsOf,
  sessionSetup,
  withoutBody,
  type SessionSetup,
} from '../support/session-guard.ts';
import { SECRET } from '../support/tokens.ts';

const ENDED = refusal('ERR_SESSION_ENDED');
const LOGGED_OUT = { Status: 'Success', result: 'Logged out' };
const message = { id: 'joe', address: undefined };

const refused = (setup: SessionSetup, token: string) =>
  assert.rejects(async () => setup.hello(token), ENDED);
const logout = (setup: SessionSetup, token: unknown) =>
  setup.auth.logout(request({}, { refresh_token: token }));

test('a refresh gives a new pair, with claims made anew, and the session goes on', async () => {
  let role = 'user';
  const asked: unknown[] = [];
  const setup = sessionSetup({
    identityClaim: 'sub',
    identity: (claims) => {
      asked.push(claims);
      return JOE;
    },
    claims: () => ({ sub: 'joe', role }),
  });
  const first = await setup.logIn();
  role = 'admin';
  setup.clock.now += 200;
  const second = await setup.refresh(first.refresh_token);
  assert.deepEqual(asked, [{ sub: 'joe', identity: 'joe' }]);
  const { claims } = decodeUnverified(second.access_token);
  const { id } = setup.live()[0] ?? {};
  const iat = NOW + 200;
  assert.deepEqual(
    claims,
    { iat, nbf: iat, exp: iat + 300, sub: 'joe', role: 'admin', sid: id, gen: 1 },
  );
  assert.deepEqual([second.token_type, second.expires_in], ['Bearer', 300]);
  assert.notEqual(second.refresh_token, first.refresh_token);
  // Both access tokens are of the session, which has not ended.
  assert.equal(await setup.hello(first.access_token), id);
  assert.equal(await setup.hello(second.access_token), id);
});

test('at a refresh the hook identity gets one claim alone if that is named identity', async () => {
  const asked: unknown[] = [];
  const setup = sessionSetup({ identity: (claims) => asked.push(claims) && JOE });
  await setup.refresh((await setup.logIn()).refresh_token);
  assert.deepEqual(asked, [{ identity: 'joe' }]);
});

test('twenty refreshes at once with one token are all answered, with one successor', async () => {
  for (const isSlow of [false, true]) {
    const setup = sessionSetup();
    const { refresh_token: token } = await setup.logIn();
    setup.store.isSlow = isSlow;
    const pairs = await Promise.all(Array.from({ length: 20 }, () => setup.refresh(token)));
    assert.equal(new Set(pairs.map((pair) => pair.refresh_token)).size, 1);
    assert.equal(setup.live()[0]?.generation, 1);
    for (const pair of pairs) assert.ok(await setup.hello(pair.access_token));
  }
});

test('a client that lost an answer gets the same successor, long after, until that is used', async () => {
  const setup = sessionSetup();
  const first = await setup.logIn();
  const lost = await setup.refresh(first.refresh_token);
  const early = await eventsOf(() => setup.refresh(first.refresh_token));
  assert.deepEqual(early, [['refresh', message]]);
  setup.clock.now += 10_000;
  let repeated = lost;
  const events = await eventsOf(async () => {
    repeated = await setup.refresh(first.refresh_token);
  });
  assert.equal(repeated.refresh_token, lost.refresh_token);
  assert.deepEqual(events, [['refresh', message], ['repeat', message]]);
  assert.equal(await setup.hello(repeated.access_token), setup.live()[0]?.id);
  setup.clock.now += 20;
  assert.equal(setup.live().length, 1);
});

test('a refresh token that comes back after its successor was used ends its session alone', async () => {
  const setup = sessionSetup();
  const other = await setup.logIn();
  const first = await setup.logIn();
  const second = await setup.refresh(first.refresh_token);
  await setup.hello(second.access_token);
  // Within the grace period, two tabs may refresh at the same moment.
  assert.equal((await setup.refresh(first.refresh_token)).refresh_token, second.refresh_token);
  setup.clock.now += 10;
  const events = await eventsOf(() => assert.rejects(setup.refresh(first.refresh_token), ENDED));
  assert.deepEqual(events, [['reuse', message]]);
  await refused(setup, second.access_token);
  await assert.rejects(setup.refresh(second.refresh_token), ENDED);
  assert.ok(await setup.hello(other.access_token));
  assert.ok(await setup.refresh(other.refresh_token));
});

test('a refresh is refused for a user who is gone or another one, and nothing changes', async () => {
  let user: unknown = JOE;
  let id = 'joe';
  const setup = sessionSetup({ identity: () => user, claims: () => ({ identity: id }) });
  const { refresh_token: token } = await setup.logIn();
  const before = setup.store.records.find('joe');
  for (const none of [undefined, null, false]) {
    user = none;
    await assert.rejects(setup.refresh(token), ENDED);
  }
  user = JOE;
  id = 'ann';
  await assert.rejects(setup.refresh(token), ENDED);
  assert.equal(setup.store.records.find('joe'), before);
  id = 'joe';
  assert.ok(await setup.refresh(token));
});

test('a hook that fails at a refresh leaves the session as it was', async () => {
  let isBroken = false;
  const setup = sessionSetup({
    claims: () => {
      if (isBroken) throw new Error('broken');
      return { identity: 'joe' };
    },
  });
  const { refresh_token: token } = await setup.logIn();
  isBroken = true;
  await assert.rejects(setup.refresh(token), /^Error: broken$/);
  assert.equal(setup.live()[0]?.generation, 0);
  isBroken = false;
  assert.ok(await setup.refresh(token));
});

test('clock steps of an hour in both directions log out no client that refreshes', async () => {
  for (const step of [3600, -3600]) {
    const setup = sessionSetup();
    const first = await setup.logIn();
    setup.clock.now += step;
    const second = await setup.refresh(first.refresh_token);
    assert.ok(await setup.hello(second.access_token));
    setup.clock.now -= step;
    const third = await setup.refresh(second.refresh_token);
    assert.ok(await setup.hello(third.access_token));
    assert.equal(setup.live().length, 1);
  }
});

test('a session ends to the second when it was not refreshed, and at its absolute end', async () => {
  const setup = sessionSetup({}, { idleSeconds: 400, maxSeconds: 1000 });
  const first = await setup.logIn();
  setup.clock.now = NOW + 399;
  const second = await setup.refresh(first.refresh_token);
  setup.clock.now = NOW + 798;
  const third = await setup.refresh(second.refresh_token);
  setup.clock.now = NOW + 999;
  assert.ok(await setup.hello(third.access_token));
  setup.clock.now = NOW + 1000;
  await refused(setup, third.access_token);
  await assert.rejects(setup.refresh(third.refresh_token), ENDED);
  const idle = sessionSetup({}, { idleSeconds: 400 });
  const { refresh_token: token } = await idle.logIn();
  idle.clock.now = NOW + 400;
  await assert.rejects(idle.refresh(token), ENDED);
});

test('the body of a refresh must be an object with the string refresh_token', async () => {
  const { auth, logIn } = sessionSetup();
  const good = (await logIn()).refresh_token;
  const bodies = [undefined, null, 7, 'x', [], [good], {}, { refresh_token: '' }, { token: good }];
  const inherited = Object.create({ refresh_token: good });
  const wrong = [7, null, [good], { x: 1 }].map((value) => ({ refresh_token: value }));
  for (const body of [...bodies, ...wrong, inherited]) {
    const json = () => body;
    await assert.rejects(auth.refresh({ json }), { ...refusal('ERR_REFRESH_BODY'), status: 400 });
  }
  const notJson = () => JSON.parse('{');
  await assert.rejects(auth.refresh({ json: notJson }), refusal('ERR_BODY'));
  await assert.rejects(auth.refresh({} as never), { name: 'TypeError' });
  assert.ok(await auth.refresh({ json: () => ({ refresh_token: good, more: 1 }) }));
});

test('a refusal of a session has the bytes of a bad token, a challenge and its code', async () => {
  const setup = sessionSetup();
  const { access_token: token } = await setup.logIn();
  await setup.sessions.endAll('joe');
  await assert.rejects(setup.auth.authorize(`JWT ${token}`), {
    status: 401,
    body: {
      status_code: 401,
      error: 'Invalid session',
      description: 'Session has ended, log in again',
    },
    headers: {
      'WWW-Authenticate': [
        'JWT realm="Login Required"',
        'Bearer realm="Login Required", error="invalid_token", '
          + 'error_description="Session has ended, log in again"',
      ],
      'Error-Code': 'ERR_SESSION_ENDED',
    },
  });
});

test('a logout by refresh token ends its session, whatever the generation, and repeats', async () => {
  for (const generation of [0, 1, 2]) {
    const setup = sessionSetup();
    const other = await setup.logIn();
    const pairs = [await setup.logIn()];
    for (let count = 0; count < 2; count += 1) {
      pairs.push(await setup.refresh(String(pairs.at(-1)?.refresh_token)));
      setup.clock.now += 20;
    }
    const token = pairs[generation]?.refresh_token;
    const events = await eventsOf(async () => {
      assert.deepEqual(await logout(setup, token), LOGGED_OUT);
      // Its answer may be lost.
      assert.deepEqual(await logout(setup, token), LOGGED_OUT);
    });
    assert.deepEqual(events, [['logout', message]]);
    for (const pair of pairs) await refused(setup, pair.access_token);
    assert.ok(await setup.hello(other.access_token));
  }
});

test('a logout by a refresh token whose session is over answers 200, and a forged one 401', async () => {
  const setup = sessionSetup();
  const { refresh_token: token } = await setup.logIn();
  setup.clock.now += 100 * 86_400;
  assert.deepEqual(await logout(setup, token), LOGGED_OUT);
  await assert.rejects(logout(setup, `${token}x`), refusal('ERR_JWT_SIGNATURE'));
  await assert.rejects(logout(setup, 'x'), refusal('ERR_JWT_MALFORMED'));
});

test('a logout without a body ends the session of the access token', async () => {
  for (const body of [{}, { refresh: true }]) {
    const setup = sessionSetup();
    const other = await setup.logIn();
    const { access_token: token } = await setup.logIn(body);
    const events = await eventsOf(async () => {
      assert.deepEqual(await setup.auth.logout(withoutBody(token)), LOGGED_OUT);
      assert.deepEqual(await setup.auth.logout(withoutBody(token)), LOGGED_OUT);
    });
    assert.deepEqual(events, [['logout', message]]);
    await refused(setup, token);
    assert.ok(await setup.hello(other.access_token));
  }
});

test('a logout with neither a body nor an access token of a session is 400', async () => {
  const setup = sessionSetup();
  const { access_token: token } = await setup.logIn();
  const bad = {
    ...refusal('ERR_REFRESH_BODY'),
    status: 400,
    description:
      'Expected the access token of a session and no body, or a JSON object with the string ' +
      '"refresh_token"',
  };
  const json = () => undefined;
  await assert.rejects(setup.auth.logout({ json }), bad);
  await assert.rejects(setup.auth.logout({ json, address: '192.0.2.1' }), bad);
  await assert.rejects(setup.auth.logout({ ...request(), json }), bad);
  // Made by another holder of the secret.
  await assert.rejects(setup.auth.logout(withoutBody(TOKEN)), bad);
  await assert.rejects(setup.auth.logout(withoutBody('x')), refusal('ERR_JWT_MALFORMED'));
  // A wrong body beside a good token ends nothing.
  for (const body of [null, {}, [], 'x', { refresh_token: 7 }]) {
    const wrong = { ...withoutBody(token), json: () => body };
    await assert.rejects(setup.auth.logout(wrong), bad);
  }
  assert.ok(await setup.hello(token));
});

test('tokens of another user or of an unknown session end nothing', async () => {
  const setup = sessionSetup();
  const { access_token: token } = await setup.logIn();
  const { sid } = decodeUnverified(token).claims as { sid: string };
  const own = new Jwt({ secret: SECRET, now: () => NOW });
  for (const claims of [
    { identity: 'ann', sid, gen: 0 },
    { identity: 'joe', sid: 'x', gen: 0 },
    { identity: 'joe', sid: { x: 1 }, gen: 0 },
    { identity: 'joe', sid: null, gen: 0 },
  ]) {
    assert.deepEqual(await setup.auth.logout(withoutBody(own.sign(claims))), LOGGED_OUT);
  }
  assert.ok(await setup.hello(token));
});
