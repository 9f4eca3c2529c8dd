/**
 * The installed package in test runners, which give each test file a realm of its own, and in an
 * application with two copies. The tests of the suite are in `realm-suite.mjs`.
 */
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FIRST } from '../support/certificates.ts';
import { root } from '../support/documents.ts';
import { makeUserFolder, output, removeUserFolder, run } from '../support/user-folder.ts';

const PACKAGES = join(root, 'test/interop/node_modules');

/** The number of tests of the suite. */
const SUITE_TESTS = 11;

const JEST_CONFIG = `export default {
  testMatch: ['**/*.test.mjs', '**/*.test.cjs'],
  transform: {},
  watchman: false,
  cacheDirectory: '.jest',
};`;

const VITEST_CONFIG = `export default { test: { globals: true, include: ['*.test.mjs'] } };`;

/** Tests of CommonJS, as Jest has them by default. */
const COMMONJS_SUITE = `
test('require', async () => {
  expect(require('latchkey').AuthError).toBe((await import('latchkey')).AuthError);
});
test('import, and a second copy after jest.resetModules', async () => {
  const first = await import('latchkey');
  jest.resetModules();
  const second = await import('latchkey');
  expect(second.AuthError).not.toBe(first.AuthError);
  expect(new first.AuthError('ERR_BUSY')).toBeInstanceOf(second.AuthError);
});
`;

let folder = '';

before(async () => {
  folder = await makeUserFolder(() => false);
  const installed = readdirSync(PACKAGES).filter((name) => !name.startsWith('.'));
  for (const name of installed) {
    symlinkSync(join(PACKAGES, name), join(folder, 'node_modules', name));
  }
  const two = join(folder, 'node_modules/two');
  const copy = join(two, 'node_modules/latchkey');
  mkdirSync(copy, { recursive: true });
  cpSync(join(folder, 'node_modules/latchkey'), copy, { recursive: true });
  const files = {
    'node_modules/two/package.json': '{"name":"two","type":"module","exports":"./index.js"}',
    'node_modules/two/index.js': `export * from 'latchkey';`,
    'jest.config.mjs': JEST_CONFIG,
    'vitest.config.mjs': VITEST_CONFIG,
    'commonjs.test.cjs': COMMONJS_SUITE,
    'cert.pem': String(FIRST.cert),
    'key.pem': String(FIRST.key),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  copyFileSync(join(root, 'test/interop/realm-suite.mjs'), join(folder, 'suite.test.mjs'));
});

after(() => removeUserFolder(folder));

/** Runs a test runner. @returns the titles of tests by their outcome, and all that it printed */
async function outcomesOf(args: readonly string[], nodeOptions = '') {
  const { NODE_TEST_CONTEXT: _, ...outer } = process.env;
  const env = {
    ...outer,
    NODE_OPTIONS: nodeOptions,
    REALM_FOLDER: folder,
    REALM_CERT: join(folder, 'cert.pem'),
    REALM_KEY: join(folder, 'key.pem'),
  };
  const outputFile = join(folder, 'outcomes.json');
  const all = [...args, `--outputFile=${outputFile}`];
  const { stdout, stderr } = await run(process.execPath, all, { cwd: folder, env }).catch(
    (error) => error as { stdout: string; stderr: string },
  );
  const { testResults } = JSON.parse(await output(folder, '-p', READ_OUTCOMES)) as Report;
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const titles = (status: string) =>
    results.filter((result) => result.status === status).map(({ title }) => title);
  return { passed: titles('passed'), failed: titles('failed'), printed: stdout + stderr };
}

const READ_OUTCOMES = `fs.readFileSync('outcomes.json', 'utf8')`;

/** Jest and Vitest write the same format. */
interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[];
  }[];
}

const VM_MODULES = '--experimental-vm-modules';
const jest = (...args: string[]) => [join(PACKAGES, 'jest/bin/jest.js'), '--json', ...args];
const vitest = (...args: string[]) => [
  join(PACKAGES, 'vitest/vitest.mjs'),
  'run',
  '--reporter=json',
  ...args,
];

const RUNNERS: Readonly<Record<string, readonly [args: string[], nodeOptions?: string]>> = {
  'Jest, environment node': [jest('suite', '--env=node'), VM_MODULES],
  'Jest, environment jsdom': [jest('suite', '--env=jsdom'), VM_MODULES],
  'Vitest, pool threads': [vitest('--pool=threads')],
  'Vitest, pool forks': [vitest('--pool=forks')],
  'Vitest, pool vmThreads': [vitest('--pool=vmThreads')],
  'Vitest, pool vmForks': [vitest('--pool=vmForks')],
  'Vitest, environment jsdom': [vitest('--environment=jsdom')],
};

for (const [name, [args, nodeOptions]] of Object.entries(RUNNERS)) {
  test(`what another realm or another copy made: the suite passes in ${name}`, async () => {
    const { passed, failed, printed } = await outcomesOf(args, nodeOptions);
    assert.deepEqual(failed, [], printed);
    assert.equal(passed.length, SUITE_TESTS, printed);
    assert.match(printed, /Warning: Error: ENOENT: no such file/);
  });
}

test('Jest needs its flag, and can require the package from Node 24.9 on', async () => {
  const args = jest('commonjs');
  assert.deepEqual((await outcomesOf(args)).passed, []);
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isRequireSupported = major > 24 || (major === 24 && minor >= 9);
  const { passed, printed } = await outcomesOf(args, VM_MODULES);
  const expected = ['import, and a second copy after jest.resetModules'];
  assert.deepEqual(passed, isRequireSupported ? ['require', ...expected] : expected, printed);
});

test('require and import in one process load one copy', async () => {
  for (const entry of ['latchkey', 'latchkey/jwt', 'latchkey/password']) {
    const compare = `import('${entry}').then((module) =>
      console.log(require('${entry}').AuthError === module.AuthError))`;
    assert.match(await output(folder, '--input-type=commonjs', '-e', compare), /^true$/m, entry);
  }
});

test('two installed copies: each recognises the AuthError of the other, and not other errors', async () => {
  const program = `
    import { AuthError, Jwt } from 'latchkey';
    import * as two from 'two';
    const thrown = (run) => { try { run(); } catch (error) { return error; } };
    const errors = [
      thrown(() => new Jwt({ secret: 'x'.repeat(32) }).verify('x')),
      thrown(() => new two.Jwt({ secret: 'x'.repeat(32) }).verify('x')),
      thrown(() => new two.Jwt({ secret: 'x' })),
      Object.assign(new Error(), { name: 'AuthError', code: 'invalid_credentials', status: 400 }),
    ];
    console.log(AuthError === two.AuthError, ...[AuthError, two.AuthError].flatMap((Kind) =>
      errors.map((error) => error instanceof Kind)));
  `;
  const printed = await output(folder, '--input-type=module', '-e', program);
  assert.equal(printed.trim(), 'false true true false false true true false false');
});
