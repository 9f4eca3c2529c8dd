/** What the tests of the journal cannot see: a removed user stays removed after kill -9. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { acknowledgedBeforeKill } from '../support/acknowledged.ts';
import { newPath, userNamed, withStore } from '../support/user-files.ts';

test('a removal acknowledged before kill -9 keeps its time', async () => {
  const path = newPath();
  for (let round = 0; round < 3; round += 1) {
    // The first process changes the version of the file, and may be killed soon after that.
    const removals = await acknowledgedBeforeKill('removals', path, round, randomInt(1, 400));
    await withStore(path, async (store) => {
      for (const [id, acknowledged] of removals) {
        const isFound = store.find(id) !== undefined;
        // A later write of the id may be there too: an insert, or one more removal.
        if (!isFound) await store.insert(userNamed(id));
        const { validAfter = 0 } = store.find(id) ?? {};
        assert.ok(validAfter >= acknowledged, `${id}: ${validAfter}, not ${acknowledged}`);
        assert.ok(validAfter <= acknowledged + 1, `${id}: ${validAfter}, not ${acknowledged}`);
        assert.equal(await store.remove(id, 0), true);
      }
    });
    await withStore(path, (store) => {
      for (const id of removals.keys()) assert.equal(store.find(id), undefined);
    });
  }
});
