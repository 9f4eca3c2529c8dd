/**
 * The rules of the house: which room may import from which, what `src/crypto` may grow to, how code
 * is laid out, and that nothing but Node is needed at run time. A failing rule prints the line that
 * breaks it and why the rule exists.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join('src', name))
  .sort();

/** The source without comments; line numbers stay. */
function codeOf(path: string): string {
  const comment = /\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm;
  return read(path).replaceAll(comment, (text) => text.replaceAll(/[^\n]/g, ''));
}

interface Import {
  /** A path below the root, such as `src/errors.ts`, or the name of a module. */
  readonly target: string;
  /** Whether it imports nothing but types. */
  readonly isOfTypes: boolean;
  /** The file and the number of the line. */
  readonly place: string;
}

/** Every module that a file imports or exports from, in a statement, a type or a call. */
function importsOf(path: string): Import[] {
  const code = codeOf(path);
  const statement = /\b(import|export)(\s+type)?\b([^;'()]*?)\bfrom\s*'([^']+)'|\b(?:import|require)\s*\(\s*'([^']+)'/g;
  return [...code.matchAll(statement)].map((match) => {
    const [text, , type, names = '', from, called] = match;
    const name = from ?? called ?? '';
    const target = name.startsWith('.') ? relative(root, join(root, dirname(path), name)) : name;
    const listed = /\{([^}]*)\}/.exec(names)?.[1]?.split(',').map((item) => item.trim()) ?? ['a default'];
    const isOfTypes = type !== undefined ||
      listed.every((item) => item === '' || item.startsWith('type '));
    const line = code.slice(0, match.index + text.length).split('\n').length;
    return { target, isOfTypes, place: `${path}, line ${line}` };
  });
}

const ours = (imported: Import): boolean => imported.target.startsWith('src/');

/** The first folder below src, or the file itself where it stands at the top. */
const roomOf = (path: string): string => path.split('/').slice(1, 2).join();

/** What every room may import: errors, options, events and values that may be promises. */
const GROUND = ['errors.ts', 'options.ts', 'events.ts', 'maybe-promise.ts', 'error-text.ts'];

/**
 * The files in which what the package exports is put together. They alone export what another file
 * defines, and no other file imports them.
 */
const ENTRY_POINTS = ['index.ts', 'jwt.ts', 'password.ts', 'store-contract.ts'];

/**
 * What a room may import beside itself. A path with a slash is one file of a room. `type <room>`
 * allows types alone.
 */
const DIRECTIONS: Readonly<Record<string, readonly string[]>> = {
  'cli': ['app.ts', 'accounts', 'users', 'crypto', 'http', 'journal/disk.ts', ...GROUND],
  'app.ts': ['accounts', 'auth', 'http', 'type users/store.ts', ...GROUND],
  'auth': ['crypto', 'type accounts', ...GROUND],
  'accounts': ['crypto', 'limits', 'type users/store.ts', ...GROUND],
  'limits': GROUND,
  'users': ['journal', ...GROUND],
  'journal': GROUND,
  'http': GROUND,
  'crypto': ['errors.ts', 'options.ts'],
  'options.ts': [],
  'errors.ts': ['options.ts'],
  'error-text.ts': ['errors.ts', 'options.ts'],
  'events.ts': ['type errors.ts'],
  'maybe-promise.ts': [],
  'index.ts': ['app.ts', 'accounts', 'auth', 'limits', 'crypto', 'http', 'users', ...GROUND],
  'jwt.ts': ['crypto', 'errors.ts'],
  'password.ts': ['accounts/password-hasher.ts', 'errors.ts'],
  'store-contract.ts': ['users/contract.ts'],
};

/** Why a room keeps to its directions; the rooms that are not listed share the last reason. */
const REASONS: Readonly<Record<string, string>> = {
  'crypto': 'an auditor must be able to review every key, MAC and hash without leaving this room',
  'auth': 'an application with users of its own needs the guard without Accounts',
  'accounts': 'any store must do: accounts know the port and none of the stores',
  'app.ts': 'the application only joins the rooms, so that users can join them otherwise',
  'limits': 'limits must work for any login, whoever keeps the users',
  'journal': 'a journal holds any kind of record, so it knows none of them',
  'http': 'the server serves any application, so it knows nothing of tokens and users',
};
const REASON_OF_OTHERS = 'a reader must be able to understand a room by what it stands on alone';

function isAllowed(imported: Import, allowed: readonly string[]): boolean {
  const path = imported.target.slice('src/'.length);
  const names = [path, roomOf(imported.target)];
  if (names.some((name) => allowed.includes(name))) return true;
  return imported.isOfTypes && names.some((name) => allowed.includes(`type ${name}`));
}

test('every import goes in a direction that the architecture allows', () => {
  assert.ok(files.length > 30);
  for (const file of files) {
    const room = roomOf(file);
    const allowed = DIRECTIONS[room];
    assert.ok(allowed, `${file}: src/${room} is not a room of the architecture: add it to DIRECTIONS`);
    for (const imported of importsOf(file).filter(ours)) {
      assert.ok(existsSync(join(root, imported.target)), `${imported.place} imports ${imported.target}, which does not exist`);
      const isInside = roomOf(imported.target) === room;
      assert.ok(
        isInside || isAllowed(imported, allowed),
        `${imported.place} imports ${imported.target}\n` +
        `  rule: ${room} may import ${allowed.join(', ') || 'nothing'}\n` +
        `  why: ${REASONS[room] ?? REASON_OF_OTHERS}`,
      );
    }
  }
});

test('a check of directions finds what it must find', () => {
  const found = importsOf('src/crypto/jwt.ts').map(({ target }) => target);
  assert.ok(found.includes('node:crypto') && found.includes('src/crypto/claims.ts'));
  const types = importsOf('src/events.ts').filter(({ target }) => target === 'src/errors.ts');
  assert.deepEqual(types.map(({ isOfTypes }) => isOfTypes), [true]);
  const values = importsOf('src/errors.ts').filter(({ target }) => target === 'src/options.ts');
  assert.deepEqual(values.map(({ isOfTypes }) => isOfTypes), [false]);
});

test('every direction that is allowed is used', () => {
  for (const [room, allowed] of Object.entries(DIRECTIONS)) {
    const imports = files.filter((file) => roomOf(file) === room).flatMap(importsOf).filter(ours);
    const beyondGround = allowed.filter((name) => !GROUND.includes(name));
    for (const name of beyondGround) {
      const isUsed = imports.some((imported) => isAllowed(imported, [name]));
      assert.ok(isUsed, `${room} no longer imports ${name}: remove it from DIRECTIONS`);
    }
  }
});

test('crypto imports one module of Node: node:crypto', () => {
  for (const file of files.filter((name) => roomOf(name) === 'crypto')) {
    for (const { target, place } of importsOf(file).filter((imported) => !ours(imported))) {
      assert.equal(target, 'node:crypto', `${place}\n  why: ${REASONS['crypto']}`);
    }
  }
});

test('imports never form a cycle', () => {
  const visit = (file: string, path: readonly string[]): void => {
    const cycle = [...path, file].join(' -> ');
    assert.ok(!path.includes(file), `${cycle}\n  why: no file of a cycle can be understood first`);
    for (const { target } of importsOf(file).filter(ours)) visit(target, [...path, file]);
  };
  for (const file of files) visit(file, []);
});

test('only entry points export what other files define, and no file imports one', () => {
  for (const file of files) {
    const isEntryPoint = ENTRY_POINTS.includes(roomOf(file));
    const exportsFrom = /^export [^;]*? from '/m.test(codeOf(file));
    assert.equal(exportsFrom, isEntryPoint, `${file}\n  why: a name must have one place to look for it`);
    for (const { target, place } of importsOf(file).filter(ours)) {
      const isOfEntry = ENTRY_POINTS.includes(roomOf(target));
      assert.ok(!isOfEntry, `${place} imports ${target}\n  why: an entry point reaches all rooms`);
    }
  }
});

test('at run time nothing is imported but modules of Node, by their full name', () => {
  for (const file of files) {
    for (const { target, place } of importsOf(file).filter((imported) => !ours(imported))) {
      // Operators who keep users in PostgreSQL install pg. The command loads it only for them.
      if (file === 'src/cli/pg-pool.ts' && target === 'pg') continue;
      assert.match(target, /^node:/, place);
      const isModule = builtinModules.includes(target.slice('node:'.length)) || target === 'node:test';
      assert.ok(isModule, `${place} imports ${target}`);
    }
  }
});

/**
 * The exceptions to the rule below, each with its reason. The code stands beside the reason there.
 */
const PROCESS_EXCEPTIONS: Readonly<Record<string, RegExp>> = {
  // Only libuv's own variable tells how many threads its pool has.
  'src/accounts/work-queue.ts': /import \{ env \} from 'node:process';|\benv\['UV_THREADPOOL_SIZE'\]/g,
  // A lock names the process that holds it, and asks whether that process is alive.
  'src/journal/file-lock.ts': /import \{ pid as ownPid \} from 'node:process';/g,
  'src/journal/liveness.ts': /import \{ kill, pid as ownPid \} from 'node:process';/g,
  // The default of `onError` is a warning of Node, which applications can turn off or trace.
  'src/http/router.ts': /import \{ emitWarning \} from 'node:process';/g,
};

test('only src/cli reads the process, its environment and its arguments, or writes to the console', () => {
  for (const file of files.filter((name) => roomOf(name) !== 'cli')) {
    const code = codeOf(file).replaceAll(PROCESS_EXCEPTIONS[file] ?? /(?!)/g, '');
    const found = /\bconsole\b|\bprocess\.|\bnode:process\b|\bargv\b|\benv\b/.exec(code);
    assert.equal(found?.[0], undefined, `${file}\n  why: a library must not depend on how a process was started`);
  }
  for (const [file, exception] of Object.entries(PROCESS_EXCEPTIONS)) {
    assert.match(codeOf(file), new RegExp(exception.source), `${file} needs its exception no longer`);
  }
});

test('no file is named after what is left over, and no type is `any`', () => {
  for (const file of files) {
    assert.doesNotMatch(file, /util|helper|common(?!-passwords)|misc/i);
    assert.ok(!/\bas any\b|[:<,|] *any\b/.test(codeOf(file)), `${file} has an any`);
    assert.ok(!/@ts-(ignore|nocheck|expect-error)/.test(read(file)), `${file} silences the compiler`);
  }
});

/** Data, not code: its lines hold ten passwords each, and to split the file would not help a reader. */
const DATA_FILE = 'src/accounts/common-passwords.ts';
const MAX_COLUMNS = 145;

test('src/crypto stays small enough to be reviewed in one sitting', () => {
  const crypto = files.filter((name) => roomOf(name) === 'crypto');
  const lines = crypto.flatMap((name) => read(name).split('\n').slice(0, -1)).length;
  const code = crypto.flatMap((name) => codeOf(name).split('\n')).filter((line) => line.trim() !== '');
  assert.ok(lines <= 800, `src/crypto has ${lines} lines, and may have 800`);
  assert.ok(code.length <= 420, `src/crypto has ${code.length} lines of code, and may have 420`);
});

test('a file is one idea: at most 300 lines', () => {
  for (const file of files.filter((name) => name !== DATA_FILE)) {
    const lines = read(file).split('\n').length - 1;
    assert.ok(lines <= 300, `${file} has ${lines} lines: it probably holds two ideas`);
  }
});

test('no line is longer than the layout allows', () => {
  for (const file of files) {
    for (const [index, line] of read(file).split('\n').entries()) {
      assert.ok(line.length <= MAX_COLUMNS, `${file}, line ${index + 1} has ${line.length} columns`);
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
  assert.deepEqual(manifest['files'], ['dist', 'src']);
  const entries = ['.', './jwt', './password', './store-contract', './package.json'];
  assert.deepEqual(Object.keys(manifest.exports), entries);
  const scripts = Object.keys(manifest['scripts'] as object);
  const installHooks = scripts.filter((name) => /install|^prepare$/.test(name));
  assert.deepEqual(installHooks, [], 'an install runs a script');
});

test('the top level of the repository holds only what the project allows there', () => {
  // Untracked files, and a copy without .git, are not judged.
  const isClone = existsSync(join(root, '.git'));
  const tracked = isClone ? execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }) : '';
  const allowed = [
    'package.json', 'package-lock.json', 'tsconfig.json', 'README.md', 'LICENSE', '.gitignore',
    'src', 'test', 'bench', '.ci',
  ];
  for (const path of tracked.split('\n').filter((name) => name !== '')) {
    assert.ok(allowed.includes(path.split('/')[0] ?? ''), path);
  }
});
