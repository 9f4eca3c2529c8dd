/** The lines of sessions that a compaction and a copy write: without sessions that are over. */
import assert from 'node:assert/strict';
import { copyFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { Journal } from '../../src/journal/journal.ts';
import { putRecord, sessionRecordFormat } from '../../src/sessions/session-records.ts';
import type { SessionRecord } from '../../src/sessions/store.ts';
import { NOW, sessionWith } from '../support/session-rules.ts';
import { fileWith, newPath } from '../support/user-files.ts';
import { read } from '../support/user-lines.ts';

const clock = { now: NOW };
const openJournal = (path: string) =>
  Journal.open(path, sessionRecordFormat(() => clock.now), { compactFromBytes: 4000 });

const recordUntil = (version: number, ...ends: number[]): SessionRecord => ({
  version,
  endedAt: 5,
  sessions: ends.map((endsAt) => sessionWith({ id: `until ${endsAt - NOW}`, endsAt })),
});

const RECORDS: Readonly<Record<string, SessionRecord>> = {
  joe: recordUntil(3, NOW + 9, NOW + 10, NOW + 11),
  ann: recordUntil(2, NOW + 5),
  // Refreshed long ago. Whether that is too long depends on options that the store does not have.
  eve: { ...recordUntil(1), sessions: [sessionWith({ refreshedAt: 1, endsAt: NOW + 100 })] },
};

const LEFT_AT_10: typeof RECORDS = {
  ...RECORDS,
  joe: recordUntil(3, NOW + 11),
  ann: recordUntil(2),
};

/** @returns the records in the file as it is now. They are read from a copy. */
async function recordsIn(path: string): Promise<Record<string, SessionRecord>> {
  const copy = newPath();
  fileWith('', copy);
  copyFileSync(path, copy);
  const journal = await openJournal(copy);
  const records = Object.fromEntries(journal.entries);
  await journal.close();
  return records;
}

async function openWithRecords(): Promise<[path: string, Journal<SessionRecord>]> {
  clock.now = NOW;
  const path = newPath();
  fileWith('', path);
  const journal = await openJournal(path);
  for (const [userId, record] of Object.entries(RECORDS)) {
    await journal.append(putRecord(userId, record));
  }
  return [path, journal];
}

test('a copy at the opening leaves out sessions that are over, and keeps each record', async () => {
  const [path, journal] = await openWithRecords();
  assert.deepEqual(await recordsIn(path), RECORDS);
  // It was not closed, so the opening copies it.
  const killed = newPath();
  fileWith(read(path), killed);
  await journal.close();
  clock.now = NOW + 10;
  await (await openJournal(killed)).close();
  assert.deepEqual(await recordsIn(killed), LEFT_AT_10);
  // A record without sessions still refuses an older one.
  const line = JSON.stringify(putRecord('ann', recordUntil(2, NOW + 5)));
  const stale = fileWith(`${read(killed)}${line}\n\n`);
  await assert.rejects(openJournal(stale), { code: 'ERR_STORE_DAMAGED' });
});

test('a compaction of the open file leaves out sessions that are over', async () => {
  const [path, journal] = await openWithRecords();
  clock.now = NOW + 10;
  const { ino } = statSync(path);
  let version = 0;
  while (statSync(path).ino === ino) {
    version += 1;
    await journal.append(putRecord('max', recordUntil(version)));
    assert.ok(version < 10_000, 'no compaction');
  }
  const { max, ...others } = await recordsIn(path);
  assert.deepEqual(others, LEFT_AT_10);
  assert.equal(max?.version, version);
  await journal.close();
});

test('a file that was closed, and is not worth a compaction, keeps its lines', async () => {
  const [path, journal] = await openWithRecords();
  await journal.close();
  clock.now = NOW + 10;
  const lines = read(path);
  await (await openJournal(path)).close();
  assert.equal(read(path), lines);
});
