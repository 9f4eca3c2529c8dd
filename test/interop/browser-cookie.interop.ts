/** The cookie of `cookie.mts` in a real browser, with the client on a page of the same origin. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, BrowserContext } from 'playwright-core';
import { send } from '../support/app.ts';
import { removeUserFolder } from '../support/user-folder.ts';
import { ANN, makeCookieFolder, withCookies, type Setting } from './browser-cookie-setting.ts';
import { countChanges, failureOf, holdAnswers, LOGGED_OUT, script } from './browser-pages.ts';
import { launchChromium, skipWithoutChromium } from './chromium.ts';

const LOG_IN_ANN = "await client.login('ann', 'battery staple');";
const HELLO = { Status: 'Success', result: 'Hello joe' };
const HELLO_ANN = { Status: 'Success', result: 'Hello ann' };

let browser: Browser;
let folder = '';

before(async () => {
  if (skipWithoutChromium !== false) return;
  browser = await launchChromium();
  folder = await makeCookieFolder();
});

after(async () => {
  await browser?.close();
  if (folder !== '') removeUserFolder(folder);
});

/** Gives a browser the cookie of ann, as her login in another tab does before its message comes. */
async function replaceCookie(context: BrowserContext, url: string): Promise<void> {
  const { headers } = await send(`${url}/session/auth`, 'POST', ANN);
  const [, value = ''] = /__Host-refresh=([^;]+)/.exec(headers.get('set-cookie') ?? '') ?? [];
  const [cookie = assert.fail()] = await context.cookies();
  await context.addCookies([{ ...cookie, value }]);
}

const HOUR_MS = 3_600_000;

const TESTS = {
  'no script reads the cookie, and no answer holds the refresh token': async (
    { page, context, url },
  ) => {
    const [cookie, ...others] = await context.cookies();
    assert.deepEqual(others, []);
    const { name, path, httpOnly, secure, sameSite, domain } = cookie ?? assert.fail();
    assert.deepEqual([name, path, domain], ['__Host-refresh', '/', new URL(url).hostname]);
    assert.deepEqual([httpOnly, secure, sameSite], [true, true, 'Strict']);
    assert.equal(await script(page, 'return document.cookie;'), '');
    const refresh = "await fetch('/session/refresh', { method: 'POST' })";
    const members = await script(page, `return Object.keys(await (${refresh}).json());`);
    assert.deepEqual(members, ['access_token', 'token_type', 'expires_in']);
  },

  'a page that is loaded again goes on without a login': async ({ page, sent }) => {
    sent();
    await page.reload();
    assert.deepEqual(await script(page, 'return hello();'), HELLO);
    assert.deepEqual(sent(), ['POST /session/refresh', 'GET /hello']);
    assert.deepEqual(await script(page, 'return hello();'), HELLO);
    assert.deepEqual(sent(), ['GET /hello']);
  },

  'two tabs share the session, and refresh one after the other': async (
    { page, context, sent, blank },
  ) => {
    const other = await context.newPage();
    await other.goto(blank);
    assert.deepEqual(await script(other, 'return hello();'), HELLO);
    const pages = [page, other];
    for (const tab of pages) await tab.clock.setFixedTime(Date.now() + HOUR_MS);
    let atOnce = 0;
    await context.route('**/session/refresh', async (route) => {
      atOnce += 1;
      assert.equal(atOnce, 1);
      // Goes on once the second tab waits for its turn, or has had it.
      if (pages.length > 0) {
        pages.length = 0;
        const waiting = "navigator.locks.query().then(({ pending }) => pending.length === 1)";
        await other.waitForFunction(waiting);
      }
      const response = await route.fetch();
      atOnce -= 1;
      await route.fulfill({ response });
    });
    sent();
    const hellos = [page, other].map((tab) => script(tab, 'return hello();'));
    assert.deepEqual(await Promise.all(hellos), [HELLO, HELLO]);
    const refreshes = sent().filter((line) => line === 'POST /session/refresh');
    assert.equal(refreshes.length, 2);
  },

  'a logout clears the cookie and logs out all tabs': async ({ page, context, blank, sent }) => {
    const other = await context.newPage();
    await other.goto(blank);
    assert.deepEqual(await script(other, 'return hello();'), HELLO);
    const changes = await countChanges(other);
    sent();
    await script(page, 'await client.logout();');
    await changes.first();
    assert.deepEqual(await context.cookies(), []);
    for (const tab of [page, other]) {
      assert.deepEqual(await failureOf(tab, 'return hello();'), LOGGED_OUT);
    }
    assert.deepEqual(sent(), ['POST /session/logout']);
  },

  'requests of a page that is loaded without a login send one refresh': async (
    { page, context, sent },
  ) => {
    await context.clearCookies();
    await page.reload();
    sent();
    const three = 'return Promise.allSettled([hello(), hello(), hello()]);';
    assert.equal(JSON.stringify(await script(page, three)).match(/rejected/g)?.length, 3);
    assert.deepEqual(await failureOf(page, 'return hello();'), LOGGED_OUT);
    assert.deepEqual(sent(), ['POST /session/refresh']);
  },

  'a login in one tab shows its user in the others, and ends the session before': async (
    { page, context, blank },
  ) => {
    const changes = await countChanges(page);
    const [old] = await context.cookies();
    const other = await context.newPage();
    await other.goto(blank);
    await script(other, LOG_IN_ANN);
    await changes.first();
    assert.deepEqual(await script(page, 'return hello();'), HELLO_ANN);
    assert.equal(await changes.count(), 1);
    const headers = { Cookie: `${old?.name}=${old?.value}` };
    const { status } = await send(blank.replace('blank', 'session/refresh'), 'POST', {}, headers);
    assert.equal(status, 401);
  },

  'a request that began as joe is never sent as ann, who logs in in another tab': async (
    { page, context, blank, sent },
  ) => {
    const other = await context.newPage();
    await other.goto(blank);
    await page.clock.setFixedTime(Date.now() + HOUR_MS);
    const login = await holdAnswers(context, '/session/auth');
    const loggingIn = script(other, LOG_IN_ANN);
    await login.held;
    sent();
    const hello = script(page, 'return hello();');
    // The tokens of joe are old, so the request waits for a refresh behind the login of ann.
    const waits = 'navigator.locks.query().then(({ pending }) => pending.length === 1)';
    await other.waitForFunction(waits);
    login.release();
    await loggingIn;
    assert.deepEqual(await hello, LOGGED_OUT);
    assert.ok(!sent().includes('GET /hello'));
    assert.deepEqual(await script(page, 'return hello();'), HELLO_ANN);
  },

  'a refresh that answers for another user is a new login, and its request is not sent': async (
    { page, context, url, sent },
  ) => {
    const changes = await countChanges(page);
    await replaceCookie(context, url);
    await page.clock.setFixedTime(Date.now() + HOUR_MS);
    sent();
    assert.deepEqual(await failureOf(page, 'return hello();'), LOGGED_OUT);
    assert.deepEqual(sent(), ['POST /session/refresh']);
    assert.equal(await changes.count(), 1);
    assert.deepEqual(await script(page, 'return hello();'), HELLO_ANN);
  },

  'a request whose token has expired is not repeated for another user of the cookie': async (
    { page, context, url, sent },
  ) => {
    await replaceCookie(context, url);
    const headers = { 'Error-Code': 'ERR_JWT_EXPIRED' };
    await context.route('**/hello', (route) => route.fulfill({ status: 401, headers }));
    sent();
    assert.deepEqual(await failureOf(page, 'return hello();'), LOGGED_OUT);
    assert.deepEqual(sent(), ['GET /hello', 'POST /session/refresh']);
  },

  'a new password keeps the login in all tabs': async ({ page, context, blank }) => {
    const other = await context.newPage();
    await other.goto(blank);
    assert.deepEqual(await script(other, 'return hello();'), HELLO);
    const wrong = "await client.setPassword('wrong horse', 'another horse');";
    assert.equal((await failureOf(page, wrong)).code, 'ERR_CREDENTIALS');
    const changes = await countChanges(page);
    await script(page, "await client.setPassword('correct horse', 'another horse');");
    for (const tab of [page, other]) {
      assert.deepEqual(await script(tab, 'return hello();'), HELLO);
    }
    await script(page, "await client.setPassword('another horse', 'correct horse');");
    assert.deepEqual(await script(page, 'return hello();'), HELLO);
    assert.equal(await changes.count(), 0);
  },

  'the page logs in, goes on after a reload, and logs out, under its strict policy': async (
    { page, url },
  ) => {
    await script(page, 'await client.logout();');
    const problems: string[] = [];
    page.on('pageerror', ({ message }) => problems.push(message));
    page.on('console', (entry) => problems.push(entry.text()));
    const response = await page.goto(url);
    assert.match(response?.headers()['content-security-policy'] ?? '', /^default-src 'none'; /);
    const output = page.locator('output');
    const form = page.locator('form');
    const logOut = page.locator('#logout');
    const logIn = async (password: string) => {
      await page.fill('[name=username]', 'joe');
      await page.fill('[name=password]', password);
      await page.click('form button');
    };
    await logIn('battery staple');
    await output.filter({ hasText: /^Invalid credentials$/ }).waitFor();
    assert.equal(await logOut.isVisible(), false);
    await logIn('correct horse');
    const said = output.filter({ hasText: JSON.stringify(HELLO) });
    await said.waitFor();
    assert.equal(await form.isVisible(), false);
    await page.reload();
    await said.waitFor();
    await logOut.click();
    await form.waitFor({ state: 'visible' });
    assert.equal(await output.textContent(), '');
    // Nothing but the refusals.
    const others = problems.filter((text) => !/status of 40[01]/.test(text));
    assert.deepEqual(others, []);
  },

  'no path leads to another origin': async ({ page, context }) => {
    let isSent = false;
    await context.route('http://other.example/**', async (route) => {
      isSent = true;
      await route.fulfill({ json: {}, headers: { 'Access-Control-Allow-Origin': '*' } });
    });
    const failure = await script(page, "return client.request('//other.example/hello');");
    assert.deepEqual(failure, { message: 'Failed to fetch' });
    assert.equal(isSent, false);
  },
  'no page of another site refreshes or logs out': async ({ page, context, url, blank }) => {
    const stranger = await context.newPage();
    await stranger.goto(blank.replace('127.0.0.1', 'localhost'));
    const before = await context.cookies(url);
    for (const path of ['refresh', 'logout']) {
      const answered = stranger.waitForResponse(`${url}/session/${path}`);
      const init = "{ method: 'POST', mode: 'no-cors', credentials: 'include' }";
      await script(stranger, `await fetch('${url}/session/${path}', ${init});`);
      const answer = await answered;
      assert.equal(answer.status(), 403);
      assert.equal((await answer.request().allHeaders())['cookie'], undefined);
    }
    assert.deepEqual(await context.cookies(url), before);
    assert.deepEqual(await script(page, 'return hello();'), HELLO);
  },
} satisfies Record<string, (setting: Setting) => Promise<void>>;

test('the cookie recipe in a browser', { skip: skipWithoutChromium }, () => {
  return withCookies(browser, folder, TESTS);
});
