/**
 * Writes of one id in a file run one after the other, and each compares with the outcome of the one
 * before. Writes of different ids share a sync.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import type { User } from '../../src/users/store.ts';
import { newPath, refusal, userNamed, withStore } from '../support/user-files.ts';
import { handles } from '../support/user-lines.ts';
import { collectGarbage } from '../support/garbage.ts';

const joe = userNamed('joe', 'first');
const joeWith = (passwordHash: string): User => userNamed('joe', passwordHash);

/** The hashes of an id in the order of its lines. */
function hashesIn(path: string, id = 'joe'): string[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  const records = lines.filter((line) => line !== '').map((line) => JSON.parse(line));
  return records.filter((record) => record.id === id).map((record) => record.passwordHash);
}

test('a compare-and-set compares with the outcome of earlier writes of its id', async () => {
  const path = newPath();
  await withStore(path, async (store) => {
    await store.insert(joe);
    const answers = await Promise.all([
      store.update(joeWith('second')),
      store.update(joeWith('lost'), 'first'),
      store.update(joeWith('third'), 'second'),
      store.update(joeWith('fourth'), 'third'),
      store.update(joeWith('lost'), 'second'),
      store.update(joeWith('fifth')),
    ]);
    assert.deepEqual(answers, [true, false, true, true, false, true]);
    assert.equal(store.find('joe')?.passwordHash, 'fifth');
  });
  assert.deepEqual(hashesIn(path), ['first', 'second', 'third', 'fourth', 'fifth']);
});

test('an update of a user whose insert is under way comes after it', async () => {
  const path = newPath();
  await withStore(path, async (store) => {
    const answers = await Promise.all([
      store.insert(joe),
      store.update(joeWith('lost'), 'another'),
      store.update(joeWith('second'), 'first'),
      store.insert(joeWith('lost')),
      store.update(joeWith('third')),
    ]);
    assert.deepEqual(answers, [true, false, true, false, true]);
  });
  assert.deepEqual(hashesIn(path), ['first', 'second', 'third']);
});

test('after a failed write the next one of its id compares with the old value', async (t) => {
  const path = newPath();
  await withStore(path, async (store) => {
    await store.insert(joe);
    const failure = Object.assign(new Error('EIO: made by the test'), { code: 'EIO' });
    const { mock } = t.mock.method(handles, 'datasync', async () => Promise.reject(failure), {
      times: 1,
    });
    const [failed, wrong, right] = await Promise.allSettled([
      store.update(joeWith('refused')),
      store.update(joeWith('lost'), 'refused'),
      store.update(joeWith('second'), 'first'),
    ]);
    assert.ok(failed.status === 'rejected' && refusal('ERR_STORE', path, 'EIO')(failed.reason));
    assert.deepEqual(
      [wrong, right].map((one) => Object(one).value),
      [false, true],
    );
    assert.equal(store.find('joe')?.passwordHash, 'second');
    mock.restore();
  });
  assert.deepEqual(hashesIn(path), ['first', 'second']);
});

test('after a failed insert waiting updates find no user, and the id is free', async (t) => {
  const path = newPath();
  await withStore(path, async (store) => {
    t.mock.method(handles, 'datasync', async () => Promise.reject(new Error('EIO')), { times: 1 });
    const [failed, updated] = await Promise.allSettled([
      store.insert(joe),
      store.update(joeWith('lost'), 'first'),
    ]);
    assert.deepEqual([failed.status, Object(updated).value], ['rejected', false]);
    assert.equal(store.find('joe'), undefined);
    assert.equal(await store.insert(joeWith('second')), true);
  });
  assert.deepEqual(hashesIn(path), ['second']);
});

test('close finishes the writes that wait for earlier ones, and refuses later ones', async () => {
  const path = newPath();
  const store = await JsonFileUserStore.open(path);
  await store.insert(joe);
  const writes = [
    store.update(joeWith('second'), 'first'),
    store.update(joeWith('third'), 'second'),
    store.update(joeWith('lost'), 'first'),
    store.insert(userNamed('ann')),
    store.update(userNamed('ann', 'second'), 'a hash'),
  ];
  const closed = store.close();
  const late = [
    store.update(joeWith('late')),
    store.update(joeWith('late'), 'third'),
    store.insert(userNamed('bob')),
  ];
  for (const write of late) await assert.rejects(write, refusal('ERR_STORE', path, 'it is closed'));
  await closed;
  assert.deepEqual(await Promise.all(writes), [true, true, false, true, true]);
  assert.deepEqual(
    [hashesIn(path), hashesIn(path, 'ann')],
    [
      ['first', 'second', 'third'],
      ['a hash', 'second'],
    ],
  );
  await withStore(path, (again) => assert.equal(again.find('joe')?.passwordHash, 'third'));
});

test('writes of different ids share a sync, compare-and-set or not', async (t) => {
  await withStore(newPath(), async (store) => {
    const ids = Array.from({ length: 64 }, (_, index) => `user${index}`);
    await Promise.all(ids.map((id) => store.insert(userNamed(id))));
    const { mock } = t.mock.method(handles, 'datasync');
    const answers = await Promise.all(
      ids.flatMap((id) => [
        store.update(userNamed(id, 'second'), 'a hash'),
        store.update(userNamed(id, 'third'), 'second'),
      ]),
    );
    assert.ok(answers.every((isUpdated) => isUpdated));
    assert.ok(mock.callCount() <= 6, `${mock.callCount()} syncs`);
  });
});

test('a finished write leaves nothing in memory', async () => {
  await withStore(newPath(), async (store) => {
    await collectGarbage();
    const before = process.memoryUsage().heapUsed;
    // 20 MB of ids, in writes that return false or throw, alone and at the same time.
    for (let round = 0; round < 1000; round += 1) {
      const ids = Array.from({ length: 20 }, (_, index) =>
        Buffer.alloc(1000, `${round} ${index}`).toString(),
      );
      await Promise.all(ids.map((id) => store.update(userNamed(id), 'a hash')));
      const failing = { ...userNamed(ids[0] ?? ''), username: 1 };
      await assert.rejects(store.insert(failing as never), TypeError);
    }
    await collectGarbage();
    const grown = process.memoryUsage().heapUsed - before;
    assert.ok(grown < 5e6, `${grown} bytes more`);
  });
});
