/** How the page of `createApp({ page: true })` tells everyone what it waits for and what came. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchChromium, skipWithoutChromium } from './chromium.ts';
import { atPage, type Person } from './page-person.ts';

const PASSWORD = 'correct horse';

/** The field with the focus: its form, its name and the texts that describe it. */
const FOCUS = `(() => {
  const field = document.activeElement;
  const ids = field.getAttribute('aria-describedby')?.split(' ') ?? [];
  const texts = ids.map((id) => document.getElementById(id).innerText);
  return [field.form.getAttribute('id'), field.name, texts.join(' ')].join(': ');
})()`;

const AT_FAULT = `[...document.querySelectorAll('[aria-invalid]')].map(({ id }) => id).join()`;

/** The next request gets this answer, in place of one of the server. */
async function answerNext(
  { page }: Person,
  answer: { readonly status: number; readonly contentType: string; readonly body: string },
): Promise<void> {
  await page.route('**/*', (route) => route.fulfill(answer), { times: 1 });
}

describe('the page', { skip: skipWithoutChromium, timeout: 120_000 }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser.close());

  it('has a live region for each result from the start, and says that a step waits', async () => {
    await atPage(browser, {}, async (person) => {
      const { page } = person;
      const session = await page.context().newCDPSession(page);
      const { nodes } = await session.send('Accessibility.getFullAXTree');
      const regions = nodes.filter(({ role, ignored }) => role?.value === 'status' && !ignored);
      assert.equal(regions.length, 8);
      assert.equal(await page.getByRole('status').filter({ hasText: /./ }).count(), 0);

      await person.fill('Sign up', { Username: 'joe', Password: PASSWORD });
      let requests = 0;
      page.on('request', () => requests += 1);
      const held = await person.pressAndHold('Sign up', 'Sign up');
      const busy = `[...document.querySelectorAll('[aria-busy=true]')].map(({ id }) => id).join()`;
      assert.equal(await page.evaluate(busy), 'sign-up');
      await person.step('Sign up').getByRole('button').click();
      await held.release();
      await person.sees('Sign up', 'The account exists.');
      assert.equal(await page.evaluate(busy), '');
      assert.equal(requests, 1);
    });
  });

  it('waits for an answer for a limited time', async () => {
    await atPage(browser, { expected: /net::ERR_/ }, async (person) => {
      await person.page.evaluate(`{
        const { timeout } = AbortSignal;
        AbortSignal.timeout = (milliseconds) => timeout.call(AbortSignal, milliseconds / 100);
      }`);
      await person.page.route('**/signup', () => undefined, { times: 1 });
      await person.fill('Sign up', { Username: 'joe', Password: PASSWORD });
      await person.press('Sign up', 'Sign up', 'No answer came within 20 s.');
      await person.press('Sign up', 'Sign up', 'The account exists.');
    });
  });

  it('ties a refusal to its field, and puts the focus there', async () => {
    await atPage(browser, {}, async (person) => {
      const { page } = person;
      const refused = async (heading: string, button: string, code: string, at: string) => {
        await person.press(heading, button, code);
        assert.match(String(await page.evaluate(FOCUS)), RegExp(`^${at}: .*${code}`));
        const isAtFault = "document.activeElement.matches('[aria-invalid=true]')";
        assert.equal(await page.evaluate(isAtFault), true);
      };
      await person.fill('Sign up', { Username: 'joe doe', Password: PASSWORD });
      await refused('Sign up', 'Sign up', 'ERR_USERNAME', 'sign-up: username');
      await person.fill('Sign up', { Username: 'joe', Password: 'short' });
      await refused('Sign up', 'Sign up', 'ERR_PASSWORD_TOO_SHORT', 'sign-up: password');
      await person.signUp('joe', PASSWORD);
      assert.equal(await page.evaluate(AT_FAULT), '');
      await person.step('Sign up').getByLabel('Password').focus();
      assert.equal(await page.evaluate(FOCUS), 'sign-up: password: At least 8 characters');
      await person.fill('Sign up', { Username: 'joe', Password: PASSWORD });
      await refused('Sign up', 'Sign up', 'ERR_USER_EXISTS', 'sign-up: username');
      await person.fill('Log in', { Username: 'joe', Password: 'wrong' });
      await refused('Log in', 'Log in', 'ERR_CREDENTIALS', 'log-in: password');

      await person.logIn('joe', PASSWORD);
      assert.equal(await page.evaluate(AT_FAULT), '');
      const changing = 'Change the password';
      const change = (current: string, next: string) => {
        return person.fill(changing, { 'Current password': current, 'New password': next });
      };
      await change(PASSWORD, 'short');
      await refused(changing, changing, 'ERR_PASSWORD_TOO_SHORT', 'change-password: next');
      await change('wrong', 'battery staple');
      await refused(changing, changing, 'ERR_CREDENTIALS', 'change-password: password');
      await person.sees(changing, 'Refused: The password is wrong. (401');
      await person.fill('Sessions', { 'Password, to end sessions': 'wrong' });
      await refused('Sessions', 'End all other', 'ERR_CREDENTIALS', 'end-sessions: password');
    });
  });

  it('leaves the focus where a person has gone on', async () => {
    await atPage(browser, {}, async (person) => {
      await person.fill('Log in', { Username: 'joe', Password: PASSWORD });
      const held = await person.pressAndHold('Log in', 'Log in');
      await person.step('Sign up').getByLabel('Username').focus();
      await held.release();
      await person.sees('Log in', 'ERR_CREDENTIALS');
      assert.match(String(await person.page.evaluate(FOCUS)), /^sign-up: username/);
    });
  });

  it('says that an answer is not from the server, or lacks the token', async () => {
    await atPage(browser, {}, async (person) => {
      await person.signUp('joe', PASSWORD);
      const html = { contentType: 'text/html', body: '<h1>Bad Gateway</h1>' };
      const foreign = 'This is not an answer of latchkey. A proxy may have sent it.';
      for (const status of [502, 200]) {
        await answerNext(person, { status, ...html });
        const words = `${foreign} (${status}, no Error-Code)`;
        await person.press('Say hello', 'Hello without a token', words);
        await answerNext(person, { status, ...html });
        await person.fill('Log in', { Username: 'joe', Password: PASSWORD });
        await person.press('Log in', 'Log in', words);
      }
      await answerNext(person, { status: 500, contentType: 'application/json', body: '{}' });
      const unsaid = 'Refused: The answer does not say why. (500, no Error-Code)';
      await person.press('Say hello', 'Hello without a token', unsaid);

      await person.logIn('joe', PASSWORD);
      for (const body of ['{}', '[]', 'null', '{"access_token":7}']) {
        await answerNext(person, { status: 200, contentType: 'application/json', body });
        const words = 'its answer has no text "access_token". (200)';
        await person.press('Refresh', 'Refresh', words);
      }
      // The tokens from before are still there.
      await person.press('Say hello', 'Hello with the access token', 'The token is valid');
      await person.press('Refresh', 'Refresh', 'You have new tokens.');
    });
  });

  it('sends no token if so asked, and no previous token before there is one', async () => {
    await atPage(browser, { app: {} }, async (person) => {
      const hello = person.step('Say hello');
      const previous = hello.getByRole('button', { name: 'previous' });
      assert.doesNotMatch(await hello.innerText(), /refresh|log ?out|new password/i);
      assert.equal(await previous.isDisabled(), true);
      await person.signUp('joe', PASSWORD);
      await person.logIn('joe', PASSWORD);
      assert.equal(await previous.isDisabled(), true);
      const missing = 'so the server does not know who sent it. (401, ';
      await person.press('Say hello', 'Hello without a token', missing);
      await person.logIn('joe', PASSWORD);
      await person.press('Say hello', 'Hello with the previous token', 'The token is valid');
    });
  });
});
