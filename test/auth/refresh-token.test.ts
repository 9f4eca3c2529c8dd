/** Refresh tokens: their claims, what they are refused for, and that no other token is one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeUnverified } from '../../src/index.ts';
import { RefreshTokens, userIdOf } from '../../src/auth/refresh-token.ts';
import { jwt, NOW, refusal } from '../support/guard.ts';
import { sessionSetup, withoutBody } from '../support/session-guard.ts';
import { FORGER, SECRET, tokenOf } from '../support/tokens.ts';

const HEADER = '{"typ":"refresh+jwt","alg":"HS256"}';
const ACCESS_HEADER = '{"typ":"JWT","alg":"HS256"}';
const SESSION = { id: 'S'.repeat(22), generation: 3, startedAt: NOW, endsAt: NOW + 1000 };
const CLAIMS = {
  uid: '"joe"',
  sid: SESSION.id,
  gen: 3,
  iat: NOW,
  nbf: NOW,
  exp: NOW + 1000,
  aud: 'latchkey:refresh',
};
const tokens = new RefreshTokens({ secret: SECRET, now: () => NOW });

test('a refresh token has the session, its times and the user as JSON text, and nothing else', () => {
  const { header, claims } = decodeUnverified(tokens.sign('joe', SESSION));
  assert.deepEqual(header, { typ: 'refresh+jwt', alg: 'HS256' });
  assert.deepEqual(claims, CLAIMS);
  const named = new RefreshTokens({ secret: SECRET, issuer: 'us', now: () => NOW });
  assert.deepEqual(decodeUnverified(named.sign(1, SESSION)).claims, {
    ...CLAIMS,
    uid: '1',
    iss: 'us',
  });
});

test('a session of one generation has one refresh token, whatever the clock shows', () => {
  const token = tokens.sign('joe', SESSION);
  for (const now of [0, NOW - 3600, NOW + 3600, 253_402_300_799]) {
    const then = new RefreshTokens({ secret: SECRET, now: () => now });
    assert.equal(then.sign('joe', SESSION), token);
    // The record of the session judges its times, so that a step of the clock logs out no client.
    assert.equal(then.verify(token).sessionId, SESSION.id);
  }
  assert.notEqual(tokens.sign('joe', { ...SESSION, generation: 4 }), token);
});

test('1 and "1" are different users in a refresh token, and the user is found again', () => {
  for (const identity of ['joe', '1', 1, '', 'null', { tenant: 'red', id: 7 }, ['a']]) {
    const found = tokens.verify(tokens.sign(identity, SESSION));
    const userId = userIdOf(identity);
    assert.deepEqual(found, { identity, userId, sessionId: SESSION.id, generation: 3 });
  }
  assert.notEqual(tokens.sign(1, SESSION), tokens.sign('1', SESSION));
  assert.deepEqual([userIdOf('joe'), userIdOf(7), userIdOf({ id: 7 })], ['joe', '7', '{"id":7}']);
});

test('a refresh token without a claim, of another type, audience, issuer or secret is refused', () => {
  assert.equal(tokens.verify(tokenOf(CLAIMS, HEADER)).userId, 'joe');
  for (const name of ['uid', 'sid', 'gen', 'aud']) {
    const missing = tokenOf({ ...CLAIMS, [name]: undefined }, HEADER);
    assert.throws(() => tokens.verify(missing), refusal('ERR_JWT_CLAIM_MISSING'), name);
  }
  for (const uid of [7, ['"joe"'], 'joe', '{', '']) {
    const wrong = tokenOf({ ...CLAIMS, uid }, HEADER);
    assert.throws(() => tokens.verify(wrong), refusal('ERR_JWT_CLAIM_INVALID'));
  }
  const foreign = tokenOf({ ...CLAIMS, iss: 'them' }, HEADER);
  const ours = new RefreshTokens({ secret: SECRET, issuer: 'us', now: () => NOW });
  assert.throws(() => ours.verify(foreign), refusal('ERR_JWT_ISSUER'));
  assert.equal(ours.verify(tokenOf({ ...CLAIMS, iss: 'us' }, HEADER)).userId, 'joe');
  const forged = tokenOf(CLAIMS, HEADER, FORGER);
  assert.throws(() => tokens.verify(forged), refusal('ERR_JWT_SIGNATURE'));
});

test('an access token is no refresh token, by its type alone and by its audience alone', async () => {
  const setup = sessionSetup();
  const { access_token: accessToken, refresh_token: refreshToken } = await setup.logIn();
  await assert.rejects(setup.refresh(accessToken), refusal('ERR_JWT_TYPE'));
  const { claims } = decodeUnverified(accessToken);
  const refresh = { ...claims, uid: '"joe"' };
  // Each differs from an accepted one in one of the two.
  const byType = tokenOf({ ...refresh, aud: 'latchkey:refresh' }, ACCESS_HEADER);
  await assert.rejects(setup.refresh(byType), refusal('ERR_JWT_TYPE'));
  const noType = tokenOf({ ...refresh, aud: 'latchkey:refresh' }, '{"alg":"HS256"}');
  await assert.rejects(setup.refresh(noType), refusal('ERR_JWT_TYPE'));
  const byAudience = tokenOf(refresh, HEADER);
  await assert.rejects(setup.refresh(byAudience), refusal('ERR_JWT_CLAIM_MISSING'));
  const otherAudience = tokenOf({ ...refresh, aud: 'api' }, HEADER);
  await assert.rejects(setup.refresh(otherAudience), refusal('ERR_JWT_AUDIENCE'));
  assert.equal(setup.live()[0]?.generation, 0);
  await setup.refresh(tokenOf({ ...refresh, aud: 'latchkey:refresh' }, HEADER));
  assert.equal(setup.live()[0]?.generation, 1);
  await setup.refresh(refreshToken);
});

test('a refresh token is no access token, by its type alone and by its audience alone', async () => {
  const setup = sessionSetup();
  const { refresh_token: refreshToken } = await setup.logIn();
  const refused = async (token: string, code: string) => {
    await assert.rejects(async () => setup.hello(token), refusal(code));
    assert.throws(() => jwt.verify(token), refusal(code));
    await assert.rejects(setup.auth.logout(withoutBody(token)), refusal(code));
  };
  await refused(refreshToken, 'ERR_JWT_TYPE');
  const claims = { ...decodeUnverified(refreshToken).claims, identity: 'joe' };
  await refused(tokenOf({ ...claims, aud: undefined }, HEADER), 'ERR_JWT_TYPE');
  await refused(tokenOf(claims, ACCESS_HEADER), 'ERR_JWT_AUDIENCE');
  const accepted = tokenOf({ ...claims, aud: undefined }, ACCESS_HEADER);
  assert.equal(await setup.hello(accepted), setup.live()[0]?.id);
});
