/**
 * The rules of the architecture: which room of src may import which, and that only Node is needed
 * at run time. A failing test prints the line that breaks the rule, and the reason for the rule.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { root, rowsOf, sectionOf } from '../support/documents.ts';
import { codeOf, files, roomOf } from '../support/sources.ts';

interface Import {
  /** A path below the root, such as `src/errors.ts`, or the name of a module. */
  readonly target: string;
  /** Whether it imports only types. */
  readonly isOfTypes: boolean;
  /** The file and the number of the line. */
  readonly place: string;
}

const STATIC_IMPORT = /\b(import|export)(\s+type)?\b([^;'()]*?)\bfrom\s*'([^']+)'/;
const CALLED_IMPORT = /\b(?:import|require)\s*\(\s*'([^']+)'/;
const ANY_IMPORT = new RegExp(`${STATIC_IMPORT.source}|${CALLED_IMPORT.source}`, 'g');

/** Every module that a file imports or exports from, in a statement, a type or a call. */
function importsOf(path: string): Import[] {
  const code = codeOf(path);
  return [...code.matchAll(ANY_IMPORT)].map((match) => {
    const [text, , type, names = '', from, called] = match;
    const name = from ?? called ?? '';
    const target = name.startsWith('.') ? relative(root, join(root, dirname(path), name)) : name;
    const [, list = 'a default'] = /\{([^}]*)\}/.exec(names) ?? [];
    const items = list.split(',').map((item) => item.trim());
    const isOfTypes = type !== undefined ||
      items.every((item) => item === '' || item.startsWith('type '));
    const line = code.slice(0, match.index + text.length).split('\n').length;
    return { target, isOfTypes, place: `${path}, line ${line}` };
  });
}

const ours = (imported: Import): boolean => imported.target.startsWith('src/');

/** The files that every room may import, except crypto. */
const GROUND = [
  'error-codes.ts',
  'errors.ts',
  'options.ts',
  'values.ts',
  'events.ts',
  'maybe-promise.ts',
  'error-text.ts',
  'request-headers.ts',
  'similar-name.ts',
  'node-modules.ts',
];

/**
 * The files that the package exports. Only they export what other files define, and no other file
 * imports them.
 */
const ENTRY_POINTS = ['index.ts', 'express.ts', 'jwt.ts', 'password.ts', 'store-contract.ts'];

/**
 * What a room may import, apart from its own files. A path with a slash is one file of a room.
 * `type <room>` allows only types.
 */
const DIRECTIONS: Readonly<Record<string, readonly string[]>> = {
  'cli': [
    'app',
    'accounts',
    'users',
    'sessions',
    'limits',
    'crypto',
    'http',
    'auth/refresh-token.ts',
    'auth/token-mistakes.ts',
    'journal/disk.ts',
    'journal/system-errors.ts',
    'type postgres/client.ts',
    ...GROUND,
  ],
  'app': ['accounts', 'auth', 'http', 'type sessions', 'type users/store.ts', ...GROUND],
  'frameworks': [
    'auth/current-identity.ts',
    'auth/middleware.ts',
    'http/reply.ts',
    'http/request.ts',
    'type accounts/accounts.ts',
    'type auth/request-body.ts',
    ...GROUND,
  ],
  'auth': [
    'crypto',
    'limits',
    'accounts/username.ts',
    'type accounts',
    'type sessions',
    ...GROUND,
  ],
  'accounts': [
    'crypto',
    'limits',
    'type sessions/sessions.ts',
    'type users/store.ts',
    ...GROUND,
  ],
  'sessions': ['journal', 'postgres', ...GROUND],
  'limits': ['postgres', ...GROUND],
  'users': ['journal', 'postgres', ...GROUND],
  'postgres': GROUND,
  'journal': GROUND,
  'http': GROUND,
  'crypto': ['errors.ts', 'options.ts', 'values.ts'],
  'similar-name.ts': [],
  'values.ts': [],
  'options.ts': ['similar-name.ts', 'values.ts'],
  'error-codes.ts': [],
  'errors.ts': ['error-codes.ts', 'options.ts', 'values.ts'],
  'error-text.ts': ['errors.ts', 'values.ts'],
  'events.ts': ['type errors.ts'],
  'maybe-promise.ts': [],
  'node-modules.ts': [],
  'request-headers.ts': ['node-modules.ts', 'values.ts'],
  'index.ts': [
    'app',
    'accounts',
    'auth',
    'limits',
    'crypto',
    'http',
    'sessions',
    'users',
    'type postgres/client.ts',
    ...GROUND,
  ],
  'express.ts': ['frameworks'],
  'jwt.ts': ['crypto', 'errors.ts'],
  'password.ts': ['accounts/password-hasher.ts', 'errors.ts'],
  'store-contract.ts': ['sessions/contract.ts', 'users/contract.ts'],
};

/** Why each room has its directions. The rooms that are not listed have REASON_OF_OTHERS. */
const REASONS: Readonly<Record<string, string>> = {
  'crypto': 'an auditor must be able to review every key, MAC and hash without leaving this room',
  'auth': 'an application with users of its own needs the guard without Accounts',
  'accounts': 'accounts must work with any store: they know its interface and no implementation',
  'app': 'the application only joins the rooms, so that a program can join them in another way',
  'frameworks': 'a middleware only joins a request of a framework with a login or a guard',
  'limits': 'limits must work for any login, with any store',
  'journal': 'a journal holds records of any kind, so it must not depend on one kind',
  'postgres': 'statements hold rows of any kind, so this room must not depend on one kind',
  'http': 'the server serves any application, so it must not depend on tokens or users',
};
const REASON_OF_OTHERS =
  'a reader must understand a room from its own files and the rooms that it imports';

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
    assert.ok(allowed, `${file}: src/${room} is not a room: add it to DIRECTIONS`);
    for (const imported of importsOf(file).filter(ours)) {
      const { target, place } = imported;
      assert.ok(existsSync(join(root, target)), `${place} imports ${target}, which does not exist`);
      const isInside = roomOf(target) === room;
      assert.ok(
        isInside || isAllowed(imported, allowed),
        `${place} imports ${target}\n` +
        `  rule: ${room} may import ${allowed.join(', ') || 'nothing'}\n` +
        `  why: ${REASONS[room] ?? REASON_OF_OTHERS}`,
      );
    }
  }
});

test('the check of directions sees imports of values and of types', () => {
  const found = importsOf('src/crypto/jwt.ts').map(({ target }) => target);
  assert.ok(found.includes('node:crypto') && found.includes('src/crypto/claims.ts'));
  const types = importsOf('src/events.ts').filter(({ target }) => target === 'src/errors.ts');
  assert.deepEqual(types.map(({ isOfTypes }) => isOfTypes), [true]);
  const values = importsOf('src/errors.ts').filter(({ target }) => target === 'src/options.ts');
  assert.deepEqual(values.map(({ isOfTypes }) => isOfTypes), [false]);
});

/** A row of the page: `auth`, `crypto`, type `accounts`, ground. */
function directionsIn(cell: string): string[] {
  const names = cell.split(', ').map((name) => name.replaceAll('`', ''));
  return names.flatMap((name) => (name === 'ground' ? GROUND : [name]));
}

test('the page on the architecture has the rooms and directions of the code', () => {
  const rows = rowsOf('## Rooms').map(([room = '', , cell = '']) => {
    return [room.replaceAll('`', ''), directionsIn(cell).sort()] as const;
  });
  const isRoom = (name: string) => !GROUND.includes(name) && !ENTRY_POINTS.includes(name);
  const rooms = Object.keys(DIRECTIONS).filter(isRoom);
  const expected = rooms.map((room) => [room, [...DIRECTIONS[room] ?? []].sort()]);
  assert.deepEqual(rows.toSorted(), expected.toSorted());
  const folders = [...new Set(files.map(roomOf))].filter(isRoom);
  assert.deepEqual(rows.map(([room]) => room).sort(), folders.sort());
  const section = sectionOf('## Rooms');
  for (const name of [...GROUND, ...ENTRY_POINTS]) {
    assert.ok(section.includes(`\`${name}\``), `src/README.md does not name ${name}`);
  }
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
  const finished = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const cycle = [...path, file].join(' -> ');
    assert.ok(!path.includes(file), `${cycle}\n  why: no file of a cycle can be understood first`);
    if (finished.has(file)) return;
    for (const { target } of importsOf(file).filter(ours)) visit(target, [...path, file]);
    finished.add(file);
  };
  for (const file of files) visit(file, []);
});

test('only entry points export what other files define, and no file imports one', () => {
  for (const file of files) {
    const isEntryPoint = ENTRY_POINTS.includes(roomOf(file));
    const exportsFrom = /^export [^;]*? from '/m.test(codeOf(file));
    const why = 'a reader must find the definition of a name in one place';
    assert.equal(exportsFrom, isEntryPoint, `${file}\n  why: ${why}`);
    for (const { target, place } of importsOf(file).filter(ours)) {
      const isOfEntry = ENTRY_POINTS.includes(roomOf(target));
      assert.ok(!isOfEntry, `${place} imports ${target}\n  why: an entry point reaches all rooms`);
    }
  }
});

test('at run time only modules of Node are imported, by their full names', () => {
  for (const file of files) {
    for (const { target, place } of importsOf(file).filter((imported) => !ours(imported))) {
      // Operators who keep users in PostgreSQL install pg. The command loads it only then.
      if (file === 'src/cli/stores/pg-pool.ts' && target === 'pg') continue;
      assert.match(target, /^node:/, place);
      const name = target.slice('node:'.length);
      const isModule = builtinModules.includes(name) || name === 'test';
      assert.ok(isModule, `${place} imports ${target}`);
    }
  }
});

/** The code outside src/cli that may read the process, each exception with its reason. */
const PROCESS_EXCEPTIONS: Readonly<Record<string, RegExp>> = {
  // Only libuv's own variable tells how many threads its pool has.
  'src/accounts/work-queue.ts': /\bprocess\.env\['UV_THREADPOOL_SIZE'\]/g,
  // A lock names the process that holds it, and asks whether that process is alive.
  'src/journal/file-lock.ts': /\bprocess\.pid\b/g,
  'src/journal/liveness.ts': /\bprocess\.(?:kill|pid)\b/g,
  // The default of `onError` is a warning of Node, which applications can turn off or trace.
  'src/http/router.ts': /\bprocess\.emitWarning\b/g,
  // So is what an error handler of another framework would not see.
  'src/frameworks/refusals.ts': /\bprocess\.emitWarning\b/g,
  // And what the operator must know, but not the client.
  'src/accounts/password-check.ts': /\bprocess\.emitWarning\b/g,
  'src/auth/login.ts': /\bprocess\.emitWarning\b/g,
};

test('only src/cli reads the process and its environment, or writes to the console', () => {
  for (const file of files.filter((name) => roomOf(name) !== 'cli')) {
    const code = codeOf(file).replaceAll(PROCESS_EXCEPTIONS[file] ?? /(?!)/g, '');
    const found = /\bconsole\b|\bprocess\.|\bnode:process\b|\bargv\b|\benv\b/.exec(code);
    const why = 'a library must not depend on how a process was started';
    const line = found === null ? undefined : code.slice(0, found.index).split('\n').length;
    assert.equal(found, null, `${file}:${line}: ${found?.[0]}\n  why: ${why}`);
  }
  for (const [file, exception] of Object.entries(PROCESS_EXCEPTIONS)) {
    const isNeeded = new RegExp(exception.source);
    assert.match(codeOf(file), isNeeded, `${file} no longer needs its exception`);
  }
});
