/**
 * Runs the properties of support/session-properties.ts from a seed, and prints the seed. SEED=n
 * repeats a run. `npm run fuzz` runs the same for any length of time.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { assertHolds } from '../support/properties.ts';
import { SESSION_PROPERTIES } from '../support/session-properties.ts';

/** Runs the property that has the title of the test. */
function assertNamed(t: TestContext): Promise<void> {
  const property = SESSION_PROPERTIES.find(({ name }) => name === t.name);
  return assertHolds(t, property ?? assert.fail(t.name));
}

// The titles are written out, so that the pages can name them.
test('a client that only loses answers stays logged in until its session is ended, for good', assertNamed);
test('a refresh token that is used after its successor and the grace ends its session alone', assertNamed);
test('changes of one user at once give the answers of the same changes one by one', assertNamed);
