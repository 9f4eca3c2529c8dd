/** The part of the suite for user stores that have the optional method `listRemoved`. */
import assert from 'node:assert/strict';
import {
  assertRefused,
  EARLY,
  LATE,
  ODD_IDS,
  userWith,
  type Contract,
} from './contract-fixtures.ts';
import { SORTED_IDS } from './contract-pages.ts';
import type { RemovedName, UserStore } from './store.ts';

type NamingStore = UserStore & Required<Pick<UserStore, 'remove' | 'listRemoved'>>;

export function testRemovedNames(contract: Contract): void {
  const names = (title: string, body: (store: NamingStore) => Promise<void>) =>
    contract(`listRemoved, if the store has it: ${title}`, async (store, context) => {
      if (!hasListRemoved(store)) return context.skip('the store has no method listRemoved');
      await body(store);
    });

  names('has the names that have no user, with their times', async (store) => {
    assert.deepEqual(await listed(store), []);
    for (const id of ['joe', 'ann', 'bob']) await store.insert(userWith(id));
    assert.deepEqual(await listed(store), []);
    await store.remove('joe', EARLY);
    await store.remove('ann', LATE);
    await store.remove('eve', LATE);
    assert.deepEqual(await listed(store), [named('ann', LATE), named('joe', EARLY)]);
  });

  names('follows every write between two pages', async (store) => {
    for (const id of ['a', 'b', 'c', 'd']) {
      await store.insert(userWith(id));
      await store.remove(id, EARLY);
    }
    assert.deepEqual(await idsOf(store, undefined, 2), ['a', 'b']);
    await store.insert(userWith('c'));
    assert.deepEqual(await idsOf(store, 'b', 2), ['d']);
    await store.remove('c', EARLY - 1);
    await store.insert(userWith('e'));
    await store.remove('e', LATE);
    const rest = [named('c', EARLY), named('d', EARLY), named('e', LATE)];
    assert.deepEqual(await listed(store, 'b'), rest);
  });

  names('has the time that an inserted user brought, once that user is removed', async (store) => {
    await store.insert({ ...userWith('joe'), validAfter: LATE });
    assert.deepEqual(await listed(store), []);
    await store.remove('joe', EARLY);
    assert.deepEqual(await listed(store), [named('joe', LATE)]);
  });

  names('sorts and bounds its pages as list does', async (store) => {
    for (const id of SORTED_IDS.toReversed()) {
      await store.insert(userWith(id));
      await store.remove(id, EARLY);
    }
    assert.deepEqual(await idsOf(store), SORTED_IDS);
    for (const [index, id] of SORTED_IDS.entries()) {
      assert.deepEqual(await idsOf(store, id), SORTED_IDS.slice(index + 1), `after ${id}`);
    }
    assert.deepEqual(await idsOf(store, 'b', 2), ['z', 'ä']);
    for (const limit of [0, -1, 1001, 1.5, NaN, Infinity, null, '5', 5n]) {
      await assertRefused('limit', limit, () => store.listRemoved('a', limit as never));
    }
    for (const after of [null, 0, {}, ['a']]) {
      await assertRefused('after', after, () => store.listRemoved(after as never, 5));
    }
  });

  names('a page has 100 names by default, and at most 1000', async (store) => {
    const ids = Array.from({ length: 1001 }, (_, index) => `user${1000 + index}`);
    await Promise.all(ids.map((id) => store.insert(userWith(id))));
    await Promise.all(ids.map((id) => store.remove(id, EARLY)));
    assert.deepEqual(await idsOf(store), ids.slice(0, 100));
    assert.deepEqual(await idsOf(store, undefined, 1000), ids.slice(0, 1000));
    assert.deepEqual(await idsOf(store, ids[999], 1000), ids.slice(1000));
  });

  names('keeps odd names apart', async (store) => {
    for (const id of ODD_IDS) await store.insert(userWith(id));
    for (const [index, id] of ODD_IDS.entries()) await store.remove(id, EARLY + index);
    const found = new Map((await listed(store)).map(({ id, removedAt }) => [id, removedAt]));
    assert.equal(found.size, ODD_IDS.length);
    for (const [index, id] of ODD_IDS.entries()) assert.equal(found.get(id), EARLY + index, id);
  });
}

function hasListRemoved(store: UserStore): store is NamingStore {
  return store.listRemoved !== undefined && store.remove !== undefined;
}

const named = (id: string, removedAt: number): RemovedName => ({ id, removedAt });

/** @returns plain copies, because a store may return instances of a class */
async function listed(store: NamingStore, after?: string, limit?: number): Promise<RemovedName[]> {
  return (await store.listRemoved(after, limit)).map((name) => ({ ...name }));
}

async function idsOf(store: NamingStore, after?: string, limit?: number): Promise<string[]> {
  return (await listed(store, after, limit)).map(({ id }) => id);
}
