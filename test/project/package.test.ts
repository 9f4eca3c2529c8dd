/**
 * The package as it is packed from a clone and installed into a folder of a user's own: what it holds, what can be
 * imported and how, what its types say, and that its JavaScript is the source without its types.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  compile, linkDevelopmentPackages, makeUserFolder, output, pack, removeUserFolder, root,
} from '../support/documents.ts';

/** Each entry, with the file of its types and what it exports at run time. */
const ENTRIES: Record<string, readonly [types: string, names: readonly string[]]> = {
  'latchkey': ['index', [
    'Accounts', 'AuthError', 'HttpRequest', 'JsonFileUserStore', 'Jwt', 'JwtAuth', 'MemoryUserStore', 'PasswordHasher',
    'PostgresUserStore', 'Reply', 'Router', 'createApp', 'currentIdentity', 'decodeUnverified', 'generateSecret',
    'listen',
  ]],
  'latchkey/jwt': ['jwt', ['AuthError', 'Jwt', 'decodeUnverified', 'generateSecret']],
  'latchkey/password': ['password', ['AuthError', 'PasswordHasher']],
  'latchkey/store-contract': ['store-contract', ['testUserStore']],
};

/**
 * Bytes of all files. Most are source, JavaScript and README, which an auditor lays side by side. The
 * list of common passwords, as source and as JavaScript, takes 58,000.
 */
const MAX_UNPACKED = 800_000;

let folder = '';
let installed = '';

before(async () => {
  folder = await makeUserFolder(() => false);
  installed = join(folder, 'node_modules/latchkey');
  linkDevelopmentPackages(folder);
});

after(() => removeUserFolder(folder));

const filesIn = (path: string) =>
  readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(path, name)).isFile()).sort();
const sourceOf = (name: string) => readFileSync(join(installed, 'src', name), 'utf8');
const builtOf = (name: string) => readFileSync(join(installed, 'dist', name), 'utf8');

test('the package holds the source, for each of its files JavaScript and types, and nothing else', () => {
  const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as { packages: object };
  assert.deepEqual(Object.keys(lock.packages), ['', 'node_modules/latchkey']);
  const sources = filesIn(join(root, 'src'));
  const code = sources.filter((name) => name.endsWith('.ts'));
  const built = code.flatMap((name) => ['.js', '.d.ts'].map((end) => `dist/${name.replace(/\.ts$/, end)}`));
  const expected = ['LICENSE', 'README.md', 'package.json', ...sources.map((name) => `src/${name}`), ...built];
  const files = filesIn(installed);
  assert.deepEqual(files, expected.sort());
  const size = files.reduce((sum, name) => sum + statSync(join(installed, name)).size, 0);
  assert.ok(size <= MAX_UNPACKED, `unpacked it has ${size} bytes`);
});

test('packed twice it has the same bytes', async () => {
  const clone = join(folder, '../latchkey');
  const [first, second] = [await pack(clone), await pack(clone)];
  assert.ok(first.equals(second));
});

test('each entry exports the same to import and to require', async () => {
  for (const [entry, [, names]] of Object.entries(ENTRIES)) {
    const isOwn = '(name) => !/^(__esModule|module\\.exports)$/.test(name)';
    const show = `console.log(Object.keys(module).filter(${isOwn}).join())`;
    const imported = await output(folder, '--input-type=module', '-e', `import * as module from '${entry}'; ${show}`);
    assert.equal(imported.trim(), names.join());
    const required = await output(folder, '--input-type=commonjs', '-e', show.replace('module', `require('${entry}')`));
    assert.equal(required.trim().split('\n').at(-1), names.join());
  }
});

test('its types follow and refuse as those of the source do, however TypeScript resolves it', async () => {
  const code = readFileSync(join(root, 'test/project/types.ts'), 'utf8').replace('../../src/index.ts', 'latchkey');
  for (const end of ['mts', 'cts']) writeFileSync(join(folder, `user.${end}`), code);
  await compile(folder, ['user.mts', 'user.cts']);
  await compile(folder, ['user.mts'], '--module', 'node16');
  await compile(folder, ['user.mts'], '--module', 'esnext', '--moduleResolution', 'bundler');
  // Nothing above was accepted for being of no type at all.
  writeFileSync(join(folder, 'wrong.mts'), "import { Jwt } from 'latchkey/jwt';\nnew Jwt({ secret: 7 });\n");
  await assert.rejects(compile(folder, ['wrong.mts']), { stdout: /^wrong\.mts\(2,11\): error TS2322/ });
});

test('every exported name, and every member of it, has a doc comment that editors show', () => {
  let documented = 0;
  for (const [types] of Object.values(ENTRIES)) {
    for (const [file, names] of exportedBy(`${types}.d.ts`)) documented += assertDocumented(file, names);
  }
  assert.ok(documented > 150, String(documented));
});

/** The names that a file of types exports, by the file that declares them. */
function exportedBy(file: string): Map<string, string[]> {
  const text = builtOf(file);
  const own = [...text.matchAll(/^export (?:declare )?(?:class|interface|function|type|const) (\w+)/gm)];
  const found = new Map([[file, own.map(([, name = '']) => name)]]);
  for (const [, list = '', from = ''] of text.matchAll(/^export (?:type )?\{(.+)\} from '(.+)\.ts';$/gm)) {
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
    // What a store does is told where the port is declared, and editors show that.
    if (!/\b(class|interface) \w+(?!.* implements)/.test(lines[start] ?? '')) continue;
    const end = lines.indexOf('}', start);
    lines.slice(start + 1, end).forEach((line, index) => {
      if (/^ {4}(?!#private)[\w[]/.test(line)) assertDoc(start + 1 + index);
    });
  }
  return documented;
}

/** Declarations of types, with the comments about them. */
const TYPES = /^(?:\/\*\*(?:(?!\*\/)[^])*\*\/\n|\/\/.*\n)*(?:export )?(?:interface [^]*?^\}|type [^]*?;)\n/gm;
const COMMENT = /\/\*\*?(?:(?!\*\/)[^])*\*\/|(?<=^|\s)\/\/ .*$/gm;

test('its JavaScript is the source without its types, with the same comments in the same places', () => {
  // The compiler that runs the tests, which is another than the one that builds, writes both in one way.
  const { transformSync } = createRequire(import.meta.resolve('tsx'))('esbuild') as typeof import('esbuild');
  const tsconfigRaw = { compilerOptions: { verbatimModuleSyntax: true, target: 'es2023' } };
  const codeOf = (code: string, loader: 'js' | 'ts') =>
    transformSync(code, { loader, tsconfigRaw, minifyWhitespace: true }).code;
  const sources = filesIn(join(installed, 'src')).filter((name) => name.endsWith('.ts'));
  for (const name of sources) {
    const source = sourceOf(name).replaceAll(/(?<= from '\..*)\.ts(?=';)/g, '.js');
    // What is left of a file of types alone says that it is a module.
    const javascript = builtOf(name.replace(/\.ts$/, '.js')).replace(/^export \{\};\n/m, '');
    assert.equal(codeOf(javascript, 'js'), codeOf(source, 'ts'), name);
    const comments = (code: string) => [...code.matchAll(COMMENT)].map(([it]) => it.replaceAll(/\s+/g, ' '));
    assert.deepEqual(comments(javascript), comments(source.replaceAll(TYPES, '')), name);
  }
});
