/**
 * Makes the folder of an application beside a clone, as "Install" of the front page says. Only the
 * package is installed there, packed from the clone.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
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
];

/**
 * Packages of earlier runs. The name of each is a digest of the files from which it was packed. The
 * test that packs twice compares such a package with a new one.
 */
const CACHE = join(root, 'node_modules/.cache/latchkey');
const CACHED_MS = 3_600_000;

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
  await packOnce(clone);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{}');
  const [install = ''] = shellBlock('npm install ../latchkey').split('\n');
  await run('bash', ['-c', `${install} --offline`], { cwd: folder });
  for (const [name, code] of programs) if (isWanted(code)) writeFileSync(join(folder, name), code);
  return folder;
}

/** Puts the package into the clone: that of an earlier run if its files were the same. */
async function packOnce(clone: string): Promise<void> {
  const cached = join(CACHE, keyOf(clone));
  const { version } = JSON.parse(readFileSync(join(clone, 'package.json'), 'utf8'));
  const packed = join(clone, `latchkey-${version}.tgz`);
  if (existsSync(cached)) {
    copyFileSync(cached, packed);
    return;
  }
  await pack(clone);
  mkdirSync(CACHE, { recursive: true });
  for (const name of readdirSync(CACHE)) {
    const path = join(CACHE, name);
    const changedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (changedMs < Date.now() - CACHED_MS) rmSync(path, { force: true });
  }
  // Another process may make the same package. The rename is atomic, so no reader sees half of it.
  const draft = `${cached}.${process.pid}`;
  copyFileSync(packed, draft);
  renameSync(draft, cached);
}

/** A digest of all files that the package depends on, of the compiler's version and of Node's. */
function keyOf(clone: string): string {
  const names = PACKED.flatMap((name) => {
    const isFile = statSync(join(clone, name)).isFile();
    if (isFile) return [name];
    const below = readdirSync(join(clone, name), { recursive: true, encoding: 'utf8' });
    return below.map((file) => join(name, file));
  });
  const files = names.filter((name) => statSync(join(clone, name)).isFile()).sort();
  const parts = files.map((name) => [name, readFileSync(join(clone, name), 'utf8')]);
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
  return hash('sha256', JSON.stringify([process.version, lock, ...parts]), 'hex');
}

/** Packs a clone as "Install" says. @returns the package, which stays in the clone */
export async function pack(clone: string): Promise<Buffer> {
  const command = shellBlock('npm ci && npm pack').replace('npm ci && ', '');
  const { stdout } = await run('bash', ['-c', command], { cwd: clone });
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
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const language = ['--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  const args = [tsc, '--strict', '--noEmit', ...language, ...flags, ...names];
  await run(process.execPath, args, { cwd: folder });
}

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

/** Runs a program that listens on port 3000 on another port, for as long as `use` runs. */
export async function serveProgram(
  folder: string,
  name: string,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const port = await freePort();
  const code = programs.get(name) ?? assert.fail(`no page has a program ${name}`);
  const file = join(folder, `served-${name}`);
  writeFileSync(file, code.replace(/(?<=port: |listen\()3000\b/, String(port)));
  const args = ['--import', tsx, file];
  // The same secret for all programs.
  const env = { ...process.env, SECRET };
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: 'inherit' });
  const url = `http://127.0.0.1:${port}`;
  try {
    const giveUpAt = Date.now() + 30_000;
    while ((await fetch(url).catch(() => undefined)) === undefined) {
      assert.ok(child.exitCode === null && Date.now() < giveUpAt, `${name} does not listen`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await use(url);
    assert.equal(child.exitCode, null, `${name} ended before it was stopped`);
  } finally {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
}
