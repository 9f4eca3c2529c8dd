/**
 * Holds the guard to its promises: whoever knew Flask-JWT finds each switch and hook here, what is refused stays
 * refused whatever a hook does, and nobody is ever taken for somebody else.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import {
  AuthError, createApp, currentIdentity, decodeUnverified, Jwt, JwtAuth, MemoryUserStore, Reply, Router,
  type AppOptions, type AuthRequest, type HeaderSource, type HttpRequest, type JwtAuthOptions,
} from '../../src/index.ts';
import { INHERITED_NAMES, NOT_AMOUNTS, NOT_FUNCTIONS, NOT_JSON } from '../support/hostile.ts';
import { NOT_OPTIONS, NOT_STRINGS, NOT_TEXTS } from '../support/hostile.ts';
import { collectGarbage } from '../support/garbage.ts';
import { randomFrom } from '../support/random.ts';
import { SECRET } from '../support/tokens.ts';
import { send, sendRaw, withApp, withServer } from '../support/app.ts';

type Options = Partial<JwtAuthOptions<unknown>>;

const NOW = 1_700_000_000;
const TIMES = { iat: NOW, nbf: NOW, exp: NOW + 300 };
const JOE = { id: 'joe', name: 'Joe' };
const LOGIN = { username: 'joe', password: 'right' };
const jwt = new Jwt({ secret: SECRET, now: () => NOW });
const TOKEN = jwt.sign({ identity: 'joe' });
// The last of 43 characters holds four bits and two zeros: A or E is another MAC, B would be no base64url at all.
const TAMPERED = `${TOKEN.slice(0, -1)}${TOKEN.endsWith('A') ? 'E' : 'A'}`;

/** Two functions that know one user: a stranger's own table, without Accounts. */
const BASE: JwtAuthOptions<unknown> = {
  secret: SECRET,
  now: () => NOW,
  authenticate: (username, password) => (username === 'joe' && password === 'right' ? JOE : undefined),
  identity: ({ identity }) => (identity === 'joe' ? JOE : undefined),
};
const authWith = (options: Options = {}): JwtAuth<unknown> => new JwtAuth<unknown>({ ...BASE, ...options });

/** A request in plain objects: as much of one as JwtAuth reads. */
function request(
  headers: Readonly<Record<string, string | undefined>> = {},
  body: unknown = LOGIN,
): AuthRequest & HeaderSource {
  return { header: (name) => headers[name.toLowerCase()], json: async () => body };
}

const refusal = (code: string) => ({ name: 'AuthError', code });

async function challengesOf(refused: unknown): Promise<unknown> {
  const error: unknown = await Promise.resolve(refused).then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  );
  return error instanceof AuthError ? error.headers['WWW-Authenticate'] : assert.fail(`no refusal: ${String(error)}`);
}

// ── The headers

/** Code, title and description, in the words of the original. */
type Refusal = readonly [code: string, title: string, description: string];
const NOTHING = 'Request does not contain an access token';
const MISSING: Refusal = ['ERR_AUTHORIZATION_MISSING', 'Authorization Required', NOTHING];
const SCHEME: Refusal = ['ERR_AUTHORIZATION_SCHEME', 'Invalid JWT header', 'Unsupported authorization type'];
const NO_TOKEN: Refusal = ['ERR_AUTHORIZATION_NO_TOKEN', 'Invalid JWT header', 'Token missing'];
const SPACES: Refusal = ['ERR_AUTHORIZATION_SPACES', 'Invalid JWT header', 'Token contains spaces'];
const SIGNATURE: Refusal = ['ERR_JWT_SIGNATURE', 'Invalid token', 'Signature verification failed'];

/** The values of the header, one a line, and the refusal, if it is one. */
const AUTHORIZATIONS: readonly (readonly [what: string, lines: readonly string[], refused?: Refusal])[] = [
  ['none', [], MISSING],
  ['an empty one', [''], MISSING],
  ['a blank one', [' \t '], MISSING],
  ['a scheme alone', ['JWT'], NO_TOKEN],
  ['another scheme alone', ['bearer '], NO_TOKEN],
  ['a token alone', [TOKEN], SCHEME],
  ['Basic with a good token (hono, 2026-05)', [`Basic ${TOKEN}`], SCHEME],
  ['a scheme that begins like ours', [`JWTS ${TOKEN}`], SCHEME],
  ['a scheme that ends like ours', [`XJWT ${TOKEN}`], SCHEME],
  ['a comma for the space', [`JWT,${TOKEN}`], SCHEME],
  ['a no-break space for the space', [`JWT\u00a0${TOKEN}`], SCHEME],
  ['a header in two halves', ['JWT', TOKEN], SCHEME],
  ['three parts', [`JWT ${TOKEN} x`], SPACES],
  ['two tokens, by comma', [`JWT ${TOKEN}, JWT ${TOKEN}`], SPACES],
  ['the same header twice (RFC 9110 §5.3)', [`JWT ${TOKEN}`, `JWT ${TOKEN}`], SPACES],
  ['a token that was tampered with', [`JWT ${TAMPERED}`], SIGNATURE],
  ['JWT', [`JWT ${TOKEN}`]],
  ['Bearer', [`Bearer ${TOKEN}`]],
  ['any letters (RFC 9110 §11.1)', [`bEaReR ${TOKEN}`]],
  ['a tab', [`JWT\t${TOKEN}`]],
  ['blanks all over', [` \t JWT \t  ${TOKEN} \t `]],
];

test('required, optional, authorize and middleware judge an Authorization header in the same words', async () => {
  const auth = authWith();
  const app = new Router().get('/', auth.required((_request, identity) => identity));
  app.get('/optional', auth.optional((_request, identity) => identity ?? 'nobody'));
  await withServer(app, async ({ port }) => {
    const getRaw = async (path: string, lines: readonly string[]) => {
      const authorizations = lines.map((line) => `Authorization: ${line}`);
      const head = [`GET ${path} HTTP/1.1`, 'Host: x', 'Connection: close', ...authorizations, '', ''];
      const answer = await sendRaw(port, Buffer.from(head.join('\r\n'), 'latin1'));
      const challenges = [...answer.matchAll(/^WWW-Authenticate: (.*)\r$/gm)].map(([, value]) => value);
      return [Number(answer.slice(9, 12)), challenges, JSON.parse(answer.split('\r\n\r\n')[1] ?? '')];
    };
    for (const [what, lines, refused] of AUTHORIZATIONS) {
      const [code, error, description] = refused ?? [];
      const body = { status_code: 401, error, description };
      // RFC 6750 §3.1: a request without a token learns nothing of errors.
      const invalid = refused === SIGNATURE ? `, error="invalid_token", error_description="${description}"` : '';
      const challenges = ['JWT realm="Login Required"', `Bearer realm="Login Required"${invalid}`];
      const answer = refused ? [401, challenges, body] : [200, [], JOE];
      assert.deepEqual(await getRaw('/', lines), answer, what);
      // No token is nobody. A bad one is refused, and not taken for none.
      assert.deepEqual(await getRaw('/optional', lines), refused === MISSING ? [200, [], 'nobody'] : answer, what);

      const authorization = lines.length === 0 ? undefined : lines.join(', ');
      const headers = { 'WWW-Authenticate': challenges };
      const expected = { name: 'AuthError', code, status: 401, error, description, headers, body };
      if (refused === undefined) assert.equal(await auth.authorize(authorization), JOE, what);
      else await assert.rejects(auth.authorize(authorization), expected, what);

      const req = { headers: { authorization }, identity: undefined };
      const done: unknown[] = [];
      await new Promise<void>((resolve) => {
        const writeHead = (...head: unknown[]) => done.push(...head);
        const end = (text: string) => resolve(void done.push(JSON.parse(text)));
        const next = (...given: unknown[]) => resolve(void done.push(...given, currentIdentity()));
        auth.middleware()(req, { writeHead, end }, next);
      });
      const own = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };
      const types = { 'Content-Type': 'application/json', ...own };
      assert.deepEqual(done, refused ? [401, { ...headers, ...types }, body] : [JOE], what);
      assert.equal(req.identity, refused ? undefined : JOE, what);
    }
  });
});

test('hono: a token behind another scheme is refused', async () => {
  const auth = authWith();
  for (const scheme of ['Basic', 'Token', 'JWTS', 'Bearer,', 'Digest']) {
    await assert.rejects(auth.authorize(`${scheme} ${TOKEN}`), { code: 'ERR_AUTHORIZATION_SCHEME' }, scheme);
  }
  for (const scheme of ['JWT', 'Bearer']) assert.equal(await auth.authorize(`${scheme} ${TOKEN}`), JOE);
});

const CHALLENGES = ['JWT realm="Login Required"', 'Bearer realm="Login Required"'] as const;

test('the Bearer challenge says what is wrong with a token, in the characters of RFC 6750 §3', async () => {
  const description = 'a "quote"\\\r\nSet-Cookie: id=1; caf\u00e9 \u{1f511}';
  const hostile = new AuthError('ERR_JWT_PAYLOAD', { description });
  const SAID: readonly (readonly [Options, string])[] = [
    [{ identity: () => undefined }, 'User does not exist'],
    [{ requiredClaims: ['role'] }, "Token is missing the 'role' claim"],
    [{ decode: () => Promise.reject(hostile) }, "a 'quote'???Set-Cookie: id=1; caf? ??"],
  ];
  const [jwtChallenge, bearer] = CHALLENGES;
  for (const [options, said] of SAID) {
    const expected = [jwtChallenge, `${bearer}, error="invalid_token", error_description="${said}"`];
    assert.deepEqual(await challengesOf(authWith(options).authorize(`JWT ${TOKEN}`)), expected);
  }
  assert.deepEqual(await challengesOf(authWith().login(request({}, {}))), [jwtChallenge, bearer]);
  assert.equal(await challengesOf(authWith().login(request({}, []))), undefined, 'a 400 has no challenge');
  const own = new AuthError('ERR_CREDENTIALS', { headers: { 'WWW-Authenticate': 'Own' } });
  assert.equal(await challengesOf(authWith({ tokenFrom: () => Promise.reject(own) }).authorize('')), 'Own');
});

/** Realms, and how they are quoted (RFC 9110 §5.6.4). */
const REALMS = { 'a "b" c': 'a \\"b\\" c', '", x="': '\\", x=\\"', '\\': '\\\\', '\\"': '\\\\\\"', ' ~': ' ~' };

test('a realm cannot end its challenge, a route may have its own, and schemes may be others', async () => {
  for (const [realm, quoted] of Object.entries(REALMS)) {
    const expected = [`JWT realm="${quoted}"`, `Bearer realm="${quoted}"`];
    const auth = authWith({ realm });
    const own = authWith({ realm: 'other' }).required(() => 1, { realm });
    const guarded = [auth.required(() => 1)(request()), auth.optional(() => 1)(request({ authorization: 'x' }))];
    for (const refused of [...guarded, own(request()), auth.authorize(undefined), auth.login(request({}, {}))]) {
      assert.deepEqual(await challengesOf(refused), expected);
    }
  }
  const auth = authWith({ schemes: ['Token'] });
  assert.deepEqual(await challengesOf(auth.authorize(`JWT ${TOKEN}`)), ['Token realm="Login Required"']);
  assert.equal(await auth.authorize(`token ${TOKEN}`), JOE);
});

// ── Hooks

type Answer = <T>(value: T) => T | PromiseLike<T>;
const ANSWERS: Readonly<Record<string, Answer>> = {
  'at once': (value) => value,
  'with a promise': async (value) => value,
  'with a thenable': (value) => ({ then: (...handlers) => Promise.resolve(value).then(...handlers) }),
};

type Auth = JwtAuth<unknown>;
const login = (auth: Auth) => auth.login(request());
const tokenOf = async (auth: Auth) => String(Object.values((await login(auth)) as object)[0]);
const headerOf = async (auth: Auth) => decodeUnverified(await tokenOf(auth)).header;
const claimsOf = async (auth: Auth) => decodeUnverified(await tokenOf(auth)).claims;
const guard = (auth: Auth) =>
  auth.required((_request, identity) => [identity])(request({ authorization: `JWT ${TOKEN}`, cookie: TOKEN }));
/** The body of a refusal; whatever else is thrown goes on. */
const refuse = (auth: Auth) =>
  auth.authorize(undefined).catch((error) => (Array.isArray(error?.body) ? error.body : Promise.reject(error)));

type HookCase = readonly [hook: (answer: Answer) => Options, does: (auth: Auth) => unknown, gives: unknown];

/** Each hook of the original, what makes it run, and what comes of it. */
const HOOKS: Readonly<Record<string, HookCase>> = {
  authenticate: [
    (answer) => ({ authenticate: (username, password) => answer({ id: `${username}:${password}` }) }),
    claimsOf,
    { ...TIMES, identity: 'joe:right' },
  ],
  identity: [
    (answer) => ({ identity: (claims) => answer({ claims }) }),
    guard,
    [{ claims: { ...TIMES, identity: 'joe' } }],
  ],
  claims: [
    (answer) => ({ claims: (identity) => answer({ identity, role: 'admin', exp: NOW + 1 }) }),
    claimsOf,
    { ...TIMES, identity: JOE, role: 'admin', exp: NOW + 1 },
  ],
  header: [
    (answer) => ({ header: (identity) => answer({ kid: 'k1', identity }) }),
    headerOf,
    { typ: 'JWT', alg: 'HS256', kid: 'k1', identity: JOE },
  ],
  encode: [(answer) => ({ encode: (identity) => answer(JSON.stringify(identity)) }), tokenOf, JSON.stringify(JOE)],
  decode: [
    (answer) => ({ decode: (token) => answer({ identity: token === TAMPERED ? 'joe' : 'ann' }) }),
    (auth) => auth.authorize(`JWT ${TAMPERED}`),
    JOE,
  ],
  tokenFrom: [(answer) => ({ tokenFrom: ({ header }) => answer(header('Cookie')) }), guard, [JOE]],
  loginReply: [(answer) => ({ loginReply: (token, identity) => answer([token, identity]) }), login, [TOKEN, JOE]],
  errorReply: [(answer) => ({ errorReply: ({ code, status }) => answer([code, status]) }), refuse, [MISSING[0], 401]],
};

test('every hook does its part, whether it answers at once or later', async () => {
  for (const [name, [hook, does, gives]] of Object.entries(HOOKS)) {
    for (const [how, answer] of Object.entries(ANSWERS)) {
      assert.deepEqual(await does(authWith(hook(answer))), gives, `${name} ${how}`);
    }
  }
  // What stands elsewhere is no token any more.
  const auth = authWith({ tokenFrom: ({ header }) => header('cookie') });
  await assert.rejects(auth.authorize(`JWT ${TOKEN}`), refusal(MISSING[0]));
});

/** A hook of this name that throws, at once and by its promise. */
const throwing = (name: string, thrown: unknown): readonly Options[] =>
  [() => { throw thrown; }, () => Promise.reject(thrown)].map((hook) => ({ [name]: hook }) as Options);

test('a hook that throws an AuthError refuses with it', async () => {
  const own = { status: 429, error: 'Slow down', description: 'Later', headers: { 'Retry-After': '9' } };
  const body = { status_code: 429, error: 'Slow down', description: 'Later' };
  const expected = { ...refusal('ERR_BUSY'), ...own, body };
  for (const [name, [, does]] of Object.entries(HOOKS)) {
    for (const options of throwing(name, new AuthError('ERR_BUSY', own))) {
      await assert.rejects(async () => does(authWith(options)), expected, name);
    }
  }
});

// next(undefined) means "go on", and to Express next('route') means "skip what follows": neither may come of a failure.
const NOT_REFUSALS: readonly unknown[] = [new TypeError(), undefined, null, false, 0, '', 'route', { status: 200 }];

test('whatever else a hook throws is thrown on, an error to next, and never a way past the guard', async () => {
  for (const [name, [, does]] of Object.entries(HOOKS)) {
    for (const thrown of NOT_REFUSALS) {
      for (const options of throwing(name, thrown)) {
        const auth = authWith(options);
        const reason = Promise.resolve(does(auth)).then(() => assert.fail(), (error: unknown) => error);
        assert.equal(await reason, thrown, name);
        if (!['identity', 'decode', 'tokenFrom', 'errorReply'].includes(name)) continue;
        const headers = { authorization: name === 'errorReply' ? undefined : `JWT ${TOKEN}` };
        const untouched = { writeHead: () => assert.fail(), end: () => assert.fail() };
        const given = await new Promise((resolve) => auth.middleware()({ headers }, untouched, resolve));
        assert.ok(given instanceof Error, `${name} throws ${String(thrown)}, next gets ${String(given)}`);
        assert.ok(given === thrown || given.cause === thrown);
      }
    }
  }
});

test('whatever else a hook throws is a 500 that tells nothing, and one report', async () => {
  const reports: unknown[] = [];
  const app = new Router({ onError: (error) => reports.push(error) });
  for (const [name, [, does]] of Object.entries(HOOKS)) {
    app.get(`/${name}`, () => does(authWith(throwing(name, name)[0])));
  }
  await withServer(app, async ({ url }) => {
    for (const name of Object.keys(HOOKS)) {
      const { status, body } = await send(`${url}/${name}`, 'GET');
      assert.deepEqual([status, body, reports.splice(0)], [500, new AuthError('ERR_INTERNAL').body, [name]]);
    }
  });
});

test('a refusal of errorReply itself has the challenges of its status, and its own body', async () => {
  for (const status of [401, 403]) {
    const own = new AuthError('ERR_CREDENTIALS', { status, description: 'No', body: 'own' });
    const auth = authWith({ errorReply: () => Promise.reject(own) });
    const challenge = status === 401 ? { 'WWW-Authenticate': CHALLENGES } : {};
    const expected = { ...refusal('ERR_CREDENTIALS'), status, description: 'No', body: 'own', headers: challenge };
    await assert.rejects(auth.authorize(undefined), expected);
  }
});

// express-jwt: a hook that returned normally let an expired token in.
test('express-jwt: no hook turns a refusal into a success by returning normally', async () => {
  const REFUSED: readonly (readonly [string, unknown, string?])[] = [
    ['/auth', { ...LOGIN, password: 'wrong' }],
    ['/auth', {}],
    ['/hello', undefined],
    ['/hello', undefined, TAMPERED],
    ['/hello', undefined, jwt.sign({ identity: 'joe', exp: NOW - 10 })],
    ['/hello', undefined, jwt.sign({ identity: 'ann' })],
  ];
  for (const reply of [undefined, null, '', 200, { access_token: TOKEN }, new Reply(200, TOKEN), new Response()]) {
    const auth = authWith({ errorReply: () => reply });
    const app = new Router().post('/auth', auth.login).get('/hello', auth.required(() => 'Hello joe'));
    await withServer(app, async ({ url }) => {
      const statusOf = async (path: string, body?: unknown, token: string = '') => {
        const method = body === undefined ? 'GET' : 'POST';
        return (await send(url + path, method, body, { Authorization: token && `JWT ${token}` })).status;
      };
      for (const one of REFUSED) assert.equal(await statusOf(...one), 401);
      assert.deepEqual([await statusOf('/auth', LOGIN), await statusOf('/hello', undefined, TOKEN)], [200, 200]);
    });
  }
});

/** What a hook may not answer, and the refusal that it is; without one it is the program's mistake. */
const WRONG_ANSWERS: readonly (readonly [hook: string, answers: readonly unknown[], code?: string])[] = [
  ['authenticate', [undefined, null, false], 'ERR_CREDENTIALS'],
  ['identity', [undefined, null, false], 'ERR_IDENTITY_UNKNOWN'],
  ['tokenFrom', [undefined, null], MISSING[0]],
  ['tokenFrom', ['', 0, false, NaN, {}, [], [TOKEN]], 'ERR_JWT_MALFORMED'],
  ['decode', [undefined, null, true, 1, 'joe']],
  ['claims', [undefined, null, true, 1, 'joe', []]],
  ['encode', [undefined, null, true, 1, {}, [TOKEN]]],
  ['header', [null, true, 1, 'joe', [], { alg: 'none' }, { crit: [] }, { b64: false }]],
  // Without "claims" the identity has an id, and one that JSON can say.
  ['authenticate', [true, NaN, {}, ...[null, true, NaN, Infinity, 1n, Symbol(), () => 'joe'].map((id) => ({ id }))]],
];

test('what a hook may not answer is never a success', async () => {
  for (const [name, values, code] of WRONG_ANSWERS) {
    for (const value of values) {
      for (const [how, answer] of Object.entries(ANSWERS)) {
        const auth = authWith({ [name]: () => answer(value) } as Options);
        const does = async () => (HOOKS[name] ?? assert.fail())[1](auth);
        const what = `${name} answers ${String(value)} ${how}`;
        await assert.rejects(does, code === undefined ? TypeError : refusal(code), what);
        // Whatever it is, it is not "no token".
        const optional = async () => auth.optional(() => 1)(request());
        if (code === 'ERR_JWT_MALFORMED') await assert.rejects(optional, refusal(code));
      }
    }
  }
});

test('claims, an id or a header of a hook that are not JSON are a 500 that tells the client nothing', async () => {
  const secret = 'hunter2-hunter2';
  class ObjectId {
    readonly hex = secret;
    toJSON() {
      return this.hex;
    }
  }
  const rows: [options: Options, place: string, kind: string][] = [
    ...NOT_JSON.filter(([value]) => typeof value === 'object').flatMap(([id, kind]) => [
      [{ authenticate: () => ({ id }) }, 'identity', kind] as [Options, string, string],
      [{ claims: () => ({ identity: 'joe', profile: { at: [secret, id] } }) }, 'profile.at[1]', kind],
    ] as [Options, string, string][]),
    [{ authenticate: () => ({ id: new ObjectId() }) }, 'identity', 'an instance of a class'],
    [{ authenticate: () => ({ id: new Date() }), identityClaim: 'sub' }, 'sub', 'an object of type Date'],
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
      assert.deepEqual(body, { status_code: 500, error, description: 'The server failed to answer this request' });
      assert.ok(!inspect(reports, { depth: Infinity }).includes(secret));
    });
  }
  assert.ok(await tokenOf(authWith({ authenticate: () => ({ id: String(new Date(0)) }) })));
});

// ── Identities

test('an identity has any shape, and handlers, hooks and currentIdentity see the very same', async () => {
  const named = (identity: unknown) => ({ claims: () => ({ identity }) });
  class Person {
    readonly id = 7;
  }
  const IDENTITIES: readonly (readonly [identity: unknown, claim: unknown, options?: Options])[] = [
    ...[JOE, { id: 0 }, { id: '' }, new Person()].map((identity) => [identity, identity.id] as const),
    ...['joe', '', 0, -1.5].map((identity) => [identity, identity] as const),
    [{ name: 'Joe' }, 'joe', named('joe')],
    [true, 'yes', named('yes')],
    [['joe'], 'list', named('list')],
  ];
  for (const [identity, claim, options] of IDENTITIES) {
    const seen: unknown[] = [];
    const auth = authWith({
      authenticate: () => identity,
      identity: (claims) => (claims.identity === claim ? identity : undefined),
      loginReply: (token, given) => (seen.push(given), token),
      ...options,
    });
    const authorization = `JWT ${await login(auth)}`;
    const look = (_request: unknown, given: unknown) => seen.push(given, currentIdentity());
    for (const handler of [auth.required(look), auth.optional(look)]) await handler(request({ authorization }));
    seen.push(await auth.authorize(authorization));
    assert.deepEqual([seen.length, new Set(seen)], [6, new Set([identity])]);
  }
});

test('currentIdentity is right across await, timers and streams, and undefined elsewhere', async () => {
  const seen: unknown[] = [];
  const look = () => void seen.push(currentIdentity());
  const handler = async (given: HttpRequest) => {
    look();
    await given.json();
    look();
    await new Promise<void>((resolve) => setTimeout(() => resolve(look()), 1));
    await new Promise<void>((resolve) => setImmediate(() => resolve(look())));
    await new Promise<void>((resolve) => process.nextTick(() => resolve(look())));
    for await (const _chunk of Readable.from(['a'])) look();
    await once(new PassThrough().on('data', look).end('a'), 'end');
    await Promise.all([delay(2).then(look), delay(1).then(look)]);
    await authWith().optional(look)(request());
    look();
  };
  // A query of many a database library begins its work when somebody waits for it.
  const lazy = () => ({ then: (resolve: (value: unknown) => void) => resolve(look()) });
  const auth = authWith();
  const app = new Router().post('/required', auth.required(handler)).post('/optional', auth.optional(handler));
  app.post('/lazy/required', auth.required(lazy)).post('/lazy/optional', auth.optional(lazy)).post('/open', look);
  await withServer(app, async ({ url }) => {
    const post = (path: string, Authorization = `JWT ${TOKEN}`) => send(url + path, 'POST', {}, { Authorization });
    for (const path of ['/required', '/optional']) {
      await post(path);
      // Within, there was a request without a token.
      assert.deepEqual(seen.splice(0), [...Array.from({ length: 9 }, () => JOE), undefined, JOE], path);
      await post(`/lazy${path}`);
      assert.deepEqual(seen.splice(0), [JOE], path);
    }
    look();
    await post('/open');
    await post('/optional', '');
    await post('/required', '');
    assert.deepEqual([seen.length, new Set(seen)], [13, new Set([undefined])]);
  });
});

test('of a thousand interleaved requests none sees the identity of another', async () => {
  const random = randomFrom(7);
  const auth = authWith({ identity: async ({ identity }) => (await delay(random() * 9), identity) });
  const check = async (_request: unknown, identity?: unknown) => {
    for (let round = 0; round < 3; round += 1) {
      assert.equal(currentIdentity(), identity);
      await delay(random() * 9);
    }
    return currentIdentity() ?? 'nobody';
  };
  const [required, optional] = [auth.required(check), auth.optional(check)];
  const app = new Router().get('/0', required).get('/1', optional).get('/2', optional);
  app.get('/3', (given) => check(given));
  // Every fourth shows no token, and every other fourth meets a route without a guard.
  const requestOf = (index: number) => {
    const token = index % 4 === 2 ? [] : [`Authorization: JWT ${jwt.sign({ identity: index })}`];
    return [`GET /${index % 4} HTTP/1.1`, 'Host: x', ...token, '', ''].join('\r\n');
  };
  await withServer(app, async ({ port }) => {
    // A hundred at once on each connection: node answers in order, but works on all of them.
    const answers = await Promise.all(Array.from({ length: 10 }, async (_, socket) => {
      const requests = Array.from({ length: 100 }, (_, index) => requestOf(100 * socket + index));
      requests.push('GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      const answer = await sendRaw(port, requests.join(''));
      return [...answer.matchAll(/\r\n\r\n(.*)\n/g)].slice(0, 100).map(([, body = '']): unknown => JSON.parse(body));
    }));
    assert.deepEqual(answers.flat(), Array.from({ length: 1_000 }, (_, index) => (index % 4 < 2 ? index : 'nobody')));
  });
});

// ── Logins and switches

test('a login reads two strings of the body itself, each once, under the names it was told', async () => {
  const hidden = JSON.stringify(LOGIN);
  for (const body of [null, true, 0, '', 'joe', [], [LOGIN]]) {
    await assert.rejects(authWith().login(request({}, body)), { ...refusal('ERR_LOGIN_BODY'), status: 400 });
  }
  const unknown = { ...refusal('ERR_CREDENTIALS'), status: 401, description: 'Invalid credentials' };
  const WRONG: readonly object[] = [
    { ...LOGIN, password: 'wrong' },
    { ...LOGIN, username: 'nobody' },
    ...[...NOT_STRINGS, ''].flatMap((value) => [{ ...LOGIN, username: value }, { ...LOGIN, password: value }]),
    Object.assign(Object.create(LOGIN), { username: 'joe' }),
    Object.assign(Object.create(LOGIN), { password: 'right' }),
    JSON.parse(`{"__proto__": ${hidden}}`),
    JSON.parse(`{"constructor": {"prototype": ${hidden}}}`),
  ];
  for (const body of WRONG) await assert.rejects(authWith().login(request({}, body)), unknown);
  // A careless table would take any of these.
  const careless = authWith({ authenticate: (username) => (/wrong|nobody/.test(username) ? undefined : JOE) });
  for (const body of WRONG.slice(2)) await assert.rejects(careless.login(request({}, body)), unknown);
  let reads = 0;
  const wide: object = JSON.parse(`{"__proto__": {"username": "ann"}, "identity": "ann", ${hidden.slice(1)}`);
  const body = Object.defineProperty(wide, 'username', { get: () => (reads++ === 0 ? 'joe' : 'ann') });
  assert.deepEqual(await authWith().login(request({}, body)), { access_token: TOKEN });
  for (const name of [...INHERITED_NAMES, 'user']) {
    const auth = authWith({ usernameField: name, passwordField: `${name}2` });
    await assert.rejects(auth.login(request()), unknown);
    const renamed: unknown = JSON.parse(`{"${name}": "joe", "${name}2": "right"}`);
    assert.deepEqual(await auth.login(request({}, renamed)), { access_token: TOKEN });
  }
});

test('a login reads what has a body, of whatever framework, and never quotes it', async () => {
  const auth = authWith();
  const post = (body: string) => new Request('http://x/auth', { method: 'POST', body });
  assert.deepEqual(await auth.login(post(JSON.stringify(LOGIN))), { access_token: TOKEN });
  assert.deepEqual(await auth.login({ json: () => LOGIN }), { access_token: TOKEN });
  for (const body of ['', '{"username":"joe","password":right}']) {
    for (const request of [post(body), { json: () => JSON.parse(body) as unknown }]) {
      await assert.rejects(auth.login(request), { ...refusal('ERR_BODY'), status: 400 });
    }
  }
  const away = new Error('the connection is gone');
  await assert.rejects(auth.login({ json: () => Promise.reject(away) }), away);
});

test('a password that nobody can have is a wrong one, unless a hook says otherwise', async () => {
  for (const code of ['ERR_PASSWORD_INVALID', 'ERR_PASSWORD_TOO_LONG'] as const) {
    const login = (options?: object) =>
      authWith({ authenticate: () => Promise.reject(new AuthError(code, options)) }).login(request());
    await assert.rejects(login(), refusal('ERR_CREDENTIALS'));
    await assert.rejects(login({ status: 403 }), { ...refusal(code), status: 403 });
  }
});

test('the guard takes a header, or whatever has headers', async () => {
  const auth = authWith({ tokenFrom: ({ header }) => header('X-Token') });
  const app = new Router().get('/', auth.required((_request, identity) => identity));
  app.get('/alone', (given) => auth.authorize(given));
  await withServer(app, async ({ url }) => {
    for (const path of ['/', '/alone']) {
      assert.deepEqual((await send(url + path, 'GET', undefined, { 'X-Token': TOKEN })).body, JOE);
      assert.equal((await send(url + path, 'GET', undefined, { 'X-Token': TAMPERED })).status, 401);
      assert.equal((await send(url + path, 'GET')).status, 401);
    }
  });
  // A method that needs its object, as that of a request of Hono.
  const foreign = { token: TOKEN, header(name: string) { return name === 'X-Token' ? this.token : undefined; } };
  assert.equal(await auth.authorize(foreign), JOE);
  for (const nothing of [null, undefined, '']) {
    await assert.rejects(authWith().authorize(nothing), refusal('ERR_AUTHORIZATION_MISSING'));
  }
  // Headers of the Web standard answer null for what is not there; a hook need not know that.
  const asked: unknown[] = [];
  const asking = authWith({ tokenFrom: ({ header }) => void asked.push(header('Authorization'), header('X-Token')) });
  await assert.rejects(asking.authorize(null), refusal('ERR_AUTHORIZATION_MISSING'));
  assert.deepEqual(asked, [undefined, undefined]);
});

test('a claim of any name may name the user, if the token has it itself and it means nothing else', async () => {
  for (const identityClaim of [...INHERITED_NAMES, 'sub', 'user']) {
    const asked: unknown[] = [];
    const auth = authWith({ identityClaim, identity: (claims) => asked.push(claims.identity) });
    await auth.authorize(`JWT ${TOKEN}`);
    const token = await tokenOf(auth);
    await auth.authorize(`JWT ${token}`);
    assert.deepEqual(asked, [undefined, 'joe'], identityClaim);
    assert.deepEqual(Object.entries(decodeUnverified(token).claims).at(-1), [identityClaim, 'joe']);
  }
  for (const name of ['exp', 'nbf', 'iat', 'aud', 'iss']) {
    assertRefused(() => authWith({ identityClaim: name }), 'identityClaim');
  }
});

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
    await send(`${url}/signup`, 'POST', { username: 'joe', password: 'correct horse' });
    const { token } = (await send(`${url}/login`, 'POST', body)).body as { token: string };
    assert.deepEqual(decodeUnverified(token).claims, { iat: NOW, nbf: NOW + 20, exp: NOW + 60, sub: 'joe', role: 1 });
    const [early, late] = ['ERR_JWT_NOT_YET_VALID', 'ERR_JWT_EXPIRED'];
    const welcome = { Status: 'Success', result: 'Hello joe' };
    for (const [after, answer] of [[16, early], [17, welcome], [62, welcome], [63, late]] as const) {
      time = NOW + after;
      const { body: given } = await send(`${url}/hello`, 'GET', undefined, { Authorization: `Token ${token}` });
      assert.deepEqual(given, answer, `${after} seconds later`);
    }
    assert.equal((await send(`${url}/hello`, 'GET')).headers.get('WWW-Authenticate'), 'Token realm="Home"');
    assert.equal((await send(`${url}/auth`, 'POST', body)).status, 404);
  });
});

// ── Options

const NOT_AUDIENCES = [...NOT_TEXTS.filter((value) => !Array.isArray(value)), ['']];
const NOT_LISTS = [...NOT_AUDIENCES, 'JWT', ['JWT', ''], ['JWT', 1], { length: 1, 0: 'JWT' }];
const NOT_SCHEMES = ['J WT', 'JWT\r\nX: 1', 'JWT,', '"JWT"', 'J\u00dcT', 'JWT=', 'JWT\0'].map((it) => ['JWT', it]);
const NOT_REALMS = [...NOT_TEXTS, 'a\rb', 'a\nb', 'a\r\nX: 1', 'a\n', '\0', '\x7f', 'a\tb', 'caf\u00e9'];

/** Options of JwtAuth and of createApp, and what they may not be. */
const WRONG_OPTIONS: readonly (readonly [names: string, values: readonly unknown[]])[] = [
  ['claims header encode decode tokenFrom loginReply errorReply now', NOT_FUNCTIONS],
  ['usernameField passwordField identityClaim issuer type', NOT_TEXTS],
  ['lifetimeSeconds notBeforeSeconds leewaySeconds maxAgeSeconds', NOT_AMOUNTS],
  ['realm', NOT_REALMS],
  ['schemes', [...NOT_LISTS, [], [, 'JWT'], ...NOT_SCHEMES]],
  ['requiredClaims', NOT_LISTS],
  ['audience', [...NOT_AUDIENCES, []]],
  ['maxTokenLength cacheSize', [...NOT_AMOUNTS, 1.5]],
  ['secret', [undefined, null, '', 'x'.repeat(31), 0, {}, [], [SECRET, '']]],
  ['Realm scheme algorithm verify __proto__ constructor', [true]],
];
const WRONG_APP_OPTIONS: typeof WRONG_OPTIONS = [
  ['users', [undefined, null, {}]],
  ['authPath', [null, '', 'auth', 1, ['/auth']]],
  ['minPasswordLength', NOT_AMOUNTS],
  ['onError', NOT_FUNCTIONS],
  ['authenticate identity port', [() => undefined]],
];

/** What is refused is named, in one grammar. */
function assertRefused(make: () => unknown, name: string): void {
  assert.throws(make, { message: new RegExp(`^"${name}" expected .+, got .+$`, 's') }, name);
}

test('an option that is unknown, or of the wrong kind, is refused by its name', () => {
  const app = { secret: SECRET, users: new MemoryUserStore() };
  const check = (make: (options: never) => unknown, base: object, table: typeof WRONG_OPTIONS) => {
    for (const [names, values] of table) {
      for (const name of names.split(' ')) {
        for (const value of values) {
          const options = Object.defineProperty({ ...base }, name, { value, enumerable: true });
          assertRefused(() => make(options as never), name);
        }
      }
    }
    for (const options of [undefined, ...NOT_OPTIONS]) assertRefused(() => make(options as never), 'options');
    make(base as never);
  };
  const needed = ['authenticate identity', [undefined, ...NOT_FUNCTIONS]] as const;
  check((options) => new JwtAuth(options), BASE, [...WRONG_OPTIONS, needed]);
  check((options) => createApp(options), app, [...WRONG_OPTIONS, ...WRONG_APP_OPTIONS]);
  const perRoute = [['realm', NOT_REALMS], ['Realm schemes', ['x']]] as const;
  check((options) => authWith().required(() => 1, options ?? null), {}, perRoute);
  for (const handler of [undefined, ...NOT_FUNCTIONS]) {
    assertRefused(() => authWith().required(handler as () => unknown), 'handler');
    assertRefused(() => authWith().optional(handler as () => unknown), 'handler');
  }
  authWith({ realm: ' ~', schemes: ["!#$%&'*+-.^_`|~9aZ"], requiredClaims: [], leewaySeconds: 0, cacheSize: 0 });
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
  // A WeakRef holds on until the job that made it has ended.
  for (let turn = 0; turn < 10 && given.deref() !== undefined; turn += 1) {
    await delay(1);
    await collectGarbage();
  }
  assert.equal(given.deref(), undefined);
  assert.equal(await auth.authorize(`JWT ${await tokenOf(auth)}`), JOE);
});

test('a promise whose then says something else deceives no guard', async () => {
  const nobody = Object.assign(Promise.resolve(undefined), { then: () => JOE });
  await assert.rejects(authWith({ identity: () => nobody }).authorize(`JWT ${TOKEN}`), refusal('ERR_IDENTITY_UNKNOWN'));
  const failing = Promise.reject(new AuthError('ERR_JWT_EXPIRED'));
  failing.catch(() => undefined);
  const guarded = authWith({ decode: () => Object.assign(failing, { then: () => undefined }) }).optional(() => 1);
  const given = request({ authorization: `JWT ${TOKEN}` });
  await assert.rejects(async () => guarded(given), refusal('ERR_JWT_EXPIRED'));
});
