/**
 * Runs the properties of support/session-properties.ts from a seed, and prints the seed. SEED=n
 * repeats a run. `npm run fuzz` runs the same for any length of time.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { runCase } from '../support/properties.ts';
import { SESSION_PROPERTIES } from '../support/session-properties.ts';

const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));

for (const property of SESSION_PROPERTIES) {
  test(property.name, async (t) => {
    t.diagnostic(`${property.cases} cases, SEED=${seed}`);
    const seen = new Set<string>();
    for (let index = 0; index < property.cases; index += 1) {
      seen.add(await runCase(property, seed + index));
    }
    assert.deepEqual([...seen].sort(), property.outcomes);
  });
}
