/** The guard with sessions: every guard asks for the session. Without sessions no guard does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Accounts,
  currentIdentity,
  Jwt,
  JwtAuth,
  MemorySessionStore,
  MemoryUserStore,
  PasswordHasher,
  Sessions,
  type AuthError,
  type User,
} from '../../src/index.ts';
import {
  authWith,
  JOE,
  NOW,
  refusal,
  request,
  TOKEN,
  withNodeServer,
  type Options,
} from '../support/guard.ts';
import { bearer, sessionSetup, type SessionSetup } from '../support/session-guard.ts';
import { SECRET } from '../support/tokens.ts';
import { send } from '../support/app.ts';

const ENDED = refusal('ERR_SESSION_ENDED');
const own = new Jwt({ secret: SECRET, now: () => NOW, requiredClaims: [] });

/** Every door, with what it answers for a token. */
const doors = ({ auth }: SessionSetup): Record<string, (token: string) => unknown> => ({
  required: (token) => auth.required((_request, identity) => identity)(bearer(token)),
  optional: (token) => auth.optional((_request, identity) => identity)(bearer(token)),
  authorize: (token) => auth.authorize(`Bearer ${token}`),
});

test('every guard accepts the token of a session, and refuses it once the session has ended', async () => {
  const setup = sessionSetup();
  const { access_token: token } = await setup.logIn();
  for (const open of Object.values(doors(setup))) assert.equal(await open(token), JOE);
  const guard = setup.auth.middleware();
  await withNodeServer(
    (req, res) => guard(req, res, () => res.end(JSON.stringify(currentIdentity()))),
    async (_port, url) => {
      const hello = () => send(url, 'GET', undefined, { Authorization: `JWT ${token}` });
      assert.deepEqual((await hello()).body, JOE);
      await setup.sessions.endAll('joe');
      const { status, headers, body } = await hello();
      const error = 'Invalid session';
      const description = 'Session has ended, log in again';
      assert.deepEqual([status, body], [401, { status_code: 401, error, description }]);
      assert.equal(headers.get('error-code'), 'ERR_SESSION_ENDED');
      assert.match(String(headers.get('www-authenticate')), /error="invalid_token"/);
    },
  );
  for (const [name, open] of Object.entries(doors(setup))) {
    await assert.rejects(async () => open(token), ENDED, name);
  }
});

test('a handler gets the id of the session, and undefined where there is none', async () => {
  const setup = sessionSetup();
  const { access_token: token } = await setup.logIn();
  const idOf = (_request: unknown, _identity: unknown, sessionId?: string) => [sessionId];
  const { required, optional } = {
    required: setup.auth.required(idOf),
    optional: setup.auth.optional(idOf),
  };
  const id = setup.live()[0]?.id;
  assert.deepEqual([required(bearer(token)), optional(bearer(token))], [[id], [id]]);
  assert.deepEqual([required(bearer(TOKEN)), optional(request())], [[undefined], [undefined]]);
  assert.deepEqual(authWith().required(idOf)(bearer(token)), [undefined]);
});

test('a guard is synchronous where the store and the hooks are', async () => {
  const setup = sessionSetup();
  const { refresh_token: refreshToken } = await setup.logIn();
  const { access_token: token } = await setup.refresh(refreshToken);
  // The first request stores that the generation is in use, and so asks the store twice more.
  assert.equal(setup.hello(token), setup.live()[0]?.id);
  assert.equal(setup.live()[0]?.isUsed, true);
  setup.store.calls.length = 0;
  assert.equal(setup.hello(token), setup.live()[0]?.id);
  assert.deepEqual(setup.store.calls, ['find']);
});

test('the token is verified, then the user is found, and then the session', async () => {
  const order: string[] = [];
  let user: unknown = JOE;
  const setup = sessionSetup({
    identity: () => {
      order.push('identity');
      return user;
    },
  });
  const { access_token: token } = await setup.logIn();
  setup.store.before = (call) => order.push(call);
  setup.hello(token);
  assert.deepEqual(order, ['identity', 'find']);
  await setup.sessions.end('joe', String(setup.live()[0]?.id));
  order.length = 0;
  await assert.rejects(async () => setup.hello(token), ENDED);
  await assert.rejects(async () => setup.hello(`${token}x`), refusal('ERR_JWT_SIGNATURE'));
  assert.deepEqual(order, ['identity', 'find']);
  user = undefined;
  await assert.rejects(async () => setup.hello(token), refusal('ERR_IDENTITY_UNKNOWN'));
  assert.deepEqual(order, ['identity', 'find', 'identity']);
});

test('a removal and a new signup while the user is looked up let no old token through', async () => {
  const now = () => NOW;
  const users = new MemoryUserStore();
  let wait: Promise<void> | undefined;
  const slowUsers = {
    insert: (user: User) => users.insert(user),
    update: (user: User, expected: string) => users.update(user, expected),
    remove: (id: string, removedAt: number) => users.remove(id, removedAt),
    find: async (id: string) => {
      await wait;
      return users.find(id);
    },
  };
  const sessions = new Sessions({ store: new MemorySessionStore(), now });
  const passwords = new PasswordHasher({ logN: 2 });
  const accounts = new Accounts({ users: slowUsers, passwords, sessions, now });
  const auth = new JwtAuth({ ...accounts.handlers, secret: SECRET, sessions, now });
  const signUp = (password: string) => accounts.signup({ username: 'joe', password }, {});
  const first = await signUp('the password of the first');
  const { access_token: token } = await auth.issue(first);
  const passed = await auth.authorize(`JWT ${token}`);
  assert.equal(passed.id, first.id);
  // The request waits for the user, who changes meanwhile.
  let open = () => {};
  wait = new Promise((resolve) => (open = resolve));
  const answer = auth.authorize(`JWT ${token}`);
  wait = undefined;
  assert.equal(await accounts.remove('joe'), true);
  await signUp('the password of the second');
  open();
  await assert.rejects(answer, ENDED);
});

test('a user who was removed is refused in the same bytes with and without sessions', async () => {
  const users = new Set<unknown>(['joe']);
  const identity = ({ identity: id }: { identity?: unknown }) => (users.has(id) ? JOE : undefined);
  const stateless = authWith({ identity });
  const setup = sessionSetup({ identity });
  const refusalOf = async (auth: SessionSetup['auth'], token: string) => {
    const error: unknown = await auth.authorize(`JWT ${token}`).catch((reason: unknown) => reason);
    const { status, headers, body } = error as AuthError;
    return JSON.stringify([status, headers, body]);
  };
  const { access_token: token } = await setup.logIn();
  assert.ok(await setup.auth.authorize(`JWT ${token}`));
  users.clear();
  await setup.sessions.endAll('joe');
  const expected = await refusalOf(stateless, TOKEN);
  assert.match(expected, /ERR_IDENTITY_UNKNOWN/);
  assert.equal(await refusalOf(setup.auth, token), expected);
  assert.equal(await refusalOf(setup.auth, TOKEN), expected);
});

test('without sessions a guard is what it was: no claim of sessions matters', () => {
  const auth = authWith();
  const passes = auth.required((_request, identity) => identity);
  for (const claims of [{}, { sid: 'x', gen: 7 }, { sid: null }]) {
    assert.equal(passes(bearer(own.sign({ identity: 'joe', ...claims }))), JOE);
  }
});

test('a token without a session passes unless sessions are required', async () => {
  const setup = sessionSetup();
  for (const open of Object.values(doors(setup))) assert.equal(await open(TOKEN), JOE);
  const required = sessionSetup({}, { isRequired: true });
  for (const [name, open] of Object.entries(doors(required))) {
    await assert.rejects(async () => open(TOKEN), ENDED, name);
    assert.equal(await open((await required.logIn({})).access_token), JOE);
  }
});

test('a token without a session needs an iat after the end of all sessions plus the leeway', async () => {
  const options: Options = { requiredClaims: [], leewaySeconds: 10 };
  const setup = sessionSetup(options);
  const at = (iat: number) => own.sign({ identity: 'joe', iat, nbf: NOW - 99, exp: NOW + 99 });
  const withoutIat = new Jwt({ secret: SECRET, requiredClaims: [], now: () => NOW });
  assert.ok(setup.auth.required(() => 1)(bearer(at(NOW - 50))));
  await setup.sessions.endAll('joe');
  setup.clock.now = NOW + 20;
  for (const iat of [NOW - 50, NOW, NOW + 10]) {
    await assert.rejects(async () => setup.hello(at(iat)), ENDED, String(iat));
  }
  assert.ok(setup.auth.required(() => 1)(bearer(at(NOW + 11))));
  // The sessions of another user were not ended.
  const ann = sessionSetup({ ...options, identity: () => JOE });
  await ann.sessions.endAll('joe');
  const ofAnn = withoutIat.sign({ identity: 'ann', iat: NOW - 50 });
  assert.ok(ann.auth.required(() => 1)(bearer(ofAnn)));
});

test('a token without iat, or with a sid that names no session of its user, is refused', async () => {
  const setup = sessionSetup({ requiredClaims: [], identity: () => JOE });
  await setup.logIn();
  const id = String(setup.live()[0]?.id);
  const payload = (claims: object) => own.sign({ identity: 'joe', ...claims });
  assert.equal(setup.hello(payload({ sid: id })), id);
  const wrong = [
    { sid: `${id}x` },
    { sid: null },
    { sid: [id] },
    { sid: { id } },
    { sid: 7 },
    { sid: '' },
    { sid: id, identity: 'ann' },
    { sid: id, identity: null },
    { sid: id, identity: ['joe'] },
  ];
  for (const claims of wrong) {
    await assert.rejects(async () => setup.hello(payload(claims)), ENDED, JSON.stringify(claims));
  }
  const { tokenOf } = await import('../support/tokens.ts');
  assert.equal(setup.hello(tokenOf({ identity: 'joe', iat: NOW })), undefined);
  await assert.rejects(async () => setup.hello(tokenOf({ identity: 'joe' })), ENDED);
  // Without a name there is no record, and the hook decides as it did.
  assert.equal(setup.hello(tokenOf({ iat: NOW })), undefined);
});

test('an inherited sid, as prototype pollution makes it, is not that of a token', async () => {
  const setup = sessionSetup();
  await setup.logIn();
  Object.defineProperty(Object.prototype, 'sid', {
    value: setup.live()[0]?.id,
    configurable: true,
    writable: true,
  });
  try {
    assert.equal(setup.hello(TOKEN), undefined);
  } finally {
    Reflect.deleteProperty(Object.prototype, 'sid');
  }
});

test('sessions of another copy of the package work, and any object with their methods', async () => {
  const { sessions, clock } = sessionSetup();
  const names = ['start', 'refresh', 'check', 'acceptsWithoutSession', 'endOf', 'end'] as const;
  const methods = names.map((name) => {
    const method = sessions[name].bind(sessions) as (...args: unknown[]) => unknown;
    return [name, method] as const;
  });
  const { isRequired, idleSeconds, maxSeconds } = sessions;
  const copy = { ...Object.fromEntries(methods), isRequired, idleSeconds, maxSeconds };
  const auth = authWith({ sessions: copy as unknown as Sessions, now: () => clock.now });
  const { access_token: token } = await auth.issue(JOE);
  assert.equal(await auth.authorize(`JWT ${token}`), JOE);
  await sessions.endAll('joe');
  await assert.rejects(auth.authorize(`JWT ${token}`), ENDED);
});

test('a hook decode that returns no object lets no request pass, and the error says so', async () => {
  // This hook would find a user for any claims.
  const identity = () => JOE;
  for (const result of [undefined, null, false, 'joe', 7]) {
    for (const decode of [() => result, async () => result]) {
      const auth = authWith({ decode: decode as () => never, identity });
      await assert.rejects(async () => auth.authorize(`JWT ${TOKEN}`), {
        name: 'TypeError',
        message: /^"decode" expected to return an object, got /,
      });
    }
  }
  assert.equal(await authWith({ decode: () => ({}), identity }).authorize(`JWT ${TOKEN}`), JOE);
});
