/** Refusals that are certain for a while. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { CertainRefusals } from '../../src/limits/certain-refusals.ts';
import { limitOf } from '../support/limit-counts.ts';

function refusalsAt(t: TestContext) {
  const clock = { seconds: 5000 };
  t.mock.method(performance, 'now', () => clock.seconds * 1000);
  return { clock, refusals: new CertainRefusals() };
}

test('a limit refuses until its time, in whole seconds, and others do not', (t) => {
  const { clock, refusals } = refusalsAt(t);
  refusals.add(limitOf('joe', 3), 60);
  assert.equal(refusals.waitSeconds([limitOf('joe', 3)]), 60);
  assert.equal(refusals.waitSeconds([limitOf('ann', 3), limitOf('joe', 2)]), 60);
  assert.equal(refusals.waitSeconds([limitOf('joe', 4)]), 0, 'more tries may count');
  assert.equal(refusals.waitSeconds([limitOf('ann', 3)]), 0);
  clock.seconds += 59.99;
  assert.equal(refusals.waitSeconds([limitOf('joe', 3)]), 1);
  clock.seconds += 0.01;
  assert.equal(refusals.waitSeconds([limitOf('joe', 3)]), 0);
});

test('the wait is that of the last of several limits', (t) => {
  const { refusals } = refusalsAt(t);
  refusals.add(limitOf('joe'), 60);
  refusals.add(limitOf('ann'), 90);
  assert.equal(refusals.waitSeconds([limitOf('joe'), limitOf('ann')]), 90);
  assert.equal(refusals.waitSeconds([limitOf('ann'), limitOf('joe')]), 90);
});

test('of more than 100,000 refusals the oldest are forgotten', (t) => {
  const { refusals } = refusalsAt(t);
  for (let index = 0; index <= 100_000; index += 1) refusals.add(limitOf(`${index}`), 60);
  assert.equal(refusals.waitSeconds([limitOf('0')]), 0);
  assert.equal(refusals.waitSeconds([limitOf('1')]), 60);
});
