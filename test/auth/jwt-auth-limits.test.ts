/** The rate limits of a login for a program with its own users: what counts, and what does not. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import {
  Accounts,
  AuthError,
  createApp,
  HttpRequest,
  JwtAuth,
  MemorySessionStore,
  MemoryUserStore,
  Router,
  Sessions,
  type AuthRequest,
  type JwtAuthOptions,
} from '../../src/index.ts';
import { cheapPasswords, send, withServer } from '../support/app.ts';
import {
  HOUR,
  inTurn,
  loginRequest,
  MINUTE,
  START_SECONDS,
  waitOf,
  wrongs,
} from '../support/limits.ts';
import { SECRET } from '../support/tokens.ts';

const RIGHT = 'right';

interface LimitedAuth {
  readonly auth: JwtAuth<string>;
  readonly clock: { seconds: number };
  /** The usernames that `authenticate` was asked about. */
  readonly asked: string[];
  /** @returns whether the password is right, or the seconds to wait */
  readonly logIn: (
    username: string,
    password: string,
    address?: string,
  ) => Promise<boolean | number>;
}

/** A JwtAuth that knows one password for every name, under a clock that a test moves. */
function makeLimitedAuth(options: Partial<JwtAuthOptions<string>> = {}): LimitedAuth {
  const clock = { seconds: START_SECONDS };
  const asked: string[] = [];
  const auth = new JwtAuth<string>({
    secret: SECRET,
    now: () => clock.seconds,
    authenticate: (username, password) => {
      asked.push(username);
      return password === RIGHT && username;
    },
    identity: ({ identity }) => String(identity),
    ...options,
  });
  const logIn: LimitedAuth['logIn'] = async (username, password, address) => {
    try {
      await auth.login(loginRequest(username, password, address));
      return true;
    } catch (error) {
      if (error instanceof AuthError && error.code === 'ERR_CREDENTIALS') return false;
      return waitOf(error);
    }
  };
  return { auth, clock, asked, logIn };
}

test('by default an account takes ten wrong passwords an hour from one network', async () => {
  const { clock, asked, logIn } = makeLimitedAuth();
  assert.deepEqual(await inTurn(10, () => logIn('joe', 'wrong', '10.0.0.1')), wrongs(10));
  const wait = Number(await logIn('joe', RIGHT, '10.0.0.1'));
  assert.ok(wait > HOUR - 5 * MINUTE && wait <= HOUR + 5 * MINUTE, `${wait} s`);
  assert.equal(asked.length, 10, 'a throttled login does not call the hook');
  assert.equal(await logIn('joe', RIGHT, '10.0.0.2'), true, 'from another network');
  clock.seconds += wait;
  assert.equal(await logIn('joe', RIGHT, '10.0.0.1'), true, 'after the wait');
});

test('a network takes 20 wrong passwords in 20 minutes, for all accounts together', async () => {
  const { clock, logIn } = makeLimitedAuth();
  const spray = (index: number) => logIn(`user${index}`, 'wrong', '10.0.0.1');
  assert.deepEqual(await inTurn(20, spray), wrongs(20));
  assert.equal(typeof (await logIn('ann', RIGHT, '10.0.0.1')), 'number');
  assert.equal(await logIn('ann', RIGHT, '10.0.0.2'), true);
  clock.seconds += 22 * MINUTE;
  assert.equal(await logIn('ann', RIGHT, '10.0.0.1'), true);
});

test('without an address there is no limit by network, but one by account', async () => {
  for (const address of [undefined, 'unknown']) {
    const { logIn } = makeLimitedAuth();
    const spray = (index: number) => logIn(`user${index}`, 'wrong', address);
    assert.deepEqual(await inTurn(100, spray), wrongs(100));
    assert.deepEqual(await inTurn(10, () => logIn('joe', 'wrong', address)), wrongs(10));
    assert.equal(typeof (await logIn('joe', RIGHT, address)), 'number');
    assert.equal(await logIn('joe', RIGHT, '10.0.0.1'), true);
  }
});

test('a right password and an error do not count', async () => {
  const fault = new Error('the database is away');
  const outcomes: Record<string, () => unknown> = {
    'a fault': () => Promise.reject(fault),
    'a refusal': () => Promise.reject(new AuthError('ERR_BUSY')),
  };
  const answerTo = (password: string): string | false => {
    if (Object.hasOwn(outcomes, password)) return outcomes[password]?.() as never;
    return password === RIGHT && 'joe';
  };
  const { auth, logIn } = makeLimitedAuth({
    limits: { triesPerAccount: 1, triesPerAddress: 1 },
    authenticate: (_username, password) => answerTo(password),
  });
  for (let round = 0; round < 30; round += 1) {
    const login = (password: string) => auth.login(loginRequest('joe', password, '10.0.0.1'));
    await assert.rejects(login('a fault'), fault);
    await assert.rejects(login('a refusal'), { code: 'ERR_BUSY' });
    assert.equal(await logIn('joe', RIGHT, '10.0.0.1'), true);
  }
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false);
  assert.equal(typeof (await logIn('joe', RIGHT, '10.0.0.1')), 'number');
});

test('the limits do not tell which users exist, also for a password that no user can have', async () => {
  const passwords = cheapPasswords();
  const hash = await passwords.hash(RIGHT);
  const { logIn } = makeLimitedAuth({
    // Hashes for known users alone.
    authenticate: async (username, password) => {
      return username === 'joe' && (await passwords.verify(password, hash)) && username;
    },
  });
  const impossible = 'x'.repeat(5000);
  for (const username of ['joe', 'unknown']) {
    const answers = await inTurn(11, () => logIn(username, impossible));
    assert.deepEqual(answers.slice(0, 10), wrongs(10), username);
    assert.equal(typeof answers[10], 'number', username);
  }
});

test('logins in flight count, and their tries come back when they end well', async () => {
  const waiting: (() => void)[] = [];
  const { logIn } = makeLimitedAuth({
    authenticate: async (username) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return username;
    },
  });
  const atOnce = Array.from({ length: 60 }, (_, at) => logIn(`user${at}`, RIGHT, '10.0.0.1'));
  while (waiting.length < 20) await new Promise((resolve) => setImmediate(resolve));
  const refused = await Promise.all(atOnce.slice(20));
  assert.ok(refused.every((answer) => typeof answer === 'number'));
  for (const resolve of waiting) resolve();
  assert.deepEqual(await Promise.all(atOnce.slice(0, 20)), Array<boolean>(20).fill(true));
  const later = logIn('user59', RIGHT, '10.0.0.1');
  while (waiting.length < 21) await new Promise((resolve) => setImmediate(resolve));
  waiting.at(-1)?.();
  assert.equal(await later, true);
});

test('undefined, null, false and a thrown ERR_CREDENTIALS count', async () => {
  const answers: readonly (() => undefined | null | false | Promise<never>)[] = [
    () => undefined,
    () => null,
    () => false,
    () => Promise.reject(new AuthError('ERR_CREDENTIALS')),
  ];
  for (const authenticate of answers) {
    const { logIn } = makeLimitedAuth({ limits: { triesPerAccount: 1 }, authenticate });
    assert.equal(await logIn('joe', 'x'), false);
    assert.equal(typeof (await logIn('joe', 'x')), 'number');
  }
});

test('limits: false turns them off, and createApp counts a login once', async () => {
  const { logIn } = makeLimitedAuth({ limits: false });
  assert.deepEqual(await inTurn(300, () => logIn('joe', 'wrong', '10.0.0.1')), wrongs(300));
  const limits = { triesPerAccount: 4 };
  const passwords = cheapPasswords();
  const users = new MemoryUserStore();
  const app = createApp({ secret: SECRET, users, passwords, limits });
  await withServer(app, async ({ url }) => {
    const body = { username: 'joe', password: 'wrong' };
    const statuses = await inTurn(5, async () => (await send(`${url}/auth`, 'POST', body)).status);
    assert.deepEqual(statuses, [401, 401, 401, 401, 429]);
  });
  const accounts = new Accounts({ users, passwords, limits: false });
  const auth = new JwtAuth({ secret: SECRET, ...accounts.handlers });
  for (let tries = 0; tries < 12; tries += 1) {
    const login = auth.login(loginRequest('joe', 'wrong', '10.0.0.1'));
    await assert.rejects(login, { code: 'ERR_CREDENTIALS' });
  }
  // By hand, without `limits: false`, the limits of the JwtAuth hold too.
  const { identity } = accounts;
  const authenticate = accounts.authenticate.bind(accounts);
  const twice = new JwtAuth({ secret: SECRET, authenticate, identity: identity.bind(accounts) });
  for (let tries = 0; tries < 10; tries += 1) {
    const login = twice.login(loginRequest('joe', 'wrong', '10.0.0.1'));
    await assert.rejects(login, { code: 'ERR_CREDENTIALS' });
  }
  const throttled = twice.login(loginRequest('joe', 'wrong', '10.0.0.1'));
  await assert.rejects(throttled, { code: 'ERR_THROTTLED' });
});

test('a login with a session that verifies twice counts at most once', async () => {
  for (const isStillRight of [true, false]) {
    let verified = 0;
    const { logIn } = makeLimitedAuth({
      limits: { triesPerAccount: 2 },
      sessions: new Sessions({ store: new MemorySessionStore(), now: () => START_SECONDS }),
      authenticate: (username, password) => {
        if (password !== RIGHT) return false;
        verified += 1;
        return (verified === 1 || isStillRight) && username;
      },
      // The hash was replaced after the first verification.
      isCurrent: () => verified > 1,
    });
    assert.equal(await logIn('joe', RIGHT, '10.0.0.1'), isStillRight);
    assert.equal(verified, 2);
    const left = isStillRight ? 2 : 1;
    const more = await inTurn(left, () => logIn('joe', 'wrong', '10.0.0.1'));
    assert.deepEqual(more, wrongs(left));
    assert.equal(typeof (await logIn('joe', 'wrong', '10.0.0.1')), 'number');
  }
});

test('a throttled login is 429 with Retry-After over a socket, and an event tells of it', async () => {
  const { auth } = makeLimitedAuth({ limits: { triesPerAccount: 1 } });
  const events: unknown[] = [];
  const listener = (event: unknown) => events.push(event);
  subscribe('latchkey:throttle', listener);
  const router = new Router({ trustProxy: 1 }).post('/auth', (request: HttpRequest) => {
    return auth.login(request);
  });
  await withServer(router, async ({ url }) => {
    const body = { username: 'Joe', password: 'wrong' };
    const headers = { 'X-Forwarded-For': '192.0.2.1' };
    assert.equal((await send(`${url}/auth`, 'POST', body, headers)).status, 401);
    const throttled = await send(`${url}/auth`, 'POST', { ...body, username: ' JOE' }, headers);
    assert.equal(throttled.status, 429);
    const retryAfterSeconds = Number(throttled.headers.get('retry-after'));
    assert.ok(retryAfterSeconds > 3000);
    assert.equal(throttled.headers.get('error-code'), 'ERR_THROTTLED');
    const { description } = new AuthError('ERR_THROTTLED');
    const error = 'Too Many Requests';
    assert.deepEqual(throttled.body, { status_code: 429, error, description });
    assert.deepEqual(events, [{ kind: 'login', retryAfterSeconds, address: '192.0.2.1' }]);
    const other = { 'X-Forwarded-For': '192.0.2.2' };
    assert.equal((await send(`${url}/auth`, 'POST', body, other)).status, 401);
  });
  unsubscribe('latchkey:throttle', listener);
});

test('a client whose address is no string has no network, and its logins count by account', async () => {
  for (const address of [5, { address: '10.0.0.1', port: 5000 }, ['10.0.0.1'], null, undefined]) {
    const { auth } = makeLimitedAuth();
    const login = (username: string, password: string) =>
      auth.login({ ...loginRequest(username, password), address } as AuthRequest);
    for (let tries = 0; tries < 30; tries += 1) {
      await assert.rejects(login(`user${tries}`, 'wrong'), { code: 'ERR_CREDENTIALS' });
    }
    assert.notEqual(await login('joe', RIGHT), undefined);
    await inTurn(10, () => assert.rejects(login('joe', 'wrong'), { code: 'ERR_CREDENTIALS' }));
    await assert.rejects(login('joe', RIGHT), { code: 'ERR_THROTTLED' });
  }
});
