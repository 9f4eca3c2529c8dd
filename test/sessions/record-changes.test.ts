/** Changes of one user that share a write, beside other servers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JsonFileSessionStore, Sessions } from '../../src/index.ts';
import { RecordChanges, type Rule } from '../../src/sessions/record-changes.ts';
import type { SessionRecord } from '../../src/sessions/store.ts';
import { NOW } from '../support/session-rules.ts';
import { PromiseSessionStore, storeError, WatchedSessionStore } from '../support/session-stores.ts';
import { newPath } from '../support/user-files.ts';
import { read } from '../support/user-lines.ts';

const refreshable = { isRefreshable: true };

const times = <Result>(count: number, call: (index: number) => Result): Result[] =>
  Array.from({ length: count }, (_, index) => call(index));

/** Writes a time, and returns the version that it replaced and the time before it. */
const setEndedAt = (endedAt: number): Rule<readonly number[]> => (record) => ({
  record: { ...record, version: record.version + 1, endedAt },
  result: [record.version, record.endedAt],
});

const failing = (message: string): Rule<never> => () => {
  throw new Error(message);
};

const reading: Rule<number> = (record) => ({ record, result: record.endedAt });

function makeSlow() {
  const slow = new PromiseSessionStore();
  return { slow, store: slow.inner, changes: new RecordChanges(slow, () => NOW) };
}

test('500 logins of one user at once write two records, and none is lost', async () => {
  const path = newPath();
  const store = await JsonFileSessionStore.open(path);
  const sessions = new Sessions({ store, maxSessions: 500 });
  const started = await Promise.all(times(500, () => sessions.start('joe', refreshable)));
  const listed = new Set((await sessions.list('joe')).map(({ id }) => id));
  await store.close();
  assert.equal(new Set(started.map(({ id }) => id)).size, 500);
  assert.ok(started.every(({ id }) => listed.has(id)));
  const lines = read(path).split('\n').filter((line) => line.includes('"op":"put"'));
  assert.equal(lines.length, 2);
});

test('120 logins under way on one server do not keep another from ending all', async () => {
  const path = newPath();
  const store = await JsonFileSessionStore.open(path);
  const one = new Sessions({ store });
  const other = new Sessions({ store });
  await one.start('joe', refreshable);
  const logins = times(120, () => one.start('joe', refreshable));
  assert.ok(await other.endAll('joe') > 0);
  assert.equal((await Promise.all(logins)).length, 120);
  await store.close();
});

test('changes that wait are applied in the order of their calls, and share one put', async () => {
  const { changes, store } = makeSlow();
  const results = await Promise.all(times(4, (index) => changes.apply('joe', setEndedAt(index))));
  assert.deepEqual(results, [[0, 0], [1, 0], [2, 1], [3, 2]]);
  assert.deepEqual(store.find('joe'), { version: 2, endedAt: 3, sessions: [] });
  assert.deepEqual([store.writes, store.lostPuts], [2, 0]);
});

test('a rule that throws rejects its own caller alone', async () => {
  const { changes, store } = makeSlow();
  const settled = await Promise.allSettled([
    changes.apply('joe', setEndedAt(1)),
    changes.apply('joe', failing('first')),
    changes.apply('joe', setEndedAt(2)),
    changes.apply('joe', failing('second')),
    changes.apply('joe', reading),
  ]);
  const outcomes = settled.map((one) => 'value' in one ? one.value : one.reason.message);
  assert.deepEqual(outcomes, [[0, 0], 'first', [1, 1], 'second', 2]);
  assert.deepEqual([store.writes, store.find('joe')?.endedAt], [2, 2]);
});

test('changes that change nothing put nothing', async () => {
  const { changes, store } = makeSlow();
  assert.deepEqual(await Promise.all(times(3, () => changes.apply('joe', reading))), [0, 0, 0]);
  assert.deepEqual([store.writes, store.finds], [0, 2]);
});

test('a lost compare-and-set applies all changes of the batch again', async () => {
  const { changes, slow, store } = makeSlow();
  const first = changes.apply('joe', setEndedAt(1));
  const applied: number[] = [];
  const batch = times(3, (index) => {
    return changes.apply('joe', (record, now) => {
      applied.push(index);
      return setEndedAt(record.endedAt * 10 + index)(record, now);
    });
  });
  await first;
  store.beforePut = () => {
    store.beforePut = undefined;
    const { version } = store.find('joe') ?? assert.fail();
    store.put('joe', { version: version + 1, endedAt: 7, sessions: [] });
  };
  assert.deepEqual(await Promise.all(batch), [[2, 7], [3, 70], [4, 701]]);
  assert.deepEqual(applied, [0, 1, 2, 0, 1, 2]);
  assert.deepEqual([store.lostPuts, (await slow.find('joe'))?.endedAt], [1, 7012]);
});

test('a put that fails rejects every change that shares it, and none after it', async () => {
  const { changes, store } = makeSlow();
  const first = changes.apply('joe', setEndedAt(1));
  const batch = times(3, (index) => changes.apply('joe', setEndedAt(2 + index)));
  await first;
  store.failure = storeError();
  for (const { status } of await Promise.allSettled(batch)) assert.equal(status, 'rejected');
  assert.equal(store.failures, 1);
  store.failure = undefined;
  assert.deepEqual(await changes.apply('joe', setEndedAt(9)), [1, 1]);
});

test('a change in answer to a result joins a later write', async () => {
  const { changes, store } = makeSlow();
  const chains = times(3, async (index) => {
    await changes.apply('joe', setEndedAt(index));
    return changes.apply('joe', setEndedAt(10 + index));
  });
  await Promise.all(chains);
  assert.equal(store.find('joe')?.version, store.writes);
  assert.deepEqual([store.writes, store.lostPuts], [4, 0]);
});

test('a store that answers at once is changed at once, also if its rule throws', () => {
  const store = new WatchedSessionStore();
  const changes = new RecordChanges(store, () => NOW);
  assert.deepEqual(changes.apply('joe', setEndedAt(1)), [0, 0]);
  assert.deepEqual(changes.apply('joe', setEndedAt(2)), [1, 1]);
  assert.throws(() => changes.apply('joe', failing('at once')), /at once/);
  assert.equal(changes.apply('joe', reading), 2);
});

test('a store that returns null has no record of the user', async () => {
  const store = new WatchedSessionStore();
  const find = (userId: string) => store.find(userId) ?? (null as unknown as SessionRecord);
  const put = store.put.bind(store);
  const sessions = new Sessions({ store: { find, put }, now: () => NOW });
  assert.equal(sessions.check('joe', 'A', 0), undefined);
  assert.equal(sessions.acceptsWithoutSession('joe', NOW, 0), true);
  assert.deepEqual(await sessions.list('joe'), []);
  const { id } = await sessions.start('joe', refreshable);
  assert.equal((await sessions.list('joe'))[0]?.id, id);
});
