/** The README's map for auditors leads somewhere: every file, line count, symbol and test that it names is there. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { rowsOf } from '../support/documents.ts';

const root = new URL('../..', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const order = rowsOf('### Reading order').map(([file = '', lines]) => {
  return { file: file.replaceAll('`', ''), lines: Number(lines) };
});
const requirements = rowsOf('### Traceability');
const titlesIn = (name: string) =>
  [...read(`test/${name}.test.ts`).matchAll(/^test\('(.+?)', /gm)].map(([, title = '']) => title);

test('the reading order holds every file of src/crypto, with the lines that it has', () => {
  const named = order.map(({ file }) => file);
  const files = readdirSync(new URL('src/crypto', root)).filter((name) => name.endsWith('.ts')).map((file) => `src/crypto/${file}`);
  const ground = ['src/options.ts', 'src/errors.ts'];
  assert.deepEqual(named.toSorted(), [...ground, ...files].toSorted());
  for (const { file, lines } of order) assert.equal(lines, read(file).split('\n').length - 1, file);
});

test('a file of the reading order imports only those before it', () => {
  const named = order.map(({ file }) => file.split('/').at(-1));
  for (const [at, { file }] of order.entries()) {
    const imported = [...read(file).matchAll(/ from '\.\.?\/(.+)';$/gm)].map(([, name]) => name);
    for (const name of imported) assert.ok(named.slice(0, at).includes(name), `${file} imports ${name}`);
  }
});

/** Places such as `jwt.ts`: `verify`, in src/crypto unless they name a folder. */
function assertDefined(places: string): void {
  for (const place of places.split('; ')) {
    const [, file = '', symbols] = /^`([\w/-]+\.ts)`: (.+)$/.exec(place) ?? assert.fail(place);
    const source = read(file.includes('/') ? `src/${file}` : `src/crypto/${file}`);
    for (const symbol of (symbols ?? '').split(', ').map((name) => name.replaceAll('`', ''))) {
      const definition = new RegExp(`^ *(?:export |async |readonly |function |const |class )*${symbol}[\\s(:<]`, 'm');
      assert.match(source, definition, `${file} does not define ${symbol}`);
    }
  }
}

function assertTested(checkedBy: string): void {
  const [, file = '', title] = /^`([\w/-]+)`: (.+)$/.exec(checkedBy) ?? assert.fail(checkedBy);
  assert.ok(titlesIn(file).includes(title ?? ''), `${file} has no test "${title}"`);
}

test('each requirement names symbols that are defined, and a test that is there', () => {
  assert.ok(requirements.length > 40);
  for (const [, where = '', checkedBy = ''] of requirements) {
    assertDefined(where);
    assertTested(checkedBy);
  }
});

test('each guarantee names a test that is there, and each deviation what makes it', () => {
  const [guarantees, deviations] = [rowsOf('### Guarantees'), rowsOf('### Deviations from the RFCs')];
  assert.ok(guarantees.length > 10 && deviations.length > 10);
  for (const [, checkedBy = ''] of guarantees) assertTested(checkedBy);
  for (const [, , where = ''] of deviations) assertDefined(where);
});

test('every advisory that a test is named after stands among the requirements', () => {
  const named = new Set(requirements.map(([, , checkedBy = '']) => checkedBy.replace(/^`[\w/-]+`: /, '')));
  const names = readdirSync(new URL('test', root), { recursive: true, encoding: 'utf8' });
  const files = names.flatMap((name) => /^(?!.*node_modules)(.+)\.test\.ts$/.exec(name)?.[1] ?? []);
  const titles = files.filter((name) => name !== 'tutorial/flask-jwt').flatMap(titlesIn);
  const advisories = titles.filter((title) => /(?:CVE|GHSA)-|^(?:hono|[\w-]*jwt|jsonwebtoken|jose)\b.*: /.test(title));
  assert.ok(advisories.length >= 15);
  for (const title of advisories) assert.ok(named.has(title), title);
});
