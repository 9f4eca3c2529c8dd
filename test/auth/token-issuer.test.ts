/** The tokens of sessions: their claims, their times, and the hooks that make them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeUnverified } from '../../src/index.ts';
import { authWith, JOE, NOW, refusal, request, tokenOf, type Options } from '../support/guard.ts';
import { sessionSetup } from '../support/session-guard.ts';

const claimsOf = (token: string) => decodeUnverified(token).claims as Record<string, unknown>;
const PLAIN = {};

test('an access token has the claims that it has without sessions, and sid and gen', async () => {
  const options = {
    notBeforeSeconds: 5,
    issuer: 'us',
    claims: () => ({ identity: 'joe', role: 1 }),
  };
  const { logIn, live } = sessionSetup(options);
  const stateless = claimsOf(await tokenOf(authWith(options)));
  for (const body of [PLAIN, { refresh: true }]) {
    const claims = claimsOf((await logIn(body)).access_token);
    assert.deepEqual(claims, { ...stateless, sid: live().at(-1)?.id, gen: 0 });
    assert.deepEqual(Object.keys(claims), [...Object.keys(stateless), 'sid', 'gen']);
  }
});

test('only "refresh": true asks for a refresh token, and the reply has the members of RFC 6749', async () => {
  const { logIn, live } = sessionSetup({ lifetimeSeconds: 50 });
  for (const refresh of [undefined, false, 'true', 1, null, [true], {}]) {
    assert.deepEqual(Object.keys(await logIn({ refresh })), ['access_token']);
  }
  assert.ok(live().every(({ isRefreshable }) => !isRefreshable));
  const pair = await logIn({ refresh: true });
  const names = ['access_token', 'refresh_token', 'token_type', 'expires_in'];
  assert.deepEqual(Object.keys(pair), names);
  assert.deepEqual([pair.token_type, pair.expires_in], ['Bearer', 50]);
  assert.equal(live().at(-1)?.isRefreshable, true);
});

test('the access token of a session that can be refreshed expires no later than the session', async () => {
  type Case = readonly [options: Options, idle: number, max: number, after: number];
  const cases: readonly Case[] = [
    [{}, 400, 1000, 300],
    [{}, 300, 310, 300],
    [{ lifetimeSeconds: 400 }, 400, 1000, 400],
    [{ claims: () => ({ identity: 'joe', exp: NOW + 20 }) }, 400, 1000, 20],
    [{ claims: () => ({ identity: 'joe', exp: NOW + 5000 }) }, 400, 1000, 400],
    [{ claims: () => ({ identity: 'joe', exp: NOW + 5000 }) }, 700, 700, 700],
  ];
  for (const [options, idleSeconds, maxSeconds, after] of cases) {
    const { logIn } = sessionSetup(options, { idleSeconds, maxSeconds });
    const pair = await logIn();
    assert.equal(claimsOf(pair.access_token)['exp'], NOW + after);
    assert.equal(pair.expires_in, after);
  }
  const { logIn, refresh, clock } = sessionSetup({}, { idleSeconds: 400, maxSeconds: 500 });
  const first = await logIn();
  clock.now += 390;
  const second = await refresh(first.refresh_token);
  assert.deepEqual([claimsOf(second.access_token)['exp'], second.expires_in], [NOW + 500, 110]);
});

test('a session without a refresh token ends with its token, leeway included, to the second', async () => {
  const cases: readonly (readonly [options: Options, max: number, exp: number, end: number])[] = [
    [{}, 9000, 300, 310],
    [{ leewaySeconds: 0 }, 9000, 300, 300],
    [{ leewaySeconds: 2.5 }, 9000, 300, 303],
    [{ claims: () => ({ identity: 'joe', exp: NOW + 20 }) }, 9000, 20, 30],
    [{}, 310, 300, 310],
    // The session lasts through the leeway even where that is longer than a session may be.
    [{ claims: () => ({ identity: 'joe', exp: NOW + 9000 }) }, 1000, 990, 1000],
    // A session of no length could not begin.
    [{ lifetimeSeconds: 0, leewaySeconds: 0 }, 9000, 0, 10],
  ];
  for (const [options, maxSeconds, exp, end] of cases) {
    const setup = sessionSetup(options, { maxSeconds });
    const { access_token: token } = await setup.logIn(PLAIN);
    assert.equal(claimsOf(token)['exp'], NOW + exp);
    assert.equal(setup.live()[0]?.endsAt, NOW + end);
    const { leewaySeconds = 10 } = options;
    const lastSecond = NOW + exp + leewaySeconds;
    // From its last second on the token is refused as without sessions.
    for (const now of [lastSecond, lastSecond + 1, lastSecond + 10_000]) {
      setup.clock.now = now;
      await assert.rejects(async () => setup.hello(token), refusal('ERR_JWT_EXPIRED'));
    }
    if (exp + leewaySeconds === 0) continue;
    setup.clock.now = lastSecond - 0.001;
    assert.equal(await setup.hello(token), setup.live()[0]?.id);
  }
});

test('a token that expires while the store looks for its session is refused as expired', async () => {
  const { logIn, hello, clock, store } = sessionSetup();
  const { access_token: token } = await logIn(PLAIN);
  store.before = () => (clock.now = NOW + 310);
  clock.now = NOW + 309.9;
  await assert.rejects(async () => hello(token), refusal('ERR_JWT_EXPIRED'));
});

test('iat, exp and the end of the session come from one reading of the clock', async () => {
  let readings = 0;
  // A second passes with each reading of the tokens. The sessions have the clock of the setup.
  const setup = sessionSetup({ now: () => NOW + (readings += 1) });
  const { access_token: token } = await setup.logIn(PLAIN);
  const { iat, nbf, exp } = claimsOf(token);
  assert.deepEqual([nbf, exp], [iat, Number(iat) + 300]);
  assert.equal(setup.live()[0]?.endsAt, Number(exp) + 10);
});

test('a hook claims that sets sid or gen, or names no user, is a mistake of the program', async () => {
  const lacking =
    /^"claims" .*the claim "identity", without which a session cannot be refreshed, got undefined$/;
  const rows: readonly (readonly [claims: unknown, message: RegExp])[] = [
    [
      { identity: 'joe', sid: 'x' },
      /^"claims" expected to return no claim "sid", which is that of /,
    ],
    [{ identity: 'joe', gen: undefined }, /^"claims" expected to return no claim "gen", /],
    [{ role: 'admin' }, lacking],
    [{ identity: null }, /without which a session cannot be refreshed, got null$/],
    [undefined, /^"claims" expected to return an object, got undefined$/],
    [
      new (class Claims { identity = 'joe'; })(),
      /^"claims" expected a plain object, got an instance of a class$/,
    ],
    [{ identity: 'joe', exp: 'soon' }, /^"exp" /],
    [{ identity: new Date() }, /^"identity" expected a JSON value, got an object of type Date$/],
  ];
  for (const [claims, message] of rows) {
    const { logIn, store, auth } = sessionSetup({ claims: () => claims as object });
    for (const body of [PLAIN, { refresh: true }]) {
      await assert.rejects(logIn(body), { name: 'TypeError', message });
    }
    await assert.rejects(auth.issue(JOE), { name: 'TypeError', message });
    assert.deepEqual(store.calls, [], 'no session has begun');
  }
  // The same claims without sessions.
  const own = { identity: 'joe', sid: 'x', gen: undefined };
  assert.ok(await tokenOf(authWith({ claims: () => ({ identity: own.identity, sid: own.sid }) })));
  const { logIn } = sessionSetup({ claims: () => ({ identity: 'joe', SID: 'x' }) });
  assert.ok((await logIn()).refresh_token);
});

test('a time that sign refuses is refused, also if the session would end before it', async () => {
  const milliseconds = NOW * 1000;
  const rows: readonly (readonly [options: Options, message: RegExp])[] = [
    [
      { claims: () => ({ identity: 'joe', exp: milliseconds }) },
      /^"exp" .* looks like milliseconds$/,
    ],
    [{ claims: () => ({ identity: 'joe', exp: Infinity }) }, /^"exp" .* got Infinity$/],
    [{ claims: () => ({ identity: 'joe', exp: NaN }) }, /^"exp" .* got NaN$/],
    [{ claims: () => ({ identity: 'joe', exp: -Infinity }) }, /^"exp" .* got -Infinity$/],
    [
      { claims: () => ({ identity: 'joe', iat: milliseconds }) },
      /^"iat" .* looks like milliseconds$/,
    ],
    [{ notBeforeSeconds: 1e12 }, /^"nbf" .* now plus "notBeforeSeconds"$/],
  ];
  for (const [options, message] of rows) {
    const { logIn, store } = sessionSetup(options);
    for (const body of [PLAIN, { refresh: true }]) {
      await assert.rejects(logIn(body), { name: 'RangeError', message });
    }
    assert.deepEqual(store.calls, []);
  }
  const { logIn } = sessionSetup({ claims: () => ({ identity: 'joe', exp: NOW + 1e11 }) });
  assert.ok((await logIn()).refresh_token);
});

test('the claims of a session may be required of every token', async () => {
  const requiredClaims = ['exp', 'iat', 'nbf', 'sid', 'gen'];
  const { logIn, refresh, hello, live } = sessionSetup({ requiredClaims });
  assert.equal(await hello((await logIn(PLAIN)).access_token), live()[0]?.id);
  const pair = await refresh((await logIn()).refresh_token);
  assert.equal(await hello(pair.access_token), live()[1]?.id);
  const stateless = tokenOf(authWith());
  await assert.rejects(async () => hello(await stateless), refusal('ERR_JWT_CLAIM_MISSING'));
  // A claim that neither the hook nor the session adds is missing all the same.
  const without = sessionSetup({ requiredClaims: ['sid', 'role'] });
  await assert.rejects(without.logIn(), /^TypeError: "claims" expected .* the "role" claim/);
  assert.deepEqual(without.store.calls, []);
});

test('claims that a copy would mend are refused as sign refuses them, and each is read once', async () => {
  let reads = 0;
  const hidden = Object.defineProperty({ identity: 'joe' }, 'role', { value: 1 });
  const wrong: readonly object[] = [
    hidden,
    { identity: 'joe', [Symbol('role')]: 1 },
    { identity: 'joe', toJSON: () => ({ identity: 'ann' }) },
    Object.create({ identity: 'joe' }),
    new Proxy({}, { ownKeys: () => { throw new Error('a secret'); } }),
  ];
  for (const claims of wrong) {
    const { logIn, store } = sessionSetup({ claims: () => claims });
    const stateless = await tokenOf(authWith({ claims: () => claims })).catch((error) => error);
    assert.ok(stateless instanceof TypeError);
    const { message } = stateless;
    await assert.rejects(logIn(), { name: 'TypeError', message });
    assert.deepEqual(store.calls, []);
  }
  const { logIn } = sessionSetup({
    claims: () => ({
      get identity() {
        reads += 1;
        return 'joe';
      },
    }),
  });
  assert.ok((await logIn()).refresh_token);
  assert.equal(reads, 1);
});

test('a hook claims that writes the audience of refresh tokens is refused', async () => {
  for (const aud of ['latchkey:refresh', ['api', 'latchkey:refresh']]) {
    const { logIn, store } = sessionSetup({
      audience: 'api',
      claims: () => ({ identity: 'joe', aud }),
    });
    const message =
      '"claims" expected to return no "aud" latchkey:refresh, which refresh tokens have, got one';
    await assert.rejects(logIn(), { name: 'TypeError', message });
    assert.deepEqual(store.calls, []);
  }
  const { logIn } = sessionSetup({
    audience: 'api',
    claims: () => ({ identity: 'joe', aud: ['api', 'latchkey'] }),
  });
  assert.ok((await logIn()).refresh_token);
});

test('a token that is too long, or a wrong header, begins no session and ends none', async () => {
  const { logIn, store } = sessionSetup({
    maxTokenLength: 250,
    header: () => ({ alg: 'none' }),
  });
  await assert.rejects(logIn(), { name: 'TypeError' });
  const long = sessionSetup({ maxTokenLength: 250 });
  await assert.rejects(long.logIn(), /^RangeError: "claims" expected up to maxTokenLength/);
  assert.deepEqual([store.calls, long.store.calls], [[], []]);
  assert.ok((await sessionSetup({ maxTokenLength: 320 }).logIn()).refresh_token);
});

test('a store key is the identity itself if it is text, and else its JSON text', async () => {
  const rows = [['joe', 'joe'], [7, '7'], [{ tenant: 'red', id: 7 }, '{"tenant":"red","id":7}']];
  for (const [id, key] of rows) {
    const user = { id };
    const options = { authenticate: () => user, identity: () => user };
    const { logIn, refresh, hello, store } = sessionSetup(options);
    const { access_token: token, refresh_token: refreshToken } = await logIn();
    const [session] = store.records.find(String(key))?.sessions ?? [];
    assert.equal(await hello(token), session?.id);
    assert.ok(await refresh(refreshToken));
  }
});

test('the session shows the User-Agent of the login, if the request shows one', async () => {
  const { auth, live } = sessionSetup();
  const body = { username: 'joe', password: 'right', refresh: true };
  const json = () => body;
  const agents = async (login: object) => {
    await auth.login({ ...login, json } as never);
    return live().at(-1)?.agent;
  };
  assert.equal(await agents({}), '');
  assert.equal(await agents({ address: '192.0.2.1' }), '');
  assert.equal(await agents({ header: () => undefined }), '');
  assert.equal(await agents({ header: () => null }), '');
  assert.equal(await agents({ header: { 'user-agent': 'of Koa' } }), '');
  assert.equal(await agents({ header: (name: string) => `the ${name}` }), 'the user-agent');
  assert.equal(await agents({ headers: { 'User-Agent': 'curl/8' } }), 'curl/8');
  assert.equal(await agents({ message: { headers: { 'user-agent': 'curl/9' } } }), 'curl/9');
  const init = { method: 'POST', body: JSON.stringify(body), headers: { 'User-Agent': 'web/1' } };
  await auth.login(new Request('http://localhost/auth', init));
  assert.equal(live().at(-1)?.agent, 'web/1');
  await auth.issue(JOE, request({ 'user-agent': 'own' }));
  assert.equal(live().at(-1)?.agent, 'own');
});
