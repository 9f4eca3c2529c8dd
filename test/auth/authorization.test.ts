/** The Authorization header that a request brings, and the challenges that a refusal sends back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthError, currentIdentity, Router } from '../../src/index.ts';
import { send, sendRaw, withServer } from '../support/app.ts';
import {
  authWith,
  CHALLENGES,
  challengesOf,
  JOE,
  refusal,
  request,
  TAMPERED,
  TOKEN,
  type Auth,
  type Options,
} from '../support/guard.ts';

/** Code, title and description, in the words of Flask-JWT. */
type Refusal = readonly [code: string, title: string, description: string];
const MISSING: Refusal = [
  'ERR_AUTHORIZATION_MISSING',
  'Authorization Required',
  'Request does not contain an access token',
];
const SCHEME: Refusal = [
  'ERR_AUTHORIZATION_SCHEME',
  'Invalid JWT header',
  'Unsupported authorization type',
];
const NO_TOKEN: Refusal = ['ERR_AUTHORIZATION_NO_TOKEN', 'Invalid JWT header', 'Token missing'];
const SPACES: Refusal = [
  'ERR_AUTHORIZATION_SPACES',
  'Invalid JWT header',
  'Token contains spaces',
];
const SIGNATURE: Refusal = [
  'ERR_JWT_SIGNATURE',
  'Invalid token',
  'Signature verification failed',
];

/** The values of the header, one a line, and the refusal unless they are accepted. */
type AuthorizationCase = readonly [what: string, lines: readonly string[], refused?: Refusal];
const AUTHORIZATIONS: readonly AuthorizationCase[] = [
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
  ['any letter case (RFC 9110 §11.1)', [`bEaReR ${TOKEN}`]],
  ['a tab', [`JWT\t${TOKEN}`]],
  ['blanks all over', [` \t JWT \t  ${TOKEN} \t `]],
];

/** A raw GET, because fetch joins repeated headers: status, challenges and body of its answer. */
async function getRaw(port: number, path: string, lines: readonly string[]): Promise<unknown[]> {
  const authorizations = lines.map((line) => `Authorization: ${line}`);
  const head = [`GET ${path} HTTP/1.1`, 'Host: x', 'Connection: close', ...authorizations, '', ''];
  const answer = await sendRaw(port, Buffer.from(head.join('\r\n'), 'latin1'));
  const headers = answer.matchAll(/^WWW-Authenticate: (.*)\r$/gm);
  const challenges = [...headers].map(([, value]) => value);
  return [Number(answer.slice(9, 12)), challenges, JSON.parse(answer.split('\r\n\r\n')[1] ?? '')];
}

/** What the middleware sends or passes to `next`, and the identity that it sets. */
async function runMiddleware(auth: Auth, authorization: string | undefined): Promise<unknown[]> {
  const req = { headers: { authorization }, identity: undefined };
  const done: unknown[] = [];
  await new Promise<void>((resolve) => {
    const writeHead = (...head: unknown[]) => done.push(...head);
    const end = (text: string) => resolve(void done.push(JSON.parse(text)));
    const next = (...given: unknown[]) => resolve(void done.push(...given, currentIdentity()));
    auth.middleware()(req, { writeHead, end }, next);
  });
  return [done, req.identity];
}

test('each kind of guard judges an Authorization header in the same words', async () => {
  const auth = authWith();
  const app = new Router().get('/', auth.required((_request, identity) => identity));
  app.get('/optional', auth.optional((_request, identity) => identity ?? 'anonymous'));
  await withServer(app, async ({ port }) => {
    for (const [what, lines, refused] of AUTHORIZATIONS) {
      const [code, error, description] = refused ?? [];
      const body = { status_code: 401, error, description };
      // RFC 6750 §3.1: the challenge for a request without a token names no error.
      const isInvalid = refused === SIGNATURE;
      const invalid = `, error="invalid_token", error_description="${description}"`;
      const [jwtChallenge, bearer] = CHALLENGES;
      const challenges = [jwtChallenge, `${bearer}${isInvalid ? invalid : ''}`];
      const answer = refused ? [401, challenges, body] : [200, [], JOE];
      assert.deepEqual(await getRaw(port, '/', lines), answer, what);
      // Without a token the client is anonymous. A bad token is refused.
      const optional = refused === MISSING ? [200, [], 'anonymous'] : answer;
      assert.deepEqual(await getRaw(port, '/optional', lines), optional, what);

      const authorization = lines.length === 0 ? undefined : lines.join(', ');
      const headers = { 'WWW-Authenticate': challenges, 'Error-Code': code };
      const expected = { name: 'AuthError', code, status: 401, error, description, headers, body };
      if (refused === undefined) assert.equal(await auth.authorize(authorization), JOE, what);
      else await assert.rejects(auth.authorize(authorization), expected, what);

      const [done, identity] = await runMiddleware(auth, authorization);
      const sent = {
        ...headers,
        'Content-Type': 'application/json',
        'Cache-Control': 'no-store',
        'X-Content-Type-Options': 'nosniff',
      };
      assert.deepEqual(done, refused ? [401, sent, body] : [JOE], what);
      assert.equal(identity, refused ? undefined : JOE, what);
    }
  });
});

test('CVE-2026-47673, hono before 4.12.21: a token behind another scheme is refused', async () => {
  const auth = authWith();
  for (const scheme of ['Basic', 'Token', 'JWTS', 'Bearer,', 'Digest']) {
    const expected = { code: 'ERR_AUTHORIZATION_SCHEME' };
    await assert.rejects(auth.authorize(`${scheme} ${TOKEN}`), expected, scheme);
  }
  for (const scheme of ['JWT', 'Bearer']) {
    assert.equal(await auth.authorize(`${scheme} ${TOKEN}`), JOE);
  }
});

test('the Bearer challenge names the error of a token in characters of RFC 6750 §3', async () => {
  const description = 'a "quote"\\\r\nSet-Cookie: id=1; caf\u00e9 \u{1f511}';
  const hostile = new AuthError('ERR_JWT_PAYLOAD', { description });
  const SAID: readonly (readonly [Options, string])[] = [
    [{ identity: () => undefined }, 'User does not exist'],
    [{ requiredClaims: ['role'] }, "Token is missing the 'role' claim"],
    [{ decode: () => Promise.reject(hostile) }, "a 'quote'???Set-Cookie: id=1; caf? ??"],
  ];
  const [jwtChallenge, bearer] = CHALLENGES;
  for (const [options, said] of SAID) {
    const invalid = `error="invalid_token", error_description="${said}"`;
    const challenges = await challengesOf(authWith(options).authorize(`JWT ${TOKEN}`));
    assert.deepEqual(challenges, [jwtChallenge, `${bearer}, ${invalid}`]);
  }
  assert.deepEqual(await challengesOf(authWith().login(request({}, {}))), [jwtChallenge, bearer]);
  const badBody = authWith().login(request({}, []));
  assert.equal(await challengesOf(badBody), undefined, 'a 400 has no challenge');
  const own = new AuthError('ERR_CREDENTIALS', { headers: { 'WWW-Authenticate': 'Own' } });
  const auth = authWith({ tokenFrom: () => Promise.reject(own) });
  assert.equal(await challengesOf(auth.authorize('')), 'Own');
});

/** Realms, and how they are quoted (RFC 9110 §5.6.4). */
const REALMS = {
  'a "b" c': 'a \\"b\\" c',
  '", x="': '\\", x=\\"',
  '\\': '\\\\',
  '\\"': '\\\\\\"',
  ' ~': ' ~',
};

test('a realm cannot end its challenge; realms and schemes can be configured', async () => {
  for (const [realm, quoted] of Object.entries(REALMS)) {
    const expected = [`JWT realm="${quoted}"`, `Bearer realm="${quoted}"`];
    const auth = authWith({ realm });
    const ownRealm = authWith({ realm: 'other' }).required(() => 1, { realm });
    const refusals = [
      auth.required(() => 1)(request()),
      auth.optional(() => 1)(request({ authorization: 'x' })),
      ownRealm(request()),
      auth.authorize(undefined),
      auth.login(request({}, {})),
    ];
    for (const refused of refusals) assert.deepEqual(await challengesOf(refused), expected);
  }
  const auth = authWith({ schemes: ['Token'] });
  const challenges = await challengesOf(auth.authorize(`JWT ${TOKEN}`));
  assert.deepEqual(challenges, ['Token realm="Login Required"']);
  assert.equal(await auth.authorize(`token ${TOKEN}`), JOE);
});

test('authorize takes the value of the header, or an object that has headers', async () => {
  const auth = authWith({ tokenFrom: ({ header }) => header('X-Token') });
  const app = new Router().get('/', auth.required((_request, identity) => identity));
  app.get('/alone', (given) => auth.authorize(given));
  await withServer(app, async ({ url }) => {
    for (const path of ['/', '/alone']) {
      const get = (headers: Record<string, string>) => send(url + path, 'GET', undefined, headers);
      assert.deepEqual((await get({ 'X-Token': TOKEN })).body, JOE);
      assert.equal((await get({ 'X-Token': TAMPERED })).status, 401);
      assert.equal((await get({})).status, 401);
    }
  });
  // The method of a request of Hono needs its object.
  const foreign = {
    token: TOKEN,
    header(name: string) {
      return name === 'X-Token' ? this.token : undefined;
    },
  };
  assert.equal(await auth.authorize(foreign), JOE);
  for (const nothing of [null, undefined, '']) {
    await assert.rejects(authWith().authorize(nothing), refusal('ERR_AUTHORIZATION_MISSING'));
  }
  // Headers of the Web standard return null for a missing header; hooks get undefined.
  const asked: unknown[] = [];
  const asking = authWith({
    tokenFrom: ({ header }) => void asked.push(header('Authorization'), header('X-Token')),
  });
  await assert.rejects(asking.authorize(null), refusal('ERR_AUTHORIZATION_MISSING'));
  assert.deepEqual(asked, [undefined, undefined]);
});
