/**
 * A journal compacts its file while it is open. Reads and writes go on, and a compaction that fails
 * changes nothing.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Disk } from '../../src/journal/disk.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { FileLostError } from '../../src/journal/lost.ts';
import type { JournalLock } from '../../src/journal/open-file.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import type { User } from '../../src/users/store.ts';
import { userRecord } from '../../src/users/user-records.ts';
import { diskWith, DRAFT_CALLS, type DraftCall } from '../support/draft-hooks.ts';
import {
  fileWith,
  folderOf,
  newPath,
  openJournal,
  userLine,
  userNamed,
  withStore,
} from '../support/user-files.ts';
import { fileOf, handles, read } from '../support/user-lines.ts';

/** Tests compact a file once this many bytes are superseded. */
const THRESHOLD = 20_000;
/** Lines of users with this hash have about 1000 bytes. */
const hashOf = (version: number) => `${version} `.padEnd(900, 'x');
const versionOf = (user: User | undefined) => Number.parseInt(user?.passwordHash ?? '', 10);

/** A journal, and the newest acknowledged version of each user. */
class Written {
  readonly journal: Journal<User>;
  readonly acknowledged = new Map<string, number>();

  constructor(journal: Journal<User>) {
    this.journal = journal;
  }

  async write(id: string, version: number): Promise<void> {
    const op = version === 0 ? 'insert' : 'update';
    await this.journal.append(userRecord(op, userNamed(id, hashOf(version))));
    this.acknowledged.set(id, version);
  }

  /** Every acknowledged write can be read. */
  assertReadable(entries: ReadonlyMap<string, User> = this.journal.entries): void {
    for (const [id, version] of this.acknowledged) {
      assert.ok(versionOf(entries.get(id)) >= version, `${id} ${version}`);
    }
  }

  /** Updates joe until a compaction is due, or as often as is said. @returns the next version */
  async updateJoe(from: number, times: number): Promise<number> {
    for (let version = from; version < from + times; version += 1) await this.write('joe', version);
    return from + times;
  }
}

const UNTIL_DUE = 22;

async function openNew(disk?: Disk, lock?: JournalLock): Promise<[path: string, Written]> {
  const path = fileWith('');
  const journal = await openJournal(path, disk, lock, { compactFromBytes: THRESHOLD });
  return [path, new Written(journal)];
}

/** @returns the users of a copy, as the file would be read after a crash */
async function usersOf(path: string): Promise<ReadonlyMap<string, User>> {
  const journal = await openJournal(fileWith(fs.readFileSync(path)));
  await journal.close();
  return journal.entries;
}

/** Waits for what a test cannot await, such as a compaction. Each turn makes calls of the disk. */
async function until(journal: Journal<User>, isTrue: () => boolean): Promise<void> {
  while (!isTrue()) {
    await setImmediate();
    await journal.check().catch(() => undefined);
  }
}

const hasDraft = (path: string) => folderOf(path).some((name) => name.includes('.compact'));
const inodeOf = (path: string) => fs.statSync(path).ino;

test('an open file is compacted once half of it and a minimum of bytes are superseded', async () => {
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

test('a compaction that fails changes nothing, and waits for as many bytes again', async () => {
  for (const failing of DRAFT_CALLS.slice(0, -1)) {
    for (const nth of failing === 'sync' ? [1, 2] : [1]) {
      let calls = 0;
      let attempts = 0;
      let isOpen = false;
      const [path, written] = await openNew(
        diskWith((call) => {
          if (!isOpen) return;
          if (call === 'open') attempts += 1;
          if (call === failing && (calls += 1) >= nth) {
            throw Object.assign(new Error('made by the test'), { code: 'ENOSPC' });
          }
        }),
      );
      isOpen = true;
      const { ino } = fs.statSync(path);
      let version = await written.updateJoe(0, UNTIL_DUE);
      await until(written.journal, () => calls > 0);
      await until(written.journal, () => !hasDraft(path));
      version = await written.updateJoe(version, 15);
      assert.deepEqual([attempts, inodeOf(path)], [1, ino], failing);
      written.assertReadable(await usersOf(path));
      version = await written.updateJoe(version, 10);
      await until(written.journal, () => attempts === 2);
      isOpen = false;
      await until(written.journal, () => !hasDraft(path));
      version = await written.updateJoe(version, 30);
      await until(written.journal, () => inodeOf(path) !== ino);
      await written.journal.close();
      written.assertReadable(await usersOf(path));
      assert.deepEqual(folderOf(path), ['users.jsonl'], failing);
    }
  }
});

test('writes are refused after a failed sync of the new name, until the file is replaced', async () => {
  let isFailing = false;
  let failures = 0;
  const [path, written] = await openNew(
    diskWith((call) => {
      if (!isFailing || call !== 'sync of the folder') return;
      failures += 1;
      throw Object.assign(new Error('made by the test'), { code: 'EIO' });
    }),
  );
  isFailing = true;
  const { ino } = fs.statSync(path);
  const version = await written.updateJoe(0, UNTIL_DUE);
  await until(written.journal, () => failures === 1);
  const second = inodeOf(path);
  assert.notEqual(second, ino);
  await assert.rejects(written.write('joe', version), /made by the test/);
  await assert.rejects(written.journal.probe(), /made by the test/);
  assert.equal(failures, 3);
  isFailing = false;
  const before = inodeOf(path);
  await written.write('ann', 0);
  assert.notEqual(inodeOf(path), before);
  const after = inodeOf(path);
  await written.write('ann', 1);
  assert.equal(inodeOf(path), after);
  // A name that may not be durable is not marked as closed either.
  isFailing = true;
  let next = await written.updateJoe(version, UNTIL_DUE);
  await until(written.journal, () => failures === 4);
  await written.journal.close();
  assert.ok(!read(path).endsWith('\n\n'));
  next += 1;
  written.assertReadable(await usersOf(path));
});

test('a close in any phase leaves a closed file and no draft', async () => {
  for (const phase of DRAFT_CALLS) {
    let closing: Promise<void> | undefined;
    let opened: Written | undefined;
    const [path, written] = await openNew(
      diskWith((call) => {
        if (call === phase) closing ??= opened?.journal.close();
      }),
    );
    opened = written;
    await written.updateJoe(0, UNTIL_DUE).catch(() => undefined);
    await until(written.journal, () => closing !== undefined);
    await closing;
    assert.deepEqual(folderOf(path), ['users.jsonl'], phase);
    assert.ok(read(path).endsWith('\n\n'), phase);
    const isCompacted = fs.statSync(path).size < 5000;
    assert.equal(isCompacted, ['rename', 'sync of the folder'].includes(phase), phase);
    written.assertReadable(await usersOf(path));
  }
});

test('a draft replaces no file of another program, and nothing without the lock', async () => {
  for (const phase of DRAFT_CALLS.slice(0, 3)) {
    for (const isReplaced of [true, false]) {
      let isOpen = false;
      let isLost = false;
      const lock: JournalLock = {
        id: 'own',
        isTakenOver: false,
        confirm: async () => {
          if (isLost && !isReplaced) throw new FileLostError('its lock is gone');
        },
      };
      const backup = fileWith(fileOf(userLine('insert', userNamed('eve')).trimEnd()));
      const [path, written] = await openNew(
        diskWith((call) => {
          if (!isOpen || isLost || call !== phase) return;
          isLost = true;
          if (isReplaced) fs.renameSync(backup, path);
        }),
        lock,
      );
      isOpen = true;
      const { ino } = fs.statSync(path);
      await written.updateJoe(0, UNTIL_DUE).catch(() => undefined);
      await until(written.journal, () => isLost && !hasDraft(path));
      if (isReplaced) assert.equal(read(path), fileOf(userLine('insert', userNamed('eve')).trimEnd()));
      else assert.equal(inodeOf(path), ino);
      await assert.rejects(written.write('joe', UNTIL_DUE), FileLostError);
      await written.journal.close();
      assert.ok(!hasDraft(path));
    }
  }
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
    const updates = Array.from({ length: users }, (_, index) => written.write(`user${index}`, round));
    await Promise.all(updates);
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

test('a store in a file compacts it past 8 MiB', async (t) => {
  const path = newPath();
  const store = await JsonFileUserStore.open(path);
  const user = (version: number) => userNamed('joe', `${version} `.padEnd(1_000_000, 'x'));
  await store.insert(user(0));
  const { ino } = fs.statSync(path);
  const { mock } = t.mock.method(handles, 'datasync');
  for (let version = 1; version < 9; version += 1) await store.update(user(version));
  assert.deepEqual([inodeOf(path), mock.callCount()], [ino, 8]);
  let version = 8;
  while (inodeOf(path) === ino && version < 40) await store.update(user((version += 1)));
  assert.equal(versionOf(store.find('joe')), version);
  await store.close();
  await withStore(path, (again) => assert.equal(versionOf(again.find('joe')), version));
  assert.ok(fs.statSync(path).size < 8_000_000);
});
