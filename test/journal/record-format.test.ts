/**
 * A journal holds any kind of record. Here it holds the sessions of users, and each write must be
 * one version ahead of the stored record.
 */
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { encodeRecord, isTornRecord } from '../../src/journal/lines.ts';
import { LockedJournal } from '../../src/journal/locked-journal.ts';
import type { JournalRecord, RecordFormat } from '../../src/journal/record-format.ts';
import { isObject } from '../../src/values.ts';
import { someOf } from '../support/long.ts';
import { fileWith, folderOf, newPath, refusal } from '../support/user-files.ts';

interface Sessions {
  readonly version: number;
  readonly sessions: readonly object[];
}

const putOf = (user: string, { version, sessions }: Sessions): JournalRecord => {
  return { op: 'put', user, version, sessions };
};

const FORMAT: RecordFormat<Sessions> = {
  name: 'test-sessions',
  version: 7,
  hasOnlyStrings: false,
  apply({ op, user, version, sessions }, entries) {
    if (typeof user !== 'string') return 'names no user';
    if (op === 'remove') return entries.delete(user) ? undefined : 'removes what does not exist';
    const isList = Array.isArray(sessions) && sessions.every(isObject);
    if (op !== 'put' || typeof version !== 'number' || !isList)
      return 'is not a record of sessions';
    entries.set(user, Object.freeze({ version, sessions }));
    return undefined;
  },
  recordOf: (entry, user) => putOf(user, entry),
};

const HEADER = '{"format":"test-sessions","version":7}';
const sessionsOf = (version: number): Sessions => {
  return { version, sessions: [{ id: 'a "}', generation: version, isUsed: false, agent: null }] };
};
const lineOf = (user: string, version: number) => JSON.stringify(putOf(user, sessionsOf(version)));

const open = (path: string) => LockedJournal.open(path, FORMAT);

async function withJournal<T>(
  path: string,
  use: (journal: LockedJournal<Sessions>) => T | Promise<T>,
): Promise<T> {
  const journal = await open(path);
  try {
    return await use(journal);
  } finally {
    await journal.close();
  }
}

/** A compare-and-set on the version. */
const put = (journal: LockedJournal<Sessions>, user: string, version: number) =>
  journal.write(user, (stored) => {
    return version === (stored?.version ?? 0) + 1 ? putOf(user, sessionsOf(version)) : undefined;
  });

test('a journal of another kind has its own records, ops and header', async () => {
  const path = newPath();
  await withJournal(path, async (journal) => {
    const answers = [1, 2, 2, 4, 3].map((version) => put(journal, 'joe', version));
    assert.deepEqual(await Promise.all(answers), [true, true, false, false, true]);
    assert.equal(await put(journal, 'ann', 1), true);
    assert.equal(await journal.write('ann', () => ({ op: 'remove', user: 'ann' })), true);
    assert.equal(journal.find('ann'), undefined);
    assert.deepEqual(journal.find('joe'), sessionsOf(3));
  });
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  const joe = [1, 2, 3].map((version) => lineOf('joe', version));
  const removal = '{"op":"remove","user":"ann"}';
  assert.deepEqual(lines, [HEADER, ...joe, lineOf('ann', 1), removal]);
  await withJournal(path, (journal) => {
    assert.deepEqual([journal.find('joe'), journal.find('ann')], [sessionsOf(3), undefined]);
  });
});

test('a write waits for those before it, also once the first of them has ended', async () => {
  await withJournal(newPath(), async (journal) => {
    const [first, second] = [put(journal, 'joe', 1), put(journal, 'joe', 2)];
    assert.equal(await first, true);
    assert.deepEqual(await Promise.all([second, put(journal, 'joe', 3)]), [true, true]);
  });
});

test('the line of a record begins with its op, wherever the store puts that', () => {
  assert.equal(encodeRecord({ user: 'joe', op: 'remove' }), '{"op":"remove","user":"joe"}\n');
});

test('a compaction writes one record for each entry of any kind', async () => {
  const versions = Array.from({ length: 1002 }, (_, index) => lineOf('joe', index + 1));
  const path = fileWith(`${[HEADER, ...versions, lineOf('ann', 5)].join('\n')}\n\n`);
  await withJournal(path, async (journal) => {
    const compacted = [HEADER, lineOf('joe', 1002), lineOf('ann', 5)];
    assert.equal(readFileSync(path, 'utf8'), `${compacted.join('\n')}\n`);
    assert.equal(await put(journal, 'joe', 1003), true);
  });
  await withJournal(path, (journal) => assert.deepEqual(journal.find('joe'), sessionsOf(1003)));
  assert.deepEqual(folderOf(path), ['users.jsonl']);
});

test('damage to a record of any kind is refused with the number of its line', async () => {
  const good = [HEADER, '', lineOf('joe', 1), lineOf('joe', 2), ''];
  for (const [number, bad, reason] of [
    [1, '{"format":"latchkey-users","version":1}', 'does not name the format "test-sessions"'],
    [1, '{"format":"test-sessions","version":8}', 'names version 8 of the format, but this'],
    [1, '{"format":"test-sessions","version":6}', 'does not name version 7 of the format (got 6)'],
    [3, '{"op":"insert","user":"joe"}', 'is not a record of sessions'],
    [4, '{"op":"remove","user":"ann"}', 'removes what does not exist'],
    [4, lineOf('joe', 2).slice(0, -1), 'is not JSON'],
  ] as const) {
    const content = good.with(number - 1, bad).join('\n');
    const path = fileWith(content);
    const expected = refusal('ERR_STORE_DAMAGED', `${path}, line ${number} ${reason}`);
    await assert.rejects(open(path), expected, bad);
    assert.equal(readFileSync(path, 'utf8'), content);
  }
});

test('a record with numbers and objects in it may be torn at any byte', async () => {
  const path = newPath();
  await withJournal(path, (journal) => put(journal, 'joe', 1));
  const before = readFileSync(path);
  const record = lineOf('joe', 2);
  for (const length of someOf(Array(record.length).keys()).slice(1)) {
    writeFileSync(path, before);
    appendFileSync(path, record.slice(0, length));
    await withJournal(path, (journal) => {
      assert.equal(journal.discardedBytes, length);
      assert.deepEqual(journal.find('joe'), sessionsOf(1));
    });
  }
  writeFileSync(path, before);
  // Two lines that an editor has joined are not torn.
  appendFileSync(path, record + record.slice(0, 30));
  await assert.rejects(open(path), refusal('ERR_STORE_DAMAGED', 'line 5 is not JSON'));
  // The second of them is whole, wherever the first one ends.
  for (const length of someOf(Array(record.length).keys()).slice(1)) {
    writeFileSync(path, before);
    appendFileSync(path, record.slice(0, length) + record.trimEnd());
    await assert.rejects(open(path), refusal('ERR_STORE_DAMAGED', 'line 5 is not JSON'));
  }
});

test('the beginning of a record is told from other text, to the character', () => {
  /** Whether it is one of strings only, and whether it is one of any values. */
  const kindsOf = (text: string) => {
    const bytes = Buffer.from(text, 'latin1');
    return [true, false].map((hasOnlyStrings) => isTornRecord(bytes, { hasOnlyStrings }));
  };
  const ofStrings = [
    '{',
    '{"',
    '{"op',
    '{"op":',
    '{"op":"a",',
    '{"op":"{a}: 5, [b] x',
    '{"op":"a\\',
    '{"op":"a\\\\","b":"c',
    '{"op":"a\\"b\\"}","c":"d',
    '{"op":"a\nb","c":"d\\\n"',
    '{"op":"\xc3',
  ];
  for (const text of ofStrings) assert.deepEqual(kindsOf(text), [true, true], text);
  const ofAnyKind = [
    '{"op":"a","b":-1.5E+30,"c":[true,false,null],"d":{"e":{}},"f":6',
    '{"op":"a","b":[],"c":2e-7',
    '{"op":"a\\"b","c":5,"d":"e',
    '{"op":"a","b":{"c":[{',
  ];
  for (const text of ofAnyKind) assert.deepEqual(kindsOf(text), [false, true], text);
  const others = [
    '',
    '"',
    'x{"op":"a',
    '[{"op":"a',
    '# a comment',
    '{ "op":"a',
    '{"op":"a" ',
    '{"op":"a"x',
    '{"op":"a"\\',
    '{}',
    '{"op":"a"}',
    '{"op":"a"}{"b":"c',
    '{"op":"a"}}{',
    '{"op":"a","b":"c{"op":',
    '{{"op":',
    '{"op":"a","b":[1]}',
    '{"op":"a","b":[1]},{',
  ];
  for (const text of others) assert.deepEqual(kindsOf(text), [false, false], text);
});

test('a line of 1 MiB is written and read, and one byte more is refused', async () => {
  const path = newPath();
  const recordOf = (bytes: number): JournalRecord => {
    const empty = encodeRecord(putOf('joe', { version: 1, sessions: [{ agent: '' }] }));
    return putOf('joe', { version: 1, sessions: [{ agent: 'x'.repeat(bytes - empty.length) }] });
  };
  await withJournal(path, async (journal) => {
    assert.equal(await journal.write('joe', () => recordOf(1_048_576)), true);
    await assert.rejects(journal.write('joe', () => recordOf(1_048_577)), {
      name: 'RangeError',
      message: '"record" expected a line of at most 1048576 bytes, got 1048577',
    });
  });
  await withJournal(path, (journal) => assert.equal(journal.find('joe')?.version, 1));
});

test('a record that is too long or cannot be created leaves nothing behind', async () => {
  const path = newPath();
  await withJournal(path, async (journal) => {
    const long = { version: 1, sessions: [{ agent: 'x'.repeat(1 << 20) }] };
    await assert.rejects(
      journal.write('joe', () => putOf('joe', long)),
      RangeError,
    );
    const failure = new TypeError('made by the test');
    await assert.rejects(
      journal.write('joe', () => {
        throw failure;
      }),
      failure,
    );
    assert.equal(await put(journal, 'joe', 1), true);
  });
  assert.equal(readFileSync(path, 'utf8'), `${HEADER}\n\n${lineOf('joe', 1)}\n\n`);
});

test('a record that its own format refuses is reported, and refused at the next opening', async () => {
  const path = newPath();
  await withJournal(path, async (journal) => {
    const writes = [put(journal, 'joe', 1), journal.write('ann', () => ({ op: 'x', user: 'ann' }))];
    const [joe, ann] = await Promise.allSettled(writes);
    assert.deepEqual(joe, { status: 'fulfilled', value: true });
    const problem = 'a record was written that is not a record of sessions';
    assert.ok(ann?.status === 'rejected' && refusal('ERR_STORE', path, problem)(ann.reason));
  });
  await assert.rejects(open(path), refusal('ERR_STORE_DAMAGED', 'line 4 is not a record of s'));
});
