/** The server of `cookie.mts` with its page, and browsers in which joe has logged in. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { send } from '../support/app.ts';
import { root } from '../support/documents.ts';
import { makeUserFolder, serveProgram } from '../support/user-folder.ts';
import { LOGIN_FILES, script, setClients } from './browser-pages.ts';

export const JOE = { username: 'joe', password: 'correct horse' };
export const ANN = { username: 'ann', password: 'battery staple' };
const LOG_IN = "await client.login('joe', 'correct horse');";
const PACKAGES = join(root, 'test/interop/node_modules');

/** @returns the folder of an application with the page of the documents in its folder `public` */
export async function makeCookieFolder(): Promise<string> {
  const folder = await makeUserFolder(() => true);
  for (const name of readdirSync(PACKAGES).filter((name) => !name.startsWith('.'))) {
    symlinkSync(join(PACKAGES, name), join(folder, 'node_modules', name));
  }
  mkdirSync(join(folder, 'public'));
  for (const [name, text] of Object.entries(LOGIN_FILES)) {
    writeFileSync(join(folder, 'public', name), text);
  }
  return folder;
}

export interface Setting {
  readonly url: string;
  /** An address without a page of its own, where the scripts of the tests run. */
  readonly blank: string;
  /** On which joe has logged in. */
  readonly page: Page;
  readonly context: BrowserContext;
  /** The requests that the browser has sent since the last call, such as `POST /session/login`. */
  readonly sent: () => string[];
}

/** Runs tests on one server, each in a browser without cookies. */
export async function withCookies(
  browser: Browser,
  folder: string,
  tests: Readonly<Record<string, (setting: Setting) => Promise<void>>>,
): Promise<void> {
  await serveProgram(folder, 'cookie.mts', async (url) => {
    const blank = `${url}/blank`;
    for (const user of [JOE, ANN]) {
      assert.equal((await send(`${url}/signup`, 'POST', user)).status, 200);
    }
    for (const [title, use] of Object.entries(tests)) {
      await test(title, { timeout: 60_000 }, async () => {
        const context = await browser.newContext();
        await setClients(context, { refreshIn: 'cookie' });
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
        await page.goto(blank);
        await script(page, LOG_IN);
        await use({ url, blank, page, context, sent });
        await context.close();
      });
    }
  });
}
