/** The store of sessions in a file: its lines, and what it refuses to write and to read. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { JsonFileSessionStore } from '../../src/sessions/json-file.ts';
import type { Session, SessionRecord } from '../../src/sessions/store.ts';
import { acknowledgedBeforeKill } from '../support/acknowledged.ts';
import { NOT_STRINGS } from '../support/hostile.ts';
import { eightAtATime, fileWith, newPath, refusal } from '../support/user-files.ts';
import { fault, handles, read } from '../support/user-lines.ts';

const HEADER = '{"format":"latchkey-sessions","version":1}';

const SESSION: Session = {
  id: 'AAAAAAAAAAAAAAAAAAAAAA',
  generation: 3,
  isUsed: true,
  isRefreshable: true,
  startedAt: 1_700_000_000,
  refreshedAt: 1_700_003_000,
  endsAt: 1_702_592_000,
  agent: 'curl/8.5.0',
};
const SESSION_TEXT =
  '{"id":"AAAAAAAAAAAAAAAAAAAAAA","generation":3,"isUsed":true,"isRefreshable":true,' +
  '"startedAt":1700000000,"refreshedAt":1700003000,"endsAt":1702592000,"agent":"curl/8.5.0"}';

const recordOf = (version: number, ...sessions: Session[]): SessionRecord => {
  return { version, endedAt: 0, sessions };
};

/** The line of a record with one session, written without the code under test. */
const lineOf = (userId: string, version: number): string =>
  `{"op":"put","userId":"${userId}","version":${version},"endedAt":0,"sessions":[${SESSION_TEXT}]}`;

const fileOf = (...lines: string[]): string => [HEADER, '', ...lines, '', ''].join('\n');

async function withSessions<T>(
  path: string,
  use: (store: JsonFileSessionStore) => T | Promise<T>,
): Promise<T> {
  const store = await JsonFileSessionStore.open(path);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

test('the file has a line for each record that was put, and none for a refused one', async () => {
  const path = newPath();
  await withSessions(path, async (store) => {
    assert.equal(await store.put('joe', recordOf(1, SESSION)), true);
    assert.equal(await store.put('joe', recordOf(1, SESSION)), false);
    assert.equal(await store.put('joe', recordOf(3, SESSION)), false);
    assert.equal(await store.put('joe', recordOf(2, SESSION)), true);
    assert.deepEqual(store.find('joe'), recordOf(2, SESSION));
    assert.deepEqual([store.discardedBytes, store.discardedPath], [0, undefined]);
  });
  assert.equal(read(path), fileOf(lineOf('joe', 1), '', lineOf('joe', 2)));
});

test('a record is frozen, and holds only its own members', async () => {
  const path = newPath();
  await withSessions(path, async (store) => {
    await store.put('joe', recordOf(1, { ...SESSION }));
    const found = store.find('joe');
    assert.ok(Object.isFrozen(found) && Object.isFrozen(found?.sessions));
    assert.ok(found?.sessions.every(Object.isFrozen));
  });
  await withSessions(path, (store) => assert.ok(Object.isFrozen(store.find('joe')?.sessions[0])));
});

const NOT_RECORDS: readonly unknown[] = [
  undefined,
  null,
  'marker',
  { ...recordOf(1, SESSION), isAdmin: true },
  { ...recordOf(1, SESSION), version: '1' },
  { ...recordOf(1, SESSION), version: 1.5 },
  { ...recordOf(1, SESSION), endedAt: Infinity },
  { ...recordOf(1, SESSION), sessions: { length: 0 } },
  recordOf(1, { ...SESSION, generation: NaN }),
  recordOf(1, { ...SESSION, refreshToken: 'marker' } as never),
  recordOf(1, SESSION, SESSION),
];

test('what is not a record of a user is refused before it is written', async () => {
  const path = newPath();
  await withSessions(path, async (store) => {
    for (const record of NOT_RECORDS) {
      await assert.rejects(store.put('joe', record as never), (error: Error) => {
        assert.ok(error instanceof TypeError && !/marker/.test(error.message), error.message);
        return error.message.startsWith('"record" expected a session record, got one that ');
      });
    }
    for (const userId of NOT_STRINGS) {
      await assert.rejects(store.put(userId as never, recordOf(1, SESSION)), TypeError);
    }
    assert.equal(await store.put('joe', recordOf(1, SESSION)), true);
  });
  assert.equal(read(path), fileOf(lineOf('joe', 1)));
});

/** Lines that follow a record of joe with version 2, and why each is refused. */
const DAMAGE: readonly [line: string, reason: string][] = [
  [lineOf('joe', 3).replace('"put"', '"update"'), 'has an unknown op'],
  [lineOf('joe', 3).replace('"joe"', '7'), 'has no string as "userId"'],
  [lineOf('joe', 3).replace('"userId"', '"userid"'), 'has no string as "userId"'],
  [lineOf('joe', 3).replace('"endedAt":0,', ''), 'has a member too many or too few in a record'],
  [lineOf('joe', 3).replace('true', '1'), 'has an "isUsed" in a session that is not a boolean'],
  [
    lineOf('joe', 3).replace('3000', '3000e400'),
    'has a "refreshedAt" in a session that is not a finite number of at least 0',
  ],
  [lineOf('joe', 2), 'does not have a newer version than the record before it'],
  [lineOf('joe', 1), 'does not have a newer version than the record before it'],
  [lineOf('ann', 0), 'has a "version" in a record that is not an integer of at least 1'],
];

test('a damaged line is refused with its number, and the file does not change', async () => {
  for (const [line, reason] of DAMAGE) {
    const content = fileOf(lineOf('joe', 2), line, lineOf('eve', 1));
    const path = fileWith(content);
    const expected = refusal('ERR_STORE_DAMAGED', `${path}, line 4 ${reason}`);
    await assert.rejects(withSessions(path, () => undefined), expected);
    assert.equal(read(path), content);
  }
  const path = fileWith(fileOf(lineOf('joe', 2), lineOf('joe', 3), lineOf('joe', 7)));
  await withSessions(path, (store) => assert.equal(store.find('joe')?.version, 7));
});

test('a file of users is refused, and a file of sessions with its version is read', async () => {
  for (const header of [
    '{"format":"latchkey-users","version":1}',
    '{"format":"latchkey-sessions","version":2}',
  ]) {
    const path = fileWith(fileOf(lineOf('joe', 1)).replace(HEADER, header));
    await assert.rejects(withSessions(path, () => undefined), refusal('ERR_STORE_DAMAGED'));
  }
  const path = fileWith(fileOf(lineOf('joe', 1)));
  await withSessions(path, (store) => assert.equal(store.find('joe')?.version, 1));
});

test('a write that was torn at any byte leaves the record before it', async () => {
  const whole = fileOf(lineOf('joe', 1));
  const last = Buffer.from(`${lineOf('joe', 2)}\n`);
  const lengths = Array.from({ length: last.length + 1 }, (_, length) => length);
  await eightAtATime(lengths.values(), async (length) => {
    const path = fileWith(Buffer.concat([Buffer.from(whole), last.subarray(0, length)]));
    await withSessions(path, async (store) => {
      const isWhole = length >= last.length - 1;
      assert.deepEqual(store.find('joe'), recordOf(isWhole ? 2 : 1, SESSION), `${length} bytes`);
      assert.equal(store.discardedBytes, isWhole ? 0 : length);
      if (length > 0 && !isWhole) {
        const saved = readFileSync(store.discardedPath ?? '');
        assert.deepEqual(saved, last.subarray(0, length));
      }
      const next = isWhole ? 3 : 2;
      assert.equal(await store.put('joe', recordOf(next)), true);
    });
  });
});

test('550 sessions with the longest agents fit a line, and 3,000 are refused', async () => {
  const path = newPath();
  const agent = '\\'.repeat(200);
  const sessions = (count: number) =>
    Array.from({ length: count }, (_, index) => {
      return { ...SESSION, id: `AAAAAAAAAAAAAAAAAA${1000 + index}`, agent };
    });
  await withSessions(path, async (store) => {
    assert.equal(await store.put('joe', recordOf(1, ...sessions(550))), true);
    assert.ok(read(path).length < 1 << 20);
    await assert.rejects(store.put('joe', recordOf(2, ...sessions(3000))), RangeError);
    assert.equal(store.find('joe')?.version, 1);
    assert.equal(await store.put('joe', recordOf(2, SESSION)), true);
  });
  await withSessions(path, (store) => assert.deepEqual(store.find('joe'), recordOf(2, SESSION)));
});

test('a compaction keeps the last record of each user, whatever its version', async () => {
  const lines = Array.from({ length: 1002 }, (_, index) => lineOf('joe', index + 1));
  const path = fileWith(fileOf(...lines, lineOf('ann', 5)));
  await withSessions(path, async (store) => {
    assert.ok(read(path).split('\n').length < 10);
    assert.equal(await store.put('joe', recordOf(1002, SESSION)), false);
    assert.equal(await store.put('joe', recordOf(1003, SESSION)), true);
    assert.equal(await store.put('ann', recordOf(6, SESSION)), true);
  });
  await withSessions(path, (store) => {
    assert.deepEqual(store.find('joe'), recordOf(1003, SESSION));
    assert.deepEqual(store.find('ann'), recordOf(6, SESSION));
  });
});

test('one store at a time has the file, until it is closed', async () => {
  const path = newPath();
  const store = await JsonFileSessionStore.open(path);
  await assert.rejects(JsonFileSessionStore.open(path), refusal('ERR_STORE_LOCKED'));
  const put = store.put('joe', recordOf(1, SESSION));
  const closed = store.close();
  await assert.rejects(store.put('ann', recordOf(1)), refusal('ERR_STORE', path, 'it is closed'));
  await closed;
  assert.equal(await put, true);
  await withSessions(path, (again) => assert.deepEqual(again.find('joe'), recordOf(1, SESSION)));
});

test('check fails while the disk does, and after close', async (t) => {
  const path = newPath();
  const store = await JsonFileSessionStore.open(path);
  assert.equal(await store.check(), undefined);
  const { mock } = t.mock.method(handles, 'datasync', fault('EIO'));
  await assert.rejects(store.check(), refusal('ERR_STORE', path, 'EIO'));
  mock.restore();
  assert.equal(await store.check(), undefined);
  await store.close();
  await assert.rejects(store.check(), refusal('ERR_STORE', path));
});

test('errors that name the right culprit: the store is opened, and not made with new', () => {
  assert.throws(() => Reflect.construct(JsonFileSessionStore, ['sessions.jsonl']), {
    name: 'TypeError',
    message: '"JsonFileSessionStore" expected JsonFileSessionStore.open(path), got new',
  });
});

test('a put acknowledged before kill -9 stays', async () => {
  const path = newPath();
  for (let round = 0; round < 2; round += 1) {
    const puts = await acknowledgedBeforeKill('puts', path, round, randomInt(1, 400));
    await withSessions(path, (store) => {
      for (const [id, acknowledged] of puts) {
        const { version = 0, endedAt } = store.find(id) ?? {};
        // The next record of the user may be there too.
        const isKept = version === acknowledged || version === acknowledged + 1;
        assert.ok(isKept && endedAt === version, `${id}: ${version}, not ${acknowledged}`);
      }
    });
  }
});

test('await using closes the file after its writes, and close can be called again', async () => {
  const path = newPath();
  let isPut: Promise<boolean>;
  let first: JsonFileSessionStore;
  {
    await using store = await JsonFileSessionStore.open(path);
    isPut = store.put('joe', recordOf(1, SESSION));
    first = store;
  }
  assert.equal(read(path), fileOf(lineOf('joe', 1)));
  assert.equal(await isPut, true);
  await withSessions(path, async (second) => {
    // If these calls released the lock, it would be that of the second store.
    await Promise.all([first.close(), first.close(), first[Symbol.asyncDispose]()]);
    assert.equal(await second.put('ann', recordOf(1, SESSION)), true);
  });
});
