/**
 * Runs all tests, or with `--code` those outside test/project. With `--long` tests of random input
 * have ten times as many rounds. It compiles all files first, at once: a process of compiled
 * JavaScript starts in a third of the time, and each file has its own.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from './support/root.ts';

/** After which a file that hangs is stopped and named. Slow machines need minutes. */
const TIMEOUT_MS = 900_000;
const FLAGS = [
  '--enable-source-maps',
  '--test',
  '--test-concurrency=3',
  '--test-reporter=dot',
  `--test-timeout=${TIMEOUT_MS}`,
];

/** The slowest files. They start first, so that none of them is left for the end. */
const SLOWEST = [
  'project/readme',
  'limits/throttle',
  'cli/serve/signals',
  'crypto/password',
  'http/malformed',
  'project/package',
  'project/starts',
  'project/testing-page',
  'journal/crash',
  'journal/file-lock',
  'journal/liveness',
  'http/overload',
].map((name) => `${name}.test.js`);

/** The folder is not in node_modules, because Node 22 and later find no tests there. */
const PREFIX = '.tests-';
const LONGEST_RUN_MS = 3_600_000;

/** What the compiler leaves out, and compiled code reads. */
const COPIED = ['package.json', 'src/app/page'];

function compileInto(folder: string): void {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const emit = ['--noEmit', 'false', '--noCheck', '--inlineSourceMap', '--outDir', folder];
  execFileSync(process.execPath, [compiler, '--project', join(ROOT, 'test'), ...emit], {
    stdio: 'inherit',
  });
  for (const name of COPIED) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
}

/** @returns the test files of a folder, the slowest first */
function testsIn(folder: string, isCodeOnly: boolean): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const tests = names.filter((name) => name.endsWith('.test.js')).sort();
  const others = tests.filter((name) => !SLOWEST.includes(name));
  return [...SLOWEST, ...others]
    .filter((name) => !isCodeOnly || !name.startsWith('project/'))
    .map((name) => relative(ROOT, join(folder, name)));
}

/** Removes what earlier runs have left that were killed. */
function removeLeftFolders(): void {
  for (const name of readdirSync(ROOT).filter((entry) => entry.startsWith(PREFIX))) {
    const path = join(ROOT, name);
    const isLeft = statSync(path).mtimeMs < Date.now() - LONGEST_RUN_MS;
    if (isLeft) rmSync(path, { recursive: true, force: true });
  }
}

removeLeftFolders();
const folder = mkdtempSync(join(ROOT, PREFIX));
try {
  compileInto(folder);
  const tests = testsIn(join(folder, 'test'), process.argv.includes('--code'));
  const isLong = process.argv.includes('--long');
  const { status, signal } = spawnSync(process.execPath, [...FLAGS, ...tests], {
    cwd: ROOT,
    env: { ...process.env, TEST_SHORT: isLong ? '0' : '1' },
    stdio: 'inherit',
  });
  if (signal !== null) console.error(`the tests were stopped by ${signal}`);
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
