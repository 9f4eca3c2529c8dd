/**
 * Users as records of a journal: any text comes back as it was, and what is not text is refused.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { INHERITED_NAMES, NOT_STRINGS, NOT_USERNAMES, ONE_USERNAME } from '../support/hostile.ts';
import { newPath, userNamed, withStore } from '../support/user-files.ts';
import { joe } from '../support/user-lines.ts';

test('any text in a record comes back as it was, also across the chunks of a read', async () => {
  const path = newPath();
  const ids = [
    ...INHERITED_NAMES,
    ...NOT_USERNAMES,
    ...ONE_USERNAME,
    '\ufffd',
    '"\\',
    '\u2029',
    'x'.repeat(200_000),
  ];
  const users = ids.map((id, index) => userNamed(id, '\u{1f511}\u20ac'.repeat(index * 1000)));
  await withStore(path, async (store) => {
    assert.ok(
      (await Promise.all(users.map((user) => store.insert(user)))).every(
        (isInserted) => isInserted,
      ),
    );
  });
  assert.ok(fs.statSync(path).size > 4e6);
  await withStore(path, (store) =>
    assert.deepEqual(
      ids.map((id) => ({ ...store.find(id) })),
      users,
    ),
  );
});

test('a user that the reader would refuse is refused and not written', async () => {
  const path = newPath();
  await withStore(path, async (store) => {
    await store.insert(joe);
    for (const value of NOT_STRINGS) {
      await assert.rejects(
        store.insert(Object.assign(userNamed('ann'), { username: value })),
        TypeError,
      );
      await assert.rejects(
        store.update(Object.assign(userNamed('joe'), { passwordHash: value })),
        TypeError,
      );
    }
    await assert.rejects(store.insert(userNamed('ann', 'x'.repeat(1 << 20))), RangeError);
    assert.equal(await store.insert(userNamed('ann', 'x'.repeat(1_000_000))), true);
  });
  await withStore(path, (store) => assert.deepEqual({ ...store.find('joe') }, joe));
});
