/** The tests that every UserStore must pass. They run under node:test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testExpectedRemovals } from './contract-expected-removal.ts';
import { assertStored, ODD_IDS, userWith, type Contract } from './contract-fixtures.ts';
import { testPages } from './contract-pages.ts';
import { testKeptRemovals, testRemovals } from './contract-removal.ts';
import { testRemovedNames } from './contract-removed-names.ts';
import type { UserStore } from './store.ts';

/** How the suite opens a store. */
export interface StoreContractOptions {
  /** Opens a new, empty store. */
  readonly open: () => UserStore | Promise<UserStore>;
  /**
   * For a store that keeps users after `close`: opens a store with the users of the last store that
   * `open` or `reopen` returned.
   */
  readonly reopen?: () => UserStore | Promise<UserStore>;
}

/**
 * Declares the suite. Call it at the top of a test file. The tests of `remove`, `list`,
 * `listRemoved` and `check` are skipped for a store that does not have the method.
 * @param name stands before the title of each test
 */
export function testUserStore(name: string, options: StoreContractOptions): void {
  const { open, reopen } = options;
  const contract: Contract = (title, body) =>
    void test(`${name}: ${title}`, async (context) => {
      const store = await open();
      try {
        await body(store, context);
      } finally {
        await store.close?.();
      }
    });

  contract('finds what was inserted, and nothing else', async (store) => {
    assert.equal(await store.find('joe'), undefined);
    assert.equal(await store.insert(userWith('joe')), true);
    await assertStored(store, userWith('joe'));
    for (const id of ['Joe', 'joe ', 'jo', 'j%', '']) {
      assert.equal(await store.find(id), undefined);
    }
  });

  contract('refuses to insert an id twice and keeps the first', async (store) => {
    assert.equal(await store.insert(userWith('joe')), true);
    assert.equal(await store.insert(userWith('joe', 'another hash')), false);
    await assertStored(store, userWith('joe'));
  });

  contract('lets exactly one of 50 inserts of the same id through', async (store) => {
    const users = Array.from({ length: 50 }, (_, index) => userWith('joe', `hash ${index}`));
    const answers = await Promise.all(users.map((user) => store.insert(user)));
    assert.equal(answers.filter((isInserted) => isInserted).length, 1);
    await assertStored(store, users[answers.indexOf(true)]);
  });

  contract('keeps concurrent writes of different ids apart', async (store) => {
    const ids = Array.from({ length: 50 }, (_, index) => `user${index}`);
    const write = (hash: string, op: 'insert' | 'update') =>
      Promise.all(ids.map(async (id) => {
        assert.equal(await store[op](userWith(id, `${hash} of ${id}`)), true);
      }));
    await write('hash', 'insert');
    await Promise.all([write('second hash', 'update'), store.insert(userWith('joe'))]);
    for (const id of ids) {
      const expected = userWith(id, `second hash of ${id}`);
      await assertStored(store, expected);
    }
    await assertStored(store, userWith('joe'));
  });

  contract('updates a user that exists, and no other', async (store) => {
    assert.equal(await store.update(userWith('joe')), false);
    assert.equal(await store.find('joe'), undefined);
    await store.insert(userWith('joe'));
    await store.insert(userWith('ann'));
    assert.equal(await store.update(userWith('joe', 'another hash')), true);
    await assertStored(store, userWith('joe', 'another hash'));
    await assertStored(store, userWith('ann'));
  });

  contract('keeps odd ids apart', async (store) => {
    for (const id of ODD_IDS) {
      assert.equal(await store.find(id), undefined, `finds ${id} before it is inserted`);
    }
    for (const id of ODD_IDS) assert.equal(await store.insert(userWith(id)), true, `inserts ${id}`);
    for (const id of ODD_IDS) {
      await assertStored(store, userWith(id));
    }
  });

  contract('replaces only the hash that is expected', async (store) => {
    const renamed = { ...userWith('joe', 'hash 2'), username: 'another name' };
    assert.equal(await store.update(userWith('joe'), 'a hash'), false);
    assert.equal(await store.find('joe'), undefined);
    await store.insert(userWith('joe'));
    await store.insert(userWith('ann', 'hash 2'));
    for (const other of ['hash 2', 'A HASH', 'a hash ', 'a has', 'a%']) {
      assert.equal(await store.update(renamed, other), false, `expects ${other}`);
      await assertStored(store, userWith('joe'));
    }
    assert.equal(await store.update(renamed, 'a hash'), true);
    await assertStored(store, renamed);
    assert.equal(await store.update(userWith('joe', 'hash 3'), 'a hash'), false);
    await assertStored(store, renamed);
    await assertStored(store, userWith('ann', 'hash 2'));
  });

  contract('replaces any hash if none is expected', async (store) => {
    await store.insert(userWith('joe'));
    await store.insert(userWith('ann'));
    assert.equal(await store.update(userWith('joe', 'another hash'), undefined), true);
    await assertStored(store, userWith('joe', 'another hash'));
    await assertStored(store, userWith('ann'));
  });

  contract('lets exactly one of 50 updates through that expect the same hash', async (store) => {
    await store.insert(userWith('joe'));
    const users = Array.from({ length: 50 }, (_, index) => userWith('joe', `hash ${index}`));
    const answers = await Promise.all(users.map((user) => store.update(user, 'a hash')));
    assert.equal(answers.filter((isUpdated) => isUpdated).length, 1);
    await assertStored(store, users[answers.indexOf(true)]);
  });

  contract('keeps an update when another expects the hash from before it', async (store) => {
    for (let round = 0; round < 20; round += 1) {
      const id = `user${round}`;
      await store.insert(userWith(id));
      const updates = [
        () => store.update(userWith(id, 'renewed'), 'a hash'),
        () => store.update(userWith(id, 'changed')),
      ];
      // Whichever comes first, the unconditional change is what remains.
      const ordered = round % 2 === 0 ? updates : updates.toReversed();
      await Promise.all(ordered.map((update) => update()));
      await assertStored(store, userWith(id, 'changed'));
    }
  });

  contract('compares odd hashes exactly', async (store) => {
    let stored = 'a hash';
    await store.insert(userWith('joe', stored));
    for (const hash of ['', ...ODD_IDS]) {
      assert.equal(await store.update(userWith('joe', 'wrong'), hash), false, `expects ${hash}`);
      assert.equal(await store.update(userWith('joe', hash), stored), true, `expects ${stored}`);
      await assertStored(store, userWith('joe', hash));
      stored = hash;
    }
  });

  testRemovals(contract);
  testExpectedRemovals(contract);
  testPages(contract);
  testRemovedNames(contract);

  contract('check, if the store has it: returns, and changes nothing', async (store, context) => {
    if (store.check === undefined) return context.skip('the store has no method check');
    assert.equal(await store.check(), undefined);
    await store.insert(userWith('joe'));
    await Promise.all([store.check(), store.insert(userWith('ann')), store.check()]);
    assert.equal(await store.check(), undefined);
    await assertStored(store, userWith('joe'));
    await assertStored(store, userWith('ann'));
  });

  if (reopen === undefined) return;
  testKeptRemovals(name, open, reopen);
  test(`${name}: keeps acknowledged writes when it is reopened`, async () => {
    const first = await open();
    await Promise.all(ODD_IDS.map((id) => first.insert(userWith(id))));
    await first.update(userWith('__proto__', 'another hash'));
    await first.update(userWith('toString', 'another hash'), 'a hash');
    await first.update(userWith('constructor', 'another hash'), 'another hash');
    await first.close?.();
    const second = await reopen();
    try {
      for (const id of ODD_IDS) {
        const isUpdated = id === '__proto__' || id === 'toString';
        const expected = userWith(id, isUpdated ? 'another hash' : 'a hash');
        await assertStored(second, expected);
      }
      assert.equal(await second.insert(userWith('constructor')), false);
    } finally {
      await second.close?.();
    }
  });
}
