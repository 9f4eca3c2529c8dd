/** GET /health: what it answers, and how often it asks the stores. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Health, type StoreCheck } from '../../src/app/health.ts';
import {
  AuthError,
  createApp,
  MemorySessionStore,
  MemoryUserStore,
  Sessions,
  type AppOptions,
  type SessionStore,
  type UserStore,
} from '../../src/index.ts';
import { send, withApp, withServer } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';

const HEALTHY = { status: 'ok' };
const storeError = () => new AuthError('ERR_STORE', { cause: new Error('the disk is full') });

/** A Health over a store whose checks the test answers, and a clock that the test sets. */
function healthWith(...others: StoreCheck[]) {
  const clock = { nowMs: 0 };
  const checks: { succeed: () => void; fail: (error: unknown) => void }[] = [];
  const check = () => new Promise<void>((succeed, fail) => void checks.push({ succeed, fail }));
  const times = { maxWaitMs: 5, nowMs: () => clock.nowMs };
  return { health: new Health([check, ...others], times), checks, clock };
}

/** The answers of requests: the code and the cause of each that was refused. */
async function answersOf(requests: readonly Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(requests);
  return settled.map((answer) => {
    if (answer.status === 'fulfilled') return answer.value;
    const { code, cause } = answer.reason;
    return cause === undefined ? code : `${code}: ${cause.message}`;
  });
}

test('all requests of a second share one check', async () => {
  const { health, checks, clock } = healthWith();
  const waiting = [health.answer(), health.answer()];
  assert.equal(checks.length, 1);
  checks[0]?.succeed();
  assert.deepEqual(await answersOf(waiting), [HEALTHY, HEALTHY]);
  clock.nowMs = 999;
  assert.deepEqual(await answersOf([health.answer(), health.answer()]), [HEALTHY, HEALTHY]);
  assert.equal(checks.length, 1);
  clock.nowMs = 1_000;
  const next = [health.answer(), health.answer()];
  assert.equal(checks.length, 2);
  checks[1]?.succeed();
  assert.deepEqual(await answersOf(next), [HEALTHY, HEALTHY]);
});

test('one of the requests that share a failed check gets its cause', async () => {
  const { health, checks, clock } = healthWith();
  const full = 'ERR_STORE: the disk is full';
  const waiting = [health.answer(), health.answer()];
  checks[0]?.fail(storeError());
  assert.deepEqual(await answersOf(waiting), [full, 'ERR_STORE']);
  assert.deepEqual(await answersOf([health.answer()]), ['ERR_STORE']);
  clock.nowMs = 1_000;
  const next = health.answer();
  checks[1]?.fail(storeError());
  assert.deepEqual(await answersOf([next, health.answer()]), [full, 'ERR_STORE']);
  clock.nowMs = 2_000;
  const last = health.answer();
  checks[2]?.succeed();
  assert.deepEqual(await answersOf([last, health.answer()]), [HEALTHY, HEALTHY]);
});

test('while a check hangs, requests are refused at once, and no further check begins', async () => {
  const { health, checks, clock } = healthWith();
  const late = 'ERR_STORE: a store did not answer the health check within 5 ms';
  const waiting = [health.answer(), health.answer()];
  assert.deepEqual(await answersOf(waiting), [late, 'ERR_STORE']);
  for (const nowMs of [999, 1_000, 59_999]) {
    clock.nowMs = nowMs;
    assert.deepEqual(await answersOf([health.answer()]), ['ERR_STORE']);
  }
  assert.equal(checks.length, 1);
  checks[0]?.succeed();
  await new Promise(setImmediate);
  const next = health.answer();
  assert.equal(checks.length, 2);
  checks[1]?.succeed();
  assert.deepEqual(await answersOf([next]), [HEALTHY]);
});

test('after a minute another check begins, whatever the one that hangs does later', async () => {
  const { health, checks, clock } = healthWith();
  const late = 'ERR_STORE: a store did not answer the health check within 5 ms';
  assert.deepEqual(await answersOf([health.answer()]), [late]);
  clock.nowMs = 60_000;
  assert.deepEqual(await answersOf([health.answer()]), [late]);
  assert.equal(checks.length, 2);
  clock.nowMs = 61_000;
  checks[0]?.succeed();
  await new Promise(setImmediate);
  assert.deepEqual(await answersOf([health.answer()]), ['ERR_STORE']);
  assert.equal(checks.length, 2, 'the second check has not ended');
  clock.nowMs = 120_000;
  const next = health.answer();
  checks[2]?.succeed();
  assert.deepEqual(await answersOf([next]), [HEALTHY]);
});

test('a check that hangs is refused after two seconds', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let isRefused = false;
  const health = new Health([() => new Promise(() => undefined)]);
  const answer = health.answer().catch(() => (isRefused = true));
  await new Promise(setImmediate);
  t.mock.timers.tick(1_999);
  await new Promise(setImmediate);
  assert.equal(isRefused, false);
  t.mock.timers.tick(1);
  await answer;
  assert.equal(isRefused, true);
});

test('a check that has ended leaves no timer behind', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout');
  const before = timers();
  await new Health([() => undefined]).answer();
  assert.deepEqual(timers(), before);
});

test('a store that fails beside one that hangs is 503 at once, and is not asked again', async () => {
  let calls = 0;
  const { health, checks, clock } = healthWith(() => {
    calls += 1;
    throw storeError();
  });
  const full = 'ERR_STORE: the disk is full';
  assert.deepEqual(await answersOf([health.answer()]), [full]);
  clock.nowMs = 59_999;
  assert.deepEqual(await answersOf([health.answer()]), ['ERR_STORE']);
  assert.deepEqual([checks.length, calls], [1, 1]);
  checks[0]?.succeed();
  await new Promise(setImmediate);
  assert.deepEqual(await answersOf([health.answer()]), [full]);
  assert.deepEqual([checks.length, calls], [2, 2]);
  checks[1]?.succeed();
});

test('any error of a check is ERR_STORE, and a check may return no promise', async () => {
  const reasons = [
    new Error('a fault'),
    new AuthError('ERR_INTERNAL', { description: 'a fault' }),
    { message: 'a fault' },
  ];
  for (const reason of reasons) {
    const fails = () => {
      throw reason;
    };
    for (const check of [fails, async () => fails()]) {
      const [answer] = await answersOf([new Health([() => undefined, check]).answer()]);
      assert.match(String(answer), /^ERR_STORE: .*a fault$/);
    }
  }
  assert.deepEqual(await new Health([() => undefined, () => false]).answer(), HEALTHY);
});

type Health503 = { readonly status_code: number; readonly description: string };
const UNAVAILABLE: Partial<Health503> = {
  status_code: 503,
  description: 'The user store is unavailable',
};

test('GET /health needs no token, and answers with and without sessions', async () => {
  const sessions = new Sessions({ store: new MemorySessionStore(), isRequired: true });
  const Authorization = 'Bearer not-a-token';
  for (const options of [{}, { sessions }]) {
    await withApp(options, async ({ url }) => {
      for (const headers of [{}, { Authorization }]) {
        const { status, body } = await send(`${url}/health`, 'GET', undefined, headers);
        assert.deepEqual([status, body], [200, HEALTHY]);
      }
      const head = await send(`${url}/health`, 'HEAD');
      assert.deepEqual([head.status, head.body], [200, '']);
      const { status, headers } = await send(`${url}/health`, 'POST', {});
      assert.deepEqual([status, headers.get('Allow')], [405, 'GET, HEAD']);
    });
  }
});

/** A user store, or a store of sessions, with `find` and `check` of a test. */
function storesOf(find: StoreCheck, check?: StoreCheck) {
  const methods = check === undefined ? { check } : { check: async () => void (await check()) };
  const found = async () => void (await find());
  const users: UserStore = Object.assign(new MemoryUserStore(), { find: found }, methods);
  const store: SessionStore = Object.assign(new MemorySessionStore(), { find: found }, methods);
  return { users, store };
}

test('GET /health is 503 while a store fails, and the log gets the cause once', async () => {
  const fails = () => Promise.reject(storeError());
  const reads = async () => undefined;
  const working = storesOf(reads, reads);
  // A store without the method `check` is only read.
  for (const broken of [storesOf(reads, fails), storesOf(fails)]) {
    for (const [users, store] of [
      [broken.users, working.store],
      [working.users, broken.store],
    ] as const) {
      const causes: string[] = [];
      const options: Partial<AppOptions<unknown>> = {
        sessions: new Sessions({ store }),
        users,
        onError: (error) => void causes.push(String(Object(error).cause)),
      };
      await withApp(options, async ({ url }) => {
        for (let request = 0; request < 2; request += 1) {
          const { status, body, headers } = await send(`${url}/health`, 'GET');
          const { status_code, description } = body as Health503;
          assert.deepEqual([status, { status_code, description }], [503, UNAVAILABLE]);
          assert.equal(headers.get('Error-Code'), 'ERR_STORE');
          assert.ok(Number(headers.get('Retry-After')) > 0);
        }
        assert.deepEqual(causes, ['Error: the disk is full']);
      });
    }
  }
  for (const { users, store } of [storesOf(fails, reads), storesOf(reads)]) {
    await withApp({ users, sessions: new Sessions({ store }) }, async ({ url }) => {
      assert.equal((await send(`${url}/health`, 'GET')).status, 200);
    });
  }
});

test('a route of the program for GET /health replaces that of createApp', async () => {
  const app = createApp({ secret: SECRET, users: new MemoryUserStore() });
  app.get('/health', () => 'healthy');
  assert.throws(() => app.get('/health', () => 'again'), /"path" expected a new route/);
  assert.throws(() => app.get('/hello', () => 'ours'), /"path" expected a new route/);
  app.post('/health', () => 'posted');
  await withServer(app, async ({ url }) => {
    assert.equal((await send(`${url}/health`, 'GET')).body, 'healthy');
    assert.equal((await send(`${url}/health`, 'POST', {})).body, 'posted');
  });
});
