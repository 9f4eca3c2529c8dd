/**
 * The limits of password guesses at a login of users of the program's own: what counts, what does
 * not, and that no attacker gets more than the documented number of tries.
 */
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
import { assertInvariants, Simulation } from '../support/attack-simulation.ts';
import { addressOf, HOUR, inTurn, MINUTE, START_SECONDS, waitOf } from '../support/limits.ts';
import { randomFrom } from '../support/random.ts';
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

const requestOf = (username: string, password: string, address?: string): AuthRequest => ({
  json: () => ({ username, password }),
  address,
});

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
      await auth.login(requestOf(username, password, address));
      return true;
    } catch (error) {
      if (error instanceof AuthError && error.code === 'ERR_CREDENTIALS') return false;
      return waitOf(error);
    }
  };
  return { auth, clock, asked, logIn };
}

const falses = (count: number): boolean[] => Array<boolean>(count).fill(false);

test('by default an account takes ten wrong passwords an hour from one network', async () => {
  const { clock, asked, logIn } = makeLimitedAuth();
  assert.deepEqual(await inTurn(10, () => logIn('joe', 'wrong', '10.0.0.1')), falses(10));
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
  assert.deepEqual(await inTurn(20, spray), falses(20));
  assert.equal(typeof (await logIn('ann', RIGHT, '10.0.0.1')), 'number');
  assert.equal(await logIn('ann', RIGHT, '10.0.0.2'), true);
  clock.seconds += 22 * MINUTE;
  assert.equal(await logIn('ann', RIGHT, '10.0.0.1'), true);
});

test('without an address there is no limit by network, but one by account', async () => {
  for (const address of [undefined, 'unknown']) {
    const { logIn } = makeLimitedAuth();
    const spray = (index: number) => logIn(`user${index}`, 'wrong', address);
    assert.deepEqual(await inTurn(100, spray), falses(100));
    assert.deepEqual(await inTurn(10, () => logIn('joe', 'wrong', address)), falses(10));
    assert.equal(typeof (await logIn('joe', RIGHT, address)), 'number');
    assert.equal(await logIn('joe', RIGHT, '10.0.0.1'), true);
  }
});

test('a right password, an error and an impossible password do not count', async () => {
  const fault = new Error('the database is away');
  const outcomes: Record<string, () => unknown> = {
    'a fault': () => Promise.reject(fault),
    'a refusal': () => Promise.reject(new AuthError('ERR_BUSY')),
    'impossible': () => Promise.reject(new AuthError('ERR_PASSWORD_TOO_LONG')),
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
    const login = (password: string) => auth.login(requestOf('joe', password, '10.0.0.1'));
    await assert.rejects(login('a fault'), fault);
    await assert.rejects(login('a refusal'), { code: 'ERR_BUSY' });
    await assert.rejects(login('impossible'), { code: 'ERR_CREDENTIALS' });
    assert.equal(await logIn('joe', RIGHT, '10.0.0.1'), true);
  }
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false);
  assert.equal(typeof (await logIn('joe', RIGHT, '10.0.0.1')), 'number');
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
  assert.deepEqual(await inTurn(300, () => logIn('joe', 'wrong', '10.0.0.1')), falses(300));
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
    const login = auth.login(requestOf('joe', 'wrong', '10.0.0.1'));
    await assert.rejects(login, { code: 'ERR_CREDENTIALS' });
  }
  // By hand, without `limits: false`, the JwtAuth counts too.
  const { identity } = accounts;
  const authenticate = accounts.authenticate.bind(accounts);
  const twice = new JwtAuth({ secret: SECRET, authenticate, identity: identity.bind(accounts) });
  for (let tries = 0; tries < 10; tries += 1) {
    const login = twice.login(requestOf('joe', 'wrong', '10.0.0.1'));
    await assert.rejects(login, { code: 'ERR_CREDENTIALS' });
  }
  const throttled = twice.login(requestOf('joe', 'wrong', '10.0.0.1'));
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
    assert.deepEqual(more, falses(left));
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

test('an address of another kind is a mistake of the program', async () => {
  const { auth } = makeLimitedAuth();
  const json = () => ({ username: 'joe', password: RIGHT });
  const request = { json, address: 5 } as unknown as AuthRequest;
  await assert.rejects(auth.login(request), { name: 'TypeError', message: /^"client.address" / });
  assert.notEqual(await auth.login({ json, address: '10.0.0.1' }), undefined);
});

/** Spellings that a look-up of the program may treat as the same user. */
const SPELLINGS: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toUpperCase(),
  (name) => ` ${name}\u00a0`,
  (name) => `\u200b${name}`,
  (name) => name.replace('e', 'é'),
  (name) => [...name].map((letter) => String.fromCodePoint(letter.charCodeAt(0) + 0xfee0)).join(''),
  (name) => `${name}${' '.repeat(5000)}`,
];

test('no spelling, address or pace gives a guesser more tries than the limits', async () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = randomFrom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  for (let run = 0; run < 2; run += 1) {
    const simulation = new Simulation();
    const checks = new WeakMap<object, () => Promise<undefined>>();
    const auth = new JwtAuth<string>({
      secret: SECRET,
      now: () => simulation.seconds,
      authenticate: (username, password, client) => {
        return password === RIGHT ? username : checks.get(client)?.();
      },
      identity: () => undefined,
    });
    const guess = (name: string, from: string, tookSeconds: number) => {
      const request = requestOf(pick(SPELLINGS)(name), 'wrong', from);
      const login = (check: () => Promise<undefined>) => {
        checks.set(request, check);
        return auth.login(request).catch(passCredentials);
      };
      return simulation.guess(name, from, tookSeconds, login);
    };
    for (let step = 0; step < 25; step += 1) {
      const burst = Math.floor(random() * 60);
      for (let index = 0; index < burst; index += 1) {
        const from = random() < 0.5 ? pick(['10.0.0.1', '2001:db8::1']) : addressOf(index);
        void guess(pick(['joe', 'peter', 'steve']), from, random() < 0.3 ? 700 : 0);
      }
      // The owner logs in between, which gives the attacker no new tries.
      const owner = auth.login(requestOf('joe', RIGHT, '10.0.0.1'));
      await owner.catch(waitOf);
      await simulation.pass(pick([1, 60, 600, 3599]));
    }
    await simulation.pass(HOUR);
    assertInvariants(simulation);
    assert.ok(simulation.wrong.length > 100, `seed ${seed}: ${simulation.wrong.length}`);
  }
});

/** A wrong password is an outcome of the simulation; a throttled one is for it to see. */
function passCredentials(error: unknown): undefined {
  if (!(error instanceof AuthError && error.code === 'ERR_CREDENTIALS')) throw error;
}
