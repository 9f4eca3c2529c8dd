/** Logins that are sessions: the login race, failing steps, and stores that wait or fail. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthError, type JwtAuth } from '../../src/index.ts';
import { authWith, JOE, LOGIN, NOW, refusal, request, type Options } from '../support/guard.ts';
import { bearer, sessionSetup, type Tokens } from '../support/session-guard.ts';

const fail = (error: unknown) => () => {
  throw error;
};
const away = new AuthError('ERR_STORE');

test('a login begins its session before it asks whether the password is still current', async () => {
  const seen: unknown[] = [];
  const setup = sessionSetup({
    isCurrent: (identity) => {
      seen.push(identity, setup.live().length);
      return true;
    },
  });
  assert.ok((await setup.logIn()).refresh_token);
  assert.deepEqual(seen, [JOE, 1]);
});

test('a login whose password was changed meanwhile ends its session and verifies once more', async () => {
  for (const isLater of [false, true]) {
    let isCurrent = false;
    let checks = 0;
    const setup = sessionSetup({
      authenticate: () => {
        checks += 1;
        return JOE;
      },
      isCurrent: () => {
        const answer = isCurrent;
        isCurrent = true;
        return isLater ? Promise.resolve(answer) : answer;
      },
    });
    const { access_token: token } = await setup.logIn();
    assert.equal(checks, 2);
    assert.equal(setup.live().length, 1);
    assert.equal(await setup.hello(token), setup.live()[0]?.id);
  }
});

test('a login with the password before the change is refused, and leaves no session', async () => {
  let password = 'right';
  const setup = sessionSetup({
    authenticate: (_username, given) => (given === password ? { ...JOE, verified: given } : null),
    isCurrent: (identity) => (identity as { verified: string }).verified === password,
    claims: () => {
      password = 'changed';
      return { identity: 'joe' };
    },
  });
  await assert.rejects(setup.logIn(), refusal('ERR_CREDENTIALS'));
  assert.deepEqual(setup.live(), []);
  assert.ok((await setup.logIn({ password: 'changed' })).access_token);
});

test('a login that is never current is refused after two tries', async () => {
  let checks = 0;
  const setup = sessionSetup({
    authenticate: () => {
      checks += 1;
      return JOE;
    },
    isCurrent: () => false,
  });
  await assert.rejects(setup.logIn(), refusal('ERR_CREDENTIALS'));
  assert.deepEqual([checks, setup.live()], [2, []]);
  await assert.rejects(setup.auth.issue(JOE), refusal('ERR_CREDENTIALS'));
  assert.deepEqual(setup.live(), []);
});

test('isCurrent is asked only with sessions, and must answer with true or false', async () => {
  for (const answer of [undefined, null, 0, 1, 'true', {}]) {
    const setup = sessionSetup({ isCurrent: () => answer as boolean });
    const message = /^"isCurrent" expected to return true or false, got /;
    await assert.rejects(setup.logIn(), { name: 'TypeError', message });
    assert.deepEqual(setup.live(), []);
  }
  const stateless = authWith({ isCurrent: fail(new Error('asked')) });
  assert.ok(await stateless.login(request()));
});

test('no step that fails after a session has begun leaves it behind', async () => {
  const error = new Error('a fault of the program');
  const rows: readonly Options[] = [
    { isCurrent: fail(error) },
    { isCurrent: () => Promise.reject(error) },
    { loginReply: fail(error) },
    { loginReply: () => Promise.reject(error) },
    { claims: fail(error) },
    { header: () => Promise.reject(error) },
  ];
  for (const options of rows) {
    for (const body of [{}, { refresh: true }]) {
      const setup = sessionSetup(options);
      await assert.rejects(setup.logIn(body), (thrown) => thrown === error);
      assert.deepEqual(setup.live(), []);
    }
  }
  // The first error counts, also if the session cannot be ended.
  const setup = sessionSetup({
    isCurrent: () => {
      setup.store.before = fail(away);
      throw error;
    },
  });
  await assert.rejects(setup.logIn(), (thrown) => thrown === error);
});

test('loginReply gets the refresh token of a login and of a refresh, and undefined for none', async () => {
  const replies: unknown[][] = [];
  const { logIn, refresh } = sessionSetup({
    loginReply: (...args) => {
      replies.push(args);
      return { access_token: args[0], refresh_token: args[2] };
    },
  });
  await logIn({});
  const pair = await logIn();
  const next = await refresh(pair.refresh_token);
  const [plain, first, second] = replies;
  assert.deepEqual(plain?.slice(1), [JOE, undefined]);
  assert.deepEqual(first, [pair.access_token, JOE, pair.refresh_token]);
  assert.deepEqual(second, [next.access_token, JOE, next.refresh_token]);
});

test('issue begins a session outside a login, and loginReply has no say in it', async () => {
  const { auth, hello, live } = sessionSetup({ loginReply: () => 'a reply' });
  const pair = (await auth.issue(JOE)) as Tokens;
  assert.equal(await hello(pair.access_token), live()[0]?.id);
  assert.equal(live()[0]?.isRefreshable, true);
  assert.ok(pair.refresh_token);
  const plain = await auth.issue(JOE, undefined, { refresh: false });
  assert.deepEqual(Object.keys(plain), ['access_token']);
  assert.equal(live()[1]?.isRefreshable, false);
});

test('issueReply replies as a login does, and leaves no session if loginReply throws', async () => {
  const error = new Error('a fault of the program');
  const replies: unknown[][] = [];
  const loginReply = (...args: unknown[]) => {
    replies.push(args);
    return 'a reply';
  };
  for (const refresh of [true, false]) {
    const setup = sessionSetup({ loginReply });
    assert.equal(await setup.auth.issueReply(JOE, undefined, { refresh }), 'a reply');
    const [token, identity, refreshToken] = replies.pop() ?? [];
    assert.equal(await setup.hello(String(token)), setup.live()[0]?.id);
    assert.deepEqual([identity, typeof refreshToken], [JOE, refresh ? 'string' : 'undefined']);
    const failing = sessionSetup({ loginReply: fail(error) });
    const issued = failing.auth.issueReply(JOE, undefined, { refresh });
    await assert.rejects(issued, (thrown) => thrown === error);
    assert.deepEqual(failing.live(), []);
  }
  const { auth } = sessionSetup();
  const reply = (await auth.issueReply(JOE)) as object;
  assert.deepEqual(Object.keys(reply), Object.keys(await auth.issue(JOE)));
  assert.equal(await authWith({ loginReply }).issueReply(JOE), 'a reply');
  assert.deepEqual(Object.keys((await authWith().issueReply(JOE)) as object), ['access_token']);
  await assert.rejects(authWith().issueReply(JOE, undefined, { refresh: true }), TypeError);
});

test('a store that answers with promises serves logins, guards, refreshes and logouts', async () => {
  const setup = sessionSetup();
  setup.store.isSlow = true;
  const first = await setup.logIn();
  assert.equal(await setup.hello(first.access_token), setup.live()[0]?.id);
  const second = await setup.refresh(first.refresh_token);
  const answer = setup.hello(second.access_token);
  assert.ok(answer instanceof Promise);
  await answer;
  assert.equal(setup.live()[0]?.isUsed, true);
  await setup.auth.logout(request({}, { refresh_token: second.refresh_token }));
  await assert.rejects(async () => setup.hello(second.access_token), refusal('ERR_SESSION_ENDED'));
});

test('a store that fails refuses logins, refreshes, guards and logouts with 503, issuing nothing', async () => {
  for (const isSlow of [false, true]) {
    const setup = sessionSetup();
    const { access_token: token, refresh_token: refreshToken } = await setup.logIn();
    const before = setup.live();
    setup.store.isSlow = isSlow;
    const doors = (auth: JwtAuth<unknown, unknown>): Record<string, () => unknown> => ({
      login: () => auth.login(request({}, { ...LOGIN, refresh: true })),
      plain: () => auth.login(request()),
      issue: () => auth.issue(JOE),
      refresh: () => auth.refresh(request({}, { refresh_token: refreshToken })),
      logout: () => auth.logout(request({}, { refresh_token: refreshToken })),
      required: () => auth.required(() => 'passed')(bearer(token)),
      optional: () => auth.optional(() => 'passed')(bearer(token)),
      authorize: () => auth.authorize(`JWT ${token}`),
    });
    for (const failing of ['find', 'put'] as const) {
      for (const error of [away, new Error('a store that breaks its contract')]) {
        setup.store.before = (call) => {
          if (call === failing) throw error;
        };
        for (const [name, open] of Object.entries(doors(setup.auth))) {
          const isRead = ['required', 'optional', 'authorize'].includes(name);
          if (failing === 'put' && isRead) {
            await open();
            continue;
          }
          const expected = error === away ? { ...refusal('ERR_STORE'), status: 503 } : error;
          await assert.rejects(async () => open(), expected, name);
        }
      }
    }
    setup.store.before = () => undefined;
    assert.deepEqual(setup.live(), before);
    assert.ok(await setup.refresh(refreshToken));
  }
});

test('a token whose first use cannot be stored passes all the same', async () => {
  for (const isSlow of [false, true]) {
    const setup = sessionSetup();
    const { refresh_token: refreshToken } = await setup.logIn();
    const { access_token: token } = await setup.refresh(refreshToken);
    setup.store.isSlow = isSlow;
    setup.store.before = (call) => {
      if (call === 'put') throw away;
    };
    assert.equal(await setup.hello(token), setup.live()[0]?.id);
    assert.equal(setup.live()[0]?.isUsed, false);
    setup.store.before = () => undefined;
    setup.clock.now = NOW + 11;
    await setup.hello(token);
    assert.equal(setup.live()[0]?.isUsed, true);
  }
});
