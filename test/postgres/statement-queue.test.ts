/** Statements that wait for each other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AuthError } from '../../src/errors.ts';
import { StatementQueue } from '../../src/postgres/statement-queue.ts';

/** A queue of two places, and the statements that it has begun. */
function queueOfTwo() {
  const queue = new StatementQueue(2);
  const begun: { name: string; settle: () => void; fail: (error: unknown) => void }[] = [];
  const ask = (name: string): Promise<string> => queue.run(() => new Promise((resolve, reject) => {
    begun.push({ name, settle: () => resolve(name), fail: reject });
  }));
  return { begun, ask, names: () => begun.map(({ name }) => name).join(' ') };
}

test('two statements run at a time, and the others first come, first served', async () => {
  const { begun, ask, names } = queueOfTwo();
  const asked = ['a', 'b', 'c', 'd', 'e'].map(ask);
  assert.equal(names(), 'a b');
  begun[1]?.settle();
  assert.equal(await asked[1], 'b');
  assert.equal(names(), 'a b c');
  begun[2]?.fail(new Error('away'));
  await assert.rejects(Promise.resolve(asked[2]), /away/);
  assert.equal(names(), 'a b c d');
  begun[0]?.settle();
  begun[3]?.settle();
  await nextTurn();
  assert.equal(names(), 'a b c d e');
  begun[4]?.settle();
  assert.equal(await asked[4], 'e');
  const later = ['f', 'g', 'h'].map(ask);
  assert.equal(names(), 'a b c d e f g');
  for (const index of [5, 6]) begun[index]?.settle();
  await nextTurn();
  begun[7]?.settle();
  assert.deepEqual(await Promise.all(later), ['f', 'g', 'h']);
});

test('what has waited for a second fails with a statement that fails', async (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const { begun, ask, names } = queueOfTwo();
  const failures: unknown[] = [];
  const failing = (name: string) => ask(name).catch((error: unknown) => failures.push(error));
  const asked = [failing('a'), failing('b'), failing('c'), failing('d')];
  now = 1;
  const early = ask('e');
  now = 1000;
  const error = new AuthError('ERR_STORE', { cause: new Error('away') });
  begun[0]?.fail(error);
  await Promise.all([asked[0], asked[2], asked[3]]);
  assert.equal(names(), 'a b e');
  assert.equal(new Set(failures).size, 3, 'each has an error of its own');
  for (const one of failures) {
    assert.ok(one instanceof AuthError && one.code === 'ERR_STORE' && one.cause === error.cause);
  }
  begun[1]?.settle();
  begun[2]?.settle();
  assert.equal(await early, 'e');
});
