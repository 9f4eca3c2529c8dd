/** The page of `createApp({ page: true })` shows no state of a login that is over. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { MemorySessionStore, Sessions } from '../../src/index.ts';
import { send } from '../support/app.ts';
import { launchChromium, skipWithoutChromium } from './chromium.ts';
import { atPage, type Person } from './page-person.ts';

const PASSWORD = 'correct horse';
const NEW_PASSWORD = 'battery staple';
const LOGGED_OUT = 'You are not logged in.';

/** What the page shows: all its text, and what is in its fields. */
const SHOWN = `document.querySelector('main').innerText +
  JSON.stringify([...document.querySelectorAll('input')].map(({ value }) => value))`;

/** Everything that was sent, answered or found out in a step, and is still shown. */
async function remains(person: Person, except: string): Promise<string[]> {
  const found: string[] = [];
  for (const heading of await person.page.getByRole('heading', { level: 2 }).allInnerTexts()) {
    if (heading === except) continue;
    const step = person.step(heading);
    const inputs = await step.locator('input:not([type=checkbox])').all();
    const texts = [
      ...await step.locator('pre').allTextContents(),
      ...await step.getByRole('status').allTextContents(),
      ...await step.getByRole('table').allInnerTexts(),
      ...await Promise.all(inputs.map((input) => input.inputValue())),
    ];
    found.push(...texts.filter((text) => !/^(Not sent yet|No answer yet|No token|)$/.test(text)));
  }
  return found;
}

/** Logs in, and uses every step that leaves something to see. */
async function useAll(person: Person, username: string): Promise<void> {
  await person.logIn(username, PASSWORD);
  await person.press('Say hello', 'Hello with the access token', 'The token is valid');
  await person.press('Refresh', 'Refresh', 'You have new tokens.');
  await person.press('Sessions', 'List the sessions', 'These are the sessions');
  await person.fill('Change the password', {
    'Current password': 'wrong',
    'New password': NEW_PASSWORD,
  });
  await person.press('Change the password', /Change/, 'The password is wrong.');
}

describe('the page', { skip: skipWithoutChromium, timeout: 120_000 }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser.close());

  it('says who is logged in, and after a logout shows nothing of that login', async () => {
    await atPage(browser, {}, async (person) => {
      assert.equal(await person.who(), LOGGED_OUT);
      await person.signUp('joe', PASSWORD);
      await useAll(person, 'joe');
      assert.equal(await person.who(), 'You are logged in as joe.');
      await person.press('Log out', 'Log out', 'You are logged out.');
      assert.equal(await person.who(), LOGGED_OUT);
      assert.deepEqual(await remains(person, 'Log out'), []);
      const timer = person.step('Read the access token').getByRole('timer');
      assert.equal(await timer.innerText(), 'The page has no access token.');
    });
  });

  it('shows nothing of one user to the next, and after a removal nothing at all', async () => {
    await atPage(browser, {}, async (person) => {
      await person.signUp('joe', PASSWORD);
      await person.signUp('ann', PASSWORD);
      await useAll(person, 'joe');
      await person.logIn('ann', PASSWORD);
      assert.equal(await person.who(), 'You are logged in as ann.');
      const shown = await remains(person, 'Log in');
      // Her own username, token and claims.
      assert.deepEqual(shown.filter((text) => !/^(ann$|ey|Its claims[^]*"ann")/.test(text)), []);
      await person.fill('Remove the account', { Password: PASSWORD });
      await person.press('Remove the account', /Remove/, 'The account is removed.');
      assert.equal(await person.who(), LOGGED_OUT);
      assert.deepEqual(await remains(person, 'Remove the account'), []);
    });
  });

  it('drops each answer that comes after a logout, and shows it without a logout', async () => {
    const presses: [string, string | RegExp, string][] = [
      ['Refresh', 'Refresh', 'You have new tokens.'],
      ['Say hello', 'Hello with the access token', 'The token is valid'],
      ['Sessions', 'List the sessions', 'These are the sessions'],
      ['Change the password', /Change/, 'The new password is in use now.'],
    ];
    await atPage(browser, {}, async (person) => {
      const fill = () => person.fill('Change the password', {
        'Current password': PASSWORD,
        'New password': PASSWORD,
      });
      await person.signUp('joe', PASSWORD);
      for (const [heading, button, result] of presses) {
        await person.logIn('joe', PASSWORD);
        await fill();
        const shown = await person.pressAndHold(heading, button);
        await shown.release();
        await person.sees(heading, result);
        await fill();
        const dropped = await person.pressAndHold(heading, button);
        await person.press('Log out', 'Log out', 'You are logged out.');
        const before = await person.page.evaluate(SHOWN);
        await dropped.release();
        assert.equal(await person.page.evaluate(SHOWN), before, heading);
        assert.equal(await person.who(), LOGGED_OUT);
        // The step waits no longer.
        await person.press('Say hello', 'Hello without a token', 'has no access token');
      }
    });
  });

  it('keeps the tokens of a new password when a refresh from before is answered late', async () => {
    await atPage(browser, {}, async (person) => {
      await person.signUp('joe', PASSWORD);
      await person.logIn('joe', PASSWORD);
      const late = await person.pressAndHold('Refresh', 'Refresh');
      await person.fill('Change the password', {
        'Current password': PASSWORD,
        'New password': NEW_PASSWORD,
      });
      await person.press('Change the password', /Change/, 'The new password is in use now.');
      await late.release();
      await person.press('Say hello', 'Hello with the access token', 'The token is valid');
      assert.equal(await person.who(), 'You are logged in as joe.');
    });
  });

  it('takes a login that is answered after the logout of the one before', async () => {
    await atPage(browser, {}, async (person) => {
      await person.signUp('joe', PASSWORD);
      await person.signUp('ann', PASSWORD);
      await person.logIn('joe', PASSWORD);
      await person.fill('Log in', { Username: 'ann', Password: PASSWORD });
      const login = await person.pressAndHold('Log in', 'Log in');
      await person.press('Log out', 'Log out', 'You are logged out.');
      assert.equal(await person.who(), LOGGED_OUT);
      await login.release();
      await person.sees('Log in', 'You are logged in as ann.');
      assert.equal(await person.who(), 'You are logged in as ann.');
      await person.press('Say hello', 'Hello with the access token', 'The token is valid');
    });
  });

  it('is logged out after it ended its own session, and not after another', async () => {
    await atPage(browser, {}, async (person) => {
      await person.signUp('joe', PASSWORD);
      const body = { username: 'joe', password: PASSWORD };
      await send(`${person.url}/auth`, 'POST', body, { 'User-Agent': 'telephone' });
      await person.logIn('joe', PASSWORD);
      const end = async (row: string, result: string) => {
        await person.press('Sessions', 'List the sessions', 'These are the sessions');
        await person.fill('Sessions', { 'Password, to end sessions': PASSWORD });
        const session = person.step('Sessions').getByRole('row', { name: row });
        await session.getByRole('button').click();
        await person.sees('Sessions', result);
        assert.equal(await person.step('Sessions').getByRole('table').count(), 0);
        // The button is gone. The focus is at a place from which the person can go on.
        assert.equal(await person.page.evaluate('document.activeElement.id'), 'list-sessions');
      };
      await end('telephone', 'Ended. List the sessions again');
      assert.equal(await person.who(), 'You are logged in as joe.');
      await end('this session', 'It was the session of this page, so you are logged out.');
      assert.equal(await person.who(), LOGGED_OUT);
      assert.deepEqual(await remains(person, 'Sessions'), []);
    });
  });

  it('is logged out when the server says that the session has ended', async () => {
    await atPage(browser, {}, async (person) => {
      await person.signUp('joe', PASSWORD);
      await person.logIn('joe', PASSWORD);
      await person.press('Log out', 'Log out', 'You are logged out.');
      await person.logIn('joe', PASSWORD);
      await person.press('Say hello', 'Hello with the previous token', 'The session of this token');
      assert.equal(await person.who(), 'You are logged in as joe.');
      const { answer } = await person.exchange('Log in');
      const [, token = ''] = /"refresh_token": "([^"]+)"/.exec(answer) ?? [];
      const { status } = await send(`${person.url}/logout`, 'POST', { refresh_token: token });
      assert.equal(status, 200);
      await person.press('Say hello', 'Hello with the access token', 'The session of this token');
      assert.equal(await person.who(), LOGGED_OUT);
      assert.deepEqual(await remains(person, 'Say hello'), []);
    });
  });

  it('is logged out once its token has expired, unless it can refresh', async () => {
    let seconds = 1_700_000_000;
    const now = () => seconds;
    const app = { now, sessions: new Sessions({ store: new MemorySessionStore(), now }) };
    await atPage(browser, { app }, async (person) => {
      await person.signUp('joe', PASSWORD);
      await person.logIn('joe', PASSWORD);
      seconds += 1000;
      const expired = 'The token has expired. A refresh or a login gets a new one. (401';
      await person.press('Say hello', 'Hello with the access token', expired);
      assert.equal(await person.who(), 'You are logged in as joe.');
      await person.press('Refresh', 'Refresh', 'You have new tokens.');
      await person.press('Log out', 'Log out', 'You are logged out.');
      await person.press('Log out', 'Log out', 'Refused: You are not logged in. (400');

      await person.step('Log in').getByLabel('Ask for a refresh token too').uncheck();
      await person.logIn('joe', PASSWORD);
      seconds += 1000;
      await person.press('Say hello', 'Hello with the previous token', expired);
      assert.equal(await person.who(), 'You are logged in as joe.');
      const over = 'The token has expired, and the page has no refresh token. Log in again. (401';
      await person.press('Log out', 'Log out', over);
      assert.equal(await person.who(), LOGGED_OUT);
      assert.deepEqual(await remains(person, 'Log out'), []);
    });
  });

  it('keeps the name of the login in its forms when another account is signed up', async () => {
    await atPage(browser, {}, async (person) => {
      await person.signUp('joe', PASSWORD);
      await person.logIn('joe', PASSWORD);
      await person.signUp('ann', PASSWORD);
      const names = await person.page.evaluate(`[...document.querySelectorAll('[name=username]')]
        .map(({ form, value }) => form.id + ' ' + value)`);
      const own = ['end-sessions joe', 'change-password joe', 'remove joe'];
      assert.deepEqual(names, ['sign-up ann', 'log-in ann', ...own]);
    });
  });

  it('keeps no password in a field once the server has judged it', async () => {
    await atPage(browser, {}, async (person) => {
      const filled = () => person.page.evaluate(`[...document.querySelectorAll('[type=password]')]
        .filter(({ value }) => value !== '').length`);
      await person.fill('Sign up', { Username: 'joe doe', Password: PASSWORD });
      await person.press('Sign up', 'Sign up', '(400, ERR_USERNAME)');
      // The password was not judged, so the person need not type it again.
      assert.equal(await filled(), 1);
      await person.signUp('joe', PASSWORD);
      assert.equal(await filled(), 0);
      await person.fill('Log in', { Username: 'joe', Password: 'wrong' });
      await person.press('Log in', 'Log in', '(401, ERR_CREDENTIALS)');
      assert.equal(await filled(), 0);
      await person.logIn('joe', PASSWORD);
      assert.equal(await filled(), 0);
    });
  });
});
