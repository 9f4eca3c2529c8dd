/**
 * The store of users in a file: the lines that it writes, the moment from which it finds a user,
 * and its own copies of users.
 */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import type { FileHandle } from 'node:fs/promises';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import type { User } from '../../src/users/store.ts';
import { folderOf, newPath, refusal, userNamed, withStore } from '../support/user-files.ts';
import {
  ANN,
  ann,
  closed,
  fails,
  handles,
  HEADER,
  JOE,
  joe,
  line,
  NEW_JOE,
  newJoe,
  read,
  written,
} from '../support/user-lines.ts';

test('the file has a header and a line for each write before it is acknowledged', async (t) => {
  const path = newPath();
  const { mock } = t.mock.method(handles, 'sync');
  await withStore(path, async (store) => {
    assert.equal(
      mock.callCount(),
      3,
      'the folder, the one that it was made in, and the one of that',
    );
    assert.equal(read(path), written());
    assert.equal(await store.insert(joe), true);
    assert.equal(read(path), written(JOE));
    assert.equal(await store.update(newJoe), true);
    assert.equal(read(path), written(JOE, NEW_JOE));
    assert.deepEqual([await store.insert(joe), await store.update(ann)], [false, false]);
  });
  assert.deepEqual([read(path), folderOf(path)], [closed(JOE, NEW_JOE), ['users.jsonl']]);
  await withStore(path, (store) => assert.deepEqual({ ...store.find('joe') }, newJoe));
});

test('until an insert is synced its user is not found, and its id is taken', async (t) => {
  const path = newPath();
  await withStore(path, async (store) => {
    const { datasync } = handles;
    let isAnswered = false;
    let seen: unknown[] = [];
    t.mock.method(handles, 'datasync', async function (this: FileHandle) {
      const again = await store.insert(userNamed('joe', 'other'));
      await setImmediate();
      seen = [read(path), again, store.find('joe'), isAnswered];
      await datasync.call(this);
    });
    assert.equal(await store.insert(joe).finally(() => (isAnswered = true)), true);
    assert.deepEqual(seen, [written(JOE), false, undefined, false]);
    assert.deepEqual({ ...store.find('joe') }, joe);
  });
});

test('inserts keep their order and share a sync, and one insert of an id wins', async (t) => {
  const path = newPath();
  const users = Array.from({ length: 64 }, (_, index) => userNamed(`${index}`));
  await withStore(path, async (store) => {
    const { mock } = t.mock.method(handles, 'datasync');
    await Promise.all(users.map((user) => store.insert(user)));
    assert.ok(mock.callCount() < 8, `${mock.callCount()} syncs`);
    const lines = read(path)
      .split('\n')
      .filter((text) => text !== '');
    assert.deepEqual(lines, [HEADER, ...users.map((user) => line('insert', user))]);
    mock.resetCalls();
    for (const user of users) await store.update(user);
    assert.equal(mock.callCount(), 64);
    const same = await Promise.all(users.map(({ id }) => store.insert(userNamed('joe', id))));
    assert.deepEqual(
      [same.indexOf(true), same.lastIndexOf(true), store.find('joe')?.passwordHash],
      [0, 0, '0'],
    );
  });
});

test('changes of an object that a caller passed or found do not reach the store', async () => {
  const path = newPath();
  await withStore(path, async (store) => {
    const own = { ...joe };
    const writing = store.insert(own);
    Object.assign(own, { id: 'eve', username: 'EVE', passwordHash: 'eve' });
    assert.equal(await writing, true);
    assert.deepEqual([{ ...store.find('joe') }, store.find('eve')], [joe, undefined]);
    assert.throws(() => Object.assign(store.find('joe') ?? {}, { passwordHash: 'eve' }), TypeError);
    class Account implements User {
      get id() {
        return 'ann';
      }
      get username() {
        return ann.username;
      }
      get passwordHash() {
        return ann.passwordHash;
      }
      get createdAt() {
        return ann.createdAt;
      }
    }
    assert.equal(await store.insert(new Account()), true);
    assert.deepEqual({ ...store.find('ann') }, ann);
  });
  assert.equal(read(path), closed(JOE, ANN));
  await withStore(path, (store) =>
    assert.throws(() => Object.assign(store.find('joe') ?? {}, { id: '' }), TypeError),
  );
});

test('a removal comes after the earlier writes of its id, and before the later ones', async () => {
  await withStore(newPath(), async (store) => {
    const answers = await Promise.all([
      store.insert(joe),
      store.update(newJoe),
      store.remove('joe', 1_000_000_000),
      store.update(joe),
      store.remove('joe', 2_000_000_000),
    ]);
    assert.deepEqual(answers, [true, true, true, false, false]);
    assert.equal(store.find('joe'), undefined);
    assert.equal(await store.insert(joe), true);
    assert.deepEqual(store.find('joe'), { ...joe, validAfter: 1_000_000_000 });
    assert.ok(Object.isFrozen(store.find('joe')));
  });
});

test('a removal that fails removes no user and keeps no time', async (t) => {
  const path = newPath();
  await withStore(path, async (store) => {
    await store.insert(joe);
    const { mock } = t.mock.method(handles, 'datasync', fails);
    await assert.rejects(store.remove('joe', 1_000_000_000), refusal('ERR_STORE', path, 'EIO'));
    mock.restore();
    assert.deepEqual([store.find('joe'), store.list()], [joe, [joe]]);
    assert.equal(await store.update(newJoe), true);
    assert.deepEqual(store.find('joe'), newJoe);
  });
  await withStore(path, (store) => assert.deepEqual(store.find('joe'), newJoe));
});

test('await using closes the file after its writes, and close can be called again', async () => {
  const path = newPath();
  let isInserted: Promise<boolean>;
  let first: JsonFileUserStore;
  {
    await using store = await JsonFileUserStore.open(path);
    isInserted = store.insert(joe);
    first = store;
  }
  assert.equal(read(path), closed(JOE));
  assert.equal(await isInserted, true);
  await withStore(path, async (second) => {
    // If these calls released the lock, it would be that of the second store.
    await Promise.all([first.close(), first.close(), first[Symbol.asyncDispose]()]);
    assert.equal(await second.insert(ann), true);
  });
  assert.equal(read(path), closed(JOE, ANN));
});

test('check fails while the disk does, and after close', async (t) => {
  const path = newPath();
  const store = await JsonFileUserStore.open(path);
  await store.check();
  const { mock } = t.mock.method(handles, 'datasync', fails);
  await assert.rejects(store.check(), refusal('ERR_STORE', path, 'EIO'));
  mock.restore();
  await store.check();
  await store.close();
  await assert.rejects(store.check(), refusal('ERR_STORE', path));
});

test('errors that name the right culprit: the store is opened, and not made with new', () => {
  assert.throws(() => Reflect.construct(JsonFileUserStore, ['users.jsonl']), {
    name: 'TypeError',
    message: '"JsonFileUserStore" expected JsonFileUserStore.open(path), got new',
  });
});
