/** The pages are complete, and each file, heading and program that they name exists. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import {
  anchorsIn,
  blocks,
  linksIn,
  PAGES,
  pathsIn,
  programEntries,
  programs,
  read,
  root,
  rowsOf,
  shellBlock,
} from '../support/documents.ts';

/** Folders that hold pages. */
const FOLDERS = ['src', 'test', 'bench'];

/** Figures of the benchmarks, which a program writes. */
const FIGURES = 'bench/RESULTS.md';

test('every page of the repository is in the list, and every page of the list exists', () => {
  const found = FOLDERS.flatMap((folder) => {
    const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
    return names.map((name) => join(folder, name)).filter((path) => {
      return path.endsWith('.md') && path !== FIGURES && !path.includes('node_modules');
    });
  });
  assert.deepEqual([...PAGES].sort(), ['README.md', ...found].sort());
});

/** Asserts that a link of a page leads to a file, and to a heading of it where it names one. */
function assertLeadsSomewhere(page: string, link: string): void {
  const [target = '', anchor] = link.split('#');
  const path = target === '' ? page : normalize(join(dirname(page), target));
  assert.ok(existsSync(join(root, path)), `${page} links to ${link}, but ${path} does not exist`);
  if (anchor === undefined) return;
  const anchors = anchorsIn(read(path));
  assert.ok(anchors.has(anchor), `${page} links to ${link}, but ${path} has no such heading`);
}

test('every link of a page leads to a file and a heading that exist', () => {
  let links = 0;
  for (const page of PAGES) {
    for (const link of linksIn(read(page))) {
      assertLeadsSomewhere(page, link);
      links += 1;
    }
  }
  assert.ok(links > 30, String(links));
});

test('an anchor is made of a heading as GitHub makes it', () => {
  const lines = ['# One', '## `two`, and three', '```sh', '# no heading', '```', '# One', ''];
  assert.deepEqual([...anchorsIn(lines.join('\n'))], ['one', 'two-and-three', 'one-1']);
});

test('the front page links to every other page', () => {
  const linked = linksIn(read('README.md')).map((link) => link.split('#')[0]);
  for (const page of PAGES.slice(1)) assert.ok(linked.includes(page), page);
});

test('every path that a page names exists', () => {
  let paths = 0;
  for (const page of PAGES) {
    for (const path of pathsIn(read(page))) {
      assert.ok(existsSync(join(root, path)), `${page} names ${path}`);
      paths += 1;
    }
  }
  assert.ok(paths > 50, String(paths));
});

test('the front page has at most 300 lines', () => {
  const lines = read('README.md').split('\n').length - 1;
  assert.ok(lines <= 300, `README.md has ${lines} lines`);
});

test('the program of the front page for Express has at most 25 lines of code', () => {
  const lines = programs.get('protect.mts')?.split('\n') ?? [];
  const code = lines.filter((line) => line !== '' && !line.startsWith('//'));
  assert.ok(code.length > 20 && code.length <= 25, String(code.length));
});

test('no two programs have the same name, and each program that another imports exists', () => {
  const names = programEntries.map(([name]) => name);
  assert.deepEqual(names.filter((name, index) => names.indexOf(name) !== index), []);
  let imports = 0;
  for (const [name, code] of programs) {
    for (const [, imported = ''] of code.matchAll(/ from '\.\/(.+)\.mjs';$/gm)) {
      assert.ok(programs.has(`${imported}.mts`), `${name} imports ${imported}`);
      imports += 1;
    }
  }
  assert.ok(imports >= 5, String(imports));
});

/** The beginning of each shell block, and what runs the block. */
const SHELL_BLOCKS: Readonly<Record<string, string>> = {
  'npm ci && npm start': '.ci/run, by its part in package.json',
  'npm ci && npm test': '.ci/run',
  'npm run bench': '.ci/run',
  'deno run': 'runtimes.interop.ts',
  'npm ci && npm pack': 'makeUserFolder, without the network',
  'npm init -y': 'makeUserFolder, without the network',
  'JSON=': 'readme.test.ts',
  'AS_JOE=': 'readme.test.ts',
  'latchkey()': 'readme.test.ts',
  'npx tsc': 'readme.test.ts',
  'SECRET=': 'readme.test.ts',
  'useradd': 'test/interop/systemd.interop.ts',
  'npm install --prefix': 'readme.test.ts',
  'cp /var/lib/latchkey': 'readme.test.ts',
  'systemctl stop': 'readme.test.ts',
  'cp -p latchkey-data/secret latchkey-data/two-secrets': 'readme.test.ts',
  'cp -p latchkey-data/secret latchkey-data/one-secret': 'readme.test.ts',
  'openssl req': 'readme.test.ts',
  'IFS= read -rs P &&': 'readme.test.ts',
  'IFS= read -rs PASSWORD': 'readme.test.ts',
  'latchkey users export': 'test/cli/move-to-postgres.test.ts',
  'latchkey users logout --all --users': 'test/cli/move-to-postgres.test.ts',
};

/** The number of blocks in each other language, and what runs them. */
const OTHER_BLOCKS: Readonly<Record<string, number>> = {
  ini: 1, // readme.test.ts, test/interop/systemd.interop.ts
  nginx: 2, // test/interop/deployment.interop.ts
  caddyfile: 1, // test/interop/deployment.interop.ts
  dockerfile: 1, // test/interop/containers.interop.ts
  yaml: 1, // test/interop/containers.interop.ts
  html: 1, // test/interop/browser-cookie.interop.ts
  js: 1, // postgres-servers.test.ts
  json: 4, // readme.test.ts, import-lines.test.ts
  sql: 5, // readme.test.ts, flask-lines.test.ts, stores-postgres-limits.test.ts
  text: 3, // readme.test.ts, environment-file.test.ts; a diagram, which no test runs
};

test('every block is run by a test', () => {
  const run = Object.keys(SHELL_BLOCKS).map(shellBlock);
  assert.deepEqual(blocks('sh').toSorted(), run.toSorted());
  const counts = Object.keys(OTHER_BLOCKS).map((language) => [language, blocks(language).length]);
  assert.deepEqual(Object.fromEntries(counts), OTHER_BLOCKS);
});

test('the map of the front page names every page but itself', () => {
  const named = rowsOf('## All pages').map(([link = '']) => /\((.+)\)/.exec(link)?.[1]);
  assert.deepEqual(named.toSorted(), PAGES.slice(1).toSorted());
});
