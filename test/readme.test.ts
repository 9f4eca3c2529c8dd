/**
 * What the README claims is executed: its blocks of code against the built package, its commands in a shell, its tables
 * against the code.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ERRORS } from '../src/errors.ts';
import { SECRET, send } from './support.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gm'))].map(([, code = '']) => code);
const tsx = import.meta.resolve('tsx');
const tsc = join(root, 'node_modules/typescript/bin/tsc');

/** A folder of a user's own, with the package as it is packed from a clone. */
const folder = mkdtempSync(join(tmpdir(), 'latchkey-readme-'));
const installed = join(folder, 'node_modules/latchkey');

before(async () => {
  const clone = join(folder, 'clone');
  for (const name of ['package.json', 'tsconfig.json', 'README.md', 'LICENSE', 'src']) {
    cpSync(join(root, name), join(clone, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
  await run('npm', ['pack'], { cwd: clone });
  writeFileSync(join(folder, 'package.json'), '{}');
  await run('npm', ['install', '--offline', './clone/latchkey-0.1.0.tgz'], { cwd: folder });
  symlinkSync(join(root, 'node_modules/@types'), join(folder, 'node_modules/@types'));
  blocks('ts').forEach((code, index) => writeFileSync(join(folder, `block-${index}.mts`), code));
});

after(() => rmSync(folder, { recursive: true, force: true }));

test('the package holds what it lists, and brings nothing else', () => {
  const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as { packages: object };
  assert.deepEqual(Object.keys(lock.packages), ['', 'node_modules/latchkey']);
  assert.deepEqual(readdirSync(installed).sort(), ['LICENSE', 'README.md', 'dist', 'package.json', 'src']);
});

/** Runs a script of the folder and answers what it prints. */
async function output(...args: string[]): Promise<string> {
  // A test runner would make a runner below it report to itself.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { stdout } = await run(process.execPath, args, { cwd: folder, env });
  return stdout;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('every block of TypeScript compiles for a user with strict settings', async () => {
  const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  const files = blocks('ts').map((_code, index) => `block-${index}.mts`);
  assert.ok(files.length >= 5);
  await run(process.execPath, [tsc, ...options, ...files], { cwd: folder });
});

test('the twelve-line application signs up, logs in and greets', async () => {
  const [application = ''] = blocks('ts');
  assert.ok(application.split('\n').filter((line) => line !== '').length <= 12);
  const port = await freePort();
  writeFileSync(join(folder, 'application.mts'), application.replace('3000 }', `${port} }`));
  const env = { ...process.env, SECRET };
  const child = spawn(process.execPath, ['--import', tsx, 'application.mts'], { cwd: folder, env, stdio: 'inherit' });
  try {
    const url = `http://127.0.0.1:${port}`;
    while ((await fetch(url).catch(() => undefined)) === undefined && child.exitCode === null) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const joe = { username: 'Joe', password: 'correct horse' };
    const created = { Status: 'Success', result: 'User created' };
    assert.deepEqual((await send(`${url}/signup`, 'POST', joe)).body, created);
    const again = { Status: 'Error', result: 'User already exists' };
    assert.deepEqual((await send(`${url}/signup`, 'POST', joe)).body, again);
    const { access_token: token } = (await send(`${url}/auth`, 'POST', joe)).body as { access_token: string };
    const hello = await send(`${url}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` });
    assert.deepEqual(hello.body, { Status: 'Success', result: 'Hello Joe' });
    assert.equal((await send(`${url}/hello`, 'GET')).status, 401);
    assert.match(readFileSync(join(folder, 'users.jsonl'), 'utf8'), /"username":"Joe"/);
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});

test('the other blocks print what their comments say', async () => {
  const [, tokens, passwords, ownUsers, ownStore] = blocks('ts').map((_code, index) => `block-${index}.mts`);
  assert.ok(tokens && passwords && ownUsers && ownStore);
  assert.equal(await output('--import', tsx, tokens), 'joe\n');
  assert.equal(await output('--import', tsx, passwords), 'true\nfalse\n');
  assert.equal(await output('--import', tsx, ownUsers), 'joe\n');
  assert.match(await output('--import', tsx, '--test', '--test-reporter=tap', ownStore), /^# fail 0$/m);
});

test('the four lines for curl do what the text under them says', async () => {
  const commands = blocks('sh').find((block) => block.startsWith('curl')) ?? '';
  assert.equal(commands.trim().split('\n').length, 4);
  const port = await freePort();
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: { start: string } };
  const [, node, ...args] = scripts.start.split(' ');
  assert.equal(node, 'node');
  const flags = ['--port', String(port), '--data', join(folder, 'data')];
  const child = spawn(process.execPath, [...args, ...flags], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(child.stdout, 'data');
    const { stdout } = await run('bash', ['-c', commands.replaceAll(':3000', `:${port}`)]);
    const lines = stdout.split(/\r?\n/);
    assert.equal(lines[0], '{"Status":"Success","result":"User created"}');
    assert.equal(lines[1], '{"Status":"Success","result":"Hello joe"}');
    assert.equal(lines[2], 'HTTP/1.1 401 Unauthorized');
    assert.ok(lines.includes('WWW-Authenticate: JWT realm="Login Required"'));
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});

test('the built package is one for import and for require, under each of its names', async () => {
  const expected = {
    'latchkey': ['Accounts', 'AuthError', 'JwtAuth', 'createApp', 'currentIdentity', 'listen'],
    'latchkey/jwt': ['AuthError', 'Jwt', 'decodeUnverified', 'generateSecret'],
    'latchkey/password': ['AuthError', 'PasswordHasher'],
    'latchkey/store-contract': ['testUserStore'],
  };
  for (const [name, exports] of Object.entries(expected)) {
    const check = `console.log(${JSON.stringify(exports)}.every((it) => typeof it === 'string' && it in module))`;
    assert.equal(await output('--input-type=module', '-e', `import * as module from '${name}'; ${check}`), 'true\n');
    const required = check.replace('in module', `in require('${name}')`);
    assert.match(await output('--input-type=commonjs', '-e', required), /true\n$/);
  }
});

test('the installed command runs by its name, and its --env-file is not taken by node', async () => {
  const command = join(folder, 'node_modules/.bin/latchkey');
  const { stdout } = await run(command, ['secret'], { cwd: folder });
  assert.match(stdout, /^[\w-]{43}\n$/);
  const missing = run(command, ['serve', '--env-file', 'none'], { cwd: folder });
  await assert.rejects(missing, { code: 1, stderr: /^latchkey: --env-file: .+\n$/ });
});

test('the table of errors is that of the code', () => {
  const rows = [...readme.matchAll(/^\| `(ERR_\w+)` \| (\d+) \| (.+) \|$/gm)].map(([, ...cells]) => cells);
  const codes = Object.entries(ERRORS).map(([code, [status, , description]]) => [code, String(status), description]);
  assert.deepEqual(rows, codes);
});

test('the table of flags names those that the command has, with their variables and defaults', async () => {
  const rows = [...readme.matchAll(/^\| `(--[\w-]+)` \| (?:`(\w+)`)? ?\| .+ \| (?:`(.+)`)? ?\|$/gm)];
  const { stdout } = await run(process.execPath, ['--import', tsx, join(root, 'src/cli.ts'), 'serve', '--help']);
  const inHelp = [...stdout.matchAll(/^ {2}(--[\w-]+) .*$/gm)];
  assert.deepEqual(rows.map(([, flag]) => flag), inHelp.map(([, flag]) => flag));
  rows.forEach(([, flag, variable = '', value = ''], index) => {
    const help = inHelp[index]?.[0] ?? '';
    assert.ok(help.includes(variable) && help.includes(value), `${flag}: ${variable} ${value}`);
  });
});
