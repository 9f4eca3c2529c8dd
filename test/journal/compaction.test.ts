/** A journal compacts its file while it is open, and reads and writes go on. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { userRecord } from '../../src/users/user-records.ts';
import {
  hasDraft,
  hashOf,
  inodeOf,
  openNew,
  THRESHOLD,
  until,
  UNTIL_DUE,
  usersOf,
  versionOf,
  Written,
} from '../support/compacting.ts';
import { diskWith, type DraftCall } from '../support/draft-hooks.ts';
import {
  fileWith,
  folderOf,
  newPath,
  openFilesIn,
  openJournal,
  userLine,
  userNamed,
  withStore,
} from '../support/user-files.ts';
import { fileOf } from '../support/user-lines.ts';

test('an open file is compacted once half of it, and a minimum, is superseded', async () => {
  const [path, written] = await openNew();
  const { ino } = fs.statSync(path);
  await written.updateJoe(0, 19);
  await written.journal.check();
  assert.equal(inodeOf(path), ino, 'less than the minimum');
  await written.updateJoe(19, 4);
  await until(written.journal, () => inodeOf(path) !== ino);
  assert.ok(fs.statSync(path).size < 5000);
  written.assertReadable(await usersOf(path));
  // With 100 users, more must be superseded.
  for (let index = 0; index < 100; index += 1) await written.write(`user${index}`, 0);
  const second = inodeOf(path);
  await written.updateJoe(23, 90);
  await written.journal.check();
  assert.equal(inodeOf(path), second, 'less than half');
  await written.updateJoe(113, 20);
  await until(written.journal, () => inodeOf(path) !== second);
  await written.journal.close();
  assert.deepEqual(openFilesIn(dirname(path)), []);
  written.assertReadable(await usersOf(path));
  assert.deepEqual(folderOf(path), ['users.jsonl']);
});

test('a file that an earlier process has filled is compacted too', async () => {
  const lines = Array.from({ length: 30 }, (_, version) =>
    userLine(version === 0 ? 'insert' : 'update', userNamed('joe', hashOf(version))),
  );
  const path = fileWith(`${fileOf()}${lines.join('')}\n`);
  const { ino } = fs.statSync(path);
  const journal = await openJournal(path, undefined, undefined, { compactFromBytes: THRESHOLD });
  assert.equal(inodeOf(path), ino);
  const written = new Written(journal);
  await written.write('joe', 30);
  await until(journal, () => inodeOf(path) !== ino);
  await journal.close();
  assert.ok(fs.statSync(path).size < 3000);
  written.assertReadable(await usersOf(path));
});

test('removed and growing entries change what a compaction would save', async () => {
  // The bookkeeping of the open journal and that of the reader agree.
  const [path, written] = await openNew();
  for (let index = 0; index < 15; index += 1) await written.write(`user${index}`, 0);
  const { ino } = fs.statSync(path);
  for (let version = 1; version < 5; version += 1) await written.write('user0', version);
  await written.journal.close();
  const again = await openJournal(path, undefined, undefined, { compactFromBytes: THRESHOLD });
  const more = new Written(again);
  for (let version = 5; version < 18; version += 1) await more.write('user0', version);
  await again.check();
  assert.equal(inodeOf(path), ino, '17 of 32 lines are superseded, less than the minimum');
  for (let version = 18; version < 24; version += 1) await more.write('user0', version);
  await until(again, () => inodeOf(path) !== ino);
  await again.close();
  assert.equal((await usersOf(path)).size, 15);
});

test('a compaction of entries that have grown is not repeated for nothing', async () => {
  let compactions = 0;
  const [path, written] = await openNew(
    diskWith((call) => {
      if (call === 'rename') compactions += 1;
    }),
  );
  const { journal } = written;
  compactions = 0;
  const users = Array.from({ length: 40 }, (_, index) => `user${index}`);
  await Promise.all(users.map((id) => journal.append(userRecord('insert', userNamed(id, '0')))));
  await Promise.all(users.map((id) => written.write(id, 1)));
  await until(journal, () => compactions === 1 && !hasDraft(path));
  for (let version = 2; version < 30; version += 1) await written.write('user0', version);
  await journal.check();
  assert.equal(compactions, 1);
  for (let version = 30; version < 50; version += 1) await written.write('user0', version);
  await until(journal, () => compactions === 2);
  await journal.close();
  written.assertReadable(await usersOf(path));
});

test('while a file is compacted, reads and the writes of each phase go on', async () => {
  const seen: DraftCall[] = [];
  const writes: Promise<void>[] = [];
  let version = 0;
  let opened: Written | undefined;
  const [path, written] = await openNew(
    diskWith(async (call) => {
      if (opened === undefined) return;
      seen.push(call);
      const isFirstPhase = seen.filter((one) => one === 'sync').length < 2;
      if (call === 'sync of the folder') opened = undefined;
      written.assertReadable();
      const during = [
        written.write(`${call} ${seen.length}`, 0),
        written.write('joe', (version += 1)),
      ];
      writes.push(...during);
      // Writes do not wait for the first phase.
      if (isFirstPhase) await Promise.all(during);
      written.assertReadable();
    }),
  );
  version = (await written.updateJoe(0, UNTIL_DUE - 4)) - 1;
  opened = written;
  const { ino } = fs.statSync(path);
  while (inodeOf(path) === ino) await written.write('joe', (version += 1));
  await until(written.journal, () => opened === undefined);
  await Promise.all(writes);
  assert.deepEqual(
    seen.filter((call, index) => call !== seen[index - 1]),
    ['open', 'write', 'sync', 'write', 'sync', 'write', 'sync', 'rename', 'sync of the folder'],
  );
  await written.write('joe', (version += 1));
  written.assertReadable(await usersOf(path));
  await written.journal.close();
  await withStore(path, (store) => {
    for (const [id, newest] of written.acknowledged) {
      assert.equal(versionOf(store.find(id)), newest, id);
    }
  });
  assert.deepEqual(folderOf(path), ['users.jsonl']);
});

test('a large file is compacted in pieces, and other work goes on between them', async () => {
  const users = 3000;
  const insert = (index: number) => userLine('insert', userNamed(`user${index}`, hashOf(0)));
  const inserts = Array.from({ length: users }, (_, index) => insert(index));
  const path = fileWith(`${fileOf()}${inserts.join('')}\n`);
  const pieces: number[] = [];
  let turns = 0;
  let isCompacting = false;
  const disk = diskWith(async (call, bytes) => {
    if (call === 'open') isCompacting = true;
    if (call === 'rename') isCompacting = false;
    if (bytes !== undefined) pieces.push(bytes.length);
  });
  const journal = await openJournal(path, disk, undefined, { compactFromBytes: THRESHOLD });
  const written = new Written(journal);
  for (let round = 1; round < 3; round += 1) {
    const ids = Array.from({ length: users }, (_, index) => `user${index}`);
    await Promise.all(ids.map((id) => written.write(id, round)));
  }
  while (isCompacting) {
    turns += 1;
    await setImmediate();
  }
  await until(journal, () => !isCompacting);
  await journal.close();
  assert.ok(pieces.length >= 10, `${pieces.length} pieces`);
  assert.ok(Math.max(...pieces) <= 1 << 20, `${Math.max(...pieces)} bytes at once`);
  assert.ok(turns >= 5, `${turns} turns`);
  written.assertReadable(await usersOf(path));
});

test('a compaction of an open file keeps the mode of the file', async () => {
  const [path, written] = await openNew();
  fs.chmodSync(path, 0o640);
  const { ino } = fs.statSync(path);
  await written.updateJoe(0, UNTIL_DUE);
  await until(written.journal, () => inodeOf(path) !== ino);
  assert.equal(fs.statSync(path).mode & 0o777, 0o640);
  await written.journal.close();
});

test('a journal that is closed ends a compaction at the next piece', async () => {
  let isFull = false;
  let pieces = 0;
  let closing: Promise<void> | undefined;
  const [path, written] = await openNew(
    diskWith((call) => {
      if (!isFull || call !== 'write') return;
      pieces += 1;
      closing ??= written.journal.close();
    }),
  );
  // Three pieces and a rest.
  const users = Array.from({ length: 800 }, (_, index) => `user${index}`);
  await Promise.all(users.map((id) => written.write(id, 0)));
  isFull = true;
  await Promise.all(users.map((id) => written.write(id, 1)));
  await written.write('user0', 2);
  await until(written.journal, () => closing !== undefined);
  await closing;
  assert.equal(pieces, 1);
  assert.deepEqual(folderOf(path), ['users.jsonl']);
  written.assertReadable(await usersOf(path));
});

test('a store in a file compacts it past 8 MiB', async () => {
  const path = newPath();
  const store = await JsonFileUserStore.open(path);
  const user = (version: number) => userNamed('joe', `${version} `.padEnd(1_000_000, 'x'));
  await store.insert(user(0));
  const { ino } = fs.statSync(path);
  for (let version = 1; version < 9; version += 1) await store.update(user(version));
  await store.check();
  assert.deepEqual([inodeOf(path), hasDraft(path)], [ino, false]);
  await store.update(user(9));
  for (let turn = 0; inodeOf(path) === ino && turn < 1000; turn += 1) await store.check();
  assert.equal(versionOf(store.find('joe')), 9);
  await store.close();
  await withStore(path, (again) => assert.equal(versionOf(again.find('joe')), 9));
  assert.ok(fs.statSync(path).size < 8_000_000);
});
