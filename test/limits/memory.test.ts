/** Counts in memory: sliding windows under any clock, and bounded maps that evict. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Limit, Try } from '../../src/limits/counts.ts';
import { MemoryCounts } from '../../src/limits/memory.ts';
import { waitSeconds } from '../../src/limits/sliding-window.ts';
import { limitOf } from '../support/limit-counts.ts';
import {
  HOUR,
  inTurn,
  makeLimitedAccounts,
  MINUTE,
  PASSWORD,
  START_SECONDS,
  wrongs,
} from '../support/limits.ts';

test('the wait ends when the first wrong password has left the window', async () => {
  const { clock, logIn } = makeLimitedAccounts({ limits: { triesPerAccount: 2 } });
  clock.seconds += 0.25;
  const startsAt = clock.seconds;
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false);
  clock.seconds += 1800;
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false);
  const wait = Number(await logIn('joe', 'wrong', '10.0.0.1'));
  assert.ok(Number.isInteger(wait), `${wait}`);
  const waitedFor = clock.seconds + wait - startsAt;
  assert.ok(waitedFor >= HOUR && waitedFor <= HOUR + 5 * MINUTE, `${wait}`);
});

test('a try counts while it is in flight', () => {
  const counts = new MemoryCounts(() => START_SECONDS);
  const limits = [limitOf('joe', 1)];
  const first = counts.begin(limits);
  assert.equal(counts.begin(limits), 1);
  assert.ok(typeof first !== 'number');
  void first.end(false);
  assert.equal(typeof counts.begin(limits), 'object');
  const [one] = [0, 1, 2].map(() => begin(counts, [limitOf('ann')]));
  void one?.end(false);
  begin(counts, [limitOf('ann')]);
  assert.equal(counts.begin([limitOf('ann')]), 1, 'the end of one try leaves the others');
});

test('wrong passwords on both sides of a step of the clock all count', async () => {
  const { clock, logIn } = makeLimitedAccounts();
  assert.deepEqual(await inTurn(4, () => logIn('joe', 'wrong', '10.0.0.1')), wrongs(4));
  clock.seconds += 10 * MINUTE;
  assert.deepEqual(await inTurn(4, () => logIn('joe', 'wrong', '10.0.0.1')), wrongs(4));
  clock.seconds -= 10 * MINUTE;
  const answers = await inTurn(4, () => logIn('joe', 'wrong', '10.0.0.1'));
  const kinds = answers.map((answer) => typeof answer);
  assert.deepEqual(kinds, ['boolean', 'boolean', 'number', 'number']);
});

test('a clock set back far forgets within two hours, and NaN lets no try begin', async () => {
  const { clock, signUp, logIn } = makeLimitedAccounts();
  await signUp('joe');
  await inTurn(10, () => logIn('joe', 'wrong', '10.0.0.1'));
  clock.seconds -= 1_000_000;
  const wait = Number(await logIn('joe', PASSWORD, '10.0.0.1'));
  assert.ok(wait > HOUR - 5 * MINUTE && wait <= 2 * HOUR + 5 * MINUTE, `${wait} s`);
  clock.seconds += wait;
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.1'), true);
  for (const nonsense of [NaN, Infinity, -Infinity]) {
    clock.seconds = nonsense;
    await assert.rejects(logIn('ann', PASSWORD, '10.0.0.1'), /"now" expected a finite number/);
  }
});

test('if the clock is set back, tries count once, and for at most one window more', () => {
  const slot = 5 * MINUTE;
  for (const [back, slots] of [[600, 15], [HOUR, 25], [HOUR + slot, 25], [1e6, 25]] as const) {
    let seconds = START_SECONDS;
    const counts = new MemoryCounts(() => seconds);
    begin(counts, [limitOf('joe', 1)]).end(true);
    seconds -= back;
    const wait = counts.begin([limitOf('joe', 1)]);
    assert.ok(typeof wait === 'number' && Math.abs(wait - slots * slot) < slot, `${back}: ${wait}`);
    begin(counts, [limitOf('joe', 2)]).end(true);
    assert.equal(typeof counts.begin([limitOf('joe', 2)]), 'number', 'with the one since then');
    begin(counts, [limitOf('joe', 3)]).end(false);
  }
});

test('if the clock is set back, the wait ends with the oldest try', () => {
  let seconds = START_SECONDS;
  const counts = new MemoryCounts(() => seconds);
  begin(counts, [limitOf('joe', 2)]).end(true);
  seconds -= 10 * MINUTE;
  begin(counts, [limitOf('joe', 2)]).end(true);
  assert.equal(counts.begin([limitOf('joe', 2)]), HOUR + 5 * MINUTE);
  seconds += 0.5;
  assert.equal(counts.begin([limitOf('joe', 2)]), HOUR + 5 * MINUTE, 'rounded up');
});

test('a try counts for a window and the rest of its slot, and no longer', () => {
  let seconds = START_SECONDS;
  const counts = new MemoryCounts(() => seconds);
  begin(counts, [limitOf('joe', 2)]).end(true);
  seconds += HOUR + 5 * MINUTE - 1;
  const other = begin(counts, [limitOf('joe', 2)]);
  assert.equal(counts.begin([limitOf('joe', 2)]), 1);
  other.end(false);
  seconds += 1;
  begin(counts, [limitOf('joe', 2)]);
  begin(counts, [limitOf('joe', 2)]);
});

test('a map holds 100,000 keys, then evicts the one that was written longest ago', () => {
  const counts = new MemoryCounts(() => 0);
  const limit = (index: number): Limit[] => [
    { kind: 'signups', key: `key ${index}`, maxTries: 1, windowSeconds: HOUR },
  ];
  const fail = (index: number) => {
    const begun = counts.begin(limit(index));
    if (typeof begun === 'number') return begun;
    begun.end(true);
    return 0;
  };
  for (let index = 0; index < 99_000; index += 1) assert.equal(fail(index), 0);
  // Tries that do not count take no room.
  for (let index = 0; index < 2000; index += 1) {
    const limits: Limit[] = [
      { kind: 'signups', key: `right ${index}`, maxTries: 1, windowSeconds: HOUR },
    ];
    begin(counts, limits).end(false);
  }
  for (let index = 99_000; index < 100_000; index += 1) assert.equal(fail(index), 0);
  assert.ok(fail(0) > 0);
  assert.equal(fail(100_000), 0);
  assert.ok(fail(1) > 0);
  assert.equal(fail(0), 0, 'forgotten');
});

test('the last three networks of an account are known, newest first, of 100,000 accounts', () => {
  const counts = new MemoryCounts(() => 0);
  for (const network of ['a', 'b', 'c', 'b', 'b', 'd']) counts.addNetwork('joe', network);
  assert.deepEqual(counts.networksOf('joe'), ['d', 'b', 'c']);
  for (let index = 0; index < 100_000; index += 1) counts.addNetwork(`${index}`, 'a');
  assert.deepEqual(counts.networksOf('joe'), []);
  assert.deepEqual(counts.networksOf('0'), ['a']);
});

test('the wait ends with the slot whose tries are enough', () => {
  const ended = [{ tries: 2, secondsLeft: 10 }, { tries: 1, secondsLeft: 20 }];
  assert.equal(waitSeconds(2, 0, ended), 10);
  assert.equal(waitSeconds(1, 0, ended), 20);
});

test('a known network has half as many tries more, rounded up', async () => {
  const { signUp, logIn } = makeLimitedAccounts({ limits: { triesPerAddress: 1 } });
  await signUp('joe');
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.1'), true);
  assert.equal(await logIn('ann', 'wrong', '10.0.0.1'), false);
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.1'), true);
});

test('a clock that steps back and forth by an hour forgets nothing', async () => {
  const { clock, logIn } = makeLimitedAccounts();
  const checked: unknown[] = [];
  for (let round = 0; round < 20; round += 1) {
    for (let index = 0; index < 11; index += 1) {
      checked.push(await logIn('joe', 'wrong', '10.0.0.1'));
    }
    clock.seconds += round % 2 === 0 ? -HOUR : HOUR;
  }
  assert.equal(checked.filter((answer) => answer === false).length, 10);
});

test('a clock in milliseconds is refused', async () => {
  const { logIn } = makeLimitedAccounts({ now: Date.now });
  await assert.rejects(logIn('joe', 'wrong'), /"now" expected seconds since 1970.*milliseconds/);
});

test('a try that ends after its key was evicted counts from then on', () => {
  const counts = new MemoryCounts(() => 0);
  const limits: Limit[] = [{ kind: 'account', key: 'slow', maxTries: 2, windowSeconds: HOUR }];
  const first = begin(counts, limits);
  begin(counts, [limitOf('also slow', 1)]);
  for (let index = 0; index < 100_000; index += 1) {
    counts.begin([{ kind: 'account', key: `${index}`, maxTries: 1, windowSeconds: HOUR }]);
  }
  begin(counts, [limitOf('also slow', 1)]);
  first.end(true);
  begin(counts, limits).end(false);
  begin(counts, limits);
  assert.equal(counts.begin(limits), 1, 'counted once, and not taken back');
});

/** Begins a try that the limits allow. */
function begin(counts: MemoryCounts, limits: readonly Limit[]): Try {
  const begun = counts.begin(limits);
  assert.ok(typeof begun !== 'number', 'the try has begun');
  return begun;
}
