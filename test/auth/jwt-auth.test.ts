/**
 * The hooks of JwtAuth: each does its part, synchronously or by a promise, and a refusal stays a
 * refusal whatever a hook returns or throws.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthError, decodeUnverified, Reply, Router } from '../../src/index.ts';
import { send, withServer } from '../support/app.ts';
import {
  authWith,
  CHALLENGES,
  JOE,
  jwt,
  LOGIN,
  NOW,
  refusal,
  request,
  TAMPERED,
  TOKEN,
  tokenOf,
  type Auth,
  type Options,
} from '../support/guard.ts';

const TIMES = { iat: NOW, nbf: NOW, exp: NOW + 300 };
const AUTHORIZED = { authorization: `JWT ${TOKEN}` };

/** The ways in which a hook may return a value. */
type Answer = <T>(value: T) => T | PromiseLike<T>;
const ANSWERS: Readonly<Record<string, Answer>> = {
  'synchronously': (value) => value,
  'with a promise': async (value) => value,
  'with a thenable': (value) => ({
    then: (...handlers) => Promise.resolve(value).then(...handlers),
  }),
};

const login = (auth: Auth) => auth.login(request());
const headerOf = async (auth: Auth) => decodeUnverified(await tokenOf(auth)).header;
const claimsOf = async (auth: Auth) => decodeUnverified(await tokenOf(auth)).claims;
const guard = (auth: Auth) => {
  const guarded = auth.required((_request, identity) => [identity]);
  return guarded(request({ ...AUTHORIZED, cookie: TOKEN }));
};
/** The body of a refusal if it is an array, as that of the hook below is. */
const refuse = async (auth: Auth) => {
  try {
    return await auth.authorize(undefined);
  } catch (error) {
    if (error instanceof AuthError && Array.isArray(error.body)) return error.body;
    throw error;
  }
};

interface HookCase {
  readonly hook: (answer: Answer) => Options;
  /** Makes the hook run. */
  readonly use: (auth: Auth) => unknown;
  readonly result: unknown;
}

/** Every hook of Flask-JWT. */
const HOOKS: Readonly<Record<string, HookCase>> = {
  authenticate: {
    hook: (answer) => ({
      authenticate: (username, password) => answer({ id: `${username}:${password}` }),
    }),
    use: claimsOf,
    result: { ...TIMES, identity: 'joe:right' },
  },
  identity: {
    hook: (answer) => ({ identity: (claims) => answer({ claims }) }),
    use: guard,
    result: [{ claims: { ...TIMES, identity: 'joe' } }],
  },
  claims: {
    hook: (answer) => ({
      claims: (identity) => answer({ identity, role: 'admin', exp: NOW + 1 }),
    }),
    use: claimsOf,
    result: { ...TIMES, identity: JOE, role: 'admin', exp: NOW + 1 },
  },
  header: {
    hook: (answer) => ({ header: (identity) => answer({ kid: 'k1', identity }) }),
    use: headerOf,
    result: { typ: 'JWT', alg: 'HS256', kid: 'k1', identity: JOE },
  },
  encode: {
    hook: (answer) => ({ encode: (identity) => answer(JSON.stringify(identity)) }),
    use: tokenOf,
    result: JSON.stringify(JOE),
  },
  decode: {
    hook: (answer) => ({
      decode: (token) => answer({ identity: token === TAMPERED ? 'joe' : 'ann' }),
    }),
    use: (auth) => auth.authorize(`JWT ${TAMPERED}`),
    result: JOE,
  },
  tokenFrom: {
    hook: (answer) => ({ tokenFrom: ({ header }) => answer(header('Cookie')) }),
    use: guard,
    result: [JOE],
  },
  loginReply: {
    hook: (answer) => ({ loginReply: (token, identity) => answer([token, identity]) }),
    use: login,
    result: [TOKEN, JOE],
  },
  errorReply: {
    hook: (answer) => ({ errorReply: ({ code, status }) => answer([code, status]) }),
    use: refuse,
    result: ['ERR_AUTHORIZATION_MISSING', 401],
  },
};

test('every hook does its part, whether it returns a value or a promise', async () => {
  for (const [name, { hook, use, result }] of Object.entries(HOOKS)) {
    for (const [how, answer] of Object.entries(ANSWERS)) {
      assert.deepEqual(await use(authWith(hook(answer))), result, `${name} ${how}`);
    }
  }
  // With a `tokenFrom` of one's own the Authorization header does not count.
  const auth = authWith({ tokenFrom: ({ header }) => header('cookie') });
  await assert.rejects(auth.authorize(`JWT ${TOKEN}`), refusal('ERR_AUTHORIZATION_MISSING'));
});

/** The hook of this name, once as a function that throws and once as one that rejects. */
function throwing(name: string, thrown: unknown): readonly Options[] {
  const throws = () => {
    throw thrown;
  };
  return [throws, () => Promise.reject(thrown)].map((hook) => ({ [name]: hook }) as Options);
}

test('a hook that throws an AuthError refuses with it', async () => {
  const own = {
    status: 429,
    error: 'Slow down',
    description: 'Later',
    headers: { 'Retry-After': '9' },
  };
  const body = { status_code: 429, error: 'Slow down', description: 'Later' };
  const headers = { ...own.headers, 'Error-Code': 'ERR_BUSY' };
  const expected = { ...refusal('ERR_BUSY'), ...own, headers, body };
  for (const [name, { use }] of Object.entries(HOOKS)) {
    for (const options of throwing(name, new AuthError('ERR_BUSY', own))) {
      await assert.rejects(async () => use(authWith(options)), expected, name);
    }
  }
});

/**
 * next(undefined) means "go on", and to Express next('route') means "skip what follows". A failure
 * must become neither.
 */
const NOT_REFUSALS: readonly unknown[] = [
  new TypeError(),
  undefined,
  null,
  false,
  0,
  '',
  'route',
  { status: 200 },
];

/** The error that the middleware passes to `next`. It must not touch the response. */
function errorToNext(auth: Auth, authorization: string | undefined): Promise<unknown> {
  const untouched = { writeHead: () => assert.fail(), end: () => assert.fail() };
  return new Promise((resolve) => {
    auth.middleware()({ headers: { authorization } }, untouched, resolve);
  });
}

test('any other value that a hook throws is thrown on, as an Error to next', async () => {
  for (const [name, { use }] of Object.entries(HOOKS)) {
    for (const thrown of NOT_REFUSALS) {
      for (const options of throwing(name, thrown)) {
        const auth = authWith(options);
        const result = Promise.resolve(use(auth));
        const reason = result.then(() => assert.fail(), (error: unknown) => error);
        assert.equal(await reason, thrown, name);
        if (!['identity', 'decode', 'tokenFrom', 'errorReply'].includes(name)) continue;
        const authorization = name === 'errorReply' ? undefined : AUTHORIZED.authorization;
        const given = await errorToNext(auth, authorization);
        const what = `${name} throws ${String(thrown)}, next gets ${String(given)}`;
        assert.ok(given instanceof Error, what);
        assert.ok(given === thrown || given.cause === thrown);
      }
    }
  }
});

test('any other value that a hook throws is a 500 that tells nothing, and one report', async () => {
  const reports: unknown[] = [];
  const app = new Router({ onError: (error) => reports.push(error) });
  for (const [name, { use }] of Object.entries(HOOKS)) {
    app.get(`/${name}`, () => use(authWith(throwing(name, name)[0])));
  }
  await withServer(app, async ({ url }) => {
    for (const name of Object.keys(HOOKS)) {
      const { status, body } = await send(`${url}/${name}`, 'GET');
      const expected = [500, new AuthError('ERR_INTERNAL').body, [name]];
      assert.deepEqual([status, body, reports.splice(0)], expected);
    }
  });
});

test('an AuthError that errorReply throws has its own body, and challenges if 401', async () => {
  for (const status of [401, 403]) {
    const own = { status, description: 'No', body: 'own' };
    const thrown = new AuthError('ERR_CREDENTIALS', own);
    const auth = authWith({ errorReply: () => Promise.reject(thrown) });
    const code = { 'Error-Code': 'ERR_CREDENTIALS' };
    const headers = status === 401 ? { 'WWW-Authenticate': CHALLENGES, ...code } : code;
    const expected = { ...refusal('ERR_CREDENTIALS'), ...own, headers };
    await assert.rejects(auth.authorize(undefined), expected);
  }
});

// express-jwt: a hook that returned normally let an expired token in.
test('express-jwt: no hook turns a refusal into a success by returning normally', async () => {
  const REFUSED: readonly (readonly [path: string, body: unknown, token?: string])[] = [
    ['/auth', { ...LOGIN, password: 'wrong' }],
    ['/auth', {}],
    ['/hello', undefined],
    ['/hello', undefined, TAMPERED],
    ['/hello', undefined, jwt.sign({ identity: 'joe', exp: NOW - 10 })],
    ['/hello', undefined, jwt.sign({ identity: 'ann' })],
  ];
  const token = { access_token: TOKEN };
  const REPLIES = [undefined, null, '', 200, token, new Reply(200, TOKEN), new Response()];
  for (const reply of REPLIES) {
    const auth = authWith({ errorReply: () => reply });
    const app = new Router().post('/auth', auth.login);
    app.get('/hello', auth.required(() => 'Hello joe'));
    await withServer(app, async ({ url }) => {
      const statusOf = async (path: string, body?: unknown, token: string = '') => {
        const method = body === undefined ? 'GET' : 'POST';
        const headers = { Authorization: token && `JWT ${token}` };
        return (await send(url + path, method, body, headers)).status;
      };
      for (const row of REFUSED) assert.equal(await statusOf(...row), 401);
      const accepted = [await statusOf('/auth', LOGIN), await statusOf('/hello', undefined, TOKEN)];
      assert.deepEqual(accepted, [200, 200]);
    });
  }
});

const NOT_IDS = [null, true, NaN, Infinity, 1n, Symbol(), () => 'joe'];

/** Values that a hook may not return, and the refusal; without one it is the program's mistake. */
type WrongAnswers = readonly [hook: string, answers: readonly unknown[], code?: string];
const WRONG_ANSWERS: readonly WrongAnswers[] = [
  ['authenticate', [undefined, null, false], 'ERR_CREDENTIALS'],
  ['identity', [undefined, null, false], 'ERR_IDENTITY_UNKNOWN'],
  ['tokenFrom', [undefined, null], 'ERR_AUTHORIZATION_MISSING'],
  ['tokenFrom', ['', 0, false, NaN, {}, [], [TOKEN]], 'ERR_JWT_MALFORMED'],
  ['decode', [undefined, null, true, 1, 'joe']],
  ['claims', [undefined, null, true, 1, 'joe', []]],
  ['encode', [undefined, null, true, 1, {}, [TOKEN]]],
  ['header', [null, true, 1, 'joe', [], { alg: 'none' }, { crit: [] }, { b64: false }]],
  // Without a `claims` hook the identity needs an id, and JSON must be able to say it.
  ['authenticate', [true, NaN, {}, ...NOT_IDS.map((id) => ({ id }))]],
];

test('a value that a hook may not return is never a success', async () => {
  for (const [name, values, code] of WRONG_ANSWERS) {
    for (const value of values) {
      for (const [how, answer] of Object.entries(ANSWERS)) {
        const auth = authWith({ [name]: () => answer(value) } as Options);
        const { use } = HOOKS[name] ?? assert.fail();
        const what = `${name} returns ${String(value)} ${how}`;
        const expected = code === undefined ? TypeError : refusal(code);
        await assert.rejects(async () => use(auth), expected, what);
        // A value that is not a token does not count as "no token" either.
        const optional = async () => auth.optional(() => 1)(request());
        if (code === 'ERR_JWT_MALFORMED') await assert.rejects(optional, refusal(code));
      }
    }
  }
});

test('a promise whose then says something else deceives no guard', async () => {
  const none = Object.assign(Promise.resolve(undefined), { then: () => JOE });
  const unknown = authWith({ identity: () => none }).authorize(`JWT ${TOKEN}`);
  await assert.rejects(unknown, refusal('ERR_IDENTITY_UNKNOWN'));
  const failing = Promise.reject(new AuthError('ERR_JWT_EXPIRED'));
  failing.catch(() => undefined);
  const decode = () => Object.assign(failing, { then: () => undefined });
  const guarded = authWith({ decode }).optional(() => 1);
  await assert.rejects(async () => guarded(request(AUTHORIZED)), refusal('ERR_JWT_EXPIRED'));
});
