/**
 * The wire contract: what clients of the original tutorial rely on, row by row, over a real socket,
 * without sessions, with them, and where they are required.
 */
import assert from 'node:assert/strict';
import { MemoryUserStore } from '../../src/index.ts';
import { testInEachMode as test, type SessionMode } from '../support/session-modes.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { send, withApp } from '../support/app.ts';

const JOE = { username: 'joe', password: 'pass' };
const CREATED = { Status: 'Success', result: 'User created' };
const GREETED = { Status: 'Success', result: 'Hello joe' };

/** The three members of every refusal outside signup. */
function refusal(error: string, description: string, status = 401): object {
  return { status_code: status, error, description };
}

const INVALID_CREDENTIALS = refusal('Bad Request', 'Invalid credentials');

const now = Math.floor(Date.now() / 1000);
const times = { exp: now + 300, iat: now, nbf: now };
/**
 * @returns a function that makes a valid token with some claims changed, as another holder of the
 *   secret does. A claim that is undefined is left out.
 */
const tokensOf = (mode: SessionMode) => {
  return (claims: object) => mode.tokenOf({ ...times, identity: 'joe', ...claims });
};

test('the tutorial gets its answers word for word', async (mode) => {
  await withApp(mode.options(), async ({ url }) => {
    const signup = await send(`${url}/signup`, 'POST', JOE);
    assert.deepEqual([signup.status, signup.body], [200, CREATED]);

    const again = await send(`${url}/signup`, 'POST', JOE);
    assert.deepEqual(
      [again.status, again.body],
      [400, { Status: 'Error', result: 'User already exists' }],
    );

    const login = await send(`${url}/auth`, 'POST', JOE);
    assert.equal(login.status, 200);
    const { access_token: token, ...others } = login.body as { access_token: string };
    assert.deepEqual(others, {});

    const hello = await send(`${url}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` });
    assert.deepEqual([hello.status, hello.body], [200, GREETED]);

    const stranger = await send(`${url}/hello`, 'GET');
    const refused = refusal('Authorization Required', 'Request does not contain an access token');
    assert.deepEqual([stranger.status, stranger.body], [401, refused]);
    assert.match(stranger.headers.get('www-authenticate') ?? '', /^JWT realm="Login Required"/);
  });
});

test('a token has the header and the claims of Flask-JWT', async (mode) => {
  await withApp({ lifetimeSeconds: 3000, ...mode.options() }, async ({ url }) => {
    await send(`${url}/signup`, 'POST', JOE);
    const { body } = await send(`${url}/auth`, 'POST', JOE);
    const segments = (body as { access_token: string }).access_token.split('.');
    const [header, payload] = segments.map((segment) =>
      Buffer.from(segment, 'base64url').toString(),
    );
    assert.equal(header, '{"typ":"JWT","alg":"HS256"}');
    const claims = JSON.parse(payload ?? '') as Record<string, number>;
    const ofSession = mode.name === 'off' ? [] : ['gen', 'sid'];
    const names = ['exp', 'iat', 'identity', 'nbf', ...ofSession];
    assert.deepEqual(Object.keys(claims).sort(), names.sort());
    const { iat = 0, exp, nbf, identity } = claims;
    assert.deepEqual({ exp, nbf, identity }, { exp: iat + 3000, nbf: iat, identity: 'joe' });
    assert.ok(Math.abs(iat - Date.now() / 1000) < 30);
  });
});

test('every login without the right username and password gets the same answer', async (mode) => {
  const bodies: readonly [why: string, body: object][] = [
    ['a wrong password', { username: 'joe', password: 'Pass' }],
    ['a password with a space after it', { username: 'joe', password: 'pass ' }],
    ['an unknown user', { username: 'ann', password: 'pass' }],
    ['an impossible username', { username: 'jo e', password: 'pass' }],
    ['no username', { password: 'pass' }],
    ['no password', { username: 'joe' }],
    ['nothing', {}],
    ['an empty username', { username: '', password: 'pass' }],
    ['an empty password', { username: 'joe', password: '' }],
    ['null', { username: null, password: 'pass' }],
    ['a number', { username: 'joe', password: 0 }],
    ['a list', { username: ['joe'], password: 'pass' }],
    ['an object', { username: { $ne: '' }, password: { $ne: '' } }],
    ['a lone surrogate', { username: 'joe', password: 'pass\ud800' }],
    ['a password over the maximum length', { username: 'joe', password: 'pass'.repeat(1000) }],
  ];
  await withApp(mode.options(), async ({ url }) => {
    await send(`${url}/signup`, 'POST', JOE);
    for (const [why, body] of bodies) {
      const { status, body: answer, headers } = await send(`${url}/auth`, 'POST', body);
      assert.deepEqual([status, answer], [401, INVALID_CREDENTIALS], why);
      assert.match(headers.get('www-authenticate') ?? '', /^JWT realm="Login Required"/, why);
    }
    const twin = await send(`${url}/auth`, 'POST', { ...JOE, remember: true });
    assert.equal(twin.status, 200, 'further members are ignored');
  });
});

test('the Authorization header is read as Flask-JWT reads it', async (mode) => {
  const missing = refusal('Authorization Required', 'Request does not contain an access token');
  const unsupported = refusal('Invalid JWT header', 'Unsupported authorization type');
  const noToken = refusal('Invalid JWT header', 'Token missing');
  const spaces = refusal('Invalid JWT header', 'Token contains spaces');
  const rowsOf = (good: string): readonly [authorization: string, expected: object][] => [
    [`JWT ${good}`, GREETED],
    [`jwt ${good}`, GREETED],
    [`Bearer ${good}`, GREETED],
    [`bEARER  ${good} `, GREETED],
    ['', missing],
    ['   ', missing],
    ['JWT', noToken],
    ['Bearer', noToken],
    [good, unsupported],
    [`Basic ${good}`, unsupported],
    [`Token ${good}`, unsupported],
    [`JWT: ${good}`, unsupported],
    ['Basic am9lOnBhc3M=', unsupported],
    [`JWT ${good} x`, spaces],
    [`JWT JWT ${good}`, spaces],
    [`JWT ${good.replace('.', ' .')}`, spaces],
  ];
  await withApp(mode.options(), async ({ url }) => {
    await send(`${url}/signup`, 'POST', JOE);
    for (const [Authorization, expected] of rowsOf(await tokensOf(mode)({}))) {
      const { status, body, headers } = await send(`${url}/hello`, 'GET', undefined, {
        Authorization,
      });
      assert.deepEqual([status, body], [expected === GREETED ? 200 : 401, expected], Authorization);
      assert.equal(headers.has('www-authenticate'), expected !== GREETED, Authorization);
    }
  });
});

test('a bad token is refused with the text of Flask-JWT', async (mode) => {
  const tokenWith = tokensOf(mode);
  const makeRows = async (good: string): Promise<[token: string, description: string][]> => {
    const [goodHeader, goodPayload] = good.split('.');
    return [
      ['garbage', 'Not enough segments'],
      ['a.b', 'Not enough segments'],
      ['..', 'Signature verification failed'],
      ['a.b.c', 'Signature verification failed'],
      ['a.b.c.d', 'Signature verification failed'],
      [`${good}x`, 'Signature verification failed'],
      [`${goodHeader}.${goodPayload}.`, 'Signature verification failed'],
      [`${goodHeader}.${goodPayload}.${'A'.repeat(43)}`, 'Signature verification failed'],
      [
        tokenOf('{"identity":"joe"}', '{"typ":"JWT","alg":"none"}', 'x'.repeat(32)),
        'Signature verification failed',
      ],
      [
        tokenOf({ ...times, identity: 'joe' }, undefined, 'x'.repeat(32)),
        'Signature verification failed',
      ],
      [
        tokenOf({ ...times, identity: 'joe' }, '{"alg":"none"}'),
        'The specified alg value is not allowed',
      ],
      [await tokenWith({ exp: now - 11 }), 'Signature has expired'],
      [await tokenWith({ nbf: now + 60 }), 'The token is not yet valid (nbf)'],
      [await tokenWith({ iat: now + 60 }), 'Issued At claim (iat) cannot be in the future.'],
      [await tokenWith({ exp: undefined }), 'Token is missing the "exp" claim'],
      [await tokenWith({ iat: undefined }), 'Token is missing the "iat" claim'],
      [await tokenWith({ nbf: undefined }), 'Token is missing the "nbf" claim'],
      [await tokenWith({ exp: null }), 'Token is missing the "exp" claim'],
      [await tokenWith({ exp: 'soon' }), 'Expiration Time claim (exp) must be a number.'],
      [await tokenWith({ aud: 'another audience' }), 'Invalid audience'],
      [tokenOf('[]'), 'Invalid payload'],
      [tokenOf('{"exp":1e400}'), 'Token is missing the "iat" claim'],
      ['x'.repeat(8193), 'Token is too long'],
    ];
  };
  const clock = () => now;
  await withApp({ ...mode.options({ now: clock }), now: clock }, async ({ url }) => {
    await send(`${url}/signup`, 'POST', JOE);
    const good = await tokenWith({});
    for (const [token, description] of await makeRows(good)) {
      const answer = await send(`${url}/hello`, 'GET', undefined, {
        Authorization: `JWT ${token}`,
      });
      assert.deepEqual(
        [answer.status, answer.body],
        [401, refusal('Invalid token', description)],
        description,
      );
      const quotable = description.replaceAll('"', "'");
      const bearer = `error="invalid_token", error_description="${quotable}"`;
      const challenges = `JWT realm="Login Required", Bearer realm="Login Required", ${bearer}`;
      assert.equal(answer.headers.get('www-authenticate'), challenges);
    }
    const twins = [
      good,
      await tokenWith({ exp: now - 1 }),
      await tokenWith({ nbf: now + 5 }),
      await tokenWith({ iat: now + 5 }),
    ];
    for (const token of twins) {
      const { body } = await send(`${url}/hello`, 'GET', undefined, {
        Authorization: `JWT ${token}`,
      });
      assert.deepEqual(body, GREETED);
    }
  });
});

test('a valid token of an unknown user is refused', async (mode) => {
  await withApp(mode.options(), async ({ url }) => {
    await send(`${url}/signup`, 'POST', JOE);
    for (const identity of [
      'ann',
      'JOE',
      '',
      '__proto__',
      'constructor',
      0,
      null,
      ['joe'],
      { id: 'joe' },
      undefined,
    ]) {
      const Authorization = `JWT ${await tokensOf(mode)({ identity })}`;
      const { status, body } = await send(`${url}/hello`, 'GET', undefined, { Authorization });
      assert.deepEqual(
        [status, body],
        [401, refusal('Invalid JWT', 'User does not exist')],
        String(identity),
      );
    }
  });
});

test('a user is greeted by the name as signed up, and logs in with any letter case', async (mode) => {
  await withApp(mode.options(), async ({ url }) => {
    await send(`${url}/signup`, 'POST', { username: 'JoAnn', password: 'pass' });
    const again = await send(`${url}/signup`, 'POST', { username: 'joann', password: 'pass' });
    assert.equal(again.status, 400);
    const { body } = await send(`${url}/auth`, 'POST', { username: 'JOANN', password: 'pass' });
    const Authorization = `JWT ${(body as { access_token: string }).access_token}`;
    const hello = await send(`${url}/hello`, 'GET', undefined, { Authorization });
    assert.deepEqual(hello.body, { Status: 'Success', result: 'Hello JoAnn' });
  });
});

test('a token stays valid after a restart, and until its secret is replaced', async (mode) => {
  const users = new MemoryUserStore();
  const token = await withApp({ users, ...mode.options() }, async ({ url }) => {
    await send(`${url}/signup`, 'POST', JOE);
    const { body } = await send(`${url}/auth`, 'POST', JOE);
    return (body as { access_token: string }).access_token;
  });
  const other = 'another secret of 32 bytes......';
  for (const [secret, status] of [
    [SECRET, 200],
    [[other, SECRET], 200],
    [other, 401],
  ] as const) {
    await withApp({ secret, users, ...mode.options() }, async ({ url }) => {
      const answer = await send(`${url}/hello`, 'GET', undefined, {
        Authorization: `JWT ${token}`,
      });
      assert.equal(answer.status, status);
    });
  }
});

test('a token is accepted, and has expired, to the second', async (mode) => {
  let time = now;
  const clock = () => time;
  const options = { ...mode.options({ now: clock }), now: clock, lifetimeSeconds: 60 };
  await withApp(options, async ({ url }) => {
    await send(`${url}/signup`, 'POST', JOE);
    const { body } = await send(`${url}/auth`, 'POST', JOE);
    const { access_token: token } = body as { access_token: string };
    const Authorization = `JWT ${token}`;
    const hello = () => send(`${url}/hello`, 'GET', undefined, { Authorization });
    // The lifetime and the leeway.
    time = now + 69;
    assert.deepEqual((await hello()).body, GREETED);
    time = now + 70;
    const late = await hello();
    assert.deepEqual(
      [late.status, late.body],
      [401, refusal('Invalid token', 'Signature has expired')],
    );
  });
});

test('a token of another holder of the secret needs a session if one is required', async (mode) => {
  await withApp(mode.options(), async ({ url }) => {
    await send(`${url}/signup`, 'POST', JOE);
    const Authorization = `JWT ${tokenOf({ ...times, identity: 'joe' })}`;
    const { status, body, headers } = await send(`${url}/hello`, 'GET', undefined, {
      Authorization,
    });
    const ended = refusal('Invalid session', 'Session has ended, log in again');
    const isRequired = mode.name === 'required';
    assert.deepEqual([status, body], isRequired ? [401, ended] : [200, GREETED]);
    assert.equal(headers.get('Error-Code'), isRequired ? 'ERR_SESSION_ENDED' : null);
    const withSession = await tokensOf(mode)({});
    const twin = { Authorization: `JWT ${withSession}` };
    assert.deepEqual((await send(`${url}/hello`, 'GET', undefined, twin)).body, GREETED);
  });
});
