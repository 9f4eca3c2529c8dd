/** The looks of the page that `createApp` serves: contrast, small screens, screen readers. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchChromium, skipWithoutChromium } from './chromium.ts';
import { atPage, type Person } from './page-person.ts';

const PASSWORD = 'correct horse';

/** Uses the page until it shows a success, a refusal, a token, claims and sessions. */
async function fillPage(person: Person): Promise<void> {
  await person.signUp('joe', PASSWORD);
  await person.logIn('joe', PASSWORD);
  await person.press('Say hello', 'Hello without a token', 'has no access token');
  await person.press('Sessions', 'List the sessions', 'These are the sessions');
}

/**
 * Finds the text and the borders of controls whose contrast with the ground behind them is too low
 * (WCAG 2.2, 1.4.3 and 1.4.11).
 */
const LOW_CONTRASTS = `(() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [red, green, blue] = numbers(color).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const groundOf = (element) => {
    const color = element ? getComputedStyle(element).backgroundColor : 'rgb(255, 255, 255)';
    return numbers(color)[3] === 0 ? groundOf(element.parentElement) : color;
  };
  const low = [];
  let judged = 0;
  const judge = (element, kind, color, ground, least) => {
    judged += 1;
    const found = contrast(color, ground);
    if (found < least) low.push([kind, element.tagName, element.className, found].join(' '));
  };
  for (const element of document.querySelectorAll('body *')) {
    if (element.getClientRects().length === 0) continue;
    const style = getComputedStyle(element);
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (hasText || element.value) judge(element, 'text', style.color, groundOf(element), 4.5);
    if (!element.matches('button, input:not([type=checkbox])')) continue;
    judge(element, 'border', style.borderTopColor, groundOf(element.parentElement), 3);
  }
  return { low, judged };
})()`;

describe('the page', { skip: skipWithoutChromium, timeout: 120_000 }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser.close());

  it('has enough contrast, in light and in dark', async () => {
    const grounds = new Set<unknown>();
    for (const colorScheme of ['light', 'dark'] as const) {
      await atPage(browser, { context: { colorScheme } }, async (person) => {
        await fillPage(person);
        const found = await person.page.evaluate<{ low: string[]; judged: number }>(LOW_CONTRASTS);
        assert.deepEqual(found.low, [], colorScheme);
        assert.ok(found.judged > 80, String(found.judged));
        const ground = 'getComputedStyle(document.body).backgroundColor';
        grounds.add(await person.page.evaluate(ground));
      });
    }
    assert.equal(grounds.size, 2);
  });

  it('fits a screen of 320 pixels, and has two columns on a wide one', async () => {
    for (const [width, columns] of [[320, 1], [1280, 2]] as const) {
      const context = { viewport: { width, height: 800 } };
      await atPage(browser, { context }, async (person) => {
        await fillPage(person);
        const { page } = person;
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width);
        const wide = await page.evaluate(`[...document.querySelectorAll('main *')]
          .filter((element) => element.scrollWidth > element.clientWidth + 1)
          .filter((element) => getComputedStyle(element).display !== 'inline')
          .map((element) => element.outerHTML)`);
        assert.deepEqual(wide, []);
        const step = "document.querySelector('section')";
        const tracks = await page.evaluate(`getComputedStyle(${step}).gridTemplateColumns`);
        assert.equal(String(tracks).split(' ').length, columns);
      });
    }
  });

  it('has a name for every control, and its headings in order', async () => {
    await atPage(browser, {}, async (person) => {
      await fillPage(person);
      const { page } = person;
      const session = await page.context().newCDPSession(page);
      const { nodes } = await session.send('Accessibility.getFullAXTree');
      const tables = ['table', 'columnheader', 'rowheader'];
      const roles = ['button', 'textbox', 'checkbox', 'region', ...tables];
      const named = nodes.filter(({ role }) => roles.includes(String(role?.value)));
      assert.ok(named.length > 30, String(named.length));
      for (const { role, name } of named) assert.ok(name?.value, `a ${role?.value} has no name`);
      const controls = await page.getByRole('button').count() +
        await page.getByRole('textbox').count() + await page.getByRole('checkbox').count();
      assert.equal(controls, await page.locator('button:visible, input:visible').count());
      const headings = nodes.filter(({ role }) => role?.value === 'heading');
      const levels = headings.map(({ properties }) => {
        return Number(properties?.find(({ name }) => name === 'level')?.value.value);
      });
      assert.equal(levels[0], 1);
      assert.equal(levels.filter((level) => level === 1).length, 1);
      const isInOrder = levels.every((level, at) => at === 0 || level <= (levels[at - 1] ?? 0) + 1);
      assert.ok(isInOrder, levels.join());
    });
  });

  it('has headings and rows that say of what they are, and times with their zone', async () => {
    await atPage(browser, { context: { timezoneId: 'Europe/Berlin' } }, async (person) => {
      await fillPage(person);
      const { page } = person;
      assert.equal(await page.title(), 'Try sign-up and login – latchkey');
      const title = page.getByRole('heading', { level: 1, name: 'Try sign-up and login' });
      assert.equal(await title.count(), 1);
      const names = await page.getByRole('heading', { level: 3 }).allTextContents();
      assert.equal(new Set(names).size, names.length);
      for (const name of ['Log in: Request', 'Log in: Answer']) assert.ok(names.includes(name));
      const claim = person.step('Read the access token').getByRole('rowheader', { name: 'exp' });
      assert.equal(await claim.getAttribute('scope'), 'row');
      const client = person.step('Sessions').getByRole('rowheader', { name: /Chrome/ });
      assert.match(await client.innerText(), /began .*\d{2}.* (GMT|CES?T)/);
      const expiry = await page.getByRole('row', { name: 'when it expires' }).innerText();
      assert.match(expiry, /(GMT|CES?T)/);
      const username = person.step('Sign up').getByLabel('Username');
      assert.equal(await username.getAttribute('aria-describedby'), 'sign-up-username-hint');
      await person.step('Sign up').getByText('1 to 80 letters, digits or ASCII symbols').waitFor();
    });
  });

  it('shows by another colour which buttons end or remove something', async () => {
    await atPage(browser, {}, async (person) => {
      await fillPage(person);
      const colors = await person.page.evaluate<Record<string, string[]>>(`Object.groupBy(
        [...document.querySelectorAll('button:enabled')].map((button) => button.innerText),
        (text) => {
          const buttons = [...document.querySelectorAll('button')];
          const button = buttons.find(({ innerText }) => innerText === text);
          return getComputedStyle(button).borderTopColor;
        },
      )`);
      const groups = Object.values(colors);
      assert.equal(groups.length, 2);
      assert.deepEqual(groups[1], ['End all other sessions', 'End', 'Remove the account']);
    });
  });

  it('tells password managers which field is which', async () => {
    await atPage(browser, {}, async ({ page }) => {
      const kinds = await page.evaluate(`[...document.forms].map((form) => {
        const inputs = [...form.querySelectorAll('input:not([type=checkbox])')];
        return [form.getAttribute('id'), ...inputs.map((input) => input.autocomplete)].join(' ');
      })`);
      assert.deepEqual(kinds, [
        'sign-up username new-password',
        'log-in username current-password',
        'hello',
        'refresh',
        'sessions',
        'end-sessions username current-password',
        'change-password username current-password new-password',
        'log-out',
        'remove username current-password',
      ]);
    });
  });

  it('moves nothing', async () => {
    await atPage(browser, {}, async ({ page }) => {
      const moving = await page.evaluate(`[...document.querySelectorAll('*')].filter((element) => {
        const { animationName, transitionDuration, scrollBehavior } = getComputedStyle(element);
        return [animationName, transitionDuration, scrollBehavior].join() !== 'none,0s,auto';
      }).length`);
      assert.equal(moving, 0);
    });
  });

  it('puts no password into an address if its scripts do not run', async () => {
    const expected =
      /violates the following Content Security Policy directive: "form-action 'none'"/;
    const context = { javaScriptEnabled: false };
    await atPage(browser, { context, expected }, async (person) => {
      await person.fill('Log in', { Username: 'joe', Password: PASSWORD });
      const refused = person.page.waitForEvent('console', (line) => expected.test(line.text()));
      await person.step('Log in').getByRole('button').click({ noWaitAfter: true });
      await refused;
      assert.equal(person.page.url(), `${person.url}/`);
    });
  });
});
