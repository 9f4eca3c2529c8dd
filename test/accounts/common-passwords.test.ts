/**
 * The list of common passwords: its entries, that a signup refuses them all by default, and what
 * allows them again.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isCommonPassword } from '../../src/accounts/common-passwords.ts';
import { curlLines } from '../../src/cli/serve/serve-start.ts';
import { Accounts, createApp, MemoryUserStore } from '../../src/index.ts';
import { LONG } from '../support/long.ts';
import { assertRefused, emptyFolder, ROOT, run, serve } from '../support/run-command.ts';
import { cheapPasswords, send, withServer } from '../support/app.ts';
import { SECRET } from '../support/tokens.ts';
import { WatchedStore } from '../support/doubles.ts';

const source = readFileSync(join(ROOT, 'src/accounts/common-passwords.ts'), 'utf8');
const LIST = /`\n([^`]+)\n`/.exec(source)?.[1]?.split(/\s/) ?? [];

/** For tests that start the command. */
const SLOW = { timeout: 60_000 };

const FORBIDDEN = { name: 'AuthError', code: 'ERR_PASSWORD_FORBIDDEN' };
const REFUSED = { Status: 'Error', result: 'Password is the username, or too easy to guess' };

test('the list has 3,000 different passwords of 8 code points or more in lower-case NFC', () => {
  assert.equal(LIST.length, 3_000);
  assert.equal(new Set(LIST).size, 3_000);
  for (const password of LIST) {
    assert.ok([...password].length >= 8, password);
    assert.equal(password.normalize('NFC').toLowerCase(), password);
  }
});

test('the list is the one that its header describes, most used password first', () => {
  assert.deepEqual(LIST.slice(0, 6), [
    'password',
    '12345678',
    '123456789',
    'baseball',
    'football',
    'qwertyuiop',
  ]);
  const rankOf = (password: string) => LIST.indexOf(password) + 1;
  assert.deepEqual(['password1', 'password123', '31051987'].map(rankOf), [50, 225, 2_999]);
  const digest = createHash('sha256').update(LIST.join('\n')).digest('hex');
  assert.equal(digest, '57952fa9ffa43b104511ddc2a0fa8ceba38001a929727f3c2d54fe79220954c3');
});

test('a signup without options refuses every password of the list, ignoring letter case', async () => {
  const users = new WatchedStore();
  const accounts = new Accounts({ users, passwords: cheapPasswords(), limits: false });
  const spellings = LIST.flatMap((password) => {
    const upper = password.toUpperCase();
    // NFC turns the Kelvin sign into a K.
    return [password, upper, upper.charAt(0) + password.slice(1), upper.replaceAll('K', '\u212a')];
  });
  for (const password of new Set(spellings)) {
    await assert.rejects(accounts.signup({ username: 'joe', password }), FORBIDDEN, password);
  }
  assert.deepEqual(users.written, []);
  for (const password of ['password1 ', ' password1', 'password1password1', 'correct horse']) {
    await accounts.signup({ username: `joe${users.written.length}`, password });
  }
});

test('POST /signup of an application without options refuses them, and says why', async () => {
  const app = createApp({ secret: SECRET, users: new MemoryUserStore() });
  await withServer(app, async ({ url }) => {
    const signup = (password: string) => {
      return send(`${url}/signup`, 'POST', { username: 'joe', password });
    };
    for (const password of ['password', 'Password123', 'QWERTYUIOP', 'iLoveYou']) {
      const { status, body } = await signup(password);
      assert.deepEqual([status, body], [400, REFUSED], password);
    }
    assert.equal((await signup('Password1234!')).status, 200);
  });
});

test('an isForbidden of the caller replaces the list', async () => {
  const users = new WatchedStore();
  const isForbidden = (password: string) => password === 'correct horse';
  const accounts = new Accounts({ users, passwords: cheapPasswords(), isForbidden });
  await assert.rejects(accounts.signup({ username: 'joe', password: 'correct horse' }), FORBIDDEN);
  assert.deepEqual(users.written, []);
  await accounts.signup({ username: 'joe', password: 'password1' });
});

test('latchkey serve refuses them unless --common-passwords allows them', SLOW, async () => {
  const verdictOn = async (value: string) => {
    const flag = value === '' ? '' : `--common-passwords${value}`;
    const cwd = await emptyFolder();
    const server = await serve(`serve --port 0 --scrypt-cost 1 --users memory ${flag}`, { cwd });
    const joe = { username: 'joe', password: 'Password1' };
    const { status, body } = await send(`${server.url}/signup`, 'POST', joe);
    const login = await send(`${server.url}/auth`, 'POST', joe);
    const another = { username: 'ann', password: 'correct horse' };
    const ann = await send(`${server.url}/signup`, 'POST', another);
    assert.equal(ann.status, 200);
    server.child.kill();
    await server.ended;
    return [status, body, login.status];
  };
  const verdicts = await Promise.all(['', ' refuse', ' allow'].map(verdictOn));
  const created = { Status: 'Success', result: 'User created' };
  assert.deepEqual(verdicts, [[400, REFUSED, 401], [400, REFUSED, 401], [200, created, 200]]);
});

test('--common-passwords is refuse or allow, and nothing else', SLOW, async () => {
  for (const value of ['=', '=Allow', '=off']) {
    const words = [/--common-passwords expected refuse or allow, got "/, /serve --help/];
    assertRefused(await run(`serve --common-passwords${value}`), 2, words);
  }
});

/** The password in the curl lines, by the minimum length. */
const EXAMPLES: readonly (readonly [minimum: number, password: RegExp])[] = [
  [1, /"correct horse"/],
  [13, /"correct horse"/],
  [20, /"correct horse battery staple"/],
  [256, /"correct horse battery staple(?:staple){38}"/],
];

test('the curl lines of serve work in a shell, with any minimum length', { ...SLOW, ...LONG }, async () => {
  for (const [minimum, password] of EXAMPLES) {
    const cwd = await emptyFolder();
    const flags = `--port 0 --scrypt-cost 1 --users memory --min-password-length ${minimum}`;
    const server = await serve(`serve ${flags}`, { cwd });
    const lines = curlLines(server.url, minimum);
    assert.match(lines, password);
    const bash = await run('', { command: ['bash', '-c', lines] });
    assert.match(bash.stdout, /"User created"[^]*"Hello joe"[^]*HTTP\/1.1 401 /, String(minimum));
    server.child.kill();
    await server.ended;
  }
});

test('npm start allows the passwords of the tutorial, and says so in package.json', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    readonly scripts: { readonly start: string };
  };
  assert.match(scripts.start, / serve --min-password-length 4 --common-passwords allow --page on$/);
  assert.equal(isCommonPassword('pass'), false);
  assert.equal(isCommonPassword('Password'), true);
});
