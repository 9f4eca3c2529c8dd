/** `renewSecret`: a secret that was taken out verifies nothing, and a bad one changes nothing. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  createApp,
  decodeUnverified,
  generateSecret,
  Jwt,
  MemoryUserStore,
} from '../../src/index.ts';
import { cheapPasswords, send, withServer } from '../support/app.ts';
import { authWith, BASE, JOE, NOW, refusal, request, tokenOf } from '../support/guard.ts';
import { bearer, sessionSetup } from '../support/session-guard.ts';
import { SECRET } from '../support/tokens.ts';

const NEXT = generateSecret();

const refusedSignature = refusal('ERR_JWT_SIGNATURE');

describe('renewSecret', () => {
  it('signs with the first secret, and accepts the tokens of all of them', async () => {
    const auth = authWith();
    const old = await tokenOf(auth);
    auth.renewSecret([NEXT, SECRET]);
    const renewed = await tokenOf(auth);
    new Jwt({ secret: NEXT, now: () => NOW }).verify(renewed);
    assert.deepEqual(await auth.authorize(`JWT ${old}`), JOE);
    assert.deepEqual(await auth.authorize(`JWT ${renewed}`), JOE);
  });

  it('a secret that was taken out verifies nothing, not even a token in the cache', async () => {
    const auth = authWith();
    const guarded = auth.required((_request, identity) => identity);
    const old = await tokenOf(auth);
    assert.equal(guarded(bearer(old)), JOE);
    assert.equal(guarded(bearer(old)), JOE);
    auth.renewSecret(NEXT);
    await assert.rejects(Promise.resolve(guarded(bearer(old))), refusedSignature);
    await assert.rejects(auth.authorize(`JWT ${old}`), refusedSignature);
    assert.equal(guarded(bearer(await tokenOf(auth))), JOE);
  });

  it('refresh tokens and logouts follow, and the sessions go on', async () => {
    const { auth, logIn, refresh, clock, live } = sessionSetup();
    const first = await logIn();
    auth.renewSecret([NEXT, SECRET]);
    clock.now += 60;
    const second = await refresh(first.refresh_token);
    auth.renewSecret(NEXT);
    await assert.rejects(refresh(first.refresh_token), refusedSignature);
    const logOut = (token: string) => auth.logout(request({}, { refresh_token: token }));
    await assert.rejects(logOut(first.refresh_token), refusedSignature);
    await assert.rejects(auth.authorize(`JWT ${first.access_token}`), refusedSignature);
    assert.deepEqual(await auth.authorize(`JWT ${second.access_token}`), JOE);
    clock.now += 60;
    await logOut((await refresh(second.refresh_token)).refresh_token);
    assert.deepEqual(live(), []);
  });

  it('a secret that the constructor refuses is refused in the same words, and changes nothing', () => {
    const wrong: unknown[] = [undefined, null, 7, '', 'x'.repeat(31), [], [NEXT, 'short'], {}];
    const auth = authWith();
    const guarded = auth.required((_request, identity) => identity);
    const token = new Jwt({ secret: SECRET, now: () => NOW }).sign({ identity: 'joe' });
    for (const secret of wrong) {
      let expected: unknown;
      try {
        authWith({ secret: secret as string });
      } catch (error) {
        expected = error;
      }
      assert.ok(expected instanceof TypeError || expected instanceof RangeError);
      const { name, message } = expected;
      assert.throws(() => auth.renewSecret(secret as string), { name, message });
      assert.equal(guarded(bearer(token)), JOE);
    }
    auth.renewSecret('x'.repeat(32));
  });

  const claims = { identity: 'joe', role: 'admin' };
  const options = { issuer: 'here', type: 'at+jwt', lifetimeSeconds: 60, maxTokenLength: 512 };
  const rules = { ...options, audience: ['api', 'other'], requiredClaims: ['exp', 'role'] };

  it('all other options stay, whatever the caller does with its objects', async () => {
    const audience = [...rules.audience];
    const requiredClaims = [...rules.requiredClaims];
    const secret = [SECRET];
    const auth = authWith({ ...options, audience, requiredClaims, claims: () => claims });
    const before = await tokenOf(auth);
    audience.push('later');
    requiredClaims.push('later');
    auth.renewSecret(secret);
    secret[0] = NEXT;
    assert.equal(await tokenOf(auth), before);
    assert.deepEqual(await auth.authorize(`JWT ${before}`), JOE);
    const jwt = new Jwt({ secret: SECRET, now: () => NOW, ...rules });
    assert.deepEqual(await auth.authorize(`JWT ${jwt.sign(claims)}`), JOE);
  });

  it('tokens of another type are still refused', async () => {
    const auth = authWith({ ...rules, claims: () => claims });
    auth.renewSecret([SECRET]);
    const others = new Jwt({ secret: SECRET, now: () => NOW, ...rules, type: 'JWT' });
    await assert.rejects(auth.authorize(`JWT ${others.sign(claims)}`), refusal('ERR_JWT_TYPE'));
  });

  it('a request that has begun with the old secret is answered', async () => {
    let goOn = () => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const auth = authWith({
      identity: async (claims) => {
        await held;
        return BASE.identity(claims);
      },
    });
    const old = await tokenOf(auth);
    const answer = auth.authorize(`JWT ${old}`);
    auth.renewSecret(NEXT);
    goOn();
    assert.deepEqual(await answer, JOE);
    await assert.rejects(auth.authorize(`JWT ${old}`), refusedSignature);
  });

  it('a renewal while the user or the session is looked up does not change the answer', async () => {
    let renew = () => {};
    const setup = sessionSetup({
      identity: async (claims) => {
        renew();
        return BASE.identity(claims);
      },
    });
    const { auth, store, logIn, sessions } = setup;
    const { access_token: token } = await logIn();
    await sessions.endAll('joe');
    renew = () => auth.renewSecret(NEXT);
    await assert.rejects(auth.authorize(`JWT ${token}`), refusal('ERR_SESSION_ENDED'));
    auth.renewSecret(SECRET);
    renew = () => {};
    store.before = () => auth.renewSecret(NEXT);
    await assert.rejects(auth.authorize(`JWT ${token}`), refusal('ERR_SESSION_ENDED'));
  });

  it('a refresh token names the issuer, also after a renewal', async () => {
    const { auth, logIn } = sessionSetup({ issuer: 'us' });
    for (const secret of [SECRET, NEXT]) {
      auth.renewSecret(secret);
      const { refresh_token: token } = await logIn();
      assert.equal(Object(decodeUnverified(token).claims).iss, 'us');
    }
  });

  it('a refresh under way replies with tokens of the new secret', async () => {
    const { auth, store, logIn, refresh, hello } = sessionSetup();
    const { refresh_token: token } = await logIn();
    store.before = () => auth.renewSecret(NEXT);
    const { access_token: accessToken, refresh_token: next } = await refresh(token);
    assert.equal(typeof hello(accessToken), 'string');
    await refresh(next);
  });

  it('a running server obeys `renewSecret` of its `app.auth`', async () => {
    const users = new MemoryUserStore();
    const app = createApp({ secret: SECRET, users, passwords: cheapPasswords() });
    const user = await app.accounts.signup({ username: 'joe', password: 'correct horse' });
    const { access_token: token } = await app.auth.issue(user);
    await withServer(app, async ({ url }) => {
      const hello = () => send(`${url}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` });
      assert.equal((await hello()).status, 200);
      app.auth.renewSecret(NEXT);
      assert.equal((await hello()).headers.get('Error-Code'), 'ERR_JWT_SIGNATURE');
      app.auth.renewSecret([NEXT, SECRET]);
      assert.equal((await hello()).status, 200);
    });
  });
});
