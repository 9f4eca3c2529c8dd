/** What the log says about a refusal, and the client does not get. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { RefreshTokens } from '../../src/auth/refresh-token.ts';
import { SESSION_DETAILS } from '../../src/auth/refusal-details.ts';
import { EVENTS } from '../../src/events.ts';
import {
  AuthError,
  Jwt,
  JwtAuth,
  MemorySessionStore,
  Sessions,
} from '../../src/index.ts';
import { rowsOf } from '../support/documents.ts';
import { send, withApp } from '../support/app.ts';
import { logIn, refresh, signUpOwner } from '../support/session-client.ts';
import { SECRET } from '../support/tokens.ts';

const jwt = new Jwt({ secret: SECRET });
const now = Math.floor(Date.now() / 1000);
const SESSION = { id: 'S'.repeat(22), generation: 0, startedAt: now, endsAt: now + 60 };
const REFRESH_TOKEN = new RefreshTokens({ secret: SECRET }).sign('joe', SESSION);
const TOKEN = jwt.sign({ identity: 'joe' });
const SIGNATURE_AT = TOKEN.lastIndexOf('.') + 1;

/** A text as JSON has it inside its quotation marks. */
const inJson = (text: string) => JSON.stringify(text).slice(1, -1);

/** The refusal of an Authorization header. */
async function refusalOf(authorization: string, options: object = {}): Promise<AuthError> {
  const auth = new JwtAuth<string>({
    secret: SECRET,
    authenticate: () => undefined,
    identity: ({ identity }) => (identity === 'joe' ? 'joe' : undefined),
    ...options,
  });
  try {
    await auth.authorize(authorization);
  } catch (error) {
    if (error instanceof AuthError) return error;
    throw error;
  }
  assert.fail('the header was accepted');
}

const HEADERS: readonly (readonly [authorization: string, code: string, detail: string])[] = [
  ['Bearer undefined', 'ERR_JWT_MALFORMED', 'the token is the text "undefined"'],
  ['Bearer null', 'ERR_JWT_MALFORMED', 'the token is the text "null"'],
  [
    'Bearer [object Object]',
    'ERR_AUTHORIZATION_SPACES',
    'the token is the text "[object Object]": the client sends the object that holds the token',
  ],
  [
    'Bearer [object Promise]',
    'ERR_AUTHORIZATION_SPACES',
    'the token is the text "[object Promise]": the client does not await the promise',
  ],
  [`Bearer "${TOKEN}"`, 'ERR_JWT_SIGNATURE', 'the token is in quotation marks'],
  [`Bearer Bearer ${TOKEN}`, 'ERR_AUTHORIZATION_SPACES', 'the header has its scheme twice'],
  [
    `Bearer ${TOKEN}, Bearer ${TOKEN}`,
    'ERR_AUTHORIZATION_SPACES',
    'the request has two Authorization headers, or a list in one',
  ],
  [
    `Bearer ${TOKEN} x`,
    'ERR_AUTHORIZATION_SPACES',
    'the header has more parts than a scheme and a token',
  ],
  [
    'Bearer ',
    'ERR_AUTHORIZATION_NO_TOKEN',
    'the header has a scheme and no token: the token was an empty text',
  ],
  ['Basic am9lOng=', 'ERR_AUTHORIZATION_SCHEME', 'the header is one of Basic authentication'],
  [TOKEN, 'ERR_AUTHORIZATION_SCHEME', 'the header is a token without a scheme before it'],
  ['undefined', 'ERR_AUTHORIZATION_SCHEME', 'the token is the text "undefined"'],
  ['sk-live-marker', 'ERR_AUTHORIZATION_SCHEME', 'the header is one word: it has no scheme'],
  [`"Bearer ${TOKEN}"`, 'ERR_AUTHORIZATION_SCHEME', 'the header is in quotation marks'],
  ['ApiKey marker', 'ERR_AUTHORIZATION_SCHEME', 'the option "schemes" does not have this scheme'],
  [`Bearer ${TOKEN}\n`, 'ERR_JWT_SIGNATURE', 'the token has a line break in it'],
  [
    `Bearer ${TOKEN},`,
    'ERR_JWT_SIGNATURE',
    'the token has a comma or a semicolon at its end',
  ],
  [
    `Bearer ${TOKEN.replaceAll('.', '%2E')}`,
    'ERR_JWT_MALFORMED',
    'the token is URL-encoded',
  ],
  [
    'Bearer sk-live-marker',
    'ERR_JWT_MALFORMED',
    'the token has no dots: it is an opaque token or an API key',
  ],
  [
    `Bearer ${TOKEN.slice(0, SIGNATURE_AT - 2)}`,
    'ERR_JWT_MALFORMED',
    'the token has two of three segments: it was cut off',
  ],
  [
    `Bearer ${TOKEN.slice(0, -1)}`,
    'ERR_JWT_SIGNATURE',
    'the signature is shorter than that of HS256: it was cut off',
  ],
  [
    `Bearer ${TOKEN}A`,
    'ERR_JWT_SIGNATURE',
    'the signature is longer than that of HS256: the token has another alg',
  ],
  [`Bearer ${TOKEN.slice(0, SIGNATURE_AT)}`, 'ERR_JWT_SIGNATURE', 'the token has no signature'],
  [
    'Bearer a.b.c.d.e',
    'ERR_JWT_SIGNATURE',
    'the token has five segments: it is encrypted (JWE)',
  ],
  ['Bearer a.b.c.d', 'ERR_JWT_SIGNATURE', 'the token has more than three segments'],
  [
    `Bearer ${REFRESH_TOKEN}`,
    'ERR_JWT_TYPE',
    'the token is a refresh token, which only a refresh takes',
  ],
  [
    `Bearer ${jwt.sign({ identity: 7 })}`,
    'ERR_IDENTITY_UNKNOWN',
    'the claim "identity" is a number; Accounts finds users by a string',
  ],
  [
    `Bearer ${jwt.sign({ sub: 'joe' })}`,
    'ERR_IDENTITY_UNKNOWN',
    'the token has no claim "identity"',
  ],
];
for (const [authorization, code, detail] of HEADERS) {
  test(`a guard explains: ${detail}`, async () => {
    const refusal = await refusalOf(authorization);
    assert.deepEqual([refusal.code, refusal.detail], [code, detail]);
    assert.doesNotMatch(detail, /marker|eyJ/);
    const sent = JSON.stringify([refusal.message, refusal.body, refusal.headers, { ...refusal }]);
    assert.ok(!sent.includes(inJson(detail)), sent);
    // A hook that returns a promise, and one that makes the body.
    const verifying = { decode: async (token: string) => jwt.verify(token) };
    const later = await refusalOf(authorization, { ...verifying, errorReply: () => 'no' });
    assert.deepEqual([later.code, later.detail, later.body], [code, detail, 'no']);
  });
}

test('a guard has no detail for a forged token, an expired one and an unknown user', async () => {
  const expired = new Jwt({ secret: SECRET, now: () => 1e9 }).sign({ identity: 'joe' });
  const forged = new Jwt({ secret: `${SECRET}!` }).sign({ identity: 'joe' });
  for (const token of [expired, forged, jwt.sign({ identity: 'ann' })]) {
    assert.equal((await refusalOf(`Bearer ${token}`)).detail, undefined);
  }
});

test('a detail that a hook gave to its refusal stays', async () => {
  const own = new AuthError('ERR_JWT_MALFORMED', { detail: 'own' });
  const decode = () => {
    throw own;
  };
  assert.equal((await refusalOf('Bearer undefined', { decode })).detail, 'own');
});

test('an empty token of the hook tokenFrom has a detail of its own', async () => {
  const { code, detail } = await refusalOf('', { tokenFrom: () => '' });
  assert.deepEqual([code, detail], ['ERR_JWT_MALFORMED', 'the token is an empty text']);
});

test('a refusal of a class of its own stays as it is, whatever the token', async () => {
  class OwnRefusal extends AuthError {
    readonly tenant = 'red';
  }
  const codes = ['ERR_JWT_SIGNATURE', 'ERR_JWT_MALFORMED', 'ERR_JWT_TYPE'] as const;
  for (const [code, token] of codes.flatMap((one) => [[one, 'undefined'], [one, TOKEN]] as const)) {
    for (const later of [false, true]) {
      const seen: unknown[] = [];
      const own = new OwnRefusal(code);
      const decode = () => {
        if (later) return Promise.reject(own);
        throw own;
      };
      const errorReply = (error: AuthError) => seen.push(error);
      await refusalOf(`Bearer ${token}`, { decode, errorReply });
      assert.equal(seen[0], own);
      assert.ok(seen[0] instanceof OwnRefusal && seen[0].detail === undefined);
    }
  }
});

/** Those of the other tests. */
const OTHER_DETAILS = [
  'the token is an empty text',
  'the body has no string "password"',
  'the string "username" of the body is empty',
  'the token is an access token, where one of another type is expected',
  ...Object.values(SESSION_DETAILS),
];

test('the table of the page lists every detail', () => {
  const rows = rowsOf('### Details').map(([cell = '']) => cell.replaceAll('`', ''));
  const details = [...HEADERS.map(([, , detail]) => detail), ...OTHER_DETAILS];
  assert.deepEqual(rows.toSorted(), [...new Set(details)].sort());
});

/** The details of the refusals that are published while `act` runs; some are undefined. */
async function detailsDuring(act: () => Promise<unknown>): Promise<unknown[]> {
  const details: unknown[] = [];
  const { name } = EVENTS.refusal;
  const listener = (message: unknown) => details.push(Object(message).detail);
  subscribe(name, listener);
  try {
    await act();
  } finally {
    unsubscribe(name, listener);
  }
  return details;
}

test('a login explains which field its body lacks, in the event and not in the reply', async () => {
  const BODIES: readonly (readonly [body: object, detail: string | undefined])[] = [
    [{ username: 'joe' }, 'the body has no string "password"'],
    [{ username: 'joe', password: 4711 }, 'the body has no string "password"'],
    [{ username: '', password: 'marker' }, 'the string "username" of the body is empty'],
    [{}, 'the body has no string "username", and the body has no string "password"'],
    [{ username: 'joe', password: 'marker' }, undefined],
  ];
  await withApp({}, async ({ url }) => {
    for (const [body, detail] of BODIES) {
      const details = await detailsDuring(async () => {
        const answer = await send(`${url}/auth`, 'POST', body);
        assert.equal(answer.headers.get('Error-Code'), 'ERR_CREDENTIALS');
        assert.deepEqual(answer.body, {
          status_code: 401,
          error: 'Bad Request',
          description: 'Invalid credentials',
        });
        const headers = JSON.stringify([...answer.headers]);
        assert.ok(detail === undefined || !headers.includes(inJson(detail)));
      });
      assert.deepEqual(details, [detail]);
    }
  });
});

test('a refresh explains an access token, a replaced token and a session that has ended', async () => {
  const sessions = new Sessions({ store: new MemorySessionStore(), graceSeconds: 0 });
  await withApp({ sessions }, async ({ url }) => {
    await signUpOwner(url);
    const first = await logIn(url);
    const second = await logIn(url);
    const details = await detailsDuring(async () => {
      await refresh(url, first.access_token);
      await refresh(url, 'undefined');
      await refresh(url, first.refresh_token);
      const next = (await refresh(url, second.refresh_token)).body as typeof first;
      await send(`${url}/hello`, 'GET', undefined, { Authorization: `JWT ${next.access_token}` });
      await refresh(url, second.refresh_token);
      await refresh(url, next.refresh_token);
      await send(`${url}/hello`, 'GET', undefined, { Authorization: `JWT ${next.access_token}` });
      await send(`${url}/logout`, 'POST', { refresh_token: first.access_token });
    });
    const ended = 'the session was ended, has expired, or never existed';
    const another = 'the token is an access token, where one of another type is expected';
    assert.deepEqual(details, [
      another,
      'the token is the text "undefined"',
      SESSION_DETAILS.reused,
      ended,
      ended,
      another,
    ]);
  });
});

test('a token without a session is explained where sessions are required', async () => {
  const sessions = new Sessions({ store: new MemorySessionStore(), isRequired: true });
  const { code, detail } = await refusalOf(`Bearer ${TOKEN}`, { sessions });
  const expected = 'the token has no session: sessions are required, or all were ended since';
  assert.deepEqual([code, detail], ['ERR_SESSION_ENDED', expected]);
});
