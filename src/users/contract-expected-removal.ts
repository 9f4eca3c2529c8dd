/** The part of the suite for user stores that tests `remove` with the argument `expectedHash`. */
import assert from 'node:assert/strict';
import {
  assertStored,
  EARLY,
  joeWith,
  LATE,
  ODD_IDS,
  removalOf,
  userWith,
  type Contract,
} from './contract-fixtures.ts';

export function testExpectedRemovals(contract: Contract): void {
  const removal = removalOf(contract);

  removal('removes only a user with the hash that is expected', async (store) => {
    assert.equal(await store.remove('joe', EARLY, 'a hash'), false);
    await store.insert(userWith('joe'));
    await store.insert(userWith('ann', 'another hash'));
    for (const other of ['another hash', 'A HASH', 'a hash ', 'a has', 'a%', '']) {
      assert.equal(await store.remove('joe', LATE, other), false, `expects ${other}`);
      await assertStored(store, userWith('joe'));
    }
    assert.equal(await store.remove('joe', EARLY, 'a hash'), true);
    assert.equal(await store.find('joe'), undefined);
    await assertStored(store, userWith('ann', 'another hash'));
    // A removal that changed nothing has kept no time either.
    await store.insert(userWith('joe', 'hash of another user'));
    assert.equal(await store.remove('joe', LATE, 'a hash'), false);
    await assertStored(store, joeWith('hash of another user', EARLY));
    assert.equal(await store.remove('joe', LATE, undefined), true);
    assert.equal(await store.find('joe'), undefined);
  });

  removal('compares odd hashes exactly', async (store) => {
    await store.insert(userWith('joe', 'x'));
    let stored = 'x';
    for (const hash of ['', ...ODD_IDS]) {
      assert.equal(await store.remove('joe', EARLY, hash), false, `expects ${hash}`);
      await store.update(userWith('joe', hash));
      assert.equal(await store.remove('joe', EARLY, stored), false, `expects ${stored}`);
      assert.equal(await store.remove('joe', EARLY, hash), true, `expects ${hash}`);
      await store.insert(userWith('joe', hash));
      stored = hash;
    }
  });

  removal('lets one of an update and a removal with the same hash through', async (store) => {
    for (let round = 0; round < 20; round += 1) {
      const id = `user${round}`;
      await store.insert(userWith(id));
      const writes = [
        () => store.remove(id, EARLY, 'a hash'),
        () => store.update(userWith(id, 'changed'), 'a hash'),
      ];
      const ordered = round % 2 === 0 ? writes : writes.toReversed();
      const answers = await Promise.all(ordered.map((write) => write()));
      const [isRemoved, isUpdated] = round % 2 === 0 ? answers : answers.toReversed();
      assert.notEqual(isRemoved, isUpdated);
      if (isUpdated) await assertStored(store, userWith(id, 'changed'));
      else assert.equal(await store.find(id), undefined);
    }
  });

  removal('never removes the next user of a name for the hash of the last', async (store) => {
    for (let round = 0; round < 20; round += 1) {
      const id = `user${round}`;
      await store.insert(userWith(id));
      const next = userWith(id, 'another hash');
      const removeOld = () => store.remove(id, EARLY, 'a hash');
      const writes = [removeOld, removeOld, () => store.insert(next), removeOld, removeOld];
      const answers = await Promise.all(writes.map((write) => write()));
      const [isInserted] = answers.splice(2, 1);
      if (isInserted) await assertStored(store, { ...next, validAfter: EARLY });
      else assert.equal(await store.find(id), undefined);
      assert.equal(answers.filter((isRemoved) => isRemoved).length, 1);
    }
  });
}
