/**
 * The package, packed from a clone and installed into the folder of an application: its files, its
 * exports and its types. Its JavaScript is the source without the types.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire, SourceMap } from 'node:module';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { assertNames, linksIn, PAGES, root } from '../support/documents.ts';
import {
  compile,
  linkDevelopmentPackages,
  makeUserFolder,
  output,
  pack,
  removeUserFolder,
} from '../support/user-folder.ts';

/**
 * Each entry point, with the file of its types and the names that it exports at run time. They are
 * listed here once more, so that no name is exported or lost by mistake.
 */
const ENTRIES: Record<string, readonly [types: string, names: readonly string[]]> = {
  'latchkey': ['index', [
    'Accounts',
    'AuthError',
    'HttpRequest',
    'JsonFileSessionStore',
    'JsonFileUserStore',
    'Jwt',
    'JwtAuth',
    'MemorySessionStore',
    'MemoryUserStore',
    'PasswordHasher',
    'PostgresLimitCounts',
    'PostgresSessionStore',
    'PostgresUserStore',
    'Reply',
    'Router',
    'Sessions',
    'createApp',
    'currentIdentity',
    'decodeUnverified',
    'generateSecret',
    'listen',
  ]],
  'latchkey/express': ['express', ['guard', 'login', 'logout', 'refresh', 'refusal', 'signup']],
  'latchkey/jwt': ['jwt', ['AuthError', 'Jwt', 'decodeUnverified', 'generateSecret']],
  'latchkey/password': ['password', ['AuthError', 'PasswordHasher']],
  'latchkey/store-contract': ['store-contract', ['testSessionStore', 'testUserStore']],
};

/**
 * The most bytes that all files may have. Most are source, JavaScript and documents, which an
 * auditor compares. The list of common passwords has 58,000, as source and as JavaScript. The maps,
 * with which an editor goes from a type to its source, have 170,000.
 */
const MAX_UNPACKED = 3_200_000;

let folder = '';
let installed = '';

before(async () => {
  folder = await makeUserFolder(() => false);
  installed = join(folder, 'node_modules/latchkey');
  linkDevelopmentPackages(folder);
});

after(() => removeUserFolder(folder));

function filesIn(path: string): string[] {
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => statSync(join(path, name)).isFile()).sort();
}
const sourceOf = (name: string) => readFileSync(join(installed, 'src', name), 'utf8');
const builtOf = (name: string) => readFileSync(join(installed, 'dist', name), 'utf8');

test('the package holds only the source, its JavaScript, types and their maps, and the pages', () => {
  const lockFile = readFileSync(join(folder, 'package-lock.json'), 'utf8');
  const lock = JSON.parse(lockFile) as { packages: object };
  assert.deepEqual(Object.keys(lock.packages), ['', 'node_modules/latchkey']);
  const sources = filesIn(join(root, 'src'));
  const modules = sources.filter((name) => name.endsWith('.ts'));
  const built = modules.flatMap((name) => {
    return ['.js', '.d.ts', '.d.ts.map'].map((end) => `dist/${name.replace(/\.ts$/, end)}`);
  });
  // The files of the page in the browser are copied as they are.
  const copied = sources.filter((name) => name.startsWith('app/page/'));
  assert.equal(copied.length, 7);
  const pages = PAGES.filter((page) => !page.startsWith('src/'));
  const others = ['LICENSE', 'package.json', 'bench/RESULTS.md', 'bench/results.svg'];
  const plain = [...sources.map((name) => `src/${name}`), ...copied.map((name) => `dist/${name}`)];
  const expected = [...others, ...pages, ...plain, ...built];
  const files = filesIn(installed);
  assert.deepEqual(files, expected.sort());
  const size = files.reduce((sum, name) => sum + statSync(join(installed, name)).size, 0);
  const advice = 'leave out what the package does not need, or raise MAX_UNPACKED and say why';
  assert.ok(size <= MAX_UNPACKED, `unpacked it has ${size} bytes: ${advice}`);
});

test('every page is in the package, and the links of the front page work there', () => {
  for (const page of PAGES) assert.ok(existsSync(join(installed, page)), page);
  const links = linksIn(readFileSync(join(installed, 'README.md'), 'utf8'));
  assert.ok(links.length >= 10);
  for (const link of links) {
    const [path = ''] = link.split('#');
    assert.ok(existsSync(join(installed, path)), `${link} is not in the package`);
  }
});

test('its application serves the page', async () => {
  const program = `
    import { MemoryUserStore, createApp, generateSecret, listen } from 'latchkey';
    const users = new MemoryUserStore();
    const app = createApp({ secret: generateSecret(), users, page: true });
    const server = await listen(app, { port: 0 });
    const response = await fetch(server.url);
    console.log(response.status, response.headers.get('Content-Type'));
    console.log(await response.text());
    await server.close();
  `;
  const printed = await output(folder, '--input-type=module', '-e', program);
  assert.match(printed, /^200 text\/html; charset=utf-8\n<!doctype html>[^]*<\/html>\s*$/);
});

test('packed twice it has the same bytes', async () => {
  const clone = join(folder, '../latchkey');
  const [name = ''] = readdirSync(clone).filter((file) => file.endsWith('.tgz'));
  const first = readFileSync(join(clone, name));
  const second = pack(clone);
  assert.ok(first.equals(second));
});

/** Prints the exports of each module, without those that Node adds for `require`. */
const IS_OWN = '(name) => !/^(__esModule|module\\.exports)$/.test(name)';
const printExports = (load: string) => `for (const entry of process.argv.slice(1)) {
  console.log(Object.keys(${load}).filter(${IS_OWN}).join());
}`;

test('each entry exports the names that are listed here, to import and to require', async () => {
  for (const [type, load] of [['module', 'await import(entry)'], ['commonjs', 'require(entry)']]) {
    const flags = [`--input-type=${type}`, '-e', printExports(load ?? '')];
    const printed = await output(folder, ...flags, ...Object.keys(ENTRIES));
    const lines = printed.trimEnd().split('\n').slice(-Object.keys(ENTRIES).length);
    Object.entries(ENTRIES).forEach(([entry, [, names]], index) => {
      const place = `ENTRIES of test/project/package.test.ts, ${entry} for a ${type}`;
      assertNames(place, names, lines[index]?.split(',') ?? []);
    });
  }
});

test('its types accept and refuse the same code as the source, in each resolution', async () => {
  const source = readFileSync(join(root, 'test/project/types.ts'), 'utf8');
  const code = source.replace('../../src/index.ts', 'latchkey');
  for (const end of ['mts', 'cts']) writeFileSync(join(folder, `user.${end}`), code);
  await compile(folder, ['user.mts', 'user.cts']);
  await compile(folder, ['user.mts'], '--module', 'node16');
  // If a type were missing, the code above would be accepted for that reason.
  const wrong = "import { Jwt } from 'latchkey/jwt';\nnew Jwt({ secret: 7 });\n";
  writeFileSync(join(folder, 'wrong.mts'), wrong);
  const both = ['user.mts', 'wrong.mts'];
  const compiling = compile(folder, both, '--module', 'esnext', '--moduleResolution', 'bundler');
  await assert.rejects(compiling, { stdout: /^wrong\.mts\(2,11\): error TS2322(?!.*: error)/s });
});

test('every exported name, and every member of it, has a doc comment that editors show', () => {
  let documented = 0;
  for (const [types] of Object.values(ENTRIES)) {
    for (const [file, names] of exportedBy(`${types}.d.ts`)) {
      documented += assertDocumented(file, names);
    }
  }
  assert.ok(documented > 150, String(documented));
});

test('its maps lead from each declaration to the line of the source that makes it', () => {
  let found = 0;
  for (const file of filesIn(join(installed, 'dist')).filter((name) => name.endsWith('.d.ts'))) {
    const map = new SourceMap(JSON.parse(builtOf(`${file}.map`)));
    assert.ok(builtOf(file).endsWith(`\n//# sourceMappingURL=${basename(file)}.map`), file);
    builtOf(file).split('\n').forEach((line, index) => {
      const { 0: declaration, 1: name } = /^export declare \w+ (\w+)/.exec(line) ?? [];
      if (declaration === undefined || name === undefined) return;
      const entry = map.findEntry(index, declaration.length - name.length);
      assert.ok('originalSource' in entry, `${file}: ${name}`);
      const source = join(installed, 'dist', file, '..', entry.originalSource);
      const lines = readFileSync(source, 'utf8').split('\n');
      const start = lines[entry.originalLine]?.slice(entry.originalColumn);
      assert.ok(start?.startsWith(name), `${file}: ${name} leads to ${start}`);
      found += 1;
    });
  }
  assert.ok(found > 100, String(found));
});

const DECLARED = /^export (?:declare )?(?:class|interface|function|type|const) (\w+)/gm;
const REEXPORTED = /^export (?:type )?\{(.+)\} from '(.+)\.ts';$/gm;

/** The names that a file of types exports, by the file that declares them. */
function exportedBy(file: string): Map<string, string[]> {
  const text = builtOf(file);
  const own = [...text.matchAll(DECLARED)];
  const found = new Map([[file, own.map(([, name = '']) => name)]]);
  for (const [, list = '', from = ''] of text.matchAll(REEXPORTED)) {
    const target = join(file, '..', `${from}.d.ts`);
    const names = list.split(',').map((name) => name.replace(/\btype\b/, '').trim());
    found.set(target, [...(found.get(target) ?? []), ...names]);
  }
  return found;
}

function assertDocumented(file: string, names: readonly string[]): number {
  const lines = builtOf(file).split('\n');
  let documented = 0;
  const assertDoc = (index: number) => {
    assert.match(lines[index - 1] ?? '', /\*\/$/, `${file}: ${lines[index]}`);
    documented += 1;
  };
  for (const name of names) {
    const declaration = RegExp(`^export .*\\b(?:class|interface|function|type|const) ${name}\\b`);
    const start = lines.findIndex((line) => declaration.test(line));
    assertDoc(start);
    // Editors show the comments of the interface that a class implements.
    if (!/\b(class|interface) \w+(?!.* implements)/.test(lines[start] ?? '')) continue;
    const end = lines.indexOf('}', start);
    lines.slice(start + 1, end).forEach((line, index) => {
      if (/^ {4}(?!#private)[\w[]/.test(line)) assertDoc(start + 1 + index);
    });
  }
  return documented;
}

const COMMENTS_ABOVE = /(?:\/\*\*(?:(?!\*\/)[^])*\*\/\n|\/\/.*\n)*/;
const TYPE_DECLARATION = /(?:export )?(?:interface [^]*?^\}|type [^]*?;)\n/;
/** Declarations of types, with the comments about them. */
const TYPES = new RegExp(`^${COMMENTS_ABOVE.source}${TYPE_DECLARATION.source}`, 'gm');
const COMMENT = /\/\*\*?(?:(?!\*\/)[^])*\*\/|(?<=^|\s)\/\/ .*$/gm;
const EMPTY_EXPORT = /^export \{\};\n/m;

const commentsIn = (code: string): string[] =>
  [...code.matchAll(COMMENT)].map(([comment]) => comment.replaceAll(/\s+/g, ' '));

test('its JavaScript is the source without its types, with the same comments in place', () => {
  // esbuild, which is not the compiler that builds, writes both in one way.
  const requireFromTsx = createRequire(import.meta.resolve('tsx'));
  const { transformSync } = requireFromTsx('esbuild') as typeof import('esbuild');
  const tsconfigRaw = { compilerOptions: { verbatimModuleSyntax: true, target: 'es2023' } };
  const codeOf = (code: string, loader: 'js' | 'ts') =>
    transformSync(code, { loader, tsconfigRaw, minifyWhitespace: true }).code;
  const sources = filesIn(join(installed, 'src')).filter((name) => name.endsWith('.ts'));
  for (const name of sources) {
    const source = sourceOf(name).replaceAll(/(?<=(?: from |import\()'\..*)\.ts(?=')/g, '.js');
    // A file that has only types becomes an empty module.
    const javascript = builtOf(name.replace(/\.ts$/, '.js')).replace(EMPTY_EXPORT, '');
    assert.equal(codeOf(javascript, 'js'), codeOf(source, 'ts'), name);
    const expected = commentsIn(source.replaceAll(TYPES, ''));
    assert.deepEqual(commentsIn(javascript), expected, name);
  }
});
