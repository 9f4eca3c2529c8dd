/** The tests that every SessionStore must pass. They run under node:test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import type { Session, SessionRecord, SessionStore } from './store.ts';

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
 * User ids that break stores which use plain objects, patterns, SQL without parameters, lines of
 * JSON, or lengths in bytes. An application with users of its own may have ids of any length: the
 * id of a user whose identity is not a string is its JSON text.
 */
const ODD_IDS: readonly string[] = [
  '',
  '__proto__',
  'constructor',
  'toString',
  "'; drop table sessions; --",
  '%_',
  '1',
  '01',
  '"1"',
  '{"id":"joe"}',
  '\\n',
  'ñandú',
  '名前',
  'עברית',
  'ͅ',
  '𐐨',
  '𐐨'.repeat(500),
];

/**
 * Declares the suite. Call it at the top of a test file.
 * @param name stands before the title of each test
 */
export function testSessionStore(name: string, options: SessionStoreContractOptions): void {
  const { open, reopen } = options;
  const contract = (title: string, body: (store: SessionStore) => Promise<void>) =>
    test(`${name}: ${title}`, async () => {
      const store = await open();
      try {
        await body(store);
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
    const given = changeable(1);
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
        const isSecond = id === '__proto__';
        await assertStored(second, id, isSecond ? recordWith(2) : recordWith(1, `id${index}`));
        const next = isSecond ? 3 : 2;
        assert.equal(await second.put(id, recordWith(next - 1)), false, `repeats ${id}`);
        assert.equal(await second.put(id, recordWith(next + 1)), false, `skips one of ${id}`);
        assert.equal(await second.put(id, recordWith(next)), true, `continues ${id}`);
      }
      await assertStoredBig(second, 'big', bigRecord(1));
    } finally {
      await second.close?.();
    }
  });
}

async function assertStored(
  store: SessionStore,
  userId: string,
  record: SessionRecord,
): Promise<void> {
  assert.deepEqual(membersOf(await store.find(userId)), record, `finds the record of ${userId}`);
}

/** Like `assertStored`, without a message of many pages if they differ. */
async function assertStoredBig(
  store: SessionStore,
  userId: string,
  record: SessionRecord,
): Promise<void> {
  const isSame = isDeepStrictEqual(membersOf(await store.find(userId)), record);
  assert.ok(isSame, `finds all ${record.sessions.length} sessions of ${userId}`);
}

/** @returns a plain copy, because a store may return instances of classes */
function membersOf(record: SessionRecord | undefined): SessionRecord | undefined {
  return record && { ...record, sessions: record.sessions.map((session) => ({ ...session })) };
}

function sessionWith(id: string): Session {
  return {
    id,
    generation: 0,
    isUsed: false,
    isRefreshable: true,
    startedAt: 1_700_000_000,
    refreshedAt: 1_700_000_000,
    endsAt: 1_702_592_000,
    agent: 'Mozilla/5.0 (X11; Linux x86_64)',
  };
}

function recordWith(version: number, id = 'dGhlIGlkIG9mIGEgc2Vzc2lvbg'): SessionRecord {
  return { version, endedAt: 1_600_000_000, sessions: [sessionWith(id), sessionWith(`${id}-2`)] };
}

/** 50 sessions with refresh tokens and 500 without are the most that one user can have. */
function bigRecord(version: number): SessionRecord {
  const agent = '\\"'.repeat(100);
  const sessions = Array.from({ length: 550 }, (_, index) => {
    return { ...sessionWith(`dGhlIGlkIG9mIGEgc2Vzc2l${1000 + index}`), agent };
  });
  return { version, endedAt: 0, sessions };
}

/** A record of the same content, which is not frozen. */
function changeable(version: number): SessionRecord {
  return structuredClone(recordWith(version));
}

function spoil(record: SessionRecord | undefined): void {
  spoilSession(record);
  Object.assign(record ?? {}, { version: 7, endedAt: 7, sessions: [] });
}

function spoilSession(record: SessionRecord | undefined): void {
  Object.assign(record?.sessions[0] ?? {}, { id: 'other', generation: 7, isUsed: true });
}

function ignoreTypeError(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}
