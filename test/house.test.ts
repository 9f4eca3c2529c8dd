/**
 * The plan of the house, held against the import lines, the line counts and the manifest: directions, the sealed room,
 * the budgets, nothing at run time but Node.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join('src', name))
  .sort();
const codeOf = (path: string) => read(path).replaceAll(/\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm, '');
const linesOf = (path: string) => read(path).split('\n').length - 1;

/** Every module that a file imports or exports from, in a statement, a type or a call. */
function importsOf(path: string): string[] {
  return [...codeOf(path).matchAll(/\b(?:from|import|require)\s*\(?\s*'([^']+)'/g)].map(([, name]) => {
    assert.ok(name);
    return name.startsWith('.') ? relative(root, join(root, dirname(path), name)) : name;
  });
}

/** The first folder below src, or the file itself where it stands there alone. */
const roomOf = (path: string) => path.split('/').slice(1, 2).join();

/** Which rooms a room may import from, besides itself. */
const DIRECTIONS: Record<string, readonly string[]> = {
  'crypto': ['errors.ts'],
  'limits': ['errors.ts', 'events.ts', 'ready.ts'],
  'users': ['errors.ts'],
  'http': ['error-text.ts', 'errors.ts', 'events.ts', 'ready.ts'],
  'auth': ['crypto', 'limits', 'users', 'errors.ts', 'events.ts', 'ready.ts'],
  'app.ts': ['auth', 'users', 'http', 'errors.ts'],
  'secret-file.ts': ['crypto', 'users', 'file-trust.ts'],
  'file-trust.ts': ['users'],
  'cli.ts': [
    'app.ts', 'arguments.ts', 'inspect.ts', 'secret-file.ts', 'auth', 'crypto', 'users', 'http',
    'errors.ts', 'events.ts', 'file-trust.ts', 'error-text.ts',
  ],
  'jwt.ts': ['crypto', 'errors.ts'],
  'index.ts': ['app.ts', 'auth', 'crypto', 'limits', 'users', 'http', 'errors.ts'],
  'arguments.ts': [],
  'inspect.ts': ['crypto', 'errors.ts'],
  'error-text.ts': ['errors.ts'],
  'errors.ts': [],
  'events.ts': ['errors.ts'],
  'ready.ts': [],
};

test('every import goes in the direction of the plan', () => {
  assert.ok(files.length > 15);
  for (const file of files) {
    const room = roomOf(file);
    const allowed = DIRECTIONS[room];
    assert.ok(allowed, `${file} stands in a room that the plan does not have`);
    for (const imported of importsOf(file)) {
      if (imported.startsWith('node:') || imported === 'pg') continue;
      assert.ok(existsSync(join(root, imported)), `${file} imports ${imported}, which is no file of the house`);
      const target = roomOf(imported);
      assert.ok(target === room || allowed.includes(target), `${file} imports ${imported}`);
    }
  }
});

test('auth knows no store but the port, and app and http nothing below them', () => {
  for (const file of files.filter((name) => ['auth', 'app.ts'].includes(roomOf(name)))) {
    const stores = importsOf(file).filter((imported) => roomOf(imported) === 'users');
    assert.deepEqual(stores.filter((imported) => imported !== 'src/users/store.ts'), [], file);
  }
  assert.deepEqual(importsOf('src/app.ts').filter((imported) => roomOf(imported) === 'crypto'), []);
});

test('crypto imports node:crypto, itself and the errors, and nothing else', () => {
  const allowed = (imported: string) =>
    imported === 'node:crypto' || imported === 'src/errors.ts' || roomOf(imported) === 'crypto';
  for (const file of files.filter((name) => roomOf(name) === 'crypto')) {
    assert.deepEqual(importsOf(file).filter((imported) => !allowed(imported)), [], file);
  }
  assert.ok(importsOf('src/crypto/jwt.ts').includes('node:crypto'), 'the import lines are found');
});

test('no file imports the front door, and no imports go in a circle', () => {
  const graph = new Map(files.map((file) => [file, importsOf(file).filter((name) => name.startsWith('src/'))]));
  const visit = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), `a circle: ${[...path, file].join(' -> ')}`);
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
  };
  for (const file of files) {
    visit(file, []);
    assert.ok(!graph.get(file)?.includes('src/index.ts'), file);
  }
});

test('nothing is imported at run time but modules of Node, by their full name', () => {
  for (const file of files) {
    // Who keeps users in PostgreSQL installs pg; only the command loads it, and only then.
    const isOurs = (name: string) => name.startsWith('src/') || (file === 'src/users/pg-pool.ts' && name === 'pg');
    for (const imported of importsOf(file).filter((name) => !isOurs(name))) {
      assert.match(imported, /^node:/, file);
      assert.ok(builtinModules.includes(imported.slice(5)) || imported === 'node:test', `${file} imports ${imported}`);
    }
  }
});

test('only the command touches the console, the arguments, the environment and signals', () => {
  for (const file of files.filter((name) => name !== 'src/cli.ts')) {
    // How many threads libuv has, nobody else can tell. A flag may speak of the environment.
    const threads = /import \{ env \} from 'node:process'|env\['UV_THREADPOOL_SIZE'\]|env-file/g;
    const code = codeOf(file).replaceAll(threads, '');
    assert.ok(!/\bconsole\b|\bprocess\.|\bargv\b|\benv\b/.test(code), file);
  }
  assert.match(read('src/cli.ts'), /console\.log/);
});

test('there is no file of utilities, and no any', () => {
  for (const file of files) {
    assert.doesNotMatch(file, /util|helper|common(?!-passwords)|misc/i);
    assert.ok(!/\bas any\b|[:<,|] *any\b/.test(codeOf(file)), file);
    assert.ok(!/@ts-(ignore|nocheck|expect-error)/.test(read(file)), file);
  }
});

/** Data, not code: its lines hold ten passwords each, and splitting them would make nothing clearer. */
const DATA_FILE = 'src/auth/common-passwords.ts';

test('src/crypto stays within its cap, and no file of code is longer than 300 lines', () => {
  const crypto = files.filter((name) => roomOf(name) === 'crypto');
  const lines = crypto.reduce((sum, name) => sum + linesOf(name), 0);
  const codeLines = crypto.flatMap((name) => codeOf(name).split('\n')).filter((line) => line.trim() !== '').length;
  assert.ok(lines <= 800, `src/crypto has ${lines} lines, and may have 800`);
  assert.ok(codeLines <= 420, `src/crypto has ${codeLines} lines of code, and may have 420`);
  for (const file of files) {
    const isData = file === DATA_FILE;
    assert.ok(linesOf(file) <= 300 || isData, `${file} has ${linesOf(file)} lines, and may have 300`);
    const long = read(file).split('\n').findIndex((line) => line.length > 120);
    assert.equal(long, -1, `${file}, line ${long + 1} is longer than 120 columns`);
  }
});

test('the manifest promises what the card fixes', () => {
  const manifest = JSON.parse(read('package.json')) as Record<string, unknown> & { exports: Record<string, unknown> };
  assert.deepEqual(manifest['dependencies'] ?? {}, {});
  for (const kind of ['peerDependencies', 'optionalDependencies', 'bundledDependencies']) {
    assert.equal(manifest[kind], undefined, kind);
  }
  const development = Object.keys(manifest['devDependencies'] as object).sort();
  assert.deepEqual(development, ['@types/node', 'tsx', 'typescript']);
  assert.deepEqual(manifest['engines'], { node: '>=20.19' });
  assert.deepEqual([manifest['type'], manifest['license']], ['module', 'MIT']);
  assert.deepEqual(manifest['bin'], { latchkey: 'dist/cli.js' });
  assert.deepEqual(manifest['files'], ['dist', 'src']);
  const entries = ['.', './jwt', './password', './store-contract', './package.json'];
  assert.deepEqual(Object.keys(manifest.exports), entries);
  const installHooks = Object.keys(manifest['scripts'] as object).filter((name) => /install|^prepare$/.test(name));
  assert.deepEqual(installHooks, [], 'nothing runs at an install');
});

test('the top level of the repository holds what the card lists, and nothing beside it', () => {
  // What lies about untracked, or what was unpacked from elsewhere, is no part of the repository.
  const isClone = existsSync(join(root, '.git'));
  const tracked = isClone ? execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }) : '';
  const listed = ['package.json', 'tsconfig.json', 'src', 'test', 'bench', 'README.md', 'LICENSE', 'package-lock.json'];
  for (const path of tracked.split('\n').filter((name) => name !== '')) {
    assert.ok([...listed, '.gitignore', '.ci'].includes(path.split('/')[0] ?? ''), path);
  }
});
