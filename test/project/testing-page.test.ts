/** Runs the tests of the page "Test your routes", and copies of them that must fail. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { programs } from '../support/documents.ts';
import {
  compile,
  linkDevelopmentPackages,
  makeUserFolder,
  removeUserFolder,
  run,
} from '../support/user-folder.ts';

const tsx = import.meta.resolve('tsx');
const SUITES = ['routes.test.mts', 'one-server.test.mts'] as const;
let folder = '';

before(async () => {
  const names = ['routes.mts', ...SUITES];
  folder = await makeUserFolder((code) => names.some((name) => code.startsWith(`// ${name}\n`)));
  linkDevelopmentPackages(folder);
});

after(() => removeUserFolder(folder));

/** Runs a suite as the page says. @returns its exit code, undefined if it hung, and its report */
async function runSuite(name: string): Promise<{ code: number | undefined; report: string }> {
  // With this variable, a test runner in the child would report to the runner of this process.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = ['--import', tsx, '--test', '--test-reporter=tap', name];
  const options = { cwd: folder, env, timeout: 60_000 };
  try {
    return { code: 0, report: (await run(process.execPath, args, options)).stdout };
  } catch (error) {
    const { code, stdout } = error as { code: number | null; stdout: string };
    return { code: code ?? undefined, report: stdout };
  }
}

test('the suites of the page pass', async () => {
  const [routes, oneServer] = await Promise.all(SUITES.map(runSuite));
  assert.equal(routes?.code, 0, routes?.report);
  assert.match(routes?.report ?? '', /^# pass 2$/m);
  assert.equal(oneServer?.code, 0, oneServer?.report);
  assert.match(oneServer?.report ?? '', /^# pass 1$/m);
});

/** Changes of a suite, after each of which one test or the file fails. */
const FAULTS: Readonly<Record<string, readonly [suite: string, right: string, wrong: string]>> = {
  'a wrong assertion': ['routes.test.mts', "{ name: 'Joe' }", "{ name: 'Max' }"],
  'a wrong assertion after await using': ['one-server.test.mts', '(), 200', '(), 201'],
  'a refused signup after listen': ['routes.test.mts', "'correct horse'", "'horse'"],
};

test('a suite that fails ends the test run with 1, and does not hang', async () => {
  await Promise.all(Object.entries(FAULTS).map(async ([kind, [suite, right, wrong]], index) => {
    const code = programs.get(suite) ?? assert.fail(`no page has ${suite}`);
    assert.equal(code.split(right).length, 2, right);
    const name = `fault-${index}.test.mts`;
    writeFileSync(join(folder, name), code.replace(right, wrong));
    const outcome = await runSuite(name);
    assert.equal(outcome.code, 1, `${kind}: ${outcome.report}`);
    assert.match(outcome.report, /^# fail 1$/m, kind);
  }));
});

test('await using compiles with the library of ES2022 and the types of Node alone', async () => {
  await compile(folder, ['one-server.test.mts'], '--lib', 'es2022');
});
