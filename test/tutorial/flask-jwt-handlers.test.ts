/** The handlers of Flask-JWT that an application may replace, over a socket. */
import assert from 'node:assert/strict';
import { test as testWithoutSessions } from 'node:test';
import { AuthError, decodeUnverified, Jwt, Reply } from '../../src/index.ts';
import { assertRefused, JOE, withTutorial, type Person } from '../support/flask-jwt.ts';
import { testInEachMode as test } from '../support/session-modes.ts';
import { SECRET } from '../support/tokens.ts';

test('custom error handler: it sets the body, and may throw to change the status', async (mode) => {
  const errorReply = (error: AuthError) => {
    if (error.code === 'ERR_CREDENTIALS') {
      throw new AuthError('ERR_CREDENTIALS', { status: 403, body: 'go away' });
    }
    return { problem: error.description };
  };
  await withTutorial({ ...mode.options(), errorReply }, async ({ get, login }) => {
    const { status, body } = await get();
    assert.deepEqual(
      [status, body],
      [401, { problem: 'Request does not contain an access token' }],
    );
    const wrong = await login({});
    assert.deepEqual([wrong.status, wrong.body], [403, 'go away']);
  });
});

test('custom response handler: it makes the login answer from token and identity', async (mode) => {
  const loginReply = (token: string, { username }: Person) =>
    new Reply(201, { mytoken: token, username });
  await withTutorial({ ...mode.options(), loginReply }, async ({ get, login }) => {
    const { status, body } = await login(JOE);
    const { mytoken, username } = body as Record<string, string>;
    assert.deepEqual([status, username], [201, 'joe']);
    assert.equal((await get(`JWT ${mytoken}`)).status, 200);
  });
});

testWithoutSessions('custom encode handler: it makes the token', async () => {
  const other = new Jwt<{ identity: number; by: string }>({ secret: `${SECRET}!` });
  const encode = ({ id }: Person) => other.sign({ identity: id, by: 'encode' });
  await withTutorial({ encode }, async ({ get, token }) => {
    const issued = await token();
    assert.equal(other.verify(issued).by, 'encode');
    await assertRefused(get(`JWT ${issued}`), 'Invalid token', 'Signature verification failed');
  });
});

testWithoutSessions('custom decode handler: it returns the claims, or refuses with an AuthError', async () => {
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

test('custom payload handler: it makes the claims, and latchkey adds the times', async (mode) => {
  const claims = ({ id, username }: Person) => ({ identity: id, username });
  await withTutorial({ ...mode.options(), claims }, async ({ get, token }) => {
    const issued = await token();
    const { iat, nbf, exp, ...others } = decodeUnverified(issued).claims as Record<string, unknown>;
    assert.deepEqual(mode.withoutSession(others), { identity: 0, username: 'joe' });
    for (const time of [iat, nbf, exp]) assert.ok(Number.isInteger(time));
    assert.equal((await get(`JWT ${issued}`)).body, 'joe');
  });
});

test('custom header prefix: only that scheme is accepted and announced', async (mode) => {
  await withTutorial({ ...mode.options(), schemes: ['Token'] }, async ({ get, token }) => {
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
