/** The README's map for auditors leads somewhere: every file, line count, symbol and test that it names is there. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const root = new URL('..', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const [, section = ''] = read('README.md').split('\n## Auditing\n');
const rows = (section.split('\n## ')[0] ?? '').split('\n').flatMap((line) => {
  const cells = line.startsWith('| ') ? line.split('|').slice(1, -1) : [];
  return cells.length === 3 ? [cells.map((cell) => cell.trim())] : [];
});
const order = rows
  .filter(([, lines = '']) => /^\d+$/.test(lines))
  .map(([file = '', lines]) => ({ file: file.replaceAll('`', ''), lines: Number(lines) }));
const requirements = rows.filter(([, , checkedBy = '']) => checkedBy.includes(': '));
const titlesIn = (name: string) =>
  [...read(`test/${name}.test.ts`).matchAll(/^test\('(.+?)', /gm)].map(([, title = '']) => title);

test('the reading order holds every file of src/crypto, with the lines that it has', () => {
  const named = order.map(({ file }) => file);
  const files = readdirSync(new URL('src/crypto', root)).map((file) => `src/crypto/${file}`);
  assert.deepEqual(named.toSorted(), ['src/errors.ts', ...files].toSorted());
  for (const { file, lines } of order) assert.equal(lines, read(file).split('\n').length - 1, file);
});

test('a file of the reading order imports only those before it', () => {
  const named = order.map(({ file }) => file.split('/').at(-1));
  for (const [at, { file }] of order.entries()) {
    const imported = [...read(file).matchAll(/ from '\.\.?\/(.+)';$/gm)].map(([, name]) => name);
    for (const name of imported) assert.ok(named.slice(0, at).includes(name), `${file} imports ${name}`);
  }
});

test('each requirement names symbols that are defined, and a test that is there', () => {
  assert.ok(requirements.length > 40);
  for (const [requirement, where = '', checkedBy = ''] of requirements) {
    for (const place of where.split('; ')) {
      const [, file = '', symbols] = /^`([\w/-]+\.ts)`: (.+)$/.exec(place) ?? assert.fail(`${requirement}: ${place}`);
      const source = read(file.includes('/') ? `src/${file}` : `src/crypto/${file}`);
      for (const symbol of (symbols ?? '').split(', ').map((name) => name.replaceAll('`', ''))) {
        const definition = new RegExp(`^ *(?:export |async |readonly |function |const |class )*${symbol}[\\s(:<]`, 'm');
        assert.match(source, definition, `${file} does not define ${symbol}`);
      }
    }
    const [, file = '', title] = /^`([\w-]+)`: (.+)$/.exec(checkedBy) ?? assert.fail(`${requirement}: ${checkedBy}`);
    assert.ok(titlesIn(file).includes(title ?? ''), `${file} has no test "${title}"`);
  }
});

test('every advisory that a test is named after stands among the requirements', () => {
  const named = new Set(requirements.map(([, , checkedBy = '']) => checkedBy.replace(/^`[\w-]+`: /, '')));
  const titles = ['jwt-auth', 'jwt-cache', 'jwt-sign', 'jwt-verify'].flatMap(titlesIn);
  const advisories = titles.filter((title) => /CVE-|GHSA-|jwt|hono/.test(title));
  assert.ok(advisories.length >= 15);
  for (const title of advisories) assert.ok(named.has(title), title);
});
