/** What happens before a benchmark: it measures the built package, which users install. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

const LOCK = join(ROOT, 'bench/package-lock.json');
/** A copy of the lock file, made after the last installation. `npm ci` removes it first. */
const INSTALLED_LOCK = join(ROOT, 'bench/node_modules/.installed-lock.json');
/** Without a level, npm would not say under `npm run --silent` why it fails. */
const INSTALLATION = ['ci', '--prefix', 'bench', '--no-audit', '--no-fund', '--loglevel=error'];

/** Where the compiled benchmarks are, as in bench/tsconfig.run.json. */
const COMPILED = join(ROOT, 'node_modules/.cache/latchkey-bench/compiled');
/** What the compiler leaves out, and compiled code reads. */
const COPIED = ['package.json', 'bench/package.json', 'src/app/page'];
/** The built package, and the packages of other authors. */
const LINKED = ['dist', 'bench/node_modules'];

/** Runs a program. Its output goes to stderr, so that stdout holds nothing but results. */
function run(program: string, args: readonly string[]): void {
  const { status } = spawnSync(program, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`"${program} ${args.join(' ')}" failed`);
}

/** Installs what bench/package.json names, unless the last installation was the same. */
function installPeers(): void {
  const isInstalled =
    existsSync(INSTALLED_LOCK) && readFileSync(INSTALLED_LOCK).equals(readFileSync(LOCK));
  if (isInstalled) return;
  run('npm', INSTALLATION);
  cpSync(LOCK, INSTALLED_LOCK);
}

/**
 * Builds the package, and compiles the benchmarks: tsx would stay loaded in each of their
 * processes, and takes time and memory there.
 */
function compile(): void {
  run('npm', ['run', 'build', '--silent']);
  rmSync(COMPILED, { recursive: true, force: true });
  const compiler = 'node_modules/typescript/bin/tsc';
  run(process.execPath, [compiler, '--project', 'bench/tsconfig.run.json']);
  for (const name of COPIED) cpSync(join(ROOT, name), join(COMPILED, name), { recursive: true });
  for (const name of LINKED) symlinkSync(join(ROOT, name), join(COMPILED, name));
}

let isCompiled = false;

/**
 * Compiles the package and the benchmarks in the first call alone, because `bench:all` calls it for
 * each benchmark.
 * @param hasPeers whether it also installs the packages of other authors
 * @returns the folder of the compiled benchmarks
 */
export function prepare(hasPeers: boolean): string {
  if (hasPeers) installPeers();
  if (!isCompiled) compile();
  isCompiled = true;
  return join(COMPILED, 'bench');
}
