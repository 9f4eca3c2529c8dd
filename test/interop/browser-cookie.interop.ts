/** The cookie of `cookie.mts` in a real browser, with the client on a page of the same origin. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { root } from '../support/documents.ts';
import { makeUserFolder, removeUserFolder, serveProgram } from '../support/user-folder.ts';
import {
  clientWithCookie,
  countEnds,
  failureOf,
  filesWith,
  LOGIN_PAGE,
  pageProgram,
  script,
} from './browser-pages.ts';
import { launchChromium, skipWithoutChromium } from './chromium.ts';

const LOG_IN = "await login('joe', 'correct horse');";
const HELLO = { hello: 'joe' };
const PACKAGES = join(root, 'test/interop/node_modules');

let browser: Browser;
let folder = '';

before(async () => {
  if (skipWithoutChromium !== false) return;
  browser = await launchChromium();
  folder = await makeUserFolder(() => true);
  for (const name of readdirSync(PACKAGES).filter((name) => !name.startsWith('.'))) {
    symlinkSync(join(PACKAGES, name), join(folder, 'node_modules', name));
  }
  const { '/': page = '', ...scripts } = filesWith(clientWithCookie);
  mkdirSync(join(folder, 'public'));
  const files = { 'index.html': page, 'login.html': LOGIN_PAGE, 'page.mjs': pageProgram };
  for (const [path, text] of Object.entries({ ...files, ...scripts })) {
    writeFileSync(join(folder, 'public', path), text);
  }
});

after(async () => {
  await browser?.close();
  if (folder !== '') removeUserFolder(folder);
});

interface Setting {
  readonly url: string;
  /** On which joe has logged in. */
  readonly page: Page;
  readonly context: BrowserContext;
  /** The requests that the browser has sent since the last call, such as `POST /session/login`. */
  readonly sent: () => string[];
}

/** Runs tests on one server, each in a browser without cookies. */
async function withCookies(
  tests: Readonly<Record<string, (setting: Setting) => Promise<void>>>,
): Promise<void> {
  await serveProgram(folder, 'cookie.mts', async (url) => {
    for (const [title, use] of Object.entries(tests)) {
      await test(title, { timeout: 60_000 }, async () => {
        const context = await browser.newContext();
        let requests: string[] = [];
        context.on('request', (request) => {
          requests.push(`${request.method()} ${new URL(request.url()).pathname}`);
        });
        const sent = () => {
          const taken = requests.filter((line) => /session|hello/.test(line));
          requests = [];
          return taken;
        };
        const page = await context.newPage();
        await page.goto(url);
        await script(page, LOG_IN);
        await use({ url, page, context, sent });
        await context.close();
      });
    }
  });
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
    assert.deepEqual(await script(page, "return json('/hello');"), HELLO);
    assert.deepEqual(sent(), ['POST /session/refresh', 'GET /hello']);
    assert.deepEqual(await script(page, "return json('/hello');"), HELLO);
    assert.deepEqual(sent(), ['GET /hello']);
  },

  'two tabs share the session, and refresh one after the other': async (
    { page, context, sent, url },
  ) => {
    const other = await context.newPage();
    await other.goto(url);
    assert.deepEqual(await script(other, "return json('/hello');"), HELLO);
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
    const hellos = [page, other].map((tab) => script(tab, "return json('/hello');"));
    assert.deepEqual(await Promise.all(hellos), [HELLO, HELLO]);
    const refreshes = sent().filter((line) => line === 'POST /session/refresh');
    assert.equal(refreshes.length, 2);
  },

  'a logout clears the cookie and logs out all tabs': async ({ page, context, url, sent }) => {
    const other = await context.newPage();
    await other.goto(url);
    assert.deepEqual(await script(other, "return json('/hello');"), HELLO);
    const ends = await countEnds(other);
    sent();
    await script(page, 'await logout();');
    await ends.first();
    assert.deepEqual(await context.cookies(), []);
    for (const tab of [page, other]) {
      assert.equal((await failureOf(tab, "return json('/hello');")).status, 400);
    }
    assert.equal(sent().filter((line) => line === 'POST /session/logout').length, 1);
  },

  'a login in one tab ends what the others show of the user before': async (
    { page, context, url },
  ) => {
    const ends = await countEnds(page);
    const other = await context.newPage();
    await other.goto(url);
    await script(other, LOG_IN);
    await ends.first();
    assert.equal(await ends.count(), 1);
    assert.deepEqual(await script(page, "return json('/hello');"), HELLO);
  },

  'the page that uses the client logs in, goes on after a reload, and logs out': async (
    { page, url },
  ) => {
    await script(page, 'await logout();');
    await page.goto(`${url}/login.html`);
    const output = page.locator('output');
    const form = page.locator('form');
    const logIn = async (password: string) => {
      await page.fill('[name=username]', 'joe');
      await page.fill('[name=password]', password);
      await page.click('form button');
    };
    await logIn('battery staple');
    await output.filter({ hasText: /^Invalid credentials$/ }).waitFor();
    await logIn('correct horse');
    await form.waitFor({ state: 'hidden' });
    assert.equal(await output.textContent(), '{"hello":"joe"}');
    await page.reload();
    await output.filter({ hasText: '{"hello":"joe"}' }).waitFor();
    await page.click('#logout');
    await form.waitFor({ state: 'visible' });
    assert.equal(await output.textContent(), '');
  },

  'no page of another site refreshes or logs out': async ({ page, context, url }) => {
    const stranger = await context.newPage();
    await stranger.goto(url.replace('127.0.0.1', 'localhost'));
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
    assert.deepEqual(await script(page, "return json('/hello');"), HELLO);
  },
} satisfies Record<string, (setting: Setting) => Promise<void>>;

test('the cookie recipe in a browser', { skip: skipWithoutChromium }, () => withCookies(TESTS));
