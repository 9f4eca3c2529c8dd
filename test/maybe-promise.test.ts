/** A plain value is used synchronously, and any promise becomes a native one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { andThen } from '../src/maybe-promise.ts';

test('a plain value is passed on synchronously, and so is the result', () => {
  const values = [undefined, null, 0, '', false, { then: 'not a function' }, []];
  for (const value of values) {
    assert.deepEqual(
      andThen(value, (got) => ({ got })),
      { got: value },
    );
  }
});

test('an error of `next` is thrown at once for a plain value, and rejects for a promise', async () => {
  const fail = () => {
    throw new RangeError('it fails');
  };
  assert.throws(() => andThen(1, fail), RangeError);
  const rejected = andThen(Promise.resolve(1), fail);
  await assert.rejects(async () => rejected, RangeError);
});

test('a promise of any kind, first or last, becomes a native Promise of its value', async () => {
  const lazy = { then: (resolve: (value: number) => void) => resolve(20) } as PromiseLike<number>;
  const starts = [lazy, Promise.resolve(20), 20];
  for (const start of starts) {
    for (const end of [lazy, Promise.resolve(20)]) {
      const result = andThen(start, () => end);
      assert.ok(result instanceof Promise);
      assert.equal(await result, 20);
    }
  }
});
