/** What a real browser blocks. What it says in its console is in a table of "From a browser". */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { rowsOf } from '../support/documents.ts';
import { serve, stop } from '../support/run-command.ts';
import { failureOf, filesWith, script, setClients, withPages } from './browser-pages.ts';
import { withSetting, type Setting } from './browser-setting.ts';
import { launchChromium, skipWithoutChromium } from './chromium.ts';

const SIGN_UP = "await client.signup('joe', 'correct horse');";
const IN_A_BROWSER = { skip: skipWithoutChromium, timeout: 60_000 };
const NO_ORIGIN = "No 'Access-Control-Allow-Origin' header is present on the requested resource.";
const PREFLIGHT = "Response to preflight request doesn't pass access control check: ";
const CREDENTIALS = "The value of the 'Access-Control-Allow-Credentials' header in the response is "
  + "'' which must be 'true' when the request's credentials mode is 'include'.";
const HEADER = 'Request header field x-trace is not allowed by Access-Control-Allow-Headers in '
  + 'preflight response.';

let browser: Browser;

before(async () => {
  if (skipWithoutChromium === false) browser = await launchChromium();
});

after(() => browser?.close());

/** Asserts that the browser blocks a script, and says why. @returns the origin that it names */
async function assertBlocked(page: Page, code: string, reason: string): Promise<string> {
  const message = page.waitForEvent('console', (entry) => entry.text().includes('blocked by CORS'));
  assert.equal((await failureOf(page, code)).message, 'Failed to fetch');
  const [, origin = '', said] = / from origin '(.+?)' has been blocked by CORS policy: (.+)$/
    .exec((await message).text()) ?? [];
  assert.equal(said, reason);
  return origin;
}

const fetchOf = ({ url }: Setting['server'], init: object = {}) =>
  `return (await fetch('${url}/hello', ${JSON.stringify(init)})).status;`;

test('the table of the page has what the console says', () => {
  const texts = rowsOf('### What the console says').map(([text]) => text);
  const all = [PREFLIGHT + NO_ORIGIN, NO_ORIGIN, PREFLIGHT + CREDENTIALS, HEADER];
  assert.deepEqual(texts, all.map((text) => `\`${text}\``));
});

test('a page of an unlisted origin cannot sign up, and reads no reply', IN_A_BROWSER, () => {
  return withSetting(browser, async ({ page, server, watch }) => {
    // The same page under another name is another origin, and another site.
    const unlisted = new URL(page.url().replace('127.0.0.1', 'localhost')).origin;
    await page.goto(unlisted);
    assert.equal(await assertBlocked(page, SIGN_UP, PREFLIGHT + NO_ORIGIN), unlisted);
    assert.deepEqual(watch.take(), ['OPTIONS /signup 204']);
    await assertBlocked(page, fetchOf(server), NO_ORIGIN);
    assert.deepEqual(watch.take(), ['GET /hello 401']);
    await page.goto(unlisted.replace('localhost', '127.0.0.1'));
    assert.equal(await script(page, fetchOf(server)), 401);
    assert.equal(await script(page, SIGN_UP), undefined);
  });
});

test('no page sends cookies or other headers, and each reads a 405', IN_A_BROWSER, () => {
  return withSetting(browser, async ({ page, server, watch }) => {
    const headers = { Authorization: 'JWT x' };
    const withCookies = fetchOf(server, { credentials: 'include', headers });
    await assertBlocked(page, withCookies, PREFLIGHT + CREDENTIALS);
    await assertBlocked(page, fetchOf(server, { headers: { 'X-Trace': '1' } }), HEADER);
    assert.deepEqual(watch.take(), ['OPTIONS /hello 204', 'OPTIONS /hello 204']);
    assert.equal(await script(page, fetchOf(server, { method: 'DELETE' })), 405);
    assert.deepEqual(watch.take(), ['OPTIONS /hello 204', 'DELETE /hello 405']);
    assert.equal(await script(page, fetchOf(server, { headers })), 401);
  });
});

test('a sandboxed frame of a listed page is blocked', IN_A_BROWSER, () => {
  return withSetting(browser, async ({ page, server }) => {
    const fetchIn = (sandbox: string) => page.evaluate(`new Promise((resolve) => {
      const frame = document.createElement('iframe');
      frame.sandbox = '${sandbox}';
      frame.srcdoc = \`<script>
        const tell = (outcome) => parent.postMessage(origin + ' ' + outcome, '*');
        fetch('${server.url}/hello').then(({ status }) => tell(status), tell);
      </script>\`;
      addEventListener('message', ({ data }) => resolve(data), { once: true });
      document.body.append(frame);
    })`);
    const { origin } = new URL(page.url());
    assert.equal(await fetchIn('allow-scripts'), 'null TypeError: Failed to fetch');
    assert.equal(await fetchIn('allow-scripts allow-same-origin'), `${origin} 401`);
  });
});

test('the flag --cors of the command lists the origins', IN_A_BROWSER, async () => {
  const files: Record<string, string> = {};
  await withPages(files, async (port) => {
    const origins = `https://app.example,http://127.0.0.1:${port}`;
    const server = await serve(
      `serve --port 0 --users memory --scrypt-cost 1 --cors ${origins}`,
    );
    const settings = { refreshIn: 'memory', server: server.url } as const;
    Object.assign(files, filesWith(settings));
    const context = await browser.newContext();
    await setClients(context, settings);
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${port}`);
    const hello = "await client.login('joe', 'correct horse'); return hello();";
    const expected = { Status: 'Success', result: 'Hello joe' };
    assert.deepEqual(await script(page, SIGN_UP + hello), expected);
    await page.goto(`http://localhost:${port}`);
    await assertBlocked(page, SIGN_UP, PREFLIGHT + NO_ORIGIN);
    await context.close();
    await stop(server);
  });
});
