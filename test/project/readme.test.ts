/** Executes the pages: their programs over the installed package, their commands in a shell. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { curlLines } from '../../src/cli/serve/serve-start.ts';
import {
  Accounts,
  JsonFileSessionStore,
  JsonFileUserStore,
  Jwt,
  PasswordHasher,
  PostgresLimitCounts,
  PostgresSessionStore,
  PostgresUserStore,
  Sessions,
  generateSecret,
} from '../../src/index.ts';
import { send } from '../support/app.ts';
import { blocks, isSelfSufficient, isUnnamed, programs, root } from '../support/documents.ts';
import { shellBlock } from '../support/documents.ts';
import { assertServes } from '../support/guarded-program.ts';
import { emptyFolder, serve } from '../support/run-command.ts';
import {
  compiledName,
  compileToRun,
  freePort,
  linkDevelopmentPackages,
  makeUserFolder,
  output,
  removeUserFolder,
  run,
  serveProgram,
} from '../support/user-folder.ts';

const JOE = { username: 'joe', password: 'correct horse' };
const ANN = { username: 'ann', password: 'battery staple' };
/** The programs that need no other package. */
const own = [...programs].filter(([, code]) => isSelfSufficient(code)).map(([name]) => name);
let folder = '';
let compiling: Promise<void> | undefined;

before(async () => {
  folder = await makeUserFolder(isSelfSufficient);
  linkDevelopmentPackages(folder);
  compiling = compileToRun(folder, own);
  // The tests that run a program wait for this one.
  await compiling;
});

after(() => removeUserFolder(folder));

/** Runs a block of a page in a shell that has the command `latchkey` of "Install". */
async function shell(command: string, cwd = folder): Promise<string> {
  // A block may run in another folder than that of the application.
  const define = shellBlock('latchkey()').replace('--no', `--no --prefix ${folder}`);
  return (await run('bash', ['-euc', `${define}${command}`], { cwd })).stdout;
}

/** Asserts that the four lines of curl print what the text under them says. */
async function assertTutorial(port: number): Promise<void> {
  const lines = shellBlock('JSON=');
  assert.equal(lines.match(/\bcurl /g)?.length, 4);
  const printed = (await shell(lines.replaceAll(':3000', `:${port}`))).split(/\r?\n/);
  assert.equal(printed[0], '{"Status":"Success","result":"User created"}');
  assert.equal(printed[1], '{"Status":"Success","result":"Hello joe"}');
  assert.equal(printed[2], 'HTTP/1.1 401 Unauthorized');
  assert.ok(printed.includes('WWW-Authenticate: JWT realm="Login Required"'));
}

test('every program that needs no other package compiles with strict settings', async () => {
  assert.ok(own.length >= 20, own.join());
  await compiling;
  await shell(shellBlock('npx tsc'));
});

test('the first program of the front page answers its four lines of curl', async () => {
  const application = programs.get('app.mts') ?? '';
  // It has no types, so it is plain JavaScript too.
  writeFileSync(join(folder, 'app.mjs'), application);
  await run(process.execPath, ['--check', 'app.mjs'], { cwd: folder });
  const port = await freePort();
  writeFileSync(join(folder, 'app.mts'), application.replace('3000 }', `${port} }`));
  const [, command = ''] = /^(SECRET=.*)\n$/.exec(shellBlock('SECRET=')) ?? [];
  const child = spawn('bash', ['-c', `${shellBlock('latchkey()')}${command}`], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    assert.equal(String(await once(child.stdout, 'data')), `http://127.0.0.1:${port}\n`);
    await assertTutorial(port);
    const signup = `http://127.0.0.1:${port}/signup`;
    const again = await send(signup, 'POST', { username: 'Joe', password: 'correct horse' });
    assert.deepEqual(again.body, { Status: 'Error', result: 'User already exists' });
  } finally {
    // npx has a child of its own.
    process.kill(-Number(child.pid));
    await once(child, 'close');
  }
  assert.match(readFileSync(join(folder, 'users.jsonl'), 'utf8'), /"username":"joe"/);
});

test('npm start answers the four lines of curl', async () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { start } = manifest.scripts as { start: string };
  const [, node, ...args] = start.split(' ');
  assert.equal(node, 'node');
  const command = [process.execPath, ...args];
  const flags = `--port 0 --scrypt-cost 1 --data ${await emptyFolder()}`;
  const server = await serve(flags, { cwd: root, command });
  await assertTutorial(server.port);
  assert.ok(server.output.stdout.endsWith(` Open ${server.url}/ in a browser.\n`));
  const lines = curlLines(server.url, Number(/--min-password-length (\d+)/.exec(start)?.[1]));
  const pasted = lines.split('\n').map((line) => `${line.replace(/^ {2}/, '')}\n`).join('');
  assert.equal(pasted.replaceAll(`:${server.port}`, ':3000'), shellBlock('JSON='));
});

test('the lines of curl refresh, list and end a session of the command', async () => {
  const { port } = await serve('serve --port 0 --users memory --scrypt-cost 1');
  const lines = shellBlock('AS_JOE=').replaceAll(':3000', `:${port}`);
  const [created, listed = '', loggedOut, ended = ''] = (await shell(lines)).trim().split('\n');
  assert.equal(created, '{"Status":"Success","result":"User created"}');
  assert.equal(JSON.parse(listed).sessions.length, 1);
  assert.equal(loggedOut, '{"Status":"Success","result":"Logged out"}');
  assert.equal(JSON.parse(ended).description, 'Session has ended, log in again');
});

test('a router guards a table of users without Accounts, and logs in', async () => {
  assert.doesNotMatch(`${programs.get('auth.mts')}${programs.get('router.mts')}`, /\bAccounts\b/);
  await serveProgram(folder, 'router.mts', assertServes);
});

test('plain node:http guards a table of users, and logs in', async () => {
  await serveProgram(folder, 'node-http.mts', assertServes);
});

test('a program keeps its sessions in a file, and stops cleanly', async () => {
  await serveProgram(folder, 'sessions-in-files.mts', async (url) => {
    const sam = { username: 'sam', password: 'correct horse', refresh: true };
    assert.equal((await send(`${url}/signup`, 'POST', sam)).status, 200);
    const { body: pair } = await send(`${url}/auth`, 'POST', sam);
    const { access_token: token } = pair as { access_token: string };
    const headers = { Authorization: `Bearer ${token}` };
    const { body: me } = await send(`${url}/me`, 'GET', undefined, headers);
    const { user, sessionId } = me as { user: { id: string }; sessionId: string };
    assert.equal(user.id, 'sam');
    const { body: listed } = await send(`${url}/sessions`, 'GET', undefined, headers);
    const { sessions } = listed as { sessions: { id: string }[] };
    assert.deepEqual(sessions.map(({ id }) => id), [sessionId]);
    assert.equal((await send(`${url}/refresh`, 'POST', pair)).status, 200);
  });
  assert.match(readFileSync(join(folder, 'sessions.jsonl'), 'utf8'), /"userId":"sam".*\n\n$/s);
});

/** Runs programs one after another in one process. */
const RUN_ALL = `for (const name of process.argv.slice(1)) {
  console.log('program ' + name);
  await import(process.cwd() + '/' + name);
}`;

test('every program without a name prints what its comments say', async () => {
  const expected = new Map<string, string>();
  for (const [name, code] of programs) {
    const printed = [...code.matchAll(/^ *console\.log\(.*\); \/\/ (.*)$/gm)];
    const said = printed.map(([, text]) => `${text}\n`).join('');
    if (isUnnamed(code) && said !== '') expected.set(name, said);
  }
  assert.ok(expected.size >= 17, String(expected.size));
  const script = ['--input-type=module', '-e', RUN_ALL];
  const names = [...expected.keys()].map(compiledName);
  const [start, ...parts] = (await output(folder, ...script, ...names)).split('program ');
  assert.equal(start, '');
  for (const [index, [name, said]] of [...expected].entries()) {
    assert.equal(parts[index], `${compiledName(name)}\n${said}`, programs.get(name));
  }
});

test('each store that a page shows passes its contract', async () => {
  for (const [suite, title] of [
    ['testUserStore', 'MapStore: keeps odd ids apart'],
    ['testSessionStore', 'TextSessionStore: keeps odd user ids apart'],
  ] as const) {
    const isStoreTest = (code: string) => code.includes(`\n${suite}(`);
    const [[name] = assert.fail()] = [...programs].filter(([, code]) => isStoreTest(code));
    const report = await output(folder, '--test', '--test-reporter=tap', compiledName(name));
    assert.match(report, RegExp(`^ *ok \\d+ - ${title}$`, 'm'));
    assert.match(report, /^# fail 0$/m);
  }
});

test('the files that are shown can be opened', async () => {
  const [lines = '', withRemoval = '', sessionLines = ''] = blocks('json');
  const path = join(folder, 'shown.jsonl');
  writeFileSync(path, lines);
  const users = await JsonFileUserStore.open(path);
  assert.equal(users.find('joe')?.username, 'Joe');
  await users.close();
  writeFileSync(path, withRemoval);
  const again = await JsonFileUserStore.open(path);
  assert.equal(again.find('joe')?.validAfter, Date.parse('2026-03-04T05:06:07Z') / 1000);
  await again.close();
  writeFileSync(path, sessionLines);
  const sessions = await JsonFileSessionStore.open(path);
  assert.equal(sessions.find('joe')?.sessions.length, 1);
  await sessions.close();
});

// The hash is one of Werkzeug 3.1.8, of "correct horse battery staple".
test('users of a Flask application are imported, and each refused line is reported', async () => {
  const key = 'ee05b652d3434f7bfed0fe9fb9b009da50c4f156e5d5ed2bf74cc83dc77a5353'
    + '2dfd8eec0a4cebc94641bbd16811f59cd238a922b8010771f6deb5216a813057';
  const hash = `scrypt:32768:8:1$nyCUr7mGWnWhsvmG$${key}`;
  const cheap = '$scrypt$ln=4,r=8,p=1';
  const phc = `${cheap}$MDEyMzQ1Njc4OWFiY2RlZg$5WMkVwY83WqULlaI2SogWKvQqHPLvft6ohrJPoe+ShA`;
  const lines = [
    'username,hash',
    `Joe,${hash}`,
    `ann,${phc}`,
    `joe,${hash}`,
    `a b,${hash}`,
    '',
    'max,pbkdf2:sha256:1$a$b',
    `,${hash}`,
    `last,${hash}`,
    `"quoted",${hash}`,
  ];
  const refused = {
    1: 'A stored password hash is not a PHC or Werkzeug scrypt hash, or costs too much',
    4: 'User already exists',
    5: 'Username must have 1 to 80 letters, digits or ASCII symbols and no spaces',
    6: 'Expected username,hash without quotation marks',
    7: 'A stored password hash is not a PHC or Werkzeug scrypt hash, or costs too much',
    8: 'Expected username,hash without quotation marks',
    10: 'Expected username,hash without quotation marks',
  };
  const reportOf = (rows: object) =>
    Object.entries(rows).map(([line, reason]) => `line ${line}: ${reason}\n`).join('');
  const runImport = () => output(folder, 'import.mjs');
  writeFileSync(join(folder, 'users.csv'), `${lines.join('\r\n')}\n`);
  await assert.rejects(runImport(), { code: 1, stdout: '', stderr: reportOf(refused) });
  // A second run changes nothing, and reports the users that exist.
  const exists = 'User already exists';
  const again = reportOf({ ...refused, 2: exists, 3: exists, 9: exists });
  await assert.rejects(runImport(), { code: 1, stderr: again });
  writeFileSync(join(folder, 'users.csv'), `max,${hash}`);
  await runImport();

  const users = await JsonFileUserStore.open(join(folder, 'latchkey-data/users.jsonl'));
  const accounts = new Accounts({ users, passwords: new PasswordHasher({ logN: 16 }) });
  for (const name of ['joe', 'last', 'max']) {
    assert.equal((await accounts.authenticate(name, 'correct horse battery staple'))?.id, name);
    assert.match(users.find(name)?.passwordHash ?? '', /^\$scrypt\$ln=16,/);
  }
  assert.equal(users.find('joe')?.username, 'Joe');
  assert.equal((await accounts.authenticate('ann', 'p\u00e4ssword'))?.id, 'ann');
  assert.equal(await accounts.authenticate('joe', 'correct horse'), undefined);
  await users.close();
});

test('a user gets another password while the server is stopped', async () => {
  mkdirSync(join(folder, 'latchkey-data'), { recursive: true });
  const path = join(folder, 'latchkey-data/users.jsonl');
  const open = async () => {
    const users = await JsonFileUserStore.open(path);
    const store = await JsonFileSessionStore.open(join(folder, 'latchkey-data/sessions.jsonl'));
    const close = () => Promise.all([users.close(), store.close()]);
    return { accounts: new Accounts({ users }), sessions: new Sessions({ store }), close };
  };
  const before = await open();
  // It may exist already.
  await before.accounts.signup({ ...JOE, username: 'Joe' }).catch(() => undefined);
  for (const id of ['joe', 'joey']) await before.sessions.start(id, { isRefreshable: true });
  await before.close();
  await shell(`echo ' another one ' | { ${shellBlock('IFS= read -rs P &&')} }`);
  const { accounts, sessions, close } = await open();
  assert.equal((await accounts.authenticate('joe', ' another one '))?.id, 'joe');
  assert.equal(await accounts.authenticate('joe', 'correct horse'), undefined);
  assert.deepEqual(await sessions.list('joe'), []);
  assert.equal((await sessions.list('joey')).length, 1);
  await close();
  const typed = ' yet another ';
  const printed = await shell(`echo '${typed}' | { ${shellBlock('IFS= read -rs PASSWORD')} }`);
  assert.equal(printed, 'joe: the password is set, and all sessions have ended\n');
  const last = await open();
  assert.equal((await last.accounts.authenticate('joe', typed))?.id, 'joe');
  await last.close();
});

test('a user is removed from the file while the server is stopped', async () => {
  mkdirSync(join(folder, 'latchkey-data'), { recursive: true });
  const path = join(folder, 'latchkey-data/users.jsonl');
  const user = (id: string) => ({ id, username: id, passwordHash: 'none', createdAt: '' });
  const before = await JsonFileUserStore.open(path);
  // Joe may exist already.
  for (const id of ['joe', 'joey']) await before.insert(user(id));
  await before.close();
  const remove = () => output(folder, 'remove-user.mjs');
  assert.equal(await remove(), 'done\n');
  assert.equal(await remove(), 'the user does not exist\n');
  const users = await JsonFileUserStore.open(path);
  assert.deepEqual([users.find('joe'), users.find('joey')?.id], [undefined, 'joey']);
  await users.insert(user('joe'));
  assert.ok(Number(users.find('joe')?.validAfter) > 1_700_000_000);
  await users.close();
});

test('the tables of PostgreSQL that are shown are those that createTable makes', async () => {
  for (const Store of [PostgresUserStore, PostgresSessionStore, PostgresLimitCounts]) {
    const statements: string[] = [];
    const query = async (text: string) => {
      statements.push(text);
      return { rows: [] };
    };
    await new Store({ query }).createTable();
    const creations = statements.filter((statement) => statement.startsWith('CREATE'));
    const shown = blocks('sql').map((block) => block.split(';').map(onOneLine));
    assert.ok(shown.some((block) => isDeepStrictEqual(block, [...creations, ''])), Store.name);
  }
});

function onOneLine(statement: string): string {
  return statement.replaceAll(/\s+/g, ' ').replace('( ', '(').replace(' )', ')').trim();
}

test('the installed command runs by its name, and gets its --env-file itself', async () => {
  const command = join(folder, 'node_modules/.bin/latchkey');
  const { stdout } = await run(command, ['secret'], { cwd: folder });
  assert.match(stdout, /^[\w-]{43}\n$/);
  const missing = run(command, ['serve', '--env-file', 'none'], { cwd: folder });
  await assert.rejects(missing, { code: 1, stderr: /^latchkey: --env-file: .+\n$/ });
});

test('a backup of a running server is restored, and all its sessions end', async () => {
  const cwd = await emptyFolder();
  const args = 'serve --port 0 --scrypt-cost 1';
  const first = await serve(args, { cwd });
  assert.equal((await send(`${first.url}/signup`, 'POST', JOE)).status, 200);
  const { body: login } = await send(`${first.url}/auth`, 'POST', JOE);
  const atUnit = (block: string) => block.replaceAll('/var/lib/latchkey', `${cwd}/latchkey-data`);
  await shell(atUnit(shellBlock('cp /var/lib/latchkey')), cwd);
  assert.ok(statSync(join(cwd, 'sessions.backup')).size > 0);
  const [, nightly = ''] = /^0 3 .* latchkey (.+)$/m.exec(blocks('text').join('')) ?? [];
  await shell(`LC_ALL=C; ${atUnit(nightly).replace('\\%', '%')}`, cwd);
  const copies = readdirSync(join(cwd, 'latchkey-data/backup'));
  assert.match(copies.join(), /^(Sun|Mon|Tue|Wed|Thu|Fri|Sat)$/);
  const copied = readdirSync(join(cwd, 'latchkey-data/backup', copies.join()));
  assert.deepEqual(copied, ['sessions.jsonl', 'users.jsonl']);
  assert.equal((await send(`${first.url}/signup`, 'POST', ANN)).status, 200);
  first.child.kill();
  await first.ended;
  const data = join(cwd, 'latchkey-data');
  const secret = readFileSync(join(data, 'secret'), 'utf8');
  rmSync(data, { recursive: true });
  // This machine has no user of the service.
  const owner = `-o ${userInfo().uid} -g ${userInfo().gid}`;
  const restoring = atUnit(shellBlock('systemctl')).replaceAll('-o latchkey -g latchkey', owner);
  const restored = await shell(`systemctl() { echo "$1"; }\n${restoring}`, cwd);
  assert.equal(readFileSync(join(data, 'secret'), 'utf8'), secret);
  const modes = [data, join(data, 'secret'), join(data, 'users.jsonl')].map((path) => {
    return statSync(path).mode & 0o777;
  });
  assert.deepEqual(modes, [0o700, 0o600, 0o600]);
  assert.equal(restored, 'stop\nall sessions of 1 user have ended\nstart\n');
  const second = await serve(args, { cwd });
  const headers = { Authorization: `JWT ${Object(login).access_token}` };
  assert.equal((await send(`${second.url}/hello`, 'GET', undefined, headers)).status, 401);
  assert.equal((await send(`${second.url}/auth`, 'POST', JOE)).status, 200);
  assert.equal((await send(`${second.url}/auth`, 'POST', ANN)).status, 401);
});

test('the secret is rotated in two steps by SIGHUP, and no token is refused early', async () => {
  const cwd = await emptyFolder();
  const secretFile = join(cwd, 'latchkey-data/secret');
  const server = await serve('serve --port 0 --scrypt-cost 1 --log json', { cwd });
  const { url, child, output } = server;
  const newToken = async () => {
    return String(Object((await send(`${url}/auth`, 'POST', JOE)).body).access_token);
  };
  const statusOf = async (token: string) => {
    const headers = { Authorization: `JWT ${token}` };
    return (await send(`${url}/hello`, 'GET', undefined, headers)).status;
  };
  /** Runs a step, and waits until the server has read its secrets. */
  const step = async (beginning: string, secrets: number) => {
    await shell(shellBlock(beginning), cwd);
    child.kill('SIGHUP');
    while (!output.stderr.includes(`reloaded: ${secrets} in`)) await once(child.stderr, 'data');
  };
  await send(`${url}/signup`, 'POST', JOE);
  const old = await newToken();
  await step('cp -p latchkey-data/secret latchkey-data/two-secrets', 2);
  assert.equal(statSync(secretFile).mode & 0o777, 0o600);
  const renewed = await newToken();
  assert.deepEqual([await statusOf(old), await statusOf(renewed)], [200, 200]);
  const [secret = ''] = readFileSync(secretFile, 'utf8').split('\n');
  new Jwt({ secret }).verify(renewed);
  await step('cp -p latchkey-data/secret latchkey-data/one-secret', 1);
  assert.deepEqual([await statusOf(old), await statusOf(renewed)], [401, 200]);
  child.kill();
  await server.ended;
});

test('a program rotates its secrets by SIGHUP', async () => {
  const [first, second] = [generateSecret(), generateSecret()];
  const path = join(folder, '.secrets');
  writeFileSync(path, `${first}\n`);
  await serveProgram(folder, 'rotation.mts', async (url, child) => {
    await send(`${url}/signup`, 'POST', JOE);
    const statusOf = async (secret: string) => {
      const token = new Jwt({ secret }).sign({ identity: 'joe' });
      const headers = { Authorization: `JWT ${token}` };
      return (await send(`${url}/hello`, 'GET', undefined, headers)).status;
    };
    assert.deepEqual([await statusOf(first), await statusOf(second)], [200, 401]);
    writeFileSync(path, `${second}\n${first}\n`);
    child.kill('SIGHUP');
    while (await statusOf(second) === 401) await delay(10);
    assert.equal(await statusOf(first), 200);
    writeFileSync(path, `${second}\n`);
    child.kill('SIGHUP');
    while (await statusOf(first) === 200) await delay(10);
    assert.equal(await statusOf(second), 200);
  });
});

test('the systemd unit starts a server that stops well', async () => {
  const [unit = ''] = blocks('ini');
  const [, line = ''] = /^ExecStart=\/usr\/bin\/node \/opt\/latchkey\/(.+)$/m.exec(unit) ?? [];
  // systemd prepares this folder.
  const data = await emptyFolder();
  const prefix = join(folder, 'opt');
  const install = shellBlock('npm install --prefix').trimEnd().replace('/opt/latchkey', prefix);
  await shell(`${install} --offline`, join(folder, '../latchkey'));
  const args = `${line.replace('/var/lib/latchkey', data)} --port 0`;
  const { child, ended } = await serve(args, { cwd: prefix, command: [process.execPath] });
  child.kill('SIGTERM');
  assert.equal((await ended).code, 0);
  assert.deepEqual(readdirSync(data).sort(), ['secret', 'sessions.jsonl', 'users.jsonl']);
});

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const NEEDS_OPENSSL = { skip: !hasOpenssl && 'openssl is not installed' };

test('the certificate that is made to try TLS is accepted by curl', NEEDS_OPENSSL, async () => {
  const cwd = await emptyFolder();
  await shell(shellBlock('openssl req'), cwd);
  const flags = '--port 0 --users memory --tls-cert cert.pem --tls-key key.pem';
  const { child, port, ended } = await serve(`serve ${flags}`, { cwd });
  for (const host of ['localhost', '127.0.0.1']) {
    const answer = await shell(`curl -s --cacert cert.pem https://${host}:${port}/hello`, cwd);
    assert.match(answer, /"Authorization Required"/);
    await assert.rejects(shell(`curl -s https://${host}:${port}/hello`, cwd));
  }
  child.kill('SIGTERM');
  assert.equal((await ended).code, 0);
});
