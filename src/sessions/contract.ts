/** The tests that every SessionStore must pass. They run under node:test. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import {
  assertStored,
  assertStoredBig,
  bigRecord,
  ignoreTypeError,
  membersOf,
  ODD_IDS,
  recordWith,
  sessionWith,
  spoil,
  spoilSession,
} from './contract-fixtures.ts';
import type { SessionRecord, SessionStore } from './store.ts';

/** How the suite opens a store of sessions. */
export interface SessionStoreContractOptions {
  /** Opens a new, empty store. */
  readonly open: () => SessionStore | Promise<SessionStore>;
  /**
   * For a store that keeps sessions after `close`: opens a store with the sessions of the last
   * store that `open` or `reopen` returned.
   */
  readonly reopen?: () => SessionStore | Promise<SessionStore>;
}

/**
 * Declares the suite. Call it at the top of a test file. The test of `check` is skipped for a store
 * that does not have the method.
 * @param name stands before the title of each test
 */
export function testSessionStore(name: string, options: SessionStoreContractOptions): void {
  const { open, reopen } = options;
  const contract = (
    title: string,
    body: (store: SessionStore, context: TestContext) => Promise<void>,
  ) =>
    void test(`${name}: ${title}`, async (context) => {
      const store = await open();
      try {
        await body(store, context);
      } finally {
        await store.close?.();
      }
    });

  contract('finds the record that was put, and no other', async (store) => {
    assert.equal(await store.find('joe'), undefined);
    assert.equal(await store.put('joe', recordWith(1)), true);
    await assertStored(store, 'joe', recordWith(1));
    for (const id of ['Joe', 'joe ', 'jo', 'j%', '']) {
      assert.equal(await store.find(id), undefined, `finds ${id}`);
    }
  });

  contract('keeps each value of a member as it is', async (store) => {
    const records: readonly SessionRecord[] = [
      { version: 1, endedAt: 0, sessions: [] },
      { version: 2, endedAt: 1_700_000_000.123, sessions: [sessionWith('a')] },
      {
        version: 3,
        endedAt: 253_402_300_799,
        sessions: [
          // Sorted neither by id nor by time.
          { ...sessionWith('b'), isUsed: true, generation: 2 ** 53 - 1, startedAt: 7 },
          { ...sessionWith('a'), isRefreshable: false, refreshedAt: 0.5, agent: '' },
          { ...sessionWith('-_'), endsAt: 9e11, agent: `'"\\{}\u007e ${'x'.repeat(180)}` },
        ],
      },
    ];
    for (const record of records) {
      assert.equal(await store.put('joe', record), true);
      await assertStored(store, 'joe', record);
    }
  });

  contract('the first record has version 1', async (store) => {
    for (const version of [2, 3, 50]) {
      assert.equal(await store.put('joe', recordWith(version)), false, `puts ${version}`);
      assert.equal(await store.find('joe'), undefined);
    }
    assert.equal(await store.put('joe', recordWith(1)), true);
    await assertStored(store, 'joe', recordWith(1));
  });

  contract('each later record has one version more', async (store) => {
    for (const stored of [1, 2, 3, 4]) {
      assert.equal(await store.put('joe', recordWith(stored)), true, `puts ${stored}`);
      for (const version of [1, 2, 3, 4, 5, 6, 10, 100]) {
        if (version === stored + 1) continue;
        const other = recordWith(version, 'other');
        assert.equal(await store.put('joe', other), false, `puts ${version} on ${stored}`);
        await assertStored(store, 'joe', recordWith(stored));
      }
    }
  });

  contract('versions beyond 32 bits are exact', async (store) => {
    // No store accepts a first record of such a version, so only refusals can be tested.
    assert.equal(await store.put('joe', recordWith(1)), true);
    for (const version of [2 ** 31, 2 ** 32 + 2, 2 ** 53 - 1]) {
      assert.equal(await store.put('joe', recordWith(version)), false, `puts ${version}`);
    }
    assert.equal(await store.put('joe', recordWith(2)), true);
  });

  contract('lets exactly one of 50 records of the same version through', async (store) => {
    for (const version of [1, 2, 3]) {
      const records = Array.from({ length: 50 }, (_, index) => recordWith(version, `id${index}`));
      const answers = await Promise.all(records.map((record) => store.put('joe', record)));
      assert.equal(answers.filter((isPut) => isPut).length, 1, `version ${version}`);
      const winner = records[answers.indexOf(true)];
      assert.ok(winner !== undefined);
      await assertStored(store, 'joe', winner);
    }
  });

  contract('a put that returned true can be found at once', async (store) => {
    for (const version of [1, 2, 3, 4, 5]) {
      const attempts = [0, 1, 2, 3].map(async (index) => {
        const isPut = await store.put('joe', recordWith(version, `id${index}`));
        const found = await store.find('joe');
        if (isPut) assert.deepEqual(membersOf(found), recordWith(version, `id${index}`));
        return isPut;
      });
      assert.equal((await Promise.all(attempts)).filter((isPut) => isPut).length, 1);
    }
  });

  contract('keeps concurrent puts of different users apart', async (store) => {
    const ids = Array.from({ length: 50 }, (_, index) => `user${index}`);
    for (const version of [1, 2]) {
      await Promise.all(ids.map(async (id) => {
        assert.equal(await store.put(id, recordWith(version, id)), true);
      }));
      for (const id of ids) await assertStored(store, id, recordWith(version, id));
    }
  });

  contract('keeps odd user ids apart', async (store) => {
    for (const id of ODD_IDS) {
      assert.equal(await store.find(id), undefined, `finds ${id} before it is put`);
    }
    for (const [index, id] of ODD_IDS.entries()) {
      assert.equal(await store.put(id, recordWith(1, `id${index}`)), true, `puts ${id}`);
    }
    for (const [index, id] of ODD_IDS.entries()) {
      await assertStored(store, id, recordWith(1, `id${index}`));
    }
    assert.equal(await store.put('1', recordWith(2)), true);
    await assertStored(store, '01', recordWith(1, `id${ODD_IDS.indexOf('01')}`));
  });

  contract('a caller that changes what it passed changes nothing in the store', async (store) => {
    const given = recordWith(1);
    const put = store.put('joe', given);
    // Also while the record is being written.
    spoil(given);
    assert.equal(await put, true);
    spoil(given);
    await assertStored(store, 'joe', recordWith(1));
    assert.equal(await store.put('joe', recordWith(2)), true);
    await assertStored(store, 'joe', recordWith(2));
  });

  contract('a caller that changes what it found changes nothing in the store', async (store) => {
    await store.put('joe', recordWith(1));
    for (const change of [spoil, spoilSession]) {
      const found = await store.find('joe');
      // A frozen record refuses the change with a TypeError.
      ignoreTypeError(() => change(found));
      await assertStored(store, 'joe', recordWith(1));
    }
    assert.equal(await store.put('joe', recordWith(2)), true);
    await assertStored(store, 'joe', recordWith(2));
  });

  contract('a record that was found stays as it was found', async (store) => {
    await store.put('joe', recordWith(1));
    const found = await store.find('joe');
    await store.put('joe', recordWith(2, 'other'));
    assert.deepEqual(membersOf(found), recordWith(1));
    await assertStored(store, 'joe', recordWith(2, 'other'));
  });

  contract('keeps 550 sessions with the longest agents', async (store) => {
    for (const version of [1, 2]) {
      const record = bigRecord(version);
      assert.equal(await store.put('joe', record), true);
      await assertStoredBig(store, 'joe', record);
    }
  });

  contract('check, if the store has it: returns, and changes nothing', async (store, context) => {
    if (store.check === undefined) return context.skip('the store has no method check');
    assert.equal(await store.check(), undefined);
    await store.put('joe', recordWith(1));
    await Promise.all([store.check(), store.put('joe', recordWith(2)), store.check()]);
    assert.equal(await store.check(), undefined);
    await assertStored(store, 'joe', recordWith(2));
    assert.equal(await store.find(''), undefined);
  });

  if (reopen === undefined) return;
  test(`${name}: keeps acknowledged records when it is reopened`, async () => {
    const first = await open();
    const puts = ODD_IDS.map((id, index) => first.put(id, recordWith(1, `id${index}`)));
    assert.ok((await Promise.all(puts)).every((isPut) => isPut));
    assert.equal(await first.put('__proto__', recordWith(2)), true);
    assert.equal(await first.put('big', bigRecord(1)), true);
    await first.close?.();
    const second = await reopen();
    try {
      for (const [index, id] of ODD_IDS.entries()) {
        const version = id === '__proto__' ? 2 : 1;
        const stored = version === 2 ? recordWith(2) : recordWith(1, `id${index}`);
        await assertStored(second, id, stored);
        assert.equal(await second.put(id, recordWith(version)), false, `repeats ${id}`);
        assert.equal(await second.put(id, recordWith(version + 2)), false, `skips one of ${id}`);
        assert.equal(await second.put(id, recordWith(version + 1)), true, `continues ${id}`);
      }
      await assertStoredBig(second, 'big', bigRecord(1));
    } finally {
      await second.close?.();
    }
  });
}
