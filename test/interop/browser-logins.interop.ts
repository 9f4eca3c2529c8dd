/** A request of the client belongs to the login with which it began, whatever happens meanwhile. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { countChanges, failureOf, holdAnswers, LOGGED_OUT, script } from './browser-pages.ts';
import { nextEvent, withSetting, type Setting } from './browser-setting.ts';
import { launchChromium, skipWithoutChromium } from './chromium.ts';

const SIGN_UP = "await client.signup('joe', 'correct horse');"
  + "await client.signup('ann', 'battery staple');";
const LOG_IN = "await client.login('joe', 'correct horse');";
const LOG_IN_ANN = "await client.login('ann', 'battery staple');";
const LOG_OUT = 'await client.logout();';
const HELLO = { Status: 'Success', result: 'Hello joe' };
const HELLO_ANN = { Status: 'Success', result: 'Hello ann' };
const IN_A_BROWSER = { skip: skipWithoutChromium, timeout: 60_000 };

let browser: Browser;

before(async () => {
  if (skipWithoutChromium === false) browser = await launchChromium();
});

after(() => browser?.close());

/** Declares a test on a page on which joe has logged in, and with an account of ann. */
function testLoggedIn(
  title: string,
  use: (setting: Setting) => Promise<void>,
  timeLimitMs?: number,
): void {
  test(title, IN_A_BROWSER, () => withSetting(browser, async (setting) => {
    await script(setting.page, SIGN_UP + LOG_IN);
    setting.watch.take();
    await use(setting);
  }, {}, timeLimitMs));
}

testLoggedIn(
  'a request whose token has expired is not repeated as the next user',
  async ({ page, context, watch }) => {
    watch.secondsAhead = 311;
    const answer = await holdAnswers(context, '/hello');
    const hello = script(page, 'return hello();');
    await answer.held;
    await script(page, LOG_OUT + LOG_IN_ANN);
    watch.take();
    answer.release();
    assert.deepEqual(await hello, LOGGED_OUT);
    assert.deepEqual(watch.take(), []);
    assert.deepEqual(await script(page, 'return hello();'), HELLO_ANN);
  },
);

testLoggedIn(
  'a late refusal of an old token does not end the login of the next user',
  async ({ page, context, sessions }) => {
    await sessions.endAll('joe');
    const answer = await holdAnswers(context, '/hello');
    const hello = script(page, 'return hello();');
    await answer.held;
    await script(page, LOG_IN_ANN);
    const changes = await countChanges(page);
    answer.release();
    assert.deepEqual(await hello, LOGGED_OUT);
    assert.deepEqual(await script(page, 'return hello();'), HELLO_ANN);
    assert.equal(await changes.count(), 0);
  },
);

testLoggedIn(
  'a request gets no late answer after a logout, nor after another login of the same user',
  async ({ page, context }) => {
    const answer = await holdAnswers(context, '/hello');
    const hello = script(page, 'return hello();');
    await answer.held;
    await script(page, LOG_OUT + LOG_IN);
    answer.release();
    assert.deepEqual(await hello, LOGGED_OUT);
    assert.deepEqual(await script(page, 'return hello();'), HELLO);
  },
);

testLoggedIn(
  'a refusal of tokens that were replaced meanwhile does not end the login',
  async ({ page, context }) => {
    const changes = await countChanges(page);
    let isFirst = true;
    await context.route('**/hello', async (route) => {
      if (route.request().method() === 'GET' && isFirst) {
        isFirst = false;
        // The guard sees the token after the session has ended.
        await script(page, "await client.setPassword('correct horse', 'another horse');");
      }
      await route.continue();
    });
    assert.deepEqual(await script(page, 'return hello();'), HELLO);
    assert.equal(await changes.count(), 0);
  },
);

testLoggedIn('two logins at once leave one session', async ({ page, sessions }) => {
  const twice = "await Promise.all([1, 2].map(() => client.login('joe', 'correct horse')));";
  await script(page, twice);
  assert.equal((await sessions.list('joe')).length, 1);
  await script(page, LOG_IN_ANN);
  assert.deepEqual(await sessions.list('joe'), []);
  assert.deepEqual(await script(page, 'return hello();'), HELLO_ANN);
});

testLoggedIn(
  'a new password keeps the login, and a wrong old one changes nothing',
  async ({ page, sessions, watch }) => {
    const changes = await countChanges(page);
    const wrong = "await client.setPassword('wrong horse', 'another horse');";
    assert.equal((await failureOf(page, wrong)).code, 'ERR_CREDENTIALS');
    await script(page, "await client.setPassword('correct horse', 'another horse');");
    watch.take();
    assert.deepEqual(await script(page, 'return hello();'), HELLO);
    assert.deepEqual(watch.take(), ['OPTIONS /hello 204', 'GET /hello 200']);
    assert.equal((await sessions.list('joe')).length, 1);
    assert.equal(await changes.count(), 0);
  },
);

testLoggedIn('a new password is set after a refresh if the token has expired', async (setting) => {
  const { page, watch } = setting;
  watch.secondsAhead = 311;
  await script(page, "await client.setPassword('correct horse', 'another horse');");
  const statuses = watch.take().filter((line) => line.startsWith('POST'));
  assert.deepEqual(statuses, ['POST /password 401', 'POST /refresh 200', 'POST /password 200']);
  assert.deepEqual(await script(page, 'return hello();'), HELLO);
});

testLoggedIn('a new password that is refused with the session ends the login', async (setting) => {
  const { page, sessions } = setting;
  await sessions.endAll('joe');
  const changes = await countChanges(page);
  const code = "await client.setPassword('correct horse', 'another horse');";
  assert.deepEqual(await failureOf(page, code), LOGGED_OUT);
  assert.equal(await page.evaluate('client.isLoggedIn'), false);
  assert.equal(await changes.count(), 1);
});

test('tokens that do not name their user are not kept', IN_A_BROWSER, () => {
  return withSetting(browser, async ({ page }) => {
    const failure = await failureOf(page, SIGN_UP + LOG_IN);
    assert.equal(failure.message, 'The access token has no claim "identity"');
    assert.equal(await page.evaluate('client.isLoggedIn'), false);
  }, { identityClaim: 'sub' });
});

testLoggedIn(
  'a refresh without an answer ends in time, and another tab does not wait for it',
  async ({ page, context, watch }) => {
    watch.secondsAhead = 311;
    const answer = await holdAnswers(context, '/refresh');
    const hello = failureOf(page, 'return hello();');
    await answer.held;
    const other = await context.newPage();
    await other.goto(page.url());
    await other.evaluate('settings.timeLimitMs = 60_000');
    await script(other, LOG_IN_ANN);
    assert.deepEqual(await hello, { message: 'signal timed out' });
    answer.release();
    await context.unroute('**/refresh');
    assert.deepEqual(await script(page, 'return hello();'), HELLO);
  },
  4000,
);

test('a page without a login sends no refresh', IN_A_BROWSER, () => {
  return withSetting(browser, async ({ page, watch }) => {
    const hellos = 'return Promise.all([hello(), hello()]);';
    assert.deepEqual(await failureOf(page, hellos), LOGGED_OUT);
    assert.deepEqual(watch.take(), []);
  });
});

/** Opens the page of the documents, and logs joe in. */
async function openLoginPage({ page }: Setting) {
  await page.goto(new URL('/login.html', page.url()).href);
  const output = page.locator('output');
  const logIn = async () => {
    await page.fill('[name=username]', 'joe');
    await page.fill('[name=password]', 'correct horse');
    await page.click('form button');
  };
  const said = output.filter({ hasText: JSON.stringify(HELLO) });
  return { output, form: page.locator('form'), logIn, said };
}

const fieldsOf = (page: Page) =>
  page.evaluate("[...document.querySelectorAll('input')].map(({ value }) => value)");

testLoggedIn(
  'after a logout the page has no password in its form, and shows no late answer',
  async (setting) => {
    const { page, context } = setting;
    const { output, form, logIn, said } = await openLoginPage(setting);
    await logIn();
    await said.waitFor();
    await page.click('#logout');
    await form.waitFor({ state: 'visible' });
    assert.deepEqual(await fieldsOf(page), ['', '']);
    const answer = await holdAnswers(context, '/hello');
    await logIn();
    await answer.held;
    await page.click('#logout');
    await form.waitFor({ state: 'visible' });
    const late = page.waitForResponse('**/hello');
    answer.release();
    await (await late).finished();
    // A step of the page that begins now ends after all that the answer causes.
    await page.fill('[name=username]', 'nobody');
    await page.fill('[name=password]', 'correct horse');
    await page.click('form button');
    await output.filter({ hasText: /^Invalid credentials$/ }).waitFor();
    assert.equal(await form.isVisible(), true);
  },
);

testLoggedIn('two clicks log in once', async (setting) => {
  const { page, sessions, watch } = setting;
  const { said, logIn } = await openLoginPage(setting);
  watch.take();
  await page.evaluate("document.querySelector('form button').addEventListener('click', () => "
    + "setTimeout(() => document.querySelector('form button').click()), { once: true })");
  await logIn();
  await said.waitFor();
  assert.equal(watch.take().filter((line) => line === 'POST /auth 200').length, 1);
  assert.ok((await sessions.list('joe')).length <= 2);
});

test('a page that the browser keeps and shows again is logged out', IN_A_BROWSER, async () => {
  const keeping = await launchChromium({ keepsPages: true });
  try {
    await withSetting(keeping, async (setting) => {
      const { page, sessions } = setting;
      await script(page, SIGN_UP);
      const { form, output, logIn, said } = await openLoginPage(setting);
      await logIn();
      await said.waitFor();
      await page.evaluate("addEventListener('pageshow', ({ persisted }) => { kept = persisted; })");
      const ended = nextEvent('logout');
      await page.goto('about:blank');
      await ended;
      assert.deepEqual(await sessions.list('joe'), []);
      await page.evaluate('setTimeout(() => history.back())');
      await form.waitFor({ state: 'visible' });
      assert.equal(await page.evaluate('kept'), true);
      assert.equal(await output.textContent(), '');
      assert.deepEqual(await fieldsOf(page), ['', '']);
    });
  } finally {
    await keeping.close();
  }
});
