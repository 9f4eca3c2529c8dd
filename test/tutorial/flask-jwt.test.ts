/** The test suite of Flask-JWT, written anew against a latchkey server over a socket. */
import assert from 'node:assert/strict';
import { currentIdentity, decodeUnverified, Jwt, JwtAuth, Router } from '../../src/index.ts';
import { send, withServer } from '../support/app.ts';
import {
  assertRefused,
  JOE,
  NOW,
  PEOPLE,
  tokenWith,
  TUTORIAL,
  withTutorial,
} from '../support/flask-jwt.ts';
import { testInEachMode as test } from '../support/session-modes.ts';
import { SECRET } from '../support/tokens.ts';

test('initialise: two functions and a secret suffice, with the defaults of Flask-JWT', async (mode) => {
  await withTutorial(mode.options(), async ({ token }) => {
    const { header, claims } = decodeUnverified(await token());
    const { iat, nbf, exp, ...others } = claims as { iat: number; nbf: number; exp: number };
    assert.deepEqual(header, { typ: 'JWT', alg: 'HS256' });
    assert.deepEqual([nbf - iat, exp - iat], [0, 300]);
    assert.deepEqual(mode.withoutSession(others), { identity: 0 });
    assert.ok(Math.abs(iat - NOW) < 60);
  });
});

test('login endpoint: it answers only POST, at the path that the application chose', async (mode) => {
  const auth = new JwtAuth({ ...TUTORIAL, ...mode.options() });
  await withServer(new Router().post('/login', auth.login), async ({ url }) => {
    assert.equal((await send(`${url}/login`, 'POST', JOE)).status, 200);
    assert.equal((await send(`${url}/login`, 'GET')).status, 405);
    assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 404);
  });
});

test('valid login: the answer holds access_token and nothing else', async (mode) => {
  await withTutorial(mode.options(), async ({ login }) => {
    const { status, body } = await login(JOE);
    assert.deepEqual([status, Object.keys(body as object)], [200, ['access_token']]);
  });
});

test('custom field names: a login sends username and password under these names', async (mode) => {
  const fields = { usernameField: 'email', passwordField: 'pin' };
  await withTutorial({ ...mode.options(), ...fields }, async ({ login }) => {
    assert.equal((await login({ email: 'joe', pin: 'pass' })).status, 200);
    await assertRefused(login(JOE), 'Bad Request', 'Invalid credentials');
  });
});

test('missing credentials: a missing or empty username or password is refused', async (mode) => {
  await withTutorial(mode.options(), async ({ login }) => {
    const EMPTY = [
      { ...JOE, username: '' },
      { ...JOE, password: '' },
    ];
    for (const body of [{}, { username: 'joe' }, { password: 'pass' }, ...EMPTY]) {
      await assertRefused(login(body), 'Bad Request', 'Invalid credentials');
    }
  });
});

test('bad credentials: a wrong password and an unknown user get the same answer', async (mode) => {
  await withTutorial(mode.options(), async ({ login }) => {
    for (const body of [
      { ...JOE, password: 'secret' },
      { ...JOE, username: 'max' },
      { ...JOE, username: 'Joe' },
    ]) {
      await assertRefused(login(body), 'Bad Request', 'Invalid credentials');
    }
  });
});

test('a valid token: the protected path is answered for the user of that token', async (mode) => {
  await withTutorial(mode.options(), async ({ get, token }) => {
    assert.deepEqual((await get(`JWT ${await token()}`)).body, 'joe');
    assert.deepEqual((await get(`JWT ${await tokenWith(mode, { identity: 1 })}`)).body, 'ann');
  });
});

test('identity: the handler has one, and there is none before it or after a refusal', async (mode) => {
  const seen: unknown[] = [];
  const identity = (claims: { identity?: unknown }) => {
    seen.push(currentIdentity());
    return PEOPLE.find(({ id }) => id === claims.identity);
  };
  await withTutorial({ ...mode.options(), identity }, async ({ get, token }) => {
    assert.equal((await get(`JWT ${await token()}`)).body, 'joe');
    assert.equal((await get('JWT garbage')).status, 401);
    assert.equal((await get(`JWT ${await tokenWith(mode, { identity: 7 })}`)).status, 401);
  });
  assert.deepEqual(seen, [undefined, undefined]);
});

test('header errors: each is refused with the text of Flask-JWT', async (mode) => {
  await withTutorial(mode.options(), async ({ get, token }) => {
    const good = await token();
    await assertRefused(
      get(),
      'Authorization Required',
      'Request does not contain an access token',
    );
    await assertRefused(
      get(`Basic ${good}`),
      'Invalid JWT header',
      'Unsupported authorization type',
    );
    await assertRefused(get('JWT'), 'Invalid JWT header', 'Token missing');
    await assertRefused(get(`JWT ${good} x`), 'Invalid JWT header', 'Token contains spaces');
  });
});

test('tampered: a token with another payload or another secret is refused', async (mode) => {
  await withTutorial(mode.options(), async ({ get, token }) => {
    const [header, , signature] = (await token()).split('.');
    const [, payload] = (await tokenWith(mode, { identity: 1 })).split('.');
    const foreign = new Jwt({ secret: `${SECRET}!` }).sign({ identity: 0 });
    for (const bad of [`${header}.${payload}.${signature}`, foreign]) {
      await assertRefused(get(`JWT ${bad}`), 'Invalid token', 'Signature verification failed');
    }
    await assertRefused(get('JWT bogus'), 'Invalid token', 'Not enough segments');
  });
});

test('expired: a token is refused once its lifetime and the leeway are over', async (mode) => {
  let now = NOW;
  await withTutorial(
    {
      ...mode.options({ now: () => now }),
      lifetimeSeconds: 60,
      leewaySeconds: 5,
      now: () => now,
    },
    async ({ get, token }) => {
      const issued = await token();
      now += 64;
      assert.equal((await get(`JWT ${issued}`)).status, 200);
      now += 1;
      await assertRefused(get(`JWT ${issued}`), 'Invalid token', 'Signature has expired');
    },
  );
});

test('not yet valid: a token is refused until its nbf, less the leeway', async (mode) => {
  let now = NOW;
  await withTutorial(
    {
      ...mode.options({ now: () => now }),
      notBeforeSeconds: 60,
      leewaySeconds: 5,
      now: () => now,
    },
    async ({ get, token }) => {
      const issued = await token();
      now += 54;
      await assertRefused(
        get(`JWT ${issued}`),
        'Invalid token',
        'The token is not yet valid (nbf)',
      );
      now += 1;
      assert.equal((await get(`JWT ${issued}`)).status, 200);
    },
  );
});

test('missing user: a valid token of an unknown user is refused', async (mode) => {
  await withTutorial(mode.options(), async ({ get }) => {
    for (const identity of [7, '0', null]) {
      await assertRefused(
        get(`JWT ${await tokenWith(mode, { identity })}`),
        'Invalid JWT',
        'User does not exist',
      );
    }
  });
});
