/** The part of the suite for user stores that have the optional method `list`. */
import assert from 'node:assert/strict';
import {
  assertRefused,
  assertStored,
  membersOf,
  ODD_IDS,
  userWith,
  type Contract,
} from './contract-fixtures.ts';
import type { User, UserStore } from './store.ts';

type ListingStore = UserStore & Required<Pick<UserStore, 'list'>>;

/**
 * Ids in the order of pages. In UTF-16 units the last id comes before the two above it, since it
 * begins with U+D801. A locale would also sort capitals, accents and punctuation in another way.
 */
export const SORTED_IDS: readonly string[] = [
  '',
  '-a',
  'B',
  'a',
  'a-',
  'aa',
  'z',
  'ä',
  'ﬀ',
  '～',
  '𐐨',
];

const bytesOf = (id: string) => Buffer.from(id);
const byBytes = (left: string, right: string) => Buffer.compare(bytesOf(left), bytesOf(right));

export function testPages(contract: Contract): void {
  const pages = (title: string, body: (store: ListingStore) => Promise<void>) =>
    contract(`list, if the store has it: ${title}`, async (store, context) => {
      if (!hasList(store)) return context.skip('the store has no method list');
      await body(store);
    });

  pages('has all users, as find does', async (store) => {
    assert.deepEqual(await listed(store), []);
    for (const id of ODD_IDS) await store.insert(userWith(id, `hash of ${id}`));
    await store.insert({ ...userWith('joe'), validAfter: 1_000_000_000 });
    const users = await listed(store);
    assert.deepEqual(users.map(({ id }) => id), ['joe', ...ODD_IDS].sort(byBytes));
    for (const user of users) await assertStored(store, user);
  });

  pages('sorts ids by code points', async (store) => {
    for (const id of SORTED_IDS.toReversed()) await store.insert(userWith(id));
    assert.deepEqual(await idsOf(store), SORTED_IDS);
    for (const [index, id] of SORTED_IDS.entries()) {
      assert.deepEqual(await idsOf(store, id), SORTED_IDS.slice(index + 1), `after ${id}`);
    }
  });

  pages('begins behind an id that need not exist, and ends at the limit', async (store) => {
    for (const id of ['a', 'b', 'd', 'e']) await store.insert(userWith(id));
    assert.deepEqual(await idsOf(store, undefined, 1), ['a']);
    assert.deepEqual(await idsOf(store, 'a', 2), ['b', 'd']);
    assert.deepEqual(await idsOf(store, 'c', 2), ['d', 'e']);
    assert.deepEqual(await idsOf(store, 'd', 1000), ['e']);
    assert.deepEqual(await idsOf(store, 'e', 1), []);
    assert.deepEqual(await idsOf(store, '%'), ['a', 'b', 'd', 'e']);
  });

  pages('a page has 100 users by default, and at most 1000', async (store) => {
    const ids = Array.from({ length: 1001 }, (_, index) => `user${1000 + index}`);
    await Promise.all(ids.map((id) => store.insert(userWith(id))));
    assert.deepEqual(await idsOf(store), ids.slice(0, 100));
    assert.deepEqual(await idsOf(store, ids[99]), ids.slice(100, 200));
    assert.deepEqual(await idsOf(store, undefined, 1000), ids.slice(0, 1000));
    assert.deepEqual(await idsOf(store, ids[999], 1000), ids.slice(1000));
  });

  pages('refuses other limits, and an id that is not a string', async (store) => {
    for (const limit of [0, -1, 1001, 1.5, NaN, Infinity, null, '5', 5n]) {
      await assertRefused('limit', limit, () => store.list('a', limit as never));
    }
    for (const after of [null, 0, {}, ['a']]) {
      await assertRefused('after', after, () => store.list(after as never, 5));
    }
    assert.deepEqual(await listed(store, 'a', 5), []);
  });

  pages('follows every write between two pages', async (store) => {
    for (const id of ['b', 'd', 'f', 'h']) await store.insert(userWith(id));
    assert.deepEqual(await idsOf(store, undefined, 2), ['b', 'd']);
    for (const id of ['a', 'e', 'z']) await store.insert(userWith(id));
    await store.update(userWith('f', 'another hash'));
    await store.insert(userWith('h', 'another hash'));
    assert.deepEqual(await listed(store, 'd'), [
      userWith('e'),
      userWith('f', 'another hash'),
      userWith('h'),
      userWith('z'),
    ]);
    assert.deepEqual(await idsOf(store, undefined, 1), ['a']);
  });

  pages('has no removed user, if the store can remove users', async (store) => {
    if (store.remove === undefined) return;
    for (const id of ['a', 'b', 'c', 'd']) await store.insert(userWith(id));
    await store.remove('a', 1_000_000_000);
    assert.deepEqual(await idsOf(store), ['b', 'c', 'd']);
    await store.remove('c', 1_000_000_000);
    await store.remove('d', 1_000_000_000);
    assert.deepEqual(await idsOf(store, 'a', 2), ['b']);
    await store.insert(userWith('c', 'another hash'));
    const again = { ...userWith('c', 'another hash'), validAfter: 1_000_000_000 };
    assert.deepEqual(await listed(store), [userWith('b'), again]);
  });
}

function hasList(store: UserStore): store is ListingStore {
  return store.list !== undefined;
}

async function listed(store: ListingStore, after?: string, limit?: number): Promise<User[]> {
  return (await store.list(after, limit)).map(membersOf);
}

async function idsOf(store: ListingStore, after?: string, limit?: number): Promise<string[]> {
  return (await listed(store, after, limit)).map(({ id }) => id);
}
