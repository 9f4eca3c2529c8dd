/** The first steps of the front page: what a newcomer looks for, and lines that say what failed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createApp, MemoryUserStore } from '../../src/index.ts';
import { cheapPasswords, send, withServer } from '../support/app.ts';
import { documents, read, shellBlock } from '../support/documents.ts';
import { logLines, run, serve, stop } from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';

const JOE = { username: 'joe', password: 'correct horse' };

/** Two screens. */
const FIRST_LINES = 100;

test('a newcomer finds the first steps within two screens of the front page', () => {
  const start = read('README.md').split('\n').slice(0, FIRST_LINES).join('\n');
  for (const step of [
    /^\| try it in a browser \| .*npm start/m,
    /^\| sign up \| /m,
    /^\| protect a route \| .*auth\.required/m,
    /^\| call it from a page of another origin \| .*cors: \[.*--cors /m,
    /^\| change the port \| .*--port/m,
    /^\| write a test \| .*\]\(/m,
    /^npm install \.\.\/latchkey\//m,
    /^npm init -y && npm pkg set type=module$/m,
    /^SECRET=.*npx tsx app\.mts$/m,
  ]) assert.match(start, step);
});

test('no page takes a token out of an answer by counting quotation marks', () => {
  assert.doesNotMatch(documents, /\bcut -d/);
});

test('the line of the front page protects a route, also one of createApp', async () => {
  const [row = ''] = read('README.md').match(/^\| protect a route \|.*$/m) ?? [];
  const [line = '', creation = '', guard = ''] =
    [...row.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
  assert.equal(creation, 'createApp({ secret, users })');
  for (const added of [line, line.replace('auth.required', guard)]) {
    const users = new MemoryUserStore();
    const app = createApp({ secret: SECRET, users, passwords: cheapPasswords() });
    Function('app', 'auth', added)(app, added === line ? app.auth : undefined);
    await withServer(app, async ({ url }) => {
      assert.equal((await send(`${url}/me`, 'GET')).status, 401);
      await send(`${url}/signup`, 'POST', JOE);
      const { body } = await send(`${url}/auth`, 'POST', JOE);
      const headers = { Authorization: `JWT ${Object(body).access_token}` };
      const { body: user } = await send(`${url}/me`, 'GET', undefined, headers);
      assert.equal(Object(user).username, 'joe', added);
    });
  }
});

test('the lines of curl for sessions send no token after a login that was refused', async () => {
  const server = await serve('serve --port 0 --users memory --scrypt-cost 1 --log json');
  const other = { username: 'joe', password: 'another horse' };
  assert.equal((await send(`${server.url}/signup`, 'POST', other)).status, 200);
  const lines = shellBlock('AS_JOE=').replaceAll(':3000', `:${server.port}`);
  // Node's own pipes are sockets, which no program can open by a name such as /dev/stderr.
  const command = ['bash', '-c', 'bash -c "$1" 2>&1 | cat', 'bash', lines];
  const { stdout } = await run('', { command });
  assert.match(stdout, /"User already exists"[^]*"description":"Invalid credentials"/);
  assert.match(stdout, /REFRESH: no token\n.*TOKEN: no token\n$/);
  const { stderr } = await stop(server);
  const codes = logLines(stderr).map(({ code }) => code).filter((code) => code !== undefined);
  assert.deepEqual(codes, ['ERR_USER_EXISTS', 'ERR_CREDENTIALS']);
});
