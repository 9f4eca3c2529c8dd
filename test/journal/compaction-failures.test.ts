/** A compaction that fails, is abandoned, or meets another program changes nothing. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { FileLostError } from '../../src/journal/lost.ts';
import type { JournalLock } from '../../src/journal/open-file.ts';
import {
  hasDraft,
  inodeOf,
  openNew,
  until,
  UNTIL_DUE,
  usersOf,
  type Written,
} from '../support/compacting.ts';
import { diskWith, DRAFT_CALLS } from '../support/draft-hooks.ts';
import { fileWith, folderOf, openJournal, userLine, userNamed } from '../support/user-files.ts';
import { fileOf, read } from '../support/user-lines.ts';

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
      // Otherwise this attempt could succeed, and the next one could get the first inode number.
      await until(written.journal, () => calls > nth);
      await until(written.journal, () => !hasDraft(path));
      isOpen = false;
      version = await written.updateJoe(version, 30);
      await until(written.journal, () => inodeOf(path) !== ino);
      await written.journal.close();
      written.assertReadable(await usersOf(path));
      assert.deepEqual(folderOf(path), ['users.jsonl'], failing);
    }
  }
});

test('after a failed sync of the new name writes wait for another replacement', async () => {
  let isFailing = false;
  let isDrafting = false;
  let failures = 0;
  const [path, written] = await openNew(
    diskWith((call) => {
      isDrafting = true;
      if (!isFailing || call !== 'sync of the folder') return;
      failures += 1;
      throw Object.assign(new Error('made by the test'), { code: 'EIO' });
    }),
  );
  let version = 0;
  // The last write is queued before the second phase.
  const updateUntilDue = async () => {
    isDrafting = false;
    while (!isDrafting) version = await written.updateJoe(version, 1);
  };
  isFailing = true;
  const { ino } = fs.statSync(path);
  await updateUntilDue();
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
  await updateUntilDue();
  await until(written.journal, () => failures === 4);
  await written.journal.close();
  assert.ok(!read(path).endsWith('\n\n'));
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
  for (const phase of ['open', 'write', 'sync'] as const) {
    for (const isReplaced of [true, false]) {
      let isOpen = false;
      let isDrafting = false;
      let isLost = false;
      let endWrites = () => undefined as void;
      const hasWritten = new Promise<void>((resolve) => (endWrites = resolve));
      const lock: JournalLock = {
        id: 'own',
        isTakenOver: false,
        confirm: async () => {
          if (isLost && !isReplaced) throw new FileLostError('its lock is gone');
        },
      };
      const eve = fileOf(userLine('insert', userNamed('eve')).trimEnd());
      const backup = fileWith(eve);
      const disk = diskWith(async (call) => {
        if (!isOpen) return;
        isDrafting = true;
        if (isLost || call !== phase) return;
        // No write meets the loss before the compaction does.
        await hasWritten;
        isLost = true;
        if (isReplaced) fs.renameSync(backup, path);
      });
      const [path, written] = await openNew(disk, lock);
      isOpen = true;
      let version = 0;
      while (!isDrafting) version = await written.updateJoe(version, 1);
      const content = read(path);
      endWrites();
      await until(written.journal, () => isLost && !hasDraft(path));
      assert.equal(read(path), isReplaced ? eve : content, phase);
      await assert.rejects(written.write('joe', version), FileLostError);
      await written.journal.close();
      assert.deepEqual(folderOf(path), ['users.jsonl'], phase);
    }
  }
});

test('a draft that another program changed is dropped, and the old file stays in use', async () => {
  const changes: readonly ((draft: string) => void)[] = [
    (draft) => fs.truncateSync(draft, 0),
    (draft) => fs.truncateSync(draft, fs.statSync(draft).size - 1),
    (draft) => fs.appendFileSync(draft, 'x'),
    (draft) => fs.rmSync(draft),
    (draft) => fs.renameSync(fileWith(read(draft)), draft),
  ];
  for (const [index, change] of changes.entries()) {
    let isOpen = false;
    let isChanged = false;
    const [path, written] = await openNew(
      diskWith((call) => {
        if (!isOpen || isChanged || call !== 'sync') return;
        isChanged = true;
        change(`${path}.compact-unlocked`);
      }),
    );
    isOpen = true;
    const { ino } = fs.statSync(path);
    let version = await written.updateJoe(0, UNTIL_DUE);
    await until(written.journal, () => isChanged);
    await until(written.journal, () => !hasDraft(path));
    assert.equal(inodeOf(path), ino, `change ${index}`);
    written.assertReadable(await usersOf(path));
    version = await written.updateJoe(version, 30);
    await until(written.journal, () => inodeOf(path) !== ino);
    await written.journal.close();
    written.assertReadable(await usersOf(path));
  }
});

test('an opening whose draft another program changed is refused, and can be repeated', async () => {
  const content = fileOf(userLine('insert', userNamed('eve')).trimEnd());
  const path = fileWith(content);
  const disk = diskWith((call) => {
    if (call === 'sync') fs.truncateSync(`${path}.compact-unlocked`, 10);
  });
  await assert.rejects(openJournal(path, disk), (error: Error) => {
    return error.message.includes(`another program modified ${path}.compact-unlocked`);
  });
  assert.deepEqual([read(path), folderOf(path)], [content, ['users.jsonl']]);
  const journal = await openJournal(path);
  assert.deepEqual([...journal.entries.keys()], ['eve']);
  await journal.close();
});
