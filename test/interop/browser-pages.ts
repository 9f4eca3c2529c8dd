/** Pages for a real browser: their files, their server, and what their scripts do there. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { transformSync } from 'esbuild';
import type { BrowserContext, Frame, Page } from 'playwright-core';
import { blocks, programs } from '../support/documents.ts';

/** An empty page, with an icon so that the browser does not ask for one. */
const HTML = '<!doctype html><title>page</title><link rel="icon" href="data:,"><body></body>';

/** The settings of the client. */
export interface ClientSettings {
  readonly refreshIn: 'memory' | 'cookie';
  readonly server?: string;
  readonly timeLimitMs?: number;
}

/** @returns a program of the pages without its types, as the tools of a front end make it */
function javaScriptOf(name: string): string {
  const code = programs.get(name) ?? assert.fail(`no page has a program ${name}`);
  return transformSync(code, { loader: 'ts', target: 'es2022' }).code;
}

const client = javaScriptOf('client.mts');
const loginPage = blocks('html').join();

/** The page that uses the client, as its files are named in the folder `public`. */
export const LOGIN_FILES: Readonly<Record<string, string>> = {
  'index.html': loginPage,
  'page.mjs': javaScriptOf('page.mts'),
  'client.mjs': client,
};

/** @returns the files of an empty page with the client, and of the page that uses it */
export function filesWith(settings: ClientSettings): Readonly<Record<string, string>> {
  const shown = "new Client({ refreshIn: 'cookie' })";
  const page = LOGIN_FILES['page.mjs'] ?? '';
  assert.ok(page.includes(shown.replaceAll("'", '"')), page);
  const own = page.replace(shown.replaceAll("'", '"'), `new Client(${JSON.stringify(settings)})`);
  return { '/': HTML, '/login.html': loginPage, '/page.mjs': own, '/client.mjs': client };
}

/** Gives the clients of all pages their settings. */
export async function setClients(
  context: BrowserContext,
  settings: ClientSettings,
): Promise<void> {
  await context.addInitScript(`globalThis.settings = ${JSON.stringify(settings)};`);
}

/** Serves files on an origin of their own for as long as `use` runs. */
export async function withPages(
  files: Readonly<Record<string, string>>,
  use: (port: number) => Promise<void>,
): Promise<void> {
  const server = createServer(({ url = '' }, response) => {
    const file = files[url];
    const type = url.endsWith('.mjs') ? 'text/javascript' : 'text/html';
    response.writeHead(file === undefined ? 404 : 200, { 'Content-Type': type }).end(file);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** What a script got in place of a reply. A failure without an answer has a message alone. */
export interface Failure {
  readonly message: string;
  readonly status?: number;
  readonly code?: string;
  readonly retryAfterSeconds?: number;
}

/** What a request gets whose user is not logged in, or not any more. */
export const LOGGED_OUT: Failure = { message: 'Not logged in' };

/**
 * Runs a script on a page, which has one client and a function `hello`. The client counts its
 * events in `changes`.
 * @returns its JSON value, or the failure that it threw
 */
export async function script(page: Page | Frame, code: string): Promise<unknown> {
  return page.evaluate(`(async () => {
    if (globalThis.client === undefined) {
      const { Client } = await import('/client.mjs');
      globalThis.client = new Client(settings);
      globalThis.changes = 0;
      client.addEventListener('login-changed', () => { changes += 1; });
    }
    const hello = () => client.request('/hello');
    const failure = ({ message, status, code, retryAfterSeconds }) =>
      status === undefined ? { message } : { message, status, code, retryAfterSeconds };
    const run = async () => { ${code} };
    return run().catch(failure);
  })()`);
}

/** @returns the failure of a script, which must fail */
export async function failureOf(page: Page | Frame, code: string): Promise<Failure> {
  const failure = await script(page, code);
  const isFailure = typeof failure === 'object' && failure !== null && 'message' in failure;
  assert.ok(isFailure, `expected a failure, got ${JSON.stringify(failure)}`);
  return failure as Failure;
}

/** Counts the events `login-changed` of the client of a page from now on. */
export async function countChanges(page: Page): Promise<{
  readonly count: () => Promise<unknown>;
  /** @returns once there was one */
  readonly first: () => Promise<unknown>;
}> {
  await script(page, 'changes = 0;');
  return {
    count: () => page.evaluate('changes'),
    first: () => page.waitForFunction('changes > 0'),
  };
}

/** Holds back the answers to a path until a test lets them go. */
export async function holdAnswers(context: BrowserContext, path: string): Promise<{
  /** @returns once an answer is held */
  readonly held: Promise<void>;
  readonly release: () => void;
}> {
  let hold = () => {};
  let release = () => {};
  const held = new Promise<void>((resolve) => (hold = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  await context.route(`**${path}`, async (route) => {
    if (route.request().method() === 'OPTIONS') return route.continue();
    const response = await route.fetch();
    hold();
    await released;
    // The page may have gone.
    await route.fulfill({ response }).catch(() => undefined);
  });
  return { held, release: () => release() };
}
