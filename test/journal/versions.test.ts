/**
 * A format with three versions. A file keeps the oldest version that has all of its records, so
 * that older releases can open it.
 */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { Journal } from '../../src/journal/journal.ts';
import { LockedJournal } from '../../src/journal/locked-journal.ts';
import type { JournalRecord, RecordFormat } from '../../src/journal/record-format.ts';
import { diskWith } from '../support/draft-hooks.ts';
import { someOf } from '../support/long.ts';
import { fileWith, folderOf, newPath, refusal } from '../support/user-files.ts';
import { fault, handles } from '../support/user-lines.ts';

/** Version 1 knows `put`. Version 2 adds `remove`, which keeps the key, and version 3 `flag`. */
const FORMAT: RecordFormat<string> = {
  name: 'test-notes',
  version: 3,
  olderVersions: {
    oldest: 1,
    versionOf: ({ op }) => ['put', 'remove', 'flag'].indexOf(String(op)) + 1,
  },
  hasOnlyStrings: true,
  apply({ op, key, text }, entries) {
    if (typeof key !== 'string') return 'names no key';
    if (op !== 'put' && op !== 'remove' && op !== 'flag') return 'has an unknown op';
    entries.set(key, op === 'put' ? `put ${text}` : op);
    return undefined;
  },
  recordOf(entry, key) {
    return entry.startsWith('put ') ? put(key, entry.slice(4)) : { op: entry, key };
  },
};

/** The format as the first release had it. */
const { olderVersions: _, ...ALONE } = FORMAT;
const FIRST_RELEASE: RecordFormat<string> = { ...ALONE, version: 1 };

const put = (key: string, text: string): JournalRecord => ({ op: 'put', key, text });
const headerOf = (version: unknown) =>
  `{"format":"test-notes","version":${JSON.stringify(version)}}\n`;
const lineOf = (record: JournalRecord) => `${JSON.stringify(record)}\n`;
const read = (path: string) => readFileSync(path, 'utf8');
const inodeOf = (path: string) => statSync(path).ino;

async function withNotes<T>(
  path: string,
  use: (write: (record: JournalRecord) => Promise<boolean>, notes: LockedJournal<string>) => T,
  format = FORMAT,
  compactFromBytes?: number,
): Promise<Awaited<T>> {
  const options = compactFromBytes === undefined ? {} : { compactFromBytes };
  const notes = await LockedJournal.open(path, format, options);
  try {
    return await use((record) => notes.write(String(record['key']), () => record), notes);
  } finally {
    await notes.close();
  }
}

test('the first release opens a file that has no newer records', async () => {
  const path = newPath();
  for (let opening = 0; opening < 2; opening += 1) {
    await withNotes(path, (write) => write(put('a', `${opening}`)));
    const check = (_write: unknown, notes: LockedJournal<string>) => {
      assert.equal(notes.find('a'), `put ${opening}`);
    };
    await withNotes(path, check, FIRST_RELEASE);
  }
  const lines = [headerOf(1), '\n', lineOf(put('a', '0')), '\n', lineOf(put('a', '1')), '\n'];
  assert.equal(read(path), lines.join(''));
});

test('the first record of a newer version replaces the file, and then it is appended', async () => {
  const path = newPath();
  await withNotes(path, async (write) => {
    for (const text of ['0', '1']) await write(put('a', text));
    const { ino } = statSync(path);
    await write({ op: 'remove', key: 'b' });
    assert.notEqual(inodeOf(path), ino);
    const second = inodeOf(path);
    await Promise.all([write({ op: 'remove', key: 'a' }), write(put('c', '0'))]);
    assert.equal(inodeOf(path), second);
    const batches = [
      headerOf(2) + lineOf(put('a', '1')),
      lineOf({ op: 'remove', key: 'b' }),
      lineOf({ op: 'remove', key: 'a' }) + lineOf(put('c', '0')),
    ];
    assert.equal(read(path), batches.join('\n'));
    await write({ op: 'flag', key: 'd' });
    assert.ok(read(path).startsWith(headerOf(3)));
  });
  await withNotes(path, (_write, notes) => {
    const found = ['a', 'b', 'c', 'd'].map((key) => notes.find(key));
    assert.deepEqual(found, ['remove', 'remove', 'put 0', 'flag']);
  });
  const newer = 'line 1 names version 3 of the format, but this latchkey reads version 1 only';
  const remedy = 'a later latchkey wrote it; run that one, or restore a backup from before the upg';
  await assert.rejects(
    withNotes(path, () => undefined, FIRST_RELEASE),
    refusal('ERR_STORE_DAMAGED', newer, remedy),
  );
  assert.deepEqual(folderOf(path), ['users.jsonl']);
});

test('a file may skip a version', async () => {
  const path = newPath();
  await withNotes(path, async (write) => {
    await Promise.all([write({ op: 'flag', key: 'a' }), write({ op: 'remove', key: 'b' })]);
  });
  assert.ok(read(path).startsWith(headerOf(3)));
});

test('a file keeps its version through a copy and through a compaction', async () => {
  const removal = lineOf({ op: 'remove', key: 'a' });
  const puts = Array.from({ length: 1200 }, (_, index) => lineOf(put('b', `${index}`))).join('');
  for (const end of ['', '\n']) {
    const path = fileWith(`${headerOf(2)}${removal}${puts}${end}`);
    await withNotes(path, () => undefined);
    assert.equal(read(path), `${headerOf(2)}${removal}${lineOf(put('b', '1199'))}\n`);
  }
  const path = fileWith(`${headerOf(2)}${removal}\n`);
  const { ino } = statSync(path);
  const write1000 = async (write: (record: JournalRecord) => Promise<boolean>) => {
    for (let index = 0; index < 1000 && inodeOf(path) === ino; index += 1) {
      await write(put('b', `${index}`));
    }
  };
  await withNotes(path, write1000, FORMAT, 500);
  assert.notEqual(inodeOf(path), ino);
  assert.ok(read(path).startsWith(headerOf(2) + removal));
});

test('a header with a version out of range is refused, and one within it is accepted', async () => {
  for (const version of [0, 4, 2 ** 40, -1, 1.5, 7.5, '2', '4', null, true]) {
    const isNewer = version === 4 || version === 2 ** 40;
    const content = headerOf(version);
    const path = fileWith(content);
    await assert.rejects(
      withNotes(path, () => undefined),
      isNewer
        ? refusal('ERR_STORE_DAMAGED', 'reads versions 1 to 3 only', 'a later latchkey wrote it')
        : refusal('ERR_STORE_DAMAGED', 'line 1 does not name versions 1 to 3 of the format'),
    );
    assert.equal(read(path), content);
  }
  for (const version of [1, 2, 3]) {
    const path = fileWith(headerOf(version));
    await withNotes(path, () => undefined);
    assert.equal(read(path), `${headerOf(version)}\n`);
  }
});

test('a record that is newer than the header is refused with the number of its line', async () => {
  const lines = `\n${lineOf(put('a', '0'))}${lineOf({ op: 'remove', key: 'a' })}\n`;
  const path = fileWith(headerOf(1) + lines);
  const problem = 'line 4 is a record of version 2, but the first line names version 1';
  await assert.rejects(
    withNotes(path, () => undefined),
    refusal('ERR_STORE_DAMAGED', `${path}, ${problem}`),
  );
  assert.equal(read(path), headerOf(1) + lines);
  const newer = fileWith(headerOf(2) + lines);
  await withNotes(newer, (_write, notes) => assert.equal(notes.find('a'), 'remove'));
});

test('the interrupted write of a header of any version is a new file', async () => {
  const whole = headerOf(2);
  for (const length of someOf(Array(whole.length - 1).keys())) {
    const torn = whole.slice(0, length);
    for (const content of [torn, torn.padEnd(whole.length, '\0')]) {
      const path = fileWith(content);
      await withNotes(path, () => undefined);
      assert.equal(read(path), `${headerOf(1)}\n`);
    }
  }
});

test('a file that cannot be replaced refuses the newer record, and goes on', async (t) => {
  const path = newPath();
  await withNotes(path, async (write, notes) => {
    await write(put('a', '0'));
    const content = read(path);
    for (const [method, code] of [['writeFile', 'ENOSPC'], ['datasync', 'EIO']] as const) {
      t.mock.method(handles, method, fault(code), { times: 1 });
      const removal = write({ op: 'remove', key: 'a' });
      await assert.rejects(removal, refusal('ERR_STORE', path, code));
      assert.equal(read(path), content);
      assert.equal(notes.find('a'), 'put 0');
    }
    await write(put('a', '1'));
    assert.equal(read(path), `${content}\n${lineOf(put('a', '1'))}`);
    // A write that could not be rolled back is rolled back first.
    t.mock.method(handles, 'writeFile', fault('ENOSPC', 0.5), { times: 1 });
    t.mock.method(handles, 'truncate', fault('EIO'), { times: 1 });
    await assert.rejects(write(put('a', '2')), refusal('ERR_STORE', path, 'EIO'));
    await write({ op: 'remove', key: 'b' });
    const copied = `${headerOf(2)}${lineOf(put('a', '1'))}\n${lineOf({ op: 'remove', key: 'b' })}`;
    assert.equal(read(path), copied);
    assert.equal(notes.find('b'), 'remove');
    assert.equal(folderOf(path).length, 2, 'itself and the lock');
  });
  const probed = newPath();
  await withNotes(probed, async (write, notes) => {
    // A probe leaves one byte.
    for (const method of ['datasync', 'truncate'] as const) {
      t.mock.method(handles, method, fault('EIO'), { times: 1 });
    }
    await assert.rejects(notes.probe(), refusal('ERR_STORE', probed, 'EIO'));
    await write({ op: 'remove', key: 'b' });
    assert.equal(read(probed), `${headerOf(2)}\n${lineOf({ op: 'remove', key: 'b' })}`);
  });
});

test('writes of both versions that come while the file is compacted survive', async () => {
  const path = newPath();
  const expected = new Map<string, string>();
  const notesOf = (notes: LockedJournal<string>) =>
    new Map([...expected.keys()].map((key) => [key, notes.find(key)]));
  await withNotes(path, async (write, notes) => {
    for (let round = 0; round < 60; round += 1) {
      const keys = ['a', 'b', 'c', `${round}`];
      const records = keys.map((key) => put(key, `${round} `.padEnd(500, 'x')));
      // The first newer record comes in a later compaction than the first one.
      if (round >= 30 && round % 3 === 0) records.push({ op: 'remove', key: `${round - 1}` });
      await Promise.all(records.map(write));
      for (const { op, key, text } of records) {
        expected.set(String(key), op === 'put' ? `put ${text}` : op);
      }
      assert.deepEqual(notesOf(notes), expected);
    }
  }, FORMAT, 3000);
  await withNotes(path, (_write, notes) => assert.deepEqual(notesOf(notes), expected));
  assert.ok(read(path).startsWith(headerOf(2)));
});

test('a compaction that gave way to a newer version does not disturb the next one', async () => {
  let drafts = 0;
  let isNextBegun = false;
  let newer: Promise<unknown> | undefined;
  let endWrite = () => undefined as void;
  const mayEnd = new Promise<void>((resolve) => (endWrite = resolve));
  const records = Array.from({ length: 20 }, (_, index) => put('a', `${index}`.padEnd(99, 'x')));
  const removal = { op: 'remove', key: 'b' };
  const disk = diskWith(async (call) => {
    if (call === 'open') drafts += 1;
    if (call !== 'write') return;
    // One batch, which replaces the file with one of version 2, and makes a compaction due again.
    newer ??= Promise.all([removal, ...records].map((record) => journal.append(record)));
    isNextBegun = drafts === 3;
    if (isNextBegun) await mayEnd;
  });
  const path = fileWith(`${headerOf(1)}\n`);
  const journal = await Journal.open(path, FORMAT, { disk, compactFromBytes: 1000 });
  await Promise.all(records.map((record) => journal.append(record)));
  while (!isNextBegun) await journal.check();
  await newer;
  await journal.check();
  assert.deepEqual(folderOf(path), ['users.jsonl', 'users.jsonl.compact-unlocked']);
  const closing = journal.close();
  endWrite();
  await closing;
  assert.deepEqual(folderOf(path), ['users.jsonl']);
  assert.ok(read(path).startsWith(headerOf(2)) && read(path).endsWith('\n\n'));
});
