/** The page of `createApp({ page: true })` in Chromium, as a person uses it. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { AuthError, MemoryUserStore } from '../../src/index.ts';
import { send } from '../support/app.ts';
import { launchChromium, skipWithoutChromium } from './chromium.ts';
import { atPage, withSessions } from './page-person.ts';

const PASSWORD = 'correct horse';
const NEW_PASSWORD = 'battery staple';
const REFUSES_ENDED = 'The session of this token has ended';

describe('the page', { skip: skipWithoutChromium, timeout: 120_000 }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser.close());

  it('shows the whole life of a token', async () => {
    await atPage(browser, {}, async (person) => {
      await person.signUp('Joe', PASSWORD);
      assert.match((await person.exchange('Sign up')).answer, /^200 OK\n[^]*"User created"/);
      await person.logIn('Joe', PASSWORD);
      const login = await person.exchange('Log in');
      assert.match(login.request, /^POST \/auth\nContent-Type: application\/json\n/);
      assert.match(
        login.request,
        /"username": "Joe",\n  "password": "••••••••",\n  "refresh": true/,
      );
      const tokenStep = person.step('Read the access token');
      assert.match(
        await tokenStep.getByRole('timer').innerText(),
        /^It expires in (5 min 0|4 min 5\d) s\.$/,
      );
      const claims = await tokenStep.getByRole('row').allInnerTexts();
      assert.equal(claims.filter((row) => /^(iat|nbf|exp|identity|sid|gen)\b/.test(row)).length, 6);

      await person.press('Say hello', 'Hello with the access token', 'The token is valid');
      const hello = await person.exchange('Say hello');
      assert.match(hello.request, /^GET \/hello\nAuthorization: Bearer ey[\w-]+\.[\w-]+\.[\w-]+$/);
      assert.match(hello.answer, /"Hello Joe"/);
      await person.press('Refresh', 'Refresh', 'You have new tokens.');
      await person.press('Say hello', 'Hello with the access token', 'The token is valid');

      await person.fill('Change the password', {
        'Current password': PASSWORD,
        'New password': NEW_PASSWORD,
      });
      await person.press('Change the password', /Change/, 'The new password is in use now.');
      const { request } = await person.exchange('Change the password');
      assert.match(request, /"password": "•+",\n  "new_password": "•+",\n  "refresh": true/);
      await person.press('Say hello', 'Hello with the previous token', REFUSES_ENDED);
      await person.press('Say hello', 'Hello with the access token', 'The token is valid');

      await person.press('Log out', 'Log out', 'You are logged out.');
      await person.press('Say hello', 'Hello with the previous token', REFUSES_ENDED);
      await person.press('Say hello', 'Hello with the access token', 'has no access token');
      await person.press('Refresh', 'Refresh', 'The page has no refresh token to send.');

      await person.logIn('Joe', NEW_PASSWORD);
      await person.fill('Remove the account', { Password: NEW_PASSWORD });
      await person.press('Remove the account', /Remove/, 'The account is removed.');
      await person.press('Say hello', 'Hello with the previous token', '(401, ERR_');
      await person.fill('Log in', { Username: 'Joe', Password: NEW_PASSWORD });
      await person.press('Log in', 'Log in', 'The username or the password is wrong.');
      const shown = await person.page.content();
      for (const password of [PASSWORD, NEW_PASSWORD]) assert.ok(!shown.includes(password));
    });
  });

  it('lists the sessions, ends one, and ends all others', async () => {
    await atPage(browser, {}, async (person) => {
      await person.signUp('joe', PASSWORD);
      await person.logIn('joe', PASSWORD);
      const logInElsewhere = (agent: string) => {
        const body = { username: 'joe', password: PASSWORD };
        return send(`${person.url}/auth`, 'POST', body, { 'User-Agent': agent });
      };
      for (const agent of ['telephone', 'tablet', 'thief']) await logInElsewhere(agent);
      const list = async () => {
        await person.press('Sessions', 'List the sessions', 'These are the sessions');
        const rows = await person.step('Sessions').getByRole('row').allInnerTexts();
        return rows.slice(1).map((row) => /this session|telephone|tablet|thief/.exec(row)?.[0]);
      };
      assert.deepEqual((await list()).sort(), ['tablet', 'telephone', 'thief', 'this session']);
      await person.fill('Sessions', { 'Password, to end sessions': PASSWORD });
      const thief = person.step('Sessions').getByRole('row', { name: 'thief' });
      await thief.getByRole('button', { name: /^End the session that began / }).click();
      await person.sees('Sessions', 'Ended.');
      assert.deepEqual((await list()).sort(), ['tablet', 'telephone', 'this session']);
      await person.fill('Sessions', { 'Password, to end sessions': PASSWORD });
      await person.press('Sessions', 'End all other sessions', 'Ended.');
      assert.deepEqual(await list(), ['this session']);
    });
  });

  it('works with the keyboard alone, and shows where the focus is', async () => {
    await atPage(browser, {}, async ({ page }) => {
      const focus = async () => {
        const style = 'getComputedStyle(document.activeElement)';
        assert.equal(await page.evaluate(`${style}.outlineStyle`), 'solid');
        const element = 'document.activeElement';
        const text = `(${element}.labels?.[0] ?? ${element}).innerText.trim()`;
        return page.evaluate(text);
      };
      const tab = async (expected: string) => {
        await page.keyboard.press('Tab');
        assert.equal(await focus(), expected);
      };
      await tab('Username');
      await page.keyboard.type('joe');
      await tab('Password');
      await page.keyboard.type(PASSWORD);
      await page.keyboard.press('Enter');
      await page.getByRole('status').filter({ hasText: 'The account exists.' }).waitFor();
      await tab('Sign up');
      await tab('Username');
      assert.equal(await page.evaluate('document.activeElement.value'), 'joe');
      await tab('Password');
      await page.keyboard.type(PASSWORD);
      await tab('Ask for a refresh token too');
      await page.keyboard.press('Space');
      await tab('Log in');
      await page.keyboard.press('Enter');
      await page.getByRole('status').filter({ hasText: 'You are logged in as joe.' }).waitFor();
      assert.equal(await focus(), 'Log in');
      await tab('Hello with the access token');
      await page.keyboard.press('Space');
      await page.getByRole('status').filter({ hasText: 'The token is valid' }).waitFor();
    });
  });

  it('says each refusal in plain words, with its code', async () => {
    await atPage(browser, {}, async (person) => {
      await person.fill('Sign up', { Username: 'joe', Password: 'short' });
      await person.press('Sign up', 'Sign up', '(400, ERR_PASSWORD_TOO_SHORT)');
      await person.press('Say hello', 'Hello without a token', '(401, ERR_AUTHORIZATION_MISSING)');
      await person.fill('Log in', { Username: 'joe', Password: PASSWORD });
      await person.press('Log in', 'Log in', '(401, ERR_CREDENTIALS)');
      assert.match((await person.exchange('Log in')).answer, /^401 .*\n.*\nError-Code: ERR_CRED/);
    });
    const limits = { triesPerAccount: 1 };
    await atPage(browser, { app: { limits } }, async (person) => {
      await person.fill('Log in', { Username: 'joe', Password: PASSWORD });
      await person.press('Log in', 'Log in', '(401, ERR_CREDENTIALS)');
      await person.fill('Log in', { Password: PASSWORD });
      await person.press('Log in', 'Log in', 'There were too many attempts. Try again in ');
      await person.sees('Log in', '(429, ERR_THROTTLED)');
      assert.match((await person.exchange('Log in')).answer, /\nRetry-After: \d+\n/);
    });
  });

  it('says when the server cannot answer, and when no answer comes', async () => {
    const users = new MemoryUserStore();
    users.insert = () => {
      throw new AuthError('ERR_STORE');
    };
    const expected = /ERR_INTERNET_DISCONNECTED/;
    await atPage(browser, { app: { users }, expected }, async (person) => {
      await person.fill('Sign up', { Username: 'joe', Password: PASSWORD });
      const words = 'Refused: The user store is unavailable. Try again in 5 s. (503, ERR_STORE)';
      await person.press('Sign up', 'Sign up', words);
      await person.page.context().setOffline(true);
      await person.press('Sign up', 'Sign up', 'No answer came.');
      assert.equal((await person.exchange('Sign up')).answer, 'No answer');
      await person.page.context().setOffline(false);
      await person.press('Sign up', 'Sign up', words);
    });
  });

  it('shows no step that a server without sessions lacks, and says so', async () => {
    await atPage(browser, { app: {} }, async (person) => {
      const headings = await person.page.getByRole('heading', { level: 2 }).allInnerTexts();
      assert.deepEqual(headings, ['Sign up', 'Log in', 'Read the access token', 'Say hello']);
      await person.page.getByText('This server has sessions off.').waitFor();
      await person.signUp('joe', PASSWORD);
      await person.logIn('joe', PASSWORD);
      assert.doesNotMatch((await person.exchange('Log in')).request, /refresh/);
      await person.press('Say hello', 'Hello with the access token', 'The token is valid');
    });
    const { find, insert, update } = new MemoryUserStore();
    const users = { find, insert, update };
    await atPage(browser, { app: { ...withSessions(), users } }, async ({ page }) => {
      const headings = await page.getByRole('heading', { level: 2 }).allInnerTexts();
      assert.ok(headings.includes('Log out') && !headings.includes('Remove the account'));
      assert.equal(await page.getByText('This server has sessions off.').count(), 0);
    });
  });

  it('uses the fields, the path and the scheme of the application, also below a path', async () => {
    const app = {
      ...withSessions(),
      authPath: '/log/in',
      usernameField: '</script><script>alert(1)</script>',
      passwordField: '"><img src=x onerror=alert(1)>',
      schemes: ['Token'],
      minPasswordLength: 12,
    };
    await atPage(browser, { app, prefix: '/below' }, async (person) => {
      await person.step('Sign up').getByText('At least 12 characters').waitFor();
      await person.signUp('joe', PASSWORD);
      await person.logIn('joe', PASSWORD);
      const { request } = await person.exchange('Log in');
      assert.match(request, /^POST \/log\/in\n/);
      assert.ok(request.includes('"</script><script>alert(1)</script>": "joe"'));
      assert.ok(!request.includes(PASSWORD));
      await person.press('Say hello', 'Hello with the access token', 'The token is valid');
      assert.match((await person.exchange('Say hello')).request, /\nAuthorization: Token ey/);
    });
  });

  it('shows HTML in a username and in the name of a client as text', async () => {
    await atPage(browser, {}, async (person) => {
      const username = '<img/src=x/onerror=alert(1)>';
      const agent = '<script>alert(2)</script><svg onload=alert(3)>';
      await person.signUp(username, PASSWORD);
      await person.logIn(username, PASSWORD);
      const body = { username, password: PASSWORD };
      await send(`${person.url}/auth`, 'POST', body, { 'User-Agent': agent });
      await person.press('Say hello', 'Hello with the access token', 'The token is valid');
      await person.press('Sessions', 'List the sessions', 'These are the sessions');
      const rows = await person.step('Sessions').getByRole('row').allInnerTexts();
      assert.ok(rows.some((row) => row.includes(agent)));
      const { answer } = await person.exchange('Say hello');
      assert.ok(answer.includes(`"Hello ${username}"`));
      assert.equal(await person.page.locator('img, svg').count(), 0);
      // The settings of the application, and the four scripts of the page.
      assert.equal(await person.page.locator('script').count(), 5);
    });
  });

  it('runs no script that was added to it', async () => {
    const expected = /violates the following Content Security Policy directive 'script-src /;
    await atPage(browser, { expected }, async ({ page }) => {
      const refused = page.waitForEvent('console', (line) => expected.test(line.text()));
      await page.evaluate(`
        const script = document.createElement('script');
        script.textContent = 'window.wasRun = true';
        document.body.append(script);
      `);
      await refused;
      assert.equal(await page.evaluate('window.wasRun'), undefined);
    });
  });

  it('keeps nothing in the browser: a reload forgets the tokens', async () => {
    await atPage(browser, {}, async (person) => {
      await person.signUp('joe', PASSWORD);
      await person.logIn('joe', PASSWORD);
      await person.press('Say hello', 'Hello with the access token', 'The token is valid');
      const kept = await person.page.context().storageState({ indexedDB: true });
      assert.deepEqual(kept, { cookies: [], origins: [] });
      assert.equal(await person.page.evaluate('sessionStorage.length'), 0);
      await person.page.reload();
      await person.press('Say hello', 'Hello with the access token', 'has no access token');
    });
  });
});
