/** A person at the page of an application: in a real browser, by roles and labels alone. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import {
  createApp,
  listen,
  MemorySessionStore,
  MemoryUserStore,
  Sessions,
  type AppOptions,
} from '../../src/index.ts';
import { cheapPasswords } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';

/** Waiting ends sooner: as soon as the text is there. */
const TIMEOUT_MS = 10_000;

/** An answer on its way to the page. */
export interface HeldAnswer {
  release(): Promise<void>;
}

export class Person {
  readonly page: Page;
  /** The address of the server. */
  readonly url: string;

  constructor(page: Page, url: string) {
    this.page = page;
    this.url = url;
  }

  /** A step of the page, by its heading. */
  step(heading: string): Locator {
    return this.page.getByRole('region', { name: heading, exact: true });
  }

  async fill(heading: string, texts: Readonly<Record<string, string>>): Promise<void> {
    for (const [label, text] of Object.entries(texts)) {
      await this.step(heading).getByLabel(label, { exact: true }).fill(text);
    }
  }

  /** Presses a button of a step, and waits for the result. */
  async press(heading: string, button: string | RegExp, result: string): Promise<void> {
    await this.step(heading).getByRole('button', { name: button }).click();
    await this.sees(heading, result);
  }

  /** Waits until the result of a step has the text. */
  async sees(heading: string, result: string): Promise<void> {
    const status = this.step(heading).getByRole('status').filter({ hasText: result });
    await status.waitFor({ timeout: TIMEOUT_MS }).catch(async () => {
      assert.equal(await this.step(heading).getByRole('status').textContent(), result);
    });
  }

  /** The request and the answer of a step, as the page shows them. */
  async exchange(heading: string): Promise<{ request: string; answer: string }> {
    const [request = '', answer = ''] = await this.step(heading).locator('pre').allTextContents();
    return { request, answer };
  }

  /** What the page says about the login. */
  async who(): Promise<string> {
    return this.page.locator('#who').innerText();
  }

  /** Presses a button of a step. The server answers, and the page gets the answer at `release`. */
  async pressAndHold(heading: string, button: string | RegExp): Promise<HeldAnswer> {
    const events = new EventEmitter();
    const answered = once(events, 'answered');
    const released = once(events, 'released');
    await this.page.route('**/*', async (route) => {
      const response = await route.fetch();
      events.emit('answered');
      await released;
      await route.fulfill({ response });
    }, { times: 1 });
    const received = this.page.waitForResponse('**/*');
    await this.step(heading).getByRole('button', { name: button }).click();
    await answered;
    await this.sees(heading, 'Waiting for the answer');
    return {
      release: async () => {
        events.emit('released');
        await (await received).finished();
        // The script of the page has run before this timer.
        await this.page.evaluate('new Promise((done) => setTimeout(done))');
      },
    };
  }

  async signUp(username: string, password: string): Promise<void> {
    await this.fill('Sign up', { Username: username, Password: password });
    await this.press('Sign up', 'Sign up', 'The account exists.');
  }

  async logIn(username: string, password: string): Promise<void> {
    await this.fill('Log in', { Username: username, Password: password });
    await this.press('Log in', 'Log in', `You are logged in as ${username}.`);
  }
}

export interface Setting {
  readonly app?: Partial<AppOptions>;
  readonly context?: BrowserContextOptions;
  /** Patterns of console messages that the test provokes. */
  readonly expected?: RegExp;
  /** The path below which a proxy would serve the application, such as `/login`. */
  readonly prefix?: string;
}

/** Chromium itself writes this for every refusal. */
const REFUSAL_LINE = /^Failed to load resource: the server responded with a status of [45]/;

export const withSessions = (): Partial<AppOptions> => {
  return { sessions: new Sessions({ store: new MemorySessionStore() }) };
};

/**
 * Opens the page of a new application for as long as `use` runs. It fails if the page has an error,
 * breaks its Content-Security-Policy, opens a dialog, or sends a request to another origin or for
 * another file.
 */
export async function atPage(
  browser: Browser,
  setting: Setting,
  use: (person: Person) => Promise<void>,
): Promise<void> {
  const { prefix = '' } = setting;
  const app = createApp({
    secret: SECRET,
    users: new MemoryUserStore(),
    passwords: cheapPasswords(),
    page: true,
    ...(setting.app ?? withSessions()),
  });
  const files: string[] = [];
  const server = await listen({
    handle: (message, response) => {
      const path = message.url ?? '';
      if (message.method === 'GET' && !/\/(hello|sessions)$/.test(path)) files.push(path);
      assert.ok(path.startsWith(`${prefix}/`), path);
      message.url = path.slice(prefix.length);
      return app.handle(message, response);
    },
  }, { port: 0 });
  const context = await browser.newContext(setting.context);
  try {
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('console', (line) => {
      const isExpected = REFUSAL_LINE.test(line.text()) || setting.expected?.test(line.text());
      if (!isExpected) faults.push(`${line.type()}: ${line.text()}`);
    });
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('dialog', (dialog) => {
      faults.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      const { origin } = new URL(request.url());
      if (origin !== new URL(server.url).origin) faults.push(`a request to ${request.url()}`);
    });
    await page.goto(`${server.url}${prefix}/`);
    await use(new Person(page, server.url));
    assert.deepEqual(faults, []);
    assert.deepEqual([...new Set(files)], [`${prefix}/`]);
  } finally {
    await context.close();
    await server.close();
  }
}
