/** The tests that every UserStore must pass, ours and yours. They run under node:test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { User, UserStore } from './store.ts';

/** How the suite opens a store. */
export interface StoreContractOptions {
  /** Makes a new, empty store. */
  readonly open: () => UserStore | Promise<UserStore>;
  /**
   * For a store that keeps users after `close`: opens the same users again that the last `open` or
   * `reopen` opened.
   */
  readonly reopen?: () => UserStore | Promise<UserStore>;
}

/** Ids that break stores on plain objects, patterns, SQL, JSON lines or lengths in bytes. */
const ODD_IDS = [
  '__proto__',
  'constructor',
  'toString',
  "'; drop table users; --",
  '%_',
  '{"id":"joe"}',
  '\\n',
  'ñandú',
  'żółć',
  '名前',
  'עברית',
  'ͅ',
  '𐐨',
  'x'.repeat(80),
  '𐐨'.repeat(80),
];

/**
 * Declares the suite. Call it at the top of a test file.
 * @param name stands before the title of each test
 */
export function testUserStore(name: string, options: StoreContractOptions): void {
  const { open, reopen } = options;
  const contract = (title: string, body: (store: UserStore) => Promise<void>) =>
    test(`${name}: ${title}`, async () => {
      const store = await open();
      try {
        await body(store);
      } finally {
        await store.close?.();
      }
    });

  contract('finds what was inserted, and nothing else', async (store) => {
    assert.equal(await store.find('joe'), undefined);
    assert.equal(await store.insert(userWith('joe')), true);
    assert.deepEqual({ ...(await store.find('joe')) }, userWith('joe'));
    for (const id of ['Joe', 'joe ', 'jo', 'j%', '']) {
      assert.equal(await store.find(id), undefined);
    }
  });

  contract('refuses to insert an id twice and keeps the first', async (store) => {
    assert.equal(await store.insert(userWith('joe')), true);
    assert.equal(await store.insert(userWith('joe', 'another hash')), false);
    assert.deepEqual({ ...(await store.find('joe')) }, userWith('joe'));
  });

  contract('lets exactly one of 50 inserts of one id through', async (store) => {
    const users = Array.from({ length: 50 }, (_, index) => userWith('joe', `hash ${index}`));
    const answers = await Promise.all(users.map((user) => store.insert(user)));
    assert.equal(answers.filter((isInserted) => isInserted).length, 1);
    assert.deepEqual({ ...(await store.find('joe')) }, users[answers.indexOf(true)]);
  });

  contract('keeps apart what is written at the same time', async (store) => {
    const ids = Array.from({ length: 50 }, (_, index) => `user${index}`);
    const write = (hash: string, op: 'insert' | 'update') =>
      Promise.all(ids.map(async (id) => {
        assert.equal(await store[op](userWith(id, `${hash} of ${id}`)), true);
      }));
    await write('hash', 'insert');
    await Promise.all([write('second hash', 'update'), store.insert(userWith('joe'))]);
    for (const id of ids) {
      const expected = userWith(id, `second hash of ${id}`);
      assert.deepEqual({ ...(await store.find(id)) }, expected);
    }
    assert.deepEqual({ ...(await store.find('joe')) }, userWith('joe'));
  });

  contract('updates a user that exists, and no other', async (store) => {
    assert.equal(await store.update(userWith('joe')), false);
    assert.equal(await store.find('joe'), undefined);
    await store.insert(userWith('joe'));
    await store.insert(userWith('ann'));
    assert.equal(await store.update(userWith('joe', 'another hash')), true);
    assert.deepEqual({ ...(await store.find('joe')) }, userWith('joe', 'another hash'));
    assert.deepEqual({ ...(await store.find('ann')) }, userWith('ann'));
  });

  contract('keeps odd ids apart', async (store) => {
    for (const id of ODD_IDS) {
      assert.equal(await store.find(id), undefined, `finds ${id} before it is inserted`);
    }
    for (const id of ODD_IDS) assert.equal(await store.insert(userWith(id)), true, `inserts ${id}`);
    for (const id of ODD_IDS) {
      assert.deepEqual({ ...(await store.find(id)) }, userWith(id), `finds ${id}`);
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
      assert.deepEqual({ ...(await store.find('joe')) }, userWith('joe'));
    }
    assert.equal(await store.update(renamed, 'a hash'), true);
    assert.deepEqual({ ...(await store.find('joe')) }, renamed);
    assert.equal(await store.update(userWith('joe', 'hash 3'), 'a hash'), false);
    assert.deepEqual({ ...(await store.find('joe')) }, renamed);
    assert.equal(await store.update(userWith('joe', 'hash 3'), undefined), true);
    assert.deepEqual({ ...(await store.find('joe')) }, userWith('joe', 'hash 3'));
    assert.deepEqual({ ...(await store.find('ann')) }, userWith('ann', 'hash 2'));
  });

  contract('lets exactly one of 50 updates that expect one hash through', async (store) => {
    await store.insert(userWith('joe'));
    const users = Array.from({ length: 50 }, (_, index) => userWith('joe', `hash ${index}`));
    const answers = await Promise.all(users.map((user) => store.update(user, 'a hash')));
    assert.equal(answers.filter((isUpdated) => isUpdated).length, 1);
    assert.deepEqual({ ...(await store.find('joe')) }, users[answers.indexOf(true)]);
  });

  contract('never undoes an update by one that expects the hash from before', async (store) => {
    for (let round = 0; round < 20; round += 1) {
      const id = `user${round}`;
      await store.insert(userWith(id));
      const updates = [
        () => store.update(userWith(id, 'renewed'), 'a hash'),
        () => store.update(userWith(id, 'changed')),
      ];
      // Either may come first, and the change stays.
      const ordered = round % 2 === 0 ? updates : updates.toReversed();
      await Promise.all(ordered.map((update) => update()));
      assert.deepEqual({ ...(await store.find(id)) }, userWith(id, 'changed'));
    }
  });

  contract('compares odd hashes to the letter', async (store) => {
    let stored = 'a hash';
    await store.insert(userWith('joe', stored));
    for (const hash of ['', ...ODD_IDS]) {
      assert.equal(await store.update(userWith('joe', 'wrong'), hash), false, `expects ${hash}`);
      assert.equal(await store.update(userWith('joe', hash), stored), true, `expects ${stored}`);
      assert.deepEqual({ ...(await store.find('joe')) }, userWith('joe', hash));
      stored = hash;
    }
  });

  if (reopen === undefined) return;
  test(`${name}: keeps acknowledged writes when it is opened again`, async () => {
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
        assert.deepEqual({ ...(await second.find(id)) }, expected, id);
      }
      assert.equal(await second.insert(userWith('constructor')), false);
    } finally {
      await second.close?.();
    }
  });
}

function userWith(id: string, passwordHash = 'a hash'): User {
  return { id, username: id.toUpperCase(), passwordHash, createdAt: '2026-01-02T03:04:05.678Z' };
}
