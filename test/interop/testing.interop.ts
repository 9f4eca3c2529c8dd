/** Runs the suites of "Test your routes" for Vitest and Express, and a copy that must fail. */
import assert from 'node:assert/strict';
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { programs, root } from '../support/documents.ts';
import { compile, makeUserFolder, removeUserFolder, run } from '../support/user-folder.ts';

const PACKAGES = join(root, 'test/interop/node_modules');
const SUITE = 'vitest-routes.test.mts';
const EXPRESS_SUITE = 'express-routes.test.mts';
const NAMES = ['routes.mts', SUITE, 'auth.mts', 'express-routes.mts', EXPRESS_SUITE];
let folder = '';

before(async () => {
  folder = await makeUserFolder((code) => NAMES.some((name) => code.startsWith(`// ${name}\n`)));
  const installed = readdirSync(PACKAGES).filter((name) => !name.startsWith('.'));
  for (const name of installed) {
    symlinkSync(join(PACKAGES, name), join(folder, 'node_modules', name));
  }
});

after(() => removeUserFolder(folder));

/** Runs a suite. The promise rejects with the exit code, or without one if the suite hangs. */
async function runVitest(name: string): Promise<string> {
  const args = [join(PACKAGES, 'vitest/vitest.mjs'), 'run', name];
  const { NODE_TEST_CONTEXT: _, ...outer } = process.env;
  const env = { ...outer, NO_COLOR: '1' };
  const { stdout } = await run(process.execPath, args, { cwd: folder, env, timeout: 60_000 });
  return stdout;
}

test('the suite compiles and passes', async () => {
  await compile(folder, [SUITE], '--skipLibCheck');
  assert.match(await runVitest(SUITE), /^ +Tests +2 passed \(2\)$/m);
});

test('the suite for Express compiles and passes', async () => {
  await compile(folder, [EXPRESS_SUITE], '--skipLibCheck');
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = ['--import', import.meta.resolve('tsx'), '--test', '--test-reporter=tap'];
  const options = { cwd: folder, env, timeout: 60_000 };
  const { stdout } = await run(process.execPath, [...args, EXPRESS_SUITE], options);
  assert.match(stdout, /^# pass 2$/m);
});

test('a wrong assertion ends the test run with 1, and does not hang', async () => {
  const code = programs.get(SUITE) ?? assert.fail(`no page has ${SUITE}`);
  const [right, wrong] = ["{ name: 'Joe' }", "{ name: 'Max' }"];
  assert.equal(code.split(right).length, 2);
  const fault = SUITE.replace('routes', 'fault');
  writeFileSync(join(folder, fault), code.replace(right, wrong));
  const report = /^ +Tests +1 failed \| 1 passed \(2\)$/m;
  await assert.rejects(runVitest(fault), { code: 1, stdout: report });
});
