/**
 * Runs the tests: the short form, or with `--long` all of them. With `--code` those of test/project
 * are left out. The short form differs in three ways:
 * - the files of LONG_ONLY do not run;
 * - the files of one folder share a process, because a start takes longer than most files;
 * - TEST_SHORT is set, by which `support/long.ts` and `support/properties.ts` leave out a part.
 * All files are compiled first, at once: a process of compiled JavaScript starts in a third of the
 * time.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROOT } from './support/root.ts';

/** After which a process that hangs is stopped and named. Slow machines need minutes. */
const TIMEOUT_MS = 900_000;
const FLAGS = [
  '--enable-source-maps',
  '--test',
  '--test-concurrency=3',
  '--test-reporter=dot',
  `--test-timeout=${TIMEOUT_MS}`,
];

/** Files that only the long form runs. */
const LONG_ONLY = [
  // They run the programs of pages, each in processes of its own.
  'project/readme',
  'project/readme-hashes',
  'project/testing-page',
  // They start and install the package in every way.
  'project/package',
  'project/starts',
].map((name) => `${name}.test.js`);

/** The slowest files and folders. They start first, so that none of them is left for the end. */
const SLOWEST = [
  'project/readme.test.js',
  'limits/throttle.test.js',
  'crypto/password.test.js',
  'http/malformed.test.js',
  'http',
  'journal',
  'accounts',
  'cli/serve',
];

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

/** @returns the test files in a folder, relative to it */
function testsIn(folder: string, isCodeOnly: boolean): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const tests = names.filter((name) => name.endsWith('.test.js')).sort();
  return tests.filter((name) => !isCodeOnly || !name.startsWith('project/'));
}

/** Writes a program for each folder with tests, which imports them. @returns the programs */
function programsOf(folder: string, tests: readonly string[]): string[] {
  const places = new Set(tests.map((name) => dirname(name)));
  return slowestFirst([...places]).map((place, index) => {
    // Node runs the programs in the order of their names.
    const order = String(index).padStart(2, '0');
    const path = join(folder, `${order}-all-of-${place.replaceAll('/', '-')}.js`);
    const files = tests.filter((name) => dirname(name) === place);
    writeFileSync(path, files.map((name) => `import './${name}';\n`).join(''));
    return path;
  });
}

function slowestFirst(names: readonly string[]): string[] {
  const rank = (name: string) => (SLOWEST.includes(name) ? SLOWEST.indexOf(name) : Infinity);
  return names.toSorted((a, b) => Math.sign(rank(a) - rank(b)) || 0);
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
  const built = join(folder, 'test');
  const tests = testsIn(built, process.argv.includes('--code'));
  const isLong = process.argv.includes('--long');
  const paths = isLong
    ? slowestFirst(tests).map((name) => join(built, name))
    : programsOf(built, tests.filter((name) => !LONG_ONLY.includes(name)));
  const programs = paths.map((path) => relative(ROOT, path));
  const { status, signal } = spawnSync(process.execPath, [...FLAGS, ...programs], {
    cwd: ROOT,
    env: { ...process.env, TEST_SHORT: isLong ? '0' : '1' },
    stdio: 'inherit',
  });
  if (signal !== null) console.error(`the tests were stopped by ${signal}`);
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
