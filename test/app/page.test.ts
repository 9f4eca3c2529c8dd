/**
 * The page of `createApp({ page: true })`: one document, to whose scripts nothing can be added.
 * `test/interop/page.interop.ts` uses it in a browser.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import {
  createApp,
  MemorySessionStore,
  MemoryUserStore,
  Sessions,
  type AppOptions,
} from '../../src/index.ts';
import { send, withApp, withServer } from '../support/app.ts';
import { commandPath } from '../support/compiled.ts';
import { root } from '../support/documents.ts';
import { SECRET } from '../support/tokens.ts';
import { output } from '../support/user-folder.ts';

interface Page {
  readonly headers: Headers;
  readonly html: string;
  /** The contents of the elements without attributes: those of the page itself. */
  readonly styles: readonly string[];
  readonly scripts: readonly string[];
  readonly settings: unknown;
}

/** The content of the element, up to the first text that ends it. */
const SETTINGS = /(?<=<script type="application\/json" id="settings">)[^]*?(?=<\/script>)/;

async function pageOf(options: Partial<AppOptions> = {}): Promise<Page> {
  const app = createApp({ secret: SECRET, users: new MemoryUserStore(), page: true, ...options });
  return withServer(app, async ({ url }) => {
    const { status, headers, body } = await send(url, 'GET');
    assert.equal(status, 200);
    const html = String(body);
    const contents = (tag: string) =>
      [...html.matchAll(RegExp(`<${tag}>([^]*?)</${tag}>`, 'g'))].map(([, text = '']) => text);
    const [json = ''] = SETTINGS.exec(html) ?? [];
    return {
      headers,
      html,
      styles: contents('style'),
      scripts: contents('script'),
      settings: JSON.parse(json),
    };
  });
}

const sha256 = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

test('the page comes with headers that keep other code and other pages out', async () => {
  const { headers, styles, scripts } = await pageOf();
  assert.deepEqual([styles.length, scripts.length], [2, 4]);
  assert.equal(
    headers.get('Content-Security-Policy'),
    "default-src 'none'; connect-src 'self'; img-src data:; " +
    `script-src ${scripts.map(sha256).join(' ')}; style-src ${styles.map(sha256).join(' ')}; ` +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  const others = {
    'Content-Type': 'text/html; charset=utf-8',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cache-Control': 'no-store',
  };
  for (const [name, value] of Object.entries(others)) assert.equal(headers.get(name), value);
});

test('the page is one document: it names no other file and no other origin', async () => {
  const { html } = await pageOf();
  assert.doesNotMatch(html, /\b(?:https?|wss?):|["'(`]\/\/|\bsrc=|@import|url\(/);
  const links = [...html.matchAll(/\bhref="([^"]*)"/g)].map(([, target]) => target);
  assert.deepEqual(links, ['data:,']);
});

test('no text becomes HTML or code: the page has no sink for it, and no inline handler', async () => {
  const { html } = await pageOf();
  const sinks = /innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|parseHTML/;
  assert.doesNotMatch(html, sinks);
  assert.doesNotMatch(html, /\bon[a-z]+="|javascript:|\bstyle="/);
});

test('each file of the page can be read line by line', () => {
  const folder = join(root, 'src/app/page');
  const names = readdirSync(folder).sort();
  const scripts = ['login.js', 'page.js', 'show.js', 'step.js'];
  assert.deepEqual(names, [...scripts, 'page.css', 'page.html', 'step.css'].sort());
  for (const name of names) {
    const lines = readFileSync(join(folder, name), 'utf8').split('\n');
    assert.ok(lines.length <= 300, `${name} has ${lines.length} lines`);
    for (const line of lines) assert.ok(line.length <= 100, `${name}: ${line}`);
  }
});

test('the page is off unless it is turned on, and answers GET and HEAD alone', async () => {
  for (const page of [undefined, false]) {
    await withApp(page === undefined ? {} : { page }, async ({ url }) => {
      assert.equal((await send(url, 'GET')).status, 404);
    });
  }
  await withApp({ page: true }, async ({ url }) => {
    const page = await send(`${url}/?from=a+link`, 'GET');
    const head = await send(url, 'HEAD');
    assert.equal(head.body, '');
    const length = String(Buffer.byteLength(String(page.body)));
    for (const { status, headers } of [page, head]) {
      assert.deepEqual([status, headers.get('Content-Length')], [200, length]);
    }
    const post = await send(url, 'POST');
    assert.deepEqual([post.status, post.headers.get('Allow')], [405, 'GET, HEAD']);
  });
});

test('a route of the program at / is refused beside the page, and accepted without it', () => {
  const options = { secret: SECRET, users: new MemoryUserStore() };
  const app = createApp({ ...options, page: true });
  assert.throws(() => app.get('/', () => 1), /"path" expected a new route/);
  createApp(options).get('/', () => 1);
});

test('the page knows the options of the application', async () => {
  const plain = {
    authPath: '/auth',
    usernameField: 'username',
    passwordField: 'password',
    scheme: 'Bearer',
    minPasswordLength: 8,
    hasSessions: false,
    canRemove: true,
  };
  const { settings } = await pageOf();
  assert.deepEqual(settings, plain);
  const { find, insert, update } = new MemoryUserStore();
  const set = await pageOf({
    authPath: '/login',
    usernameField: 'user',
    passwordField: 'pass',
    schemes: ['Token', 'JWT'],
    minPasswordLength: 12,
    users: { find, insert, update },
    sessions: new Sessions({ store: new MemorySessionStore() }),
  });
  assert.deepEqual(set.settings, {
    authPath: '/login',
    usernameField: 'user',
    passwordField: 'pass',
    scheme: 'Token',
    minPasswordLength: 12,
    hasSessions: true,
    canRemove: false,
  });
});

test('no name of a field can end the script element that holds it', async () => {
  const plain = await pageOf();
  const NAMES = [
    '</script><script>alert(1)</script>',
    '<!--<script>',
    '"><img src=x onerror=alert(1)>',
    "'\\\"",
    "$&$'$`$1",
    '\u2028\u2029\0',
    '__proto__',
  ];
  for (const usernameField of NAMES) {
    const { html, settings, styles, scripts } = await pageOf({ usernameField });
    const read = Object.getOwnPropertyDescriptor(settings, 'usernameField')?.value;
    assert.equal(read, usernameField);
    assert.deepEqual({ styles, scripts }, { styles: plain.styles, scripts: plain.scripts });
    assert.equal(html.replace(SETTINGS, ''), plain.html.replace(SETTINGS, ''), usernameField);
  }
});

test('without the files of the page, the error says where they belong', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'latchkey-page-'));
  try {
    const source = dirname(dirname(commandPath()));
    cpSync(source, join(folder, 'src'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'program.js'), `
      import { createApp } from './src/app/app.js';
      import { MemoryUserStore } from './src/users/memory.js';
      const options = { secret: 'x'.repeat(32), users: new MemoryUserStore() };
      createApp(options);
      try {
        createApp({ ...options, page: true });
        console.log('made');
      } catch ({ message, cause }) {
        console.log(message, cause.code);
      }
    `);
    assert.equal(await output(folder, 'program.js'), 'made\n');
    rmSync(join(folder, 'src/app/page'), { recursive: true });
    const text = await output(folder, 'program.js');
    assert.match(text, /^"page" expected the file page\/page\.html beside .* ENOENT$/m);
    assert.match(text, /copy the folder node_modules\/latchkey\/dist\/app\/page beside the bundle/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
