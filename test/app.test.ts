/** createApp takes the options of Flask-JWT, and refuses every other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createApp, decodeUnverified, MemoryUserStore, type AppOptions } from '../src/index.ts';
import { send, withApp } from './support/app.ts';
import { NOW } from './support/guard.ts';
import { NOT_AMOUNTS, NOT_FUNCTIONS } from './support/hostile.ts';
import { SECRET } from './support/tokens.ts';
import { assertRefusesOptions, WRONG_OPTIONS, type WrongOptions } from './support/wrong-options.ts';

test('the tutorial application takes every switch of the original at once', async () => {
  let time = NOW;
  const body = { user: 'joe', pass: 'correct horse' };
  const options: Partial<AppOptions> = {
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
  ['authenticate identity port', [() => undefined]],
];

test('createApp refuses an unknown option, or one of the wrong kind, by its name', () => {
  const base = { secret: SECRET, users: new MemoryUserStore() };
  const table = [...WRONG_OPTIONS, ...WRONG_APP_OPTIONS];
  assertRefusesOptions((options) => createApp(options), base, table);
});
