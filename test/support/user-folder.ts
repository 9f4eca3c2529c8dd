/**
 * Makes the folder of an application beside a clone, as "Install" of the front page says. Only the
 * package is installed there, packed from the clone.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cached, digestOf } from './cache.ts';
import { programs, root, shellBlock } from './documents.ts';
import { SECRET } from './tokens.ts';

export const run = promisify(execFile);

const tsx = import.meta.resolve('tsx');

/** The files and folders that are packed, or that the build reads. */
const PACKED = [
  'package.json',
  'tsconfig.json',
  'README.md',
  'LICENSE',
  'src',
  'test/README.md',
  'bench/README.md',
  'bench/RESULTS.md',
  'bench/results.svg',
];

/**
 * Makes the folder `app` beside a clone, and installs the package there without the network.
 * @param isWanted chooses the programs of the pages to write into the folder
 */
export async function makeUserFolder(isWanted: (code: string) => boolean): Promise<string> {
  const base = mkdtempSync(join(tmpdir(), 'latchkey-readme-'));
  const clone = join(base, 'latchkey');
  const folder = join(base, 'app');
  for (const name of PACKED) cpSync(join(root, name), join(clone, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
  const digest = digestOf(clone, PACKED);
  packOnce(clone, digest);
  installOnce(folder, digest);
  for (const [name, code] of programs) if (isWanted(code)) writeFileSync(join(folder, name), code);
  return folder;
}

/** Installs the package, or copies a folder in which the same package was installed. */
function installOnce(folder: string, digest: string): void {
  const copy = { recursive: true, verbatimSymlinks: true };
  const make = (draft: string) => {
    mkdirSync(folder);
    const [init = '', install = ''] = shellBlock('npm init -y').split('\n');
    const command = `${init} && ${install} --offline`;
    execFileSync('bash', ['-c', command], { cwd: folder, stdio: 'pipe' });
    cpSync(folder, draft, copy);
  };
  const path = cached(`app-${digest}`, make);
  if (!existsSync(folder)) cpSync(path, folder, copy);
}

/** Puts the package into the clone: a cached one, if it was made of the same files. */
function packOnce(clone: string, digest: string): void {
  const { version } = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8'));
  const make = (draft: string) => writeFileSync(draft, pack(clone));
  const path = cached(`${digest}.tgz`, make);
  copyFileSync(path, join(clone, `latchkey-${version}.tgz`));
}

/** @returns the package that "Install" makes of a clone, which lies there afterwards */
export function pack(clone: string): Buffer {
  const command = shellBlock('npm ci && npm pack').replace('npm ci && ', '');
  const stdout = execFileSync('bash', ['-c', command], {
    cwd: clone,
    encoding: 'utf8',
    stdio: 'pipe',
  });
  return readFileSync(join(clone, stdout.trim().split('\n').at(-1) ?? ''));
}

/** Links the development packages of this repository, which a user installs, into the folder. */
export function linkDevelopmentPackages(folder: string): void {
  const packages = join(root, 'node_modules');
  const commands = readdirSync(join(packages, '.bin')).map((name) => join('.bin', name));
  const names = readdirSync(packages).filter((name) => !name.startsWith('.'));
  for (const name of [...names, ...commands]) {
    symlinkSync(join(packages, name), join(folder, 'node_modules', name));
  }
}

export function removeUserFolder(folder: string): void {
  rmSync(dirname(folder), { recursive: true, force: true });
}

/** Compiles programs of a folder as a user with strict settings does. */
export async function compile(
  folder: string,
  names: readonly string[],
  ...flags: string[]
): Promise<void> {
  await runCompiler(folder, ['--noEmit', ...flags, ...names]);
}

/**
 * Does the same, and writes JavaScript beside each program: Node starts it in half of the time that
 * tsx takes.
 */
export async function compileToRun(folder: string, names: readonly string[]): Promise<void> {
  await runCompiler(folder, names);
}

async function runCompiler(folder: string, args: readonly string[]): Promise<void> {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const language = ['--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  await run(process.execPath, [tsc, '--strict', ...language, ...args], { cwd: folder });
}

/** @returns the name of the JavaScript of a program, such as `app.mjs` */
export const compiledName = (name: string): string => name.replace(/\.mts$/, '.mjs');

/** Runs Node in the folder. @returns its standard output */
export async function output(folder: string, ...args: string[]): Promise<string> {
  // With this variable, a test runner in the child would report to the runner of this process.
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

/**
 * Runs a program that listens on port 3000 on another port, for as long as `use` runs. It runs what
 * `compileToRun` has written, or else the program itself, by tsx.
 */
export async function serveProgram(
  folder: string,
  name: string,
  use: (url: string, child: ChildProcess) => Promise<void>,
  stderr: 'inherit' | 'pipe' = 'inherit',
): Promise<void> {
  const port = await freePort();
  const source = programs.get(name) ?? assert.fail(`no page has a program ${name}`);
  const isCompiled = existsSync(join(folder, compiledName(name)));
  // A test may have changed it.
  const written = join(folder, isCompiled ? compiledName(name) : name);
  const code = existsSync(written) ? readFileSync(written, 'utf8') : source;
  const file = join(folder, `served-${isCompiled ? compiledName(name) : name}`);
  writeFileSync(file, code.replace(/(?<=port: |listen\()3000\b/, String(port)));
  const args = isCompiled ? [file] : ['--import', tsx, file];
  // The same secret for all programs.
  const env = { ...process.env, SECRET };
  const child: ChildProcess = spawn(process.execPath, args, {
    cwd: folder,
    env,
    stdio: ['inherit', 'inherit', stderr],
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    const giveUpAt = Date.now() + 30_000;
    while ((await fetch(url).catch(() => undefined)) === undefined) {
      assert.ok(child.exitCode === null && Date.now() < giveUpAt, `${name} does not listen`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await use(url, child);
    assert.equal(child.exitCode, null, `${name} ended before it was stopped`);
  } finally {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
}
