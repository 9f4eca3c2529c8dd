/** Each file, line count, symbol and test that the tables of the pages name exists. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { read, root, rowsOf } from '../support/documents.ts';

const order = rowsOf('### Reading order').map(([file = '', lines]) => {
  return { file: file.replaceAll('`', ''), lines: Number(lines) };
});
const requirements = rowsOf('### Traceability');
const titlesIn = (name: string) => {
  const found = read(`test/${name}.test.ts`).matchAll(/^ *(?:test|it)\('(.+?)', /gm);
  return [...found].map(([, title = '']) => title);
};

test('the reading order holds every file of src/crypto, with its number of lines', () => {
  const named = order.map(({ file }) => file);
  const inCrypto = readdirSync(join(root, 'src/crypto')).filter((name) => name.endsWith('.ts'));
  const files = inCrypto.map((file) => `src/crypto/${file}`);
  const names = ['values', 'similar-name', 'options', 'error-codes', 'errors'];
  const ground = names.map((name) => `src/${name}.ts`);
  assert.deepEqual(named.toSorted(), [...ground, ...files].toSorted());
  for (const { file, lines } of order) assert.equal(lines, read(file).split('\n').length - 1, file);
});

test('a file of the reading order imports only those before it', () => {
  const named = order.map(({ file }) => file.split('/').at(-1));
  for (const [at, { file }] of order.entries()) {
    const imported = [...read(file).matchAll(/ from '\.\.?\/(.+)';$/gm)].map(([, name]) => name);
    for (const name of imported) {
      assert.ok(named.slice(0, at).includes(name), `${file} imports ${name}`);
    }
  }
});

/** @returns the text of a file of src/crypto, or else of src */
function sourceOf(file: string): string {
  const isCrypto = existsSync(join(root, 'src/crypto', file));
  return read(isCrypto ? `src/crypto/${file}` : `src/${file}`);
}

/** Asserts that places such as `jwt.ts`: `verify` exist. @returns how many symbols they name */
function assertDefined(places: string): number {
  let found = 0;
  for (const place of places.split('; ')) {
    const [, file = '', names = ''] = /^`([\w/-]+\.ts)`: (.+)$/.exec(place) ?? assert.fail(place);
    const source = sourceOf(file);
    for (const name of names.split(', ')) {
      const symbol = name.replaceAll('`', '');
      const keywords = '(?:export |async |readonly |function |const |class )*';
      const definition = new RegExp(`^ *${keywords}${symbol}[\\s(:<]`, 'm');
      assert.ok(definition.test(source), `${file} does not define ${symbol}`);
      found += 1;
    }
  }
  return found;
}

function assertTested(checkedBy: string): void {
  const [, file = '', title] = /^`([\w/-]+)`: (.+)$/.exec(checkedBy) ?? assert.fail(checkedBy);
  assert.ok(titlesIn(file).includes(title ?? ''), `${file} has no test "${title}"`);
}

test('each requirement names symbols that are defined, and a test that exists', () => {
  assert.ok(requirements.length > 40);
  for (const [, where = '', checkedBy = ''] of requirements) {
    assertDefined(where);
    assertTested(checkedBy);
  }
});

test('each guarantee names a test that exists, and each deviation its symbols', () => {
  const guarantees = [...rowsOf('### Guarantees'), ...rowsOf('## Guarantees')];
  const deviations = rowsOf('### Deviations from the RFCs');
  assert.ok(guarantees.length > 10 && deviations.length > 10);
  for (const [, checkedBy = ''] of guarantees) assertTested(checkedBy);
  for (const [, , where = ''] of deviations) assertDefined(where);
});

const VERDICTS = ['met', 'partly', 'not met', 'application'];

test('each row on a standard of sessions has a verdict, and each test that it names exists', () => {
  const rows = rowsOf('## For auditors');
  for (const [requirement = '', verdict = '', , checkedBy = ''] of rows) {
    assert.ok(VERDICTS.includes(verdict), requirement);
    if (checkedBy !== '') assertTested(checkedBy);
  }
  assert.ok(rows.filter(([, , , checkedBy]) => checkedBy !== '').length >= 25);
  const asvs = rows.flatMap(([requirement = '']) => /^7\.\d\.\d/.exec(requirement)?.[0] ?? []);
  assert.deepEqual([asvs.length, new Set(asvs).size], [19, 19]);
});

test('each step of the walks through the code names symbols that are defined', () => {
  const steps = rowsOf('## Walks through the code');
  assert.ok(steps.length > 25);
  const symbols = steps.map(([, where = '']) => assertDefined(where));
  assert.ok(symbols.every((count) => count > 0));
});

const ADVISORY_TITLE = /(?:CVE|GHSA)-|^(?:hono|[\w-]*jwt|jsonwebtoken|jose)\b.*: /;

test('every advisory that a test is named after is among the requirements', () => {
  const named = new Set(requirements.map(([, , checkedBy = '']) => {
    return checkedBy.replace(/^`[\w/-]+`: /, '');
  }));
  const names = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' });
  const files = names.flatMap((name) => /^(?!.*node_modules)(.+)\.test\.ts$/.exec(name)?.[1] ?? []);
  const titles = files.filter((name) => name !== 'tutorial/flask-jwt').flatMap(titlesIn);
  const advisories = titles.filter((title) => ADVISORY_TITLE.test(title));
  assert.ok(advisories.length >= 15);
  for (const title of advisories) assert.ok(named.has(title), title);
});
