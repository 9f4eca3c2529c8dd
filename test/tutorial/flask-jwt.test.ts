/**
 * The test suite of Flask-JWT, written anew against a latchkey server over a socket. The server has
 * two functions that know the users, a path to log in at, and a protected path.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AuthError,
  currentIdentity,
  decodeUnverified,
  Jwt,
  JwtAuth,
  Reply,
  Router,
  type JwtAuthOptions,
} from '../../src/index.ts';
import { SECRET } from '../support/tokens.ts';
import { send, withServer, type Answer } from '../support/app.ts';

interface Person {
  readonly id: number;
  readonly username: string;
  readonly password: string;
}

const PEOPLE: readonly Person[] = [
  { id: 0, username: 'joe', password: 'pass' },
  { id: 1, username: 'ann', password: 'secret' },
];
const JOE = { username: 'joe', password: 'pass' };

/** The two functions that the tutorial defines. */
const TUTORIAL: JwtAuthOptions<Person> = {
  secret: SECRET,
  authenticate: (username, password) =>
    PEOPLE.find((person) => person.username === username && person.password === password),
  identity: (claims) => PEOPLE.find(({ id }) => id === claims.identity),
};

interface Client {
  /** Posts to the login path. */
  login(body: unknown): Promise<Answer>;
  /** Gets the protected path. */
  get(authorization?: string): Promise<Answer>;
  /** Logs in as joe. @returns the token */
  token(): Promise<string>;
}

/** Serves a login at `/auth`, and at `/protected` the username of the logged-in user. */
async function withTutorial(
  options: Partial<JwtAuthOptions<Person>>,
  use: (client: Client) => Promise<void>,
) {
  const auth = new JwtAuth({ ...TUTORIAL, ...options });
  const app = new Router().post('/auth', auth.login);
  app.get(
    '/protected',
    auth.required(() => currentIdentity<Person>()?.username),
  );
  app.get('/open', () => currentIdentity() ?? 'no identity');
  await withServer(app, async ({ url }) => {
    const login = (body: unknown) => send(`${url}/auth`, 'POST', body);
    await use({
      login,
      get: (authorization) =>
        send(
          `${url}/protected`,
          'GET',
          undefined,
          authorization === undefined ? {} : { authorization },
        ),
      token: async () => ((await login(JOE)).body as { access_token: string }).access_token,
    });
    assert.equal(
      (await send(`${url}/open`, 'GET')).body,
      'no identity',
      'the identity does not outlive its request',
    );
  });
}

const refusal = (error: string, description: string) => ({ status_code: 401, error, description });

async function assertRefused(
  answer: Promise<Answer>,
  error: string,
  description: string,
): Promise<void> {
  const { status, body, headers } = await answer;
  assert.deepEqual([status, body], [401, refusal(error, description)]);
  assert.match(headers.get('WWW-Authenticate') ?? '', /^JWT realm="Login Required"/);
}

const NOW = Math.floor(Date.now() / 1000);
const tokenWith = (claims: object) =>
  new Jwt<object>({ secret: SECRET }).sign({ identity: 0, ...claims });

test('initialise: two functions and a secret suffice, with the defaults of Flask-JWT', async () => {
  await withTutorial({}, async ({ token }) => {
    const { header, claims } = decodeUnverified(await token());
    const { iat, nbf, exp, ...others } = claims as { iat: number; nbf: number; exp: number };
    assert.deepEqual(header, { typ: 'JWT', alg: 'HS256' });
    assert.deepEqual([nbf - iat, exp - iat, others], [0, 300, { identity: 0 }]);
    assert.ok(Math.abs(iat - NOW) < 60);
  });
});

test('login endpoint: it answers only POST, at the path that the application chose', async () => {
  const auth = new JwtAuth(TUTORIAL);
  await withServer(new Router().post('/login', auth.login), async ({ url }) => {
    assert.equal((await send(`${url}/login`, 'POST', JOE)).status, 200);
    assert.equal((await send(`${url}/login`, 'GET')).status, 405);
    assert.equal((await send(`${url}/auth`, 'POST', JOE)).status, 404);
  });
});

test('valid login: the answer holds access_token and nothing else', async () => {
  await withTutorial({}, async ({ login }) => {
    const { status, body } = await login(JOE);
    assert.deepEqual([status, Object.keys(body as object)], [200, ['access_token']]);
  });
});

test('custom field names: a login sends username and password under these names', async () => {
  await withTutorial({ usernameField: 'email', passwordField: 'pin' }, async ({ login }) => {
    assert.equal((await login({ email: 'joe', pin: 'pass' })).status, 200);
    await assertRefused(login(JOE), 'Bad Request', 'Invalid credentials');
  });
});

test('missing credentials: a missing or empty username or password is refused', async () => {
  await withTutorial({}, async ({ login }) => {
    const EMPTY = [
      { ...JOE, username: '' },
      { ...JOE, password: '' },
    ];
    for (const body of [{}, { username: 'joe' }, { password: 'pass' }, ...EMPTY]) {
      await assertRefused(login(body), 'Bad Request', 'Invalid credentials');
    }
  });
});

test('bad credentials: a wrong password and an unknown user get the same answer', async () => {
  await withTutorial({}, async ({ login }) => {
    for (const body of [
      { ...JOE, password: 'secret' },
      { ...JOE, username: 'max' },
      { ...JOE, username: 'Joe' },
    ]) {
      await assertRefused(login(body), 'Bad Request', 'Invalid credentials');
    }
  });
});

test('a valid token: the protected path answers the user of the token and no other', async () => {
  await withTutorial({}, async ({ get, token }) => {
    assert.deepEqual((await get(`JWT ${await token()}`)).body, 'joe');
    assert.deepEqual((await get(`JWT ${tokenWith({ identity: 1 })}`)).body, 'ann');
  });
});

test('identity: the handler has one, and there is none before it or after a refusal', async () => {
  const seen: unknown[] = [];
  const identity = (claims: { identity?: unknown }) => {
    seen.push(currentIdentity());
    return PEOPLE.find(({ id }) => id === claims.identity);
  };
  await withTutorial({ identity }, async ({ get, token }) => {
    assert.equal((await get(`JWT ${await token()}`)).body, 'joe');
    assert.equal((await get('JWT garbage')).status, 401);
    assert.equal((await get(`JWT ${tokenWith({ identity: 7 })}`)).status, 401);
  });
  assert.deepEqual(seen, [undefined, undefined]);
});

test('header errors: each is refused with the text of Flask-JWT', async () => {
  await withTutorial({}, async ({ get, token }) => {
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

test('tampered: a token with another payload or another secret is refused', async () => {
  await withTutorial({}, async ({ get, token }) => {
    const [header, , signature] = (await token()).split('.');
    const [, payload] = tokenWith({ identity: 1 }).split('.');
    const foreign = new Jwt({ secret: `${SECRET}!` }).sign({ identity: 0 });
    for (const bad of [`${header}.${payload}.${signature}`, foreign]) {
      await assertRefused(get(`JWT ${bad}`), 'Invalid token', 'Signature verification failed');
    }
    await assertRefused(get('JWT bogus'), 'Invalid token', 'Not enough segments');
  });
});

test('expired: a token is refused once its lifetime and the leeway are over', async () => {
  let now = NOW;
  await withTutorial(
    { lifetimeSeconds: 60, leewaySeconds: 5, now: () => now },
    async ({ get, token }) => {
      const issued = await token();
      now += 64;
      assert.equal((await get(`JWT ${issued}`)).status, 200);
      now += 1;
      await assertRefused(get(`JWT ${issued}`), 'Invalid token', 'Signature has expired');
    },
  );
});

test('not yet valid: a token is refused until its nbf, less the leeway', async () => {
  let now = NOW;
  await withTutorial(
    { notBeforeSeconds: 60, leewaySeconds: 5, now: () => now },
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

test('missing user: a valid token of an unknown user is refused', async () => {
  await withTutorial({}, async ({ get }) => {
    for (const identity of [7, '0', null]) {
      await assertRefused(
        get(`JWT ${tokenWith({ identity })}`),
        'Invalid JWT',
        'User does not exist',
      );
    }
  });
});

test('custom error handler: it sets the body, and may throw to change the status', async () => {
  const errorReply = (error: AuthError) => {
    if (error.code === 'ERR_CREDENTIALS') {
      throw new AuthError('ERR_CREDENTIALS', { status: 403, body: 'go away' });
    }
    return { problem: error.description };
  };
  await withTutorial({ errorReply }, async ({ get, login }) => {
    const { status, body } = await get();
    assert.deepEqual(
      [status, body],
      [401, { problem: 'Request does not contain an access token' }],
    );
    const wrong = await login({});
    assert.deepEqual([wrong.status, wrong.body], [403, 'go away']);
  });
});

test('custom response handler: it makes the login answer from token and identity', async () => {
  const loginReply = (token: string, { username }: Person) =>
    new Reply(201, { mytoken: token, username });
  await withTutorial({ loginReply }, async ({ get, login }) => {
    const { status, body } = await login(JOE);
    const { mytoken, username } = body as Record<string, string>;
    assert.deepEqual([status, username], [201, 'joe']);
    assert.equal((await get(`JWT ${mytoken}`)).status, 200);
  });
});

test('custom encode handler: it makes the token', async () => {
  const other = new Jwt<{ identity: number; by: string }>({ secret: `${SECRET}!` });
  const encode = ({ id }: Person) => other.sign({ identity: id, by: 'encode' });
  await withTutorial({ encode }, async ({ get, token }) => {
    const issued = await token();
    assert.equal(other.verify(issued).by, 'encode');
    await assertRefused(get(`JWT ${issued}`), 'Invalid token', 'Signature verification failed');
  });
});

test('custom decode handler: it returns the claims, or refuses with an AuthError', async () => {
  const decode = (token: string) => {
    if (token !== 'a-ticket') {
      throw new AuthError('ERR_JWT_MALFORMED', { description: 'No ticket' });
    }
    return { identity: 1 };
  };
  await withTutorial({ decode }, async ({ get }) => {
    assert.equal((await get('JWT a-ticket')).body, 'ann');
    await assertRefused(get('JWT another'), 'Invalid token', 'No ticket');
  });
});

test('custom payload handler: it makes the claims, and latchkey adds the times', async () => {
  const claims = ({ id, username }: Person) => ({ identity: id, username });
  await withTutorial({ claims }, async ({ get, token }) => {
    const issued = await token();
    const { iat, nbf, exp, ...others } = decodeUnverified(issued).claims as Record<string, unknown>;
    assert.deepEqual(others, { identity: 0, username: 'joe' });
    for (const time of [iat, nbf, exp]) assert.ok(Number.isInteger(time));
    assert.equal((await get(`JWT ${issued}`)).body, 'joe');
  });
});

test('custom header prefix: only that scheme is accepted and announced', async () => {
  await withTutorial({ schemes: ['Token'] }, async ({ get, token }) => {
    const issued = await token();
    assert.equal((await get(`Token ${issued}`)).status, 200);
    for (const scheme of ['JWT', 'Bearer']) {
      const { status, headers } = await get(`${scheme} ${issued}`);
      assert.deepEqual(
        [status, headers.get('WWW-Authenticate')],
        [401, 'Token realm="Login Required"'],
      );
    }
  });
});
