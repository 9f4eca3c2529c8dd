/**
 * Runs the properties of support/properties.ts from a seed, and prints the seed. SEED=n repeats a
 * run. Each case has random numbers of its own, so a case that failed can be run alone.
 * `npm run fuzz` runs the same for any length of time.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { extname } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { assertHolds, PROPERTIES } from '../support/properties.ts';

for (const property of PROPERTIES) test(property.name, (t) => assertHolds(t, property));

test('the properties are run for 100,000 cases', () => {
  assert.ok(PROPERTIES.reduce((sum, { cases }) => sum + cases, 0) >= 100_000);
});

/** Runs the fuzz command, compiled if this test is. */
const fuzz = (...args: string[]) => {
  const ending = extname(import.meta.url);
  const program = fileURLToPath(new URL(`../long/fuzz${ending}`, import.meta.url));
  const loader = ending === '.ts' ? ['--import', 'tsx'] : [];
  // The figures of coverage are those of this process alone.
  const env = { ...process.env, NODE_V8_COVERAGE: undefined };
  return promisify(execFile)(process.execPath, [...loader, '--', program, ...args], { env });
};

test('fuzz runs every property for the given time, from a seed, and prints cases per second', async () => {
  const { stdout } = await fuzz('--seconds', '0.5', '--seed', '7');
  assert.match(stdout, /^seed 7\b/);
  for (const { name } of PROPERTIES) assert.ok(stdout.includes(name), name);
  assert.match(stdout, /\n[\d,]+ cases in \d+\.\d s, [\d,]+ a second, all of them hold\n$/);
  assert.match((await fuzz('--help')).stdout, /--seconds/);
});

test('fuzz refuses an unknown flag or a wrong value', async () => {
  for (const line of [
    '--seconds 0', '--seconds x', '--seed 1.5', '--seed -1', '--seed 4294967296', '--sed 1', '1',
  ]) {
    await assert.rejects(fuzz(...line.split(' ')), { code: 2, stderr: /^fuzz: [^]*--help/ }, line);
  }
});
