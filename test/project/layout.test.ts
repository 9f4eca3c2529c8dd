/** The size of files and of src/crypto, the layout of code, and the promises of the manifest. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { read, root } from '../support/documents.ts';
import { codeOf, files, roomOf, testFiles } from '../support/sources.ts';

test('no file is called util or helper, no type is `any`, and no check is silenced', () => {
  for (const file of files) {
    assert.doesNotMatch(file, /util|helper|common(?!-passwords)|misc/i);
    assert.ok(!/\bas any\b|[:<,|] *any\b/.test(codeOf(file)), `${file} has an any`);
    const isSilenced = /@ts-(ignore|nocheck|expect-error)/.test(read(file));
    assert.ok(!isSilenced, `${file} silences the compiler`);
  }
});

/** Data, not code: its lines hold ten passwords each, and splitting it would not help a reader. */
const DATA_FILE = 'src/accounts/common-passwords.ts';
const MAX_COLUMNS = 100;

test('src/crypto stays small enough to be reviewed in one sitting', () => {
  const crypto = files.filter((name) => roomOf(name) === 'crypto');
  const lines = crypto.flatMap((name) => read(name).split('\n').slice(0, -1)).length;
  const code = crypto.flatMap((name) => codeOf(name).split('\n').filter((line) => line.trim()));
  assert.ok(lines <= 800, `src/crypto has ${lines} lines, and may have 800`);
  assert.ok(code.length <= 420, `src/crypto has ${code.length} lines of code, and may have 420`);
});

test('a file is one idea: at most 300 lines', () => {
  for (const file of files.filter((name) => name !== DATA_FILE)) {
    const lines = read(file).split('\n').length - 1;
    assert.ok(lines <= 300, `${file} has ${lines} lines, and may have 300: split it by subject`);
  }
});

/** A line that begins a test. Its title alone is counted: a broken sentence would be worse. */
const TITLE = /^ *(?:test\w*|it|describe)\((['"`])(.*)\1, /;
/** Lines that old versions and other programs wrote, byte for byte. */
const RECORDED_LINE = /^\{"op":"\w+",/;

test('no line is longer than the layout allows', () => {
  for (const file of [...files, ...testFiles]) {
    for (const [index, line] of read(file).split('\n').entries()) {
      const { length } = TITLE.exec(line)?.[2] ?? line;
      const found = `${file}, line ${index + 1} has ${length} columns`;
      const isAllowed = length <= MAX_COLUMNS || RECORDED_LINE.test(line);
      assert.ok(isAllowed, `${found}, and may have ${MAX_COLUMNS}`);
    }
  }
});

test('the manifest promises what a user may rely on', () => {
  const manifest = JSON.parse(read('package.json')) as Record<string, unknown> & {
    exports: Record<string, unknown>;
  };
  assert.deepEqual(manifest['dependencies'] ?? {}, {});
  for (const kind of ['peerDependencies', 'optionalDependencies', 'bundledDependencies']) {
    assert.equal(manifest[kind], undefined, kind);
  }
  const development = Object.keys(manifest['devDependencies'] as object).sort();
  assert.deepEqual(development, ['@types/node', 'tsx', 'typescript']);
  assert.deepEqual(manifest['engines'], { node: '>=20.19' });
  assert.deepEqual([manifest['type'], manifest['license']], ['module', 'MIT']);
  assert.deepEqual(manifest['bin'], { latchkey: 'dist/cli/main.js' });
  const pages = ['test/README.md', 'bench/README.md', 'bench/RESULTS.md', 'bench/results.svg'];
  assert.deepEqual(manifest['files'], ['dist', 'src', ...pages]);
  const entries = ['.', './express', './jwt', './password', './store-contract', './package.json'];
  assert.deepEqual(Object.keys(manifest.exports), entries);
  const scripts = Object.keys(manifest['scripts'] as object);
  // `prepare` builds in a clone and for git. An installation from the registry does not run it.
  const installHooks = scripts.filter((name) => name.includes('install'));
  assert.deepEqual(installHooks, [], 'an install runs a script');
});

test('the top level of the repository holds only what the project allows there', () => {
  // Untracked files, and a copy without .git, are not judged.
  const isClone = existsSync(join(root, '.git'));
  const tracked = isClone ? execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }) : '';
  const allowed = [
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'README.md',
    'LICENSE',
    '.gitignore',
    'src',
    'test',
    'bench',
    '.ci',
  ];
  for (const path of tracked.split('\n').filter((name) => name !== '')) {
    assert.ok(allowed.includes(path.split('/')[0] ?? ''), path);
  }
});
