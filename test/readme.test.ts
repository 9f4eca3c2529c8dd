/**
 * What the README claims is executed: its blocks of code against the built package, its commands in a shell, its tables
 * against the code.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { JWT_AUTH_OPTION_CHECKS } from '../src/auth/jwt-auth.ts';
import { ERRORS } from '../src/errors.ts';
import { Accounts, JsonFileUserStore } from '../src/index.ts';
import {
  assertServes, blocks, compile, freePort, isSelfSufficient, makeUserFolder, output, programs, readme,
  root, run, serveProgram,
} from './readme-blocks.ts';
import { send } from './support.ts';

const tsx = import.meta.resolve('tsx');
let folder = '';

before(async () => {
  folder = await makeUserFolder(isSelfSufficient);
  symlinkSync(join(root, 'node_modules/@types'), join(folder, 'node_modules/@types'));
});

after(() => rmSync(folder, { recursive: true, force: true }));

test('every block of TypeScript that needs no other package compiles for a user with strict settings', async () => {
  const own = [...programs].filter(([, code]) => isSelfSufficient(code)).map(([name]) => name);
  assert.ok(own.length >= 8, own.join());
  await compile(folder, own);
});

test('the twelve-line application signs up, logs in and greets', async () => {
  const [[name, application] = assert.fail()] = programs;
  assert.ok(application.split('\n').filter((line) => line !== '').length <= 12);
  await serveProgram(folder, name, async (url) => {
    const joe = { username: 'Joe', password: 'correct horse' };
    const created = { Status: 'Success', result: 'User created' };
    assert.deepEqual((await send(`${url}/signup`, 'POST', joe)).body, created);
    const again = { Status: 'Error', result: 'User already exists' };
    assert.deepEqual((await send(`${url}/signup`, 'POST', joe)).body, again);
    const { access_token: token } = (await send(`${url}/auth`, 'POST', joe)).body as { access_token: string };
    const hello = await send(`${url}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` });
    assert.deepEqual(hello.body, { Status: 'Success', result: 'Hello Joe' });
    assert.equal((await send(`${url}/hello`, 'GET')).status, 401);
  });
  assert.match(readFileSync(join(folder, 'users.jsonl'), 'utf8'), /"username":"Joe"/);
});

test('a table of one\'s own, without Accounts, is behind the login and the guard of the router', async () => {
  assert.doesNotMatch(`${programs.get('auth.mts')}${programs.get('router.mts')}`, /\bAccounts\b/);
  await serveProgram(folder, 'router.mts', assertServes);
});

test('plain node:http guards a table of one\'s own, and logs in', async () => {
  await serveProgram(folder, 'node-http.mts', assertServes);
});

test('the other blocks print what their comments say', async () => {
  const [, tokens, passwords, ownStore] = [...programs.keys()].filter((name) => name.startsWith('block-'));
  assert.ok(tokens && passwords && ownStore);
  assert.equal(await output(folder, '--import', tsx, tokens), 'joe\n');
  assert.equal(await output(folder, '--import', tsx, passwords), 'true\nfalse\n');
  assert.match(await output(folder, '--import', tsx, '--test', '--test-reporter=tap', ownStore), /^# fail 0$/m);
});

// The hash is one of Werkzeug 3.1.8, of "correct horse battery staple".
test('the users of a Flask application are brought over, and each refused line is told by its number', async () => {
  const key = 'ee05b652d3434f7bfed0fe9fb9b009da50c4f156e5d5ed2bf74cc83dc77a5353'
    + '2dfd8eec0a4cebc94641bbd16811f59cd238a922b8010771f6deb5216a813057';
  const hash = `scrypt:32768:8:1$nyCUr7mGWnWhsvmG$${key}`;
  const phc = `$scrypt$ln=4,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$5WMkVwY83WqULlaI2SogWKvQqHPLvft6ohrJPoe+ShA`;
  const lines = [
    'username,hash', `Joe,${hash}`, `ann,${phc}`, `joe,${hash}`, `a b,${hash}`, '', 'max,pbkdf2:sha256:1$a$b',
    `,${hash}`, `last,${hash}`, `"quoted",${hash}`,
  ];
  const refused = {
    1: 'A stored password hash is malformed or costs too much',
    4: 'User already exists',
    5: 'Username must have 1 to 80 letters, digits or ASCII symbols and no spaces',
    6: 'Username must have 1 to 80 letters, digits or ASCII symbols and no spaces',
    7: 'A stored password hash is malformed or costs too much',
    8: 'Username must have 1 to 80 letters, digits or ASCII symbols and no spaces',
    10: 'Username must have 1 to 80 letters, digits or ASCII symbols and no spaces',
  };
  const told = (rows: object) => Object.entries(rows).map(([line, reason]) => `line ${line}: ${reason}\n`).join('');
  writeFileSync(join(folder, 'users.csv'), `${lines.join('\r\n')}\n`);
  await assert.rejects(output(folder, '--import', tsx, 'import.mts'), { code: 1, stdout: '', stderr: told(refused) });
  // A second time nothing changes, and those that are there are told.
  const there = 'User already exists';
  const again = told({ ...refused, 2: there, 3: there, 9: there });
  await assert.rejects(output(folder, '--import', tsx, 'import.mts'), { code: 1, stderr: again });
  writeFileSync(join(folder, 'users.csv'), `max,${hash}`);
  await output(folder, '--import', tsx, 'import.mts');

  const users = await JsonFileUserStore.open(join(folder, 'latchkey-data/users.jsonl'));
  const accounts = new Accounts({ users });
  for (const name of ['joe', 'last', 'max']) {
    assert.equal((await accounts.authenticate(name, 'correct horse battery staple'))?.id, name);
    assert.match(users.find(name)?.passwordHash ?? '', /^\$scrypt\$ln=17,/);
  }
  assert.equal(users.find('joe')?.username, 'Joe');
  assert.equal((await accounts.authenticate('ann', 'p\u00e4ssword'))?.id, 'ann');
  assert.equal(await accounts.authenticate('joe', 'correct horse'), undefined);
  await users.close();
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

test('the table of Flask-JWT names every option and hook that came from there, and none that is not here', () => {
  const [section = ''] = readme.split('\n## Coming from Flask\n')[1]?.split('\n## ') ?? [];
  const ours = [...section.matchAll(/^\| `.+ \| (.+) \|$/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(?:new )?(\w+)[^`]*`/g)].map(([, name = '']) => name));
  const values = ['JWT', 'Bearer', 'alg', 'crit', 'b64'];
  const elsewhere = ['authPath', 'createApp', 'required', 'currentIdentity', 'AuthError'];
  const added = ['issuer', 'audience', 'type', 'maxAgeSeconds', 'maxTokenLength', 'cacheSize', 'now'];
  const options = Object.keys(JWT_AUTH_OPTION_CHECKS).filter((name) => !added.includes(name));
  assert.deepEqual(new Set(ours.filter((name) => !values.includes(name))), new Set([...options, ...elsewhere]));
});
