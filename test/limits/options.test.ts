/** The option `limits`, and the rate limiter that it makes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LimitCounts } from '../../src/limits/counts.ts';
import { sourceOf } from '../../src/limits/network.ts';
import { limitsCheck, throttleOf } from '../../src/limits/options.ts';
import { MemoryCounts } from '../../src/limits/memory.ts';
import { waitOf } from '../support/limits.ts';

test('limits are an object or false, and a bad member is refused by its name', () => {
  for (const limits of [false, {}, { triesPerAccount: 1 }]) limitsCheck('limits', limits);
  for (const limits of [true, null, 1, 'off', undefined]) {
    assert.throws(() => limitsCheck('limits', limits), {
      name: 'TypeError',
      message: /^"limits" expected false or an object of limits, got /,
    });
  }
  assert.throws(() => throttleOf({ triesPerAccount: 11 }), {
    name: 'RangeError',
    message: /^"triesPerAccount" expected /,
  });
  assert.throws(() => throttleOf({ counts: {} as LimitCounts }), {
    name: 'TypeError',
    message: /^"counts" expected an object with the methods begin, networksOf, addNetwork, got /,
  });
  assert.equal(throttleOf(false), undefined);
});

test('by default the limits are on, and a change of the system time does not move their clock', async (t) => {
  const throttle = throttleOf() ?? assert.fail('no limits');
  const source = sourceOf('10.0.0.1');
  const guess = () => throttle.login('joe', source, async () => undefined).catch(waitOf);
  for (let tries = 0; tries < 10; tries += 1) assert.equal(await guess(), undefined);
  t.mock.method(Date, 'now', () => 0);
  const wait = await guess();
  assert.ok(wait !== undefined && wait > 3000 && wait < 4000, `${wait} s`);
});

test('by default the wait is in whole seconds of the monotonic clock, and ends a refusal', async (t) => {
  let elapsedSeconds = 0;
  t.mock.method(performance, 'now', () => elapsedSeconds * 1000);
  const throttle = throttleOf() ?? assert.fail('no limits');
  const source = sourceOf('10.0.0.1');
  const guess = () => throttle.login('joe', source, async () => undefined).catch(waitOf);
  for (let tries = 0; tries < 10; tries += 1) assert.equal(await guess(), undefined);
  const wait = Number(await guess());
  elapsedSeconds = wait - 1;
  assert.equal(await guess(), 1);
  elapsedSeconds = wait;
  assert.equal(await guess(), undefined);
});

test('two rate limiters with the same counts share the tries', async () => {
  const counts = new MemoryCounts(() => 0);
  const [one, other] = [throttleOf({ counts }), throttleOf({ counts })];
  const guess = (throttle = one) => {
    return throttle?.login('joe', sourceOf('10.0.0.1'), async () => undefined).catch(waitOf);
  };
  for (let tries = 0; tries < 10; tries += 1) assert.equal(await guess(), undefined);
  assert.ok(Number(await guess(other)) > 3000);
});
