/** The client of the page "From a browser" in a real browser, on another origin than the server. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { AuthError } from '../../src/index.ts';
import { countChanges, failureOf, LOGGED_OUT, script } from './browser-pages.ts';
import { nextEvent, withSetting, type Setting } from './browser-setting.ts';
import { launchChromium, skipWithoutChromium } from './chromium.ts';

const SIGN_UP = "await client.signup('joe', 'correct horse');";
const LOG_IN = "await client.login('joe', 'correct horse');";
const HELLO = { Status: 'Success', result: 'Hello joe' };
const IN_A_BROWSER = { skip: skipWithoutChromium, timeout: 60_000 };

let browser: Browser;

before(async () => {
  if (skipWithoutChromium === false) browser = await launchChromium();
});

after(() => browser?.close());

/** Declares a test on a page on which joe has logged in. */
function testLoggedIn(title: string, use: (setting: Setting) => Promise<void>): void {
  test(title, IN_A_BROWSER, () => withSetting(browser, async (setting) => {
    await script(setting.page, SIGN_UP + LOG_IN);
    assert.deepEqual(await script(setting.page, 'return hello();'), HELLO);
    setting.watch.take();
    await use(setting);
  }));
}

test('a page of another origin signs up, logs in and reaches a guarded route', IN_A_BROWSER, () => {
  return withSetting(browser, async ({ page, watch }) => {
    assert.deepEqual(await script(page, `${SIGN_UP}${LOG_IN}return hello();`), HELLO);
    // The browser asks for each path first, and sends no token then.
    assert.deepEqual(watch.take(), [
      'OPTIONS /signup 204',
      'POST /signup 200',
      'OPTIONS /auth 204',
      'POST /auth 200',
      'OPTIONS /hello 204',
      'GET /hello 200',
    ]);
  });
});

testLoggedIn(
  'the client refreshes before its token expires, once for several requests',
  async ({ page, watch }) => {
    const loginAt = Date.now();
    await page.clock.setFixedTime(loginAt);
    await script(page, LOG_IN);
    watch.take();
    await page.clock.setFixedTime(loginAt + 269_999);
    await script(page, 'return hello();');
    assert.deepEqual(watch.take(), ['GET /hello 200']);
    await page.clock.setFixedTime(loginAt + 270_000);
    await script(page, 'return Promise.all([hello(), hello(), hello()]);');
    const hellos = Array(3).fill('GET /hello 200');
    assert.deepEqual(watch.take(), ['OPTIONS /refresh 204', 'POST /refresh 200', ...hellos]);
  },
);

testLoggedIn(
  'the client refreshes after a 401 for an expired token, once for several',
  async ({ page, watch }) => {
    watch.secondsAhead = 311;
    const hellos = await script(page, 'return Promise.all([hello(), hello()]);');
    assert.deepEqual(hellos, [HELLO, HELLO]);
    const answers = watch.take();
    assert.equal(answers.filter((answer) => answer === 'POST /refresh 200').length, 1);
    assert.deepEqual(answers.slice(0, 1), ['GET /hello 401']);
    assert.deepEqual(answers.slice(-2), ['GET /hello 200', 'GET /hello 200']);
  },
);

testLoggedIn(
  'a refresh whose answer is lost is repeated with the same token',
  async ({ page, watch }) => {
    const changes = await countChanges(page);
    watch.secondsAhead = 311;
    watch.losesRefreshes = true;
    const failure = await failureOf(page, 'return hello();');
    assert.deepEqual(failure, { message: 'Failed to fetch' });
    assert.ok(watch.take().includes('POST /refresh 200'));
    watch.losesRefreshes = false;
    // The grace period is over, but no token of the lost answer was used.
    watch.secondsAhead = 350;
    assert.deepEqual(await script(page, 'return hello();'), HELLO);
    assert.equal(await changes.count(), 0);
  },
);

testLoggedIn(
  'after a 503 to a refresh the login goes on, and the script sees Retry-After',
  async ({ page, store, watch }) => {
    const changes = await countChanges(page);
    watch.secondsAhead = 311;
    store.failure = new AuthError('ERR_STORE');
    const failure = await failureOf(page, 'return hello();');
    assert.deepEqual([failure.status, failure.code], [503, 'ERR_STORE']);
    assert.ok(Number(failure.retryAfterSeconds) > 0);
    store.failure = undefined;
    assert.deepEqual(await script(page, 'return hello();'), HELLO);
    assert.equal(await changes.count(), 0);
  },
);

testLoggedIn(
  'a session that has ended is not refreshed, and the page is told',
  async ({ page, sessions, watch }) => {
    const changes = await countChanges(page);
    await sessions.endAll('joe');
    assert.deepEqual(await failureOf(page, 'return hello();'), LOGGED_OUT);
    assert.deepEqual(watch.take(), ['GET /hello 401']);
    assert.equal(await changes.count(), 1);
    // Without a refresh token nothing is sent.
    assert.deepEqual(await failureOf(page, 'return hello();'), LOGGED_OUT);
    assert.deepEqual(watch.take(), []);
    assert.deepEqual(await script(page, `${LOG_IN}return hello();`), HELLO);
  },
);

testLoggedIn(
  'a refused refresh ends the login of the page',
  async ({ page, sessions, watch }) => {
    const changes = await countChanges(page);
    await sessions.endAll('joe');
    watch.secondsAhead = 311;
    assert.deepEqual(await failureOf(page, 'return hello();'), LOGGED_OUT);
    assert.equal(await changes.count(), 1);
  },
);

testLoggedIn(
  'a refusal of the application itself ends no login and causes no refresh',
  async ({ page, watch }) => {
    const changes = await countChanges(page);
    const body = JSON.stringify({ password: 'wrong' });
    const headers = JSON.stringify({ 'Content-Type': 'application/json' });
    const init = `{ method: 'POST', headers: ${headers}, body: '${body}' }`;
    const end = `client.request('/sessions/end', ${init})`;
    const failure = await failureOf(page, `return ${end};`);
    assert.deepEqual([failure.status, failure.code], [401, 'ERR_CREDENTIALS']);
    assert.deepEqual(watch.take(), ['OPTIONS /sessions/end 204', 'POST /sessions/end 401']);
    assert.equal(await changes.count(), 0);
  },
);

test('a script sees how long to wait after too many wrong passwords', IN_A_BROWSER, () => {
  const limits = { triesPerAccount: 1 };
  return withSetting(browser, async ({ page }) => {
    await script(page, SIGN_UP);
    const wrong = await failureOf(page, "await client.login('joe', 'battery staple');");
    assert.deepEqual(wrong, {
      message: 'Invalid credentials',
      status: 401,
      code: 'ERR_CREDENTIALS',
      retryAfterSeconds: 0,
    });
    const { retryAfterSeconds, ...refused } = await failureOf(page, LOG_IN);
    const message = 'Too many attempts, try again later';
    assert.deepEqual(refused, { message, status: 429, code: 'ERR_THROTTLED' });
    assert.ok(Number(retryAfterSeconds) > 60, String(retryAfterSeconds));
  }, { limits });
});

testLoggedIn('a script reads why a signup is refused', async ({ page }) => {
  const { message, status, code } = await failureOf(page, SIGN_UP);
  assert.deepEqual([status, code, message], [400, 'ERR_USER_EXISTS', 'User already exists']);
});

testLoggedIn(
  'a logout in one tab logs out all tabs, each with a session of its own',
  async ({ page, context, sessions }) => {
    const other = await context.newPage();
    await other.goto(page.url());
    await script(other, LOG_IN);
    assert.equal((await sessions.list('joe')).length, 2);
    const changes = await countChanges(other);
    const first = nextEvent('logout');
    await script(page, 'await client.logout();');
    await first;
    const second = (await sessions.list('joe')).length === 0 ? undefined : nextEvent('logout');
    await changes.first();
    await second;
    assert.deepEqual(await sessions.list('joe'), []);
    assert.deepEqual(await failureOf(other, 'return hello();'), LOGGED_OUT);
  },
);

testLoggedIn(
  'a logout that the server could not store leaves the page logged in',
  async ({ page, store }) => {
    store.failure = new AuthError('ERR_STORE');
    assert.equal((await failureOf(page, 'await client.logout();')).status, 503);
    store.failure = undefined;
    assert.deepEqual(await script(page, 'return hello();'), HELLO);
    await script(page, 'await client.logout();');
    assert.deepEqual(await failureOf(page, 'return hello();'), LOGGED_OUT);
    // A second logout finds nothing to end.
    assert.equal(await script(page, 'await client.logout();'), undefined);
  },
);

for (const [what, leave] of [
  ['reloaded', (page) => page.reload()],
  ['closed', (page) => page.close({ runBeforeUnload: true })],
] as const satisfies [string, (page: Setting['page']) => Promise<unknown>][]) {
  testLoggedIn(
    `the session of a page that is ${what} ends`,
    async ({ page, sessions }) => {
      const ended = nextEvent('logout');
      await leave(page);
      await ended;
      assert.deepEqual(await sessions.list('joe'), []);
    },
  );
}
