/** Pages for a real browser: their files, their server, and what their scripts do there. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { transformSync } from 'esbuild';
import type { Frame, Page } from 'playwright-core';
import { programs } from '../support/documents.ts';

/** An empty page, with an icon so that the browser does not ask for one. */
const HTML = '<!doctype html><title>page</title><link rel="icon" href="data:,"><body></body>';

/** The lines of the client that a user changes for a server on another origin. */
const OWN_ORIGIN = "const SERVER = '';";
const COOKIE_PATHS = "['/session/login', '/session/refresh', '/session/logout']";
const ROUTES = "['/auth', '/refresh', '/logout']";

/** @returns a program without its types, as the tools of a front end make it */
function javaScriptOf(code: string): string {
  return transformSync(code, { loader: 'ts', target: 'es2022' }).code;
}

/** The programs of the page "From a browser" in JavaScript, for the server of `cookie.mts`. */
export const clientWithCookie: string = javaScriptOf(programs.get('client.mts') ?? '');
export const pageProgram: string = javaScriptOf(programs.get('page.mts') ?? '');

/** What the program of a page needs. */
export const LOGIN_PAGE = `<!doctype html><title>login</title><link rel="icon" href="data:,">
<form><input name="username"><input name="password" type="password"><button>Log in</button></form>
<output></output><button id="logout">Log out</button>
<script type="module" src="page.mjs"></script>`;

/** The same client, for a server on another origin. */
export function clientOf(server: string): string {
  let code = programs.get('client.mts') ?? '';
  for (const [shown, own] of [
    [OWN_ORIGIN, `const SERVER = '${server}';`],
    [COOKIE_PATHS, ROUTES],
  ] as const) {
    assert.ok(code.includes(shown), `the client does not have ${shown}`);
    code = code.replace(shown, own);
  }
  return javaScriptOf(code);
}

/** The files of a page with the client. */
export const filesWith = (client: string): Readonly<Record<string, string>> => ({
  '/': HTML,
  '/client.mjs': client,
});

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

/**
 * Runs a script on a page, which has the members of the client.
 * @returns its JSON value, or the refusal that it threw
 */
export async function script(page: Page | Frame, code: string): Promise<unknown> {
  return page.evaluate(`(async () => {
    const { signup, login, request, logout } = await import('/client.mjs');
    const json = async (path, init) => (await request(path, init)).json();
    const run = async () => { ${code} };
    try {
      return await run();
    } catch (error) {
      const { message, status, code, retryAfterSeconds } = error;
      return { message, status, code, retryAfterSeconds };
    }
  })()`);
}

/** @returns the failure of a script, which must fail */
export async function failureOf(page: Page | Frame, code: string): Promise<Failure> {
  const failure = await script(page, code);
  const isFailure = typeof failure === 'object' && failure !== null && 'message' in failure;
  assert.ok(isFailure, `expected a failure, got ${JSON.stringify(failure)}`);
  return failure as Failure;
}

/** Counts the events `login-ended` of a page from now on. */
export async function countEnds(page: Page): Promise<{
  readonly count: () => Promise<unknown>;
  /** @returns once there was one */
  readonly first: () => Promise<unknown>;
}> {
  await page.evaluate("ends = 0; addEventListener('login-ended', () => { ends += 1; })");
  return { count: () => page.evaluate('ends'), first: () => page.waitForFunction('ends > 0') };
}
