/** The development server of Vite as the proxy between the page and the server of `cookie.mts`. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer } from 'vite';
import { send } from '../support/app.ts';
import { programs } from '../support/documents.ts';
import { freePort, removeUserFolder, serveProgram } from '../support/user-folder.ts';
import { JOE, makeCookieFolder } from './browser-cookie-setting.ts';
import { LOGIN_FILES } from './browser-pages.ts';
import { launchChromium, skipWithoutChromium } from './chromium.ts';

const IN_A_BROWSER = { skip: skipWithoutChromium, timeout: 60_000 };

test('the proxy of Vite makes page and server one origin', IN_A_BROWSER, async () => {
  const folder = await makeCookieFolder();
  const config = [...programs.values()].find((code) => code.startsWith('// vite.config.ts\n'));
  await serveProgram(folder, 'cookie.mts', async (url) => {
    const front = join(folder, 'front');
    const page = LOGIN_FILES['page.mjs'] ?? '';
    const settings = '{ refreshIn: "cookie", server: "/api" }';
    const changed = page.replace('{ refreshIn: "cookie" }', settings);
    assert.notEqual(changed, page);
    mkdirSync(front);
    const own = config?.replace('http://127.0.0.1:3000', url) ?? assert.fail();
    const files = { ...LOGIN_FILES, 'page.mjs': changed, 'vite.config.ts': own };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(front, name), text);
    assert.equal((await send(`${url}/signup`, 'POST', JOE)).status, 200);
    const vite = await createServer({ root: front, logLevel: 'error' });
    const browser = await launchChromium();
    const tab = await browser.newPage();
    try {
      await vite.listen(await freePort());
      await tab.goto(vite.resolvedUrls?.local[0] ?? assert.fail());
      await tab.fill('[name=username]', JOE.username);
      await tab.fill('[name=password]', JOE.password);
      await tab.click('form button');
      const said = tab.locator('output').filter({ hasText: 'Hello joe' });
      await said.waitFor();
      await tab.reload();
      await said.waitFor();
    } finally {
      await browser.close();
      await vite.close();
    }
  });
  removeUserFolder(folder);
});
