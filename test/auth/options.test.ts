/** The options of JwtAuth: wrong ones are refused, each is read once, and hooks return JSON. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import {
  AuthError,
  createApp,
  decodeUnverified,
  Jwt,
  JwtAuth,
  MemoryUserStore,
  Router,
} from '../../src/index.ts';
import { send, withServer } from '../support/app.ts';
import { collectGarbage } from '../support/garbage.ts';
import {
  authWith,
  BASE,
  challengesOf,
  JOE,
  LOGIN,
  refusal,
  request,
  TOKEN,
  tokenOf,
  type Options,
} from '../support/guard.ts';
import { INHERITED_NAMES, NOT_FUNCTIONS, NOT_JSON } from '../support/hostile.ts';
import { FORGER, OWN_HEADER, SECRET, tokenOf as sealed } from '../support/tokens.ts';
import {
  assertNamed,
  assertRefusesOptions,
  NOT_REALMS,
  WRONG_OPTIONS,
} from '../support/wrong-options.ts';

test('issue and issueReply name themselves where the user is missing or is a promise', async () => {
  const joe = { id: 'joe' };
  const auth = new JwtAuth({ secret: SECRET, authenticate: () => joe, identity: () => joe });
  const WRONG: readonly (readonly [identity: unknown, got: string])[] = [
    [Promise.resolve(joe), 'a promise: is an "await" missing?'],
    [undefined, 'undefined'],
    [null, 'null'],
    [false, 'false'],
  ];
  for (const name of ['issue', 'issueReply'] as const) {
    for (const [identity, got] of WRONG) {
      const expected = 'the user that a signup, a login or a change of the password returned';
      const message = `"${name}" expected ${expected}, got ${got}`;
      await assert.rejects(auth[name](identity as never), { name: 'TypeError', message });
    }
    assert.ok((await auth[name](joe)).access_token);
  }
});

test('JwtAuth refuses an unknown option, or one of the wrong kind, by its name', () => {
  const hooks = ['authenticate identity', [undefined, ...NOT_FUNCTIONS]] as const;
  assertRefusesOptions((options) => new JwtAuth(options), BASE, [...WRONG_OPTIONS, hooks]);
  const ofRoute = [['realm', NOT_REALMS], ['Realm schemes', ['x']]] as const;
  assertRefusesOptions((options) => authWith().required(() => 1, options ?? null), {}, ofRoute);
  for (const handler of [undefined, ...NOT_FUNCTIONS]) {
    assertNamed(() => authWith().required(handler as () => unknown), 'handler');
    assertNamed(() => authWith().optional(handler as () => unknown), 'handler');
  }
  authWith({
    realm: ' ~',
    schemes: ["!#$%&'*+-.^_`|~9aZ"],
    requiredClaims: [],
    leewaySeconds: 0,
    cacheSize: 0,
  });
});

test('a message that names the culprit: a JwtAuth without a secret says how to make one', () => {
  const message =
    '"secret" expected text: make one with "npx --no latchkey secret", and keep it in a ' +
    'variable, got undefined';
  const { secret: _secret, ...withoutSecret } = BASE;
  for (const options of [{ ...BASE, secret: undefined }, withoutSecret]) {
    assert.throws(() => new JwtAuth(options as never), { name: 'TypeError', message });
  }
  for (const options of [{}, { secret: undefined }]) {
    const withUsers = { users: new MemoryUserStore(), ...options } as never;
    assert.throws(() => createApp(withUsers), { name: 'TypeError', message });
  }
});

test('a message that names the culprit: a scheme with a space or a colon hears what a scheme is', () => {
  const expected = 'a list of authentication schemes, such as Bearer, without spaces';
  for (const [schemes, got] of [[['Bearer '], 'an array'], ['Bearer', 'a string']] as const) {
    const message = `"schemes" expected ${expected}, got ${got}`;
    assert.throws(() => authWith({ schemes: schemes as never }), { name: 'TypeError', message });
  }
  authWith({ schemes: ['Bearer'] });
});

test('an option that reaches both doors: username and password need fields of their own', () => {
  const message =
    '"passwordField" expected another name than that of "usernameField", got the same';
  for (const fields of [{ usernameField: 'password' }, { passwordField: 'username' }]) {
    assert.throws(() => authWith(fields), new TypeError(message));
  }
  authWith({ usernameField: 'password', passwordField: 'secret' });
});

test('options are read once, and a secret is not kept as it was given', async () => {
  const make = () => {
    const secret = new Uint8Array(32).fill(7);
    const options = { secret, realm: 'Home', schemes: ['JWT'] };
    const auth = authWith(options);
    options.realm = 'Away';
    options.schemes[0] = 'Basic';
    return { auth, given: new WeakRef(secret) };
  };
  const { auth, given } = make();
  assert.deepEqual(await challengesOf(auth.authorize(undefined)), ['JWT realm="Home"']);
  // A WeakRef keeps its target until the job that made the WeakRef has ended.
  for (let turn = 0; turn < 10 && given.deref() !== undefined; turn += 1) {
    await delay(1);
    await collectGarbage();
  }
  assert.equal(given.deref(), undefined);
  assert.equal(await auth.authorize(`JWT ${await tokenOf(auth)}`), JOE);
});

test('identityClaim may be any own claim of the token that has no meaning of its own', async () => {
  for (const identityClaim of [...INHERITED_NAMES, 'sub', 'user']) {
    const asked: unknown[] = [];
    const auth = authWith({ identityClaim, identity: (claims) => asked.push(claims.identity) });
    await auth.authorize(`JWT ${TOKEN}`);
    const token = await tokenOf(auth);
    await auth.authorize(`JWT ${token}`);
    assert.deepEqual(asked, [undefined, 'joe'], identityClaim);
    const last = Object.entries(decodeUnverified(token).claims).at(-1);
    assert.deepEqual(last, [identityClaim, 'joe']);
  }
  for (const name of ['exp', 'nbf', 'iat', 'aud', 'iss']) {
    assertNamed(() => authWith({ identityClaim: name }), 'identityClaim');
  }
});

test('a login without the hook claims expects a user with an id, and says so', async () => {
  const expected = 'a string, a number or an object with an "id" (or set the option "claims")';
  const USERS: readonly (readonly [user: unknown, got: string])[] = [
    [{ name: 'Joe' }, 'an object with the "id" undefined'],
    [{ id: Number.NaN }, 'an object with the "id" NaN'],
    [['joe'], 'an array with the "id" undefined'],
    [true, 'true'],
  ];
  for (const [user, got] of USERS) {
    const message = `"authenticate" expected to return ${expected}, got ${got}`;
    const login = tokenOf(authWith({ authenticate: () => user }));
    await assert.rejects(login, { name: 'TypeError', message });
  }
});

test('claims, an id or a header that is not JSON is a 500 that tells nothing', async () => {
  const secret = 'hunter2-hunter2';
  class ObjectId {
    readonly hex = secret;
    toJSON() {
      return this.hex;
    }
  }
  type Row = readonly [options: Options, place: string, kind: string];
  const objects = NOT_JSON.filter(([value]) => typeof value === 'object');
  const rows: readonly Row[] = [
    ...objects.map(([id, kind]): Row => [{ authenticate: () => ({ id }) }, 'identity', kind]),
    ...objects.map(([id, kind]): Row => {
      const claims = { identity: 'joe', profile: { at: [secret, id] } };
      return [{ claims: () => claims }, 'profile.at[1]', kind];
    }),
    [{ authenticate: () => ({ id: new ObjectId() }) }, 'identity', 'an instance of a class'],
    [
      { authenticate: () => ({ id: new Date() }), identityClaim: 'sub' },
      'sub',
      'an object of type Date',
    ],
    [{ claims: () => ({ identity: 'joe', exp: undefined }) }, 'exp', 'undefined'],
    [{ claims: () => new ObjectId() }, 'claims', 'an instance of a class'],
    [{ header: () => ({ kid: new ObjectId() as never }) }, 'header.kid', 'an instance of a class'],
  ];
  for (const [options, place, kind] of rows) {
    const reports: unknown[] = [];
    const auth = authWith(options);
    const app = new Router({ onError: (error) => reports.push(error) }).post('/auth', auth.login);
    await withServer(app, async ({ url }) => {
      const { status, body } = await send(`${url}/auth`, 'POST', LOGIN);
      assert.deepEqual([status, reports.length], [500, 1]);
      const { message, name } = reports[0] as Error;
      assert.equal(name, 'TypeError');
      assert.match(message, /^"[^"]+" expected a (JSON value|plain object), got /);
      assert.ok(message.startsWith(`"${place}" `) && message.endsWith(`, got ${kind}`), message);
      const error = 'Internal Server Error';
      const description = 'The server failed to answer this request';
      assert.deepEqual(body, { status_code: 500, error, description });
      assert.ok(!inspect(reports, { depth: Infinity }).includes(secret));
    });
  }
  assert.ok(await tokenOf(authWith({ authenticate: () => ({ id: String(new Date(0)) }) })));
});

test('coming from Flask: with the scheme JWT alone, the challenge is exactly that of Flask-JWT', async () => {
  const auth = authWith({ schemes: ['JWT'] });
  const challenge = 'JWT realm="Login Required"';
  assert.deepEqual(await challengesOf(auth.authorize(undefined)), [challenge]);
  assert.equal(await auth.authorize(`JWT ${TOKEN}`), JOE);
  await assert.rejects(auth.authorize(`Bearer ${TOKEN}`), refusal('ERR_AUTHORIZATION_SCHEME'));
  const both = [challenge, 'Bearer realm="Login Required"'];
  assert.deepEqual(await challengesOf(authWith().authorize(undefined)), both);
});

test('coming from Flask: a further member of a login body is ignored', async () => {
  const auth = authWith();
  const reply = await auth.login(request({}, { ...LOGIN, remember: true, role: ['admin'] }));
  assert.deepEqual(Object.keys(reply as object), ['access_token']);
  const wrong = auth.login(request({}, { ...LOGIN, password: 'wrong', role: ['admin'] }));
  await assert.rejects(wrong, refusal('ERR_CREDENTIALS'));
});

test('one secret for each tenant: an unverified iss chooses only among fixed keys', async () => {
  const secrets = { red: SECRET, blue: FORGER };
  const tenants = new Map<unknown, Jwt>(
    Object.entries(secrets).map(([issuer, secret]) => [issuer, new Jwt({ secret, issuer })]),
  );
  const decode = (token: string) => {
    const tenant = tenants.get(Reflect.get(decodeUnverified(token).claims, 'iss'));
    if (tenant === undefined) throw new AuthError('ERR_JWT_ISSUER');
    return tenant.verify(token);
  };
  const auth = authWith({ decode, identity: ({ iss, identity }) => `${identity} of ${iss}` });
  const verdictOn = (secret: string, iss?: unknown) => {
    const now = Math.floor(Date.now() / 1000);
    const token =
      sealed({ identity: 'joe', iss, iat: now, nbf: now, exp: now + 60 }, OWN_HEADER, secret);
    return auth.authorize(`JWT ${token}`);
  };
  assert.equal(await verdictOn(SECRET, 'red'), 'joe of red');
  assert.equal(await verdictOn(FORGER, 'blue'), 'joe of blue');
  // Forged across tenants: the holder of one secret names another tenant.
  await assert.rejects(verdictOn(FORGER, 'red'), refusal('ERR_JWT_SIGNATURE'));
  for (const iss of ['green', 'constructor', '__proto__', ['red'], undefined, null, {}]) {
    await assert.rejects(verdictOn(SECRET, iss), refusal('ERR_JWT_ISSUER'));
  }
});
