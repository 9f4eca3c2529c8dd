/**
 * Runs all tests, or with `--code` those outside test/project. With `--long` tests of random input
 * have ten times as many rounds. It compiles all files first, at once: a process of compiled
 * JavaScript starts in a third of the time. Quick files of a folder share a process.
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

/** Files that take seconds or depend on time, the slowest first. Each has a process of its own. */
const ALONE = [
  'project/readme',
  'limits/throttle',
  'cli/serve/signals',
  'crypto/password',
  'http/malformed',
  'project/package',
  'project/starts',
  'project/testing-page',
  'cli/serve/flags',
  'journal/crash',
  'cli/stores/stores',
  'journal/file-lock',
  'cli/stores/pg-pool',
  'http/overload',
  'journal/liveness',
  'cli/inspect/inspect',
  'cli/stores/file-trust',
  'cli/users/users',
  'cli/secrets/secret-file-errors',
  'cli/secrets/secret-file-calls',
  'cli/main',
  'cli/serve/serve-start',
  'cli/command-errors',
  'error-text',
  'accounts/account-changes-races',
  'cli/log',
  'accounts/common-passwords',
  'cli/serve/serve',
  'accounts/password-hasher-memory',
  'cli/serve/tls-files',
  'http/node-options',
  'accounts/work-queue',
  'http/tls-suites',
  'http/connections',
  'cli/administration/folder-owner',
  'cli/inspect/inspect-mistakes',
  'accounts/username',
  'accounts/account-changes-killed',
  'crypto/properties',
  'http/busy-replies',
];

/** The other files of one of these folders share a process. */
const SHARED = [
  '.',
  'accounts',
  'app',
  'auth',
  'cli',
  'cli/secrets',
  'cli/stores',
  'cli/users',
  'crypto',
  'limits',
  'postgres',
  'sessions',
  'tutorial',
  'users',
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

/** @returns the test files of a folder, as paths without the ending */
function testsIn(folder: string, isCodeOnly: boolean): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const tests = names.filter((name) => name.endsWith('.test.js')).sort();
  return tests
    .map((name) => name.slice(0, -'.test.js'.length).replaceAll('\\', '/'))
    .filter((name) => !isCodeOnly || !name.startsWith('project/'));
}

/** @returns the files of each process, the slowest process first */
function groupsOf(tests: readonly string[]): string[][] {
  const alone = ALONE.filter((name) => tests.includes(name));
  const others = tests.filter((name) => !alone.includes(name));
  const shared = SHARED.map((folder) => others.filter((name) => dirname(name) === folder));
  const rest = others.filter((name) => !SHARED.includes(dirname(name)));
  return [...alone, ...shared.filter((group) => group.length > 0), ...rest].map((group) => {
    return typeof group === 'string' ? [group] : group;
  });
}

/** Writes a file for each process, which imports its tests. Node runs files by their names. */
function writeProcesses(folder: string, groups: readonly string[][]): string[] {
  return groups.map((names, index) => {
    const number = String(index).padStart(3, '0');
    const path = join(folder, `${number}.test.js`);
    const imports = names.map((name) => `import './test/${name}.test.js';\n`);
    writeFileSync(path, imports.join(''));
    return relative(ROOT, path);
  });
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
  const processes = writeProcesses(folder, groupsOf(tests));
  const isLong = process.argv.includes('--long');
  const { status, signal } = spawnSync(process.execPath, [...FLAGS, ...processes], {
    cwd: ROOT,
    env: { ...process.env, TEST_SHORT: isLong ? '0' : '1' },
    stdio: 'inherit',
  });
  if (signal !== null) console.error(`the tests were stopped by ${signal}`);
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
