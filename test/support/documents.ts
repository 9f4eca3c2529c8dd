/**
 * The README's blocks of code and its tables, and a folder of a user's own to run them in: with the package as it is
 * packed from a clone, and nothing else.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Jwt } from '../../src/index.ts';
import { SECRET } from './tokens.ts';
import { send, sendRaw } from './app.ts';

export const run = promisify(execFile);
export const root: string = fileURLToPath(new URL('../..', import.meta.url));

/** Every page of the documents, in the order in which the front page lists them. */
export const PAGES: readonly string[] = [
  'README.md',
  'src/crypto/README.md',
  'src/accounts/README.md',
  'src/auth/README.md',
  'src/users/README.md',
  'src/http/README.md',
  'src/cli/README.md',
  'src/README.md',
  'test/README.md',
  'bench/README.md',
];
const texts: readonly string[] = PAGES.map((page) => readFileSync(join(root, page), 'utf8'));

/** All pages, one after the other. */
export const documents: string = texts.join('\n');
const tsx = import.meta.resolve('tsx');

/** The blocks of a language, in order. */
export const blocks = (language: string): string[] =>
  [...documents.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gm'))].map(([, code = '']) => code);

/** The one block for a shell that begins so. */
export function shellBlock(beginning: string): string {
  const found = blocks('sh').filter((block) => block.startsWith(beginning));
  assert.equal(found.length, 1, `blocks for a shell that begin with ${beginning}`);
  return found.join();
}

/** The blocks of TypeScript by the name in their first line, or else by their number. */
export const programs: ReadonlyMap<string, string> = new Map(
  blocks('ts').map((code, index) => [/^\/\/ ([\w-]+\.mts)\n/.exec(code)?.[1] ?? `block-${index}.mts`, code]),
);

/** The sections with this heading, each up to the next heading of its level, from every page. */
export function sectionOf(heading: string): string {
  const [, level = ''] = /^(#+) /.exec(heading) ?? [];
  const end = RegExp(`\n#{1,${level.length}} `);
  const sections = texts.flatMap((text) => `\n${text}`.split(`\n${heading}\n`).slice(1));
  assert.ok(sections.length > 0, `no page has the heading ${heading}`);
  return sections.map((section) => section.split(end)[0] ?? '').join('\n');
}

/** The cells of the rows of the tables in a section, without their heads. */
export function rowsOf(heading: string): string[][] {
  const lines = sectionOf(heading).split('\n');
  const isHead = (index: number) => [lines[index], lines[index + 1]].some((line) => line?.startsWith('| ---'));
  const rows = lines.filter((line, index) => line.startsWith('| ') && !isHead(index));
  return rows.map((row) => row.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.replaceAll('\\|', '|').trim()));
}

/** Whether a program needs no package but this one. */
export function isSelfSufficient(code: string): boolean {
  const imported = [...code.matchAll(/ from '(.+)';$/gm)].map(([, name = '']) => name);
  return imported.every((name) => /^(latchkey($|\/)|node:|\.\/(?!web))/.test(name));
}

/**
 * Makes the folder `app` beside a clone, as "Install" says but without the network, and writes the programs into it
 * that `isWanted` chooses.
 */
export async function makeUserFolder(isWanted: (code: string) => boolean): Promise<string> {
  const base = mkdtempSync(join(tmpdir(), 'latchkey-readme-'));
  const [clone, folder] = [join(base, 'latchkey'), join(base, 'app')];
  for (const name of ['package.json', 'tsconfig.json', 'README.md', 'LICENSE', 'src']) {
    cpSync(join(root, name), join(clone, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
  await pack(clone);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{}');
  const [install = ''] = shellBlock('npm install ../latchkey').split('\n');
  await run('bash', ['-c', `${install} --offline`], { cwd: folder });
  for (const [name, code] of programs) if (isWanted(code)) writeFileSync(join(folder, name), code);
  return folder;
}

/** Gives the folder the development packages of this one, which a user installs. */
export function linkDevelopmentPackages(folder: string): void {
  const packages = join(root, 'node_modules');
  const commands = readdirSync(join(packages, '.bin')).map((name) => join('.bin', name));
  for (const name of [...readdirSync(packages).filter((it) => !it.startsWith('.')), ...commands]) {
    symlinkSync(join(packages, name), join(folder, 'node_modules', name));
  }
}

/** @returns the package that "Install" makes of a clone, which lies there afterwards */
export async function pack(clone: string): Promise<Buffer> {
  const command = shellBlock('npm ci && npm pack').replace('npm ci && ', '');
  const { stdout } = await run('bash', ['-c', command], { cwd: clone });
  return readFileSync(join(clone, stdout.trim().split('\n').at(-1) ?? ''));
}

export function removeUserFolder(folder: string): void {
  rmSync(dirname(folder), { recursive: true, force: true });
}

/** Compiles programs of a folder as a user with strict settings does. */
export async function compile(folder: string, names: readonly string[], ...flags: string[]): Promise<void> {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  await run(process.execPath, [tsc, ...options, ...flags, ...names], { cwd: folder });
}

/** Runs a script of the folder and answers what it prints. */
export async function output(folder: string, ...args: string[]): Promise<string> {
  // A test runner would make a runner below it report to itself.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { stdout } = await run(process.execPath, args, { cwd: folder, env: { ...env, SECRET } });
  return stdout;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Runs a program that listens on port 3000 on another one, for as long as `use` runs. */
export async function serveProgram(folder: string, name: string, use: (url: string) => Promise<void>): Promise<void> {
  const port = await freePort();
  const code = programs.get(name) ?? assert.fail(`the README has no ${name}`);
  const file = join(folder, `served-${name}`);
  writeFileSync(file, code.replace(/(?<=port: |listen\()3000\b/, String(port)));
  // No proxy and no debugger of whoever runs this, and the same secret for all.
  const env = { ...process.env, SECRET };
  const child = spawn(process.execPath, ['--import', tsx, file], { cwd: folder, env, stdio: 'inherit' });
  const url = `http://127.0.0.1:${port}`;
  try {
    const giveUpAt = Date.now() + 30_000;
    while ((await fetch(url).catch(() => undefined)) === undefined) {
      assert.ok(child.exitCode === null && Date.now() < giveUpAt, `${name} does not listen`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await use(url);
    assert.equal(child.exitCode, null, `${name} ends by itself`);
  } finally {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
}

const CHALLENGES = 'JWT realm="Login Required", Bearer realm="Login Required"';
const EXPIRED = `${CHALLENGES}, error="invalid_token", error_description="Signature has expired"`;

/** What a guarded path of a program over the README's `auth.mts` answers to good and bad tokens. */
export async function assertGuarded(url: string, path = '/hello'): Promise<void> {
  const jwt = new Jwt<{ identity: unknown; exp?: number }>({ secret: SECRET });
  const good = jwt.sign({ identity: 1 });
  const refused = async (authorization: string, challenges: string, error: string, description: string) => {
    const answer = await hello(authorization);
    assert.deepEqual([answer.status, answer.body], [401, { status_code: 401, error, description }], authorization);
    // Separate lines, which fetch joins with a comma, with or without a space.
    assert.equal(answer.headers.get('WWW-Authenticate')?.replace(',Bearer', ', Bearer'), challenges);
    assert.match(answer.headers.get('Content-Type') ?? '', /^application\/json/);
  };
  const hello = (authorization: string) =>
    send(url + path, 'GET', undefined, authorization === '' ? {} : { Authorization: authorization });
  for (const authorization of [`JWT ${good}`, `bearer ${good}`]) {
    const { status, body } = await hello(authorization);
    assert.deepEqual([status, body], [200, { hello: 'joe' }]);
  }
  await refused('', CHALLENGES, 'Authorization Required', 'Request does not contain an access token');
  await refused(`Basic ${good}`, CHALLENGES, 'Invalid JWT header', 'Unsupported authorization type');
  const line = `Authorization: JWT ${good}`;
  const lines = [`GET ${path} HTTP/1.1`, 'Host: x', 'Connection: close', line, line, '', ''];
  const twice = await sendRaw(Number(new URL(url).port), lines.join('\r\n'));
  assert.match(twice, /^HTTP\/1\.1 401 .*Token contains spaces/s);
  const expired = jwt.sign({ identity: 1, exp: Math.floor(Date.now() / 1000) - 60 });
  await refused(`JWT ${expired}`, EXPIRED, 'Invalid token', 'Signature has expired');
  for (const identity of [2, '1', 'joe', null]) {
    const unknown = EXPIRED.replace('Signature has expired', 'User does not exist');
    await refused(`JWT ${jwt.sign({ identity })}`, unknown, 'Invalid JWT', 'User does not exist');
  }
}

/** What a program answers that guards `GET /hello` and logs in at `POST /auth`. */
export async function assertServes(url: string): Promise<void> {
  await assertGuarded(url);
  await assertLogsIn(url);
}

async function assertLogsIn(url: string): Promise<void> {
  const login = (body: unknown) => send(`${url}/auth`, 'POST', body);
  const { access_token: token } = (await login({ username: 'joe', password: 'correct horse' })).body as {
    access_token: string;
  };
  const { body: greeting } = await send(`${url}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` });
  assert.deepEqual(greeting, { hello: 'joe' });
  const wrong = { status_code: 401, error: 'Bad Request', description: 'Invalid credentials' };
  const none = { status_code: 400, error: 'Bad Request', description: 'The body is not a JSON object' };
  const BODIES: readonly (readonly [body: unknown, answer: object])[] = [
    [{ username: 'joe', password: 'battery staple' }, wrong],
    [{ username: 'ann', password: 'correct horse' }, wrong],
    [{ username: 'joe', password: 'x'.repeat(2_000) }, wrong],
    [{ username: 'joe', password: 'correct\0horse' }, wrong],
    [{ username: 'joe' }, wrong],
    [[], none],
  ];
  for (const [body, expected] of BODIES) {
    const answer = await login(body);
    assert.deepEqual(answer.body, expected, JSON.stringify(body));
    assert.equal(answer.status, Reflect.get(expected, 'status_code'));
    assert.equal(answer.headers.has('WWW-Authenticate'), expected === wrong);
  }
  const head = ['POST /auth HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Content-Length: 99999999', '', ''];
  assert.match(await sendRaw(Number(new URL(url).port), head.join('\r\n')), /^HTTP\/1\.1 413 /);
  const malformed = await login('{"username":"joe","password":correct horse}');
  assert.equal(malformed.status, 400);
  assert.doesNotMatch(JSON.stringify(malformed.body), /correct|horse/);
}
