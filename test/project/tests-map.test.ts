/** The tests of a source file have its name, or are listed in the table of test/README.md. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../support/root.ts';

const root = pathToFileURL(ROOT);
const PAGE = 'test/README.md';
const page = readFileSync(new URL(PAGE, root), 'utf8');

const sources = filesBelow('src', '.ts');
const testFiles = ['.test.ts', '.interop.ts'].flatMap((ending) => filesBelow('test', ending));

function filesBelow(folder: string, ending: string): string[] {
  const names = readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith(ending) && !name.includes('node_modules'))
    .map((name) => `${folder}/${name}`);
}

/** The rows of the table: the sources in the first cell, the tests in the second. */
const rows = [...page.matchAll(/^\| (`src\/.*) \| (`test\/.*) \|$/gm)].map(
  ([, left = '', right = '']) => ({ sources: quoted(left), tests: quoted(right) }),
);

function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);
}

/** For `src/a/b.ts`, the files `test/a/b.test.ts` and `test/a/b-*.test.ts`. */
function testsNamedAfter(source: string): string[] {
  const base = source.replace(/^src\//, 'test/').replace(/\.ts$/, '');
  return testFiles.filter((file) => file === `${base}.test.ts` || file.startsWith(`${base}-`));
}

test('every source file has a test of its name, or a row in the table', () => {
  assert.ok(sources.length > 30 && rows.length > 0);
  for (const source of sources) {
    const isListed = rows.some((row) => row.sources.includes(source));
    const isNamed = testsNamedAfter(source).length > 0;
    const expected = source.replace(/^src\/(.*)\.ts$/, 'test/$1.test.ts');
    assert.ok(isListed || isNamed, `${source} has no ${expected}: add a row to ${PAGE}`);
    assert.ok(!isListed || !isNamed, `${source} has ${expected}: remove its row from ${PAGE}`);
  }
});

test('every source file and every test file that the page names exists', () => {
  const named = [...page.matchAll(/`((?:src|test)\/[\w/.-]+)`/g)].map(([, path = '']) => path);
  assert.ok(named.length > 30);
  for (const path of named) assert.ok(existsSync(new URL(path, root)), `${PAGE} names ${path}`);
});

test('every test file has the name of a source file, or the page names it', () => {
  const namedAfterSources = sources.flatMap(testsNamedAfter);
  for (const file of testFiles) {
    const isFound = namedAfterSources.includes(file) || page.includes(`\`${file}\``);
    const advice = `name it after its source file, or add it to ${PAGE}`;
    assert.ok(isFound, `${file} has no source file of its name: ${advice}`);
  }
});
