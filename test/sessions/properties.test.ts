/**
 * Runs the properties of support/session-properties.ts from a seed, and prints the seed. SEED=n
 * repeats a run. `npm run fuzz` runs the same for any length of time.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { runCase } from '../support/properties.ts';
import { SESSION_PROPERTIES } from '../support/session-properties.ts';

const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));

/** Runs the property that has the title of the test. */
async function assertHolds(t: TestContext): Promise<void> {
  const property = SESSION_PROPERTIES.find(({ name }) => name === t.name) ?? assert.fail(t.name);
  t.diagnostic(`${property.cases} cases, SEED=${seed}`);
  const seen = new Set<string>();
  for (let index = 0; index < property.cases; index += 1) {
    seen.add(await runCase(property, seed + index));
  }
  assert.deepEqual([...seen].sort(), property.outcomes);
}

// The titles are written out, so that the pages can name them.
test('a client that only loses answers stays logged in until its session is ended, for good', (t) => assertHolds(t));
test('a refresh token that is used after its successor and the grace ends its session alone', (t) => assertHolds(t));
test('changes of one user at once give the answers of the same changes one by one', (t) => assertHolds(t));
