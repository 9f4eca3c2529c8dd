/** A probe writes and syncs an empty line, and says whether that worked. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { test } from 'node:test';
import { LockedJournal } from '../../src/journal/locked-journal.ts';
import type { User } from '../../src/users/store.ts';
import { USER_RECORDS, userRecord } from '../../src/users/user-records.ts';
import { fileWith, newPath, refusal } from '../support/user-files.ts';
import {
  ann,
  ANN,
  closed,
  fault,
  fileOf,
  handles,
  joe,
  JOE,
  read,
  written,
} from '../support/user-lines.ts';

async function withJournal(
  path: string,
  use: (journal: LockedJournal<User>) => Promise<void>,
): Promise<LockedJournal<User>> {
  const journal = await LockedJournal.open<User>(path, USER_RECORDS);
  try {
    await use(journal);
  } finally {
    await journal.close();
  }
  return journal;
}

const insert = (journal: LockedJournal<User>, user: User) =>
  journal.write(user.id, () => userRecord('insert', user));

test('a probe writes an empty line and syncs it, alone or with the writes under way', async (t) => {
  const path = newPath();
  await withJournal(path, async (journal) => {
    await insert(journal, joe);
    const { mock } = t.mock.method(handles, 'datasync');
    await journal.probe();
    assert.deepEqual([read(path), mock.callCount()], [`${written(JOE)}\n`, 1]);
    // Both gather in one batch.
    await Promise.all([journal.probe(), insert(journal, ann), journal.probe()]);
    assert.deepEqual([read(path), mock.callCount()], [fileOf('', JOE, '', '', ANN), 2]);
    await journal.probe();
    mock.restore();
  });
  assert.equal(read(path), `${fileOf('', JOE, '', '', ANN)}\n\n`);
  await withJournal(path, async (journal) => {
    assert.deepEqual([journal.find('joe')?.id, journal.find('ann')?.id], ['joe', 'ann']);
    assert.equal(read(path), fileOf('', JOE, '', '', ANN));
  });
});

test('a probe is refused while the disk takes no writes, and leaves nothing behind', async (t) => {
  const path = newPath();
  await withJournal(path, async (journal) => {
    await insert(journal, joe);
    for (const [method, code] of [
      ['writeFile', 'ENOSPC'],
      ['datasync', 'EIO'],
    ] as const) {
      t.mock.method(handles, method, fault(code, 1), { times: 1 });
      await assert.rejects(journal.probe(), refusal('ERR_STORE', path, code));
      assert.equal(read(path), written(JOE), method);
    }
    await journal.probe();
    assert.equal(read(path), `${written(JOE)}\n`);
    assert.equal(await insert(journal, ann), true);
  });
});

test('a probe that could not be rolled back is rolled back before the next write', async (t) => {
  for (const isClosedNext of [false, true]) {
    const path = newPath();
    await withJournal(path, async (journal) => {
      await insert(journal, joe);
      for (const method of ['datasync', 'truncate'] as const) {
        t.mock.method(handles, method, fault('EIO'), { times: 1 });
      }
      await assert.rejects(journal.probe(), refusal('ERR_STORE', path, 'EIO'));
      assert.equal(read(path), `${written(JOE)}\n`);
      if (isClosedNext) return;
      assert.equal(await insert(journal, ann), true);
      assert.equal(read(path), written(JOE, ANN));
    });
    assert.equal(read(path), isClosedNext ? closed(JOE) : closed(JOE, ANN));
  }
});

test('after a failed write a probe is refused until a write as long would succeed', async (t) => {
  const path = newPath();
  await withJournal(path, async (journal) => {
    await insert(journal, joe);
    const { writeFile } = handles;
    let freeBytes = 100;
    t.mock.method(handles, 'writeFile', async function (this: FileHandle, bytes: Uint8Array) {
      if (bytes.length > freeBytes) return fault('ENOSPC', 0.5).call(this, bytes);
      await writeFile.call(this, bytes);
    });
    // No longer write has failed yet.
    await journal.probe();
    const before = read(path);
    assert.equal(before, `${written(JOE)}\n`);
    const isFull = refusal('ERR_STORE', path, 'ENOSPC');
    await assert.rejects(insert(journal, ann), isFull);
    await assert.rejects(journal.probe(), isFull);
    await assert.rejects(journal.probe(), isFull);
    assert.equal(read(path), before);
    const { length } = `\n${ANN}\n`;
    freeBytes = length;
    await journal.probe();
    assert.equal(read(path), before + '\n'.repeat(length));
    await journal.probe();
    assert.equal(read(path), before + '\n'.repeat(length + 1));
    await assert.rejects(insert(journal, { ...ann, passwordHash: 'x'.repeat(200_000) }), isFull);
    await assert.rejects(journal.probe(), isFull);
    // A shorter write proves nothing, whether it fails or not.
    freeBytes = 10;
    await assert.rejects(insert(journal, ann), isFull);
    freeBytes = length;
    await assert.rejects(journal.probe(), isFull);
    assert.equal(await insert(journal, ann), true);
    await assert.rejects(journal.probe(), isFull);
    freeBytes = 1 << 16;
    const { size } = fs.statSync(path);
    await journal.probe();
    assert.equal(fs.statSync(path).size, size + (1 << 16));
    await journal.probe();
    assert.equal(fs.statSync(path).size, size + (1 << 16) + 1);
  });
  await withJournal(path, async (journal) => {
    assert.deepEqual([journal.find('joe')?.id, journal.find('ann')?.id], ['joe', 'ann']);
    assert.ok(read(path).endsWith(`\n\n${ANN}\n`));
  });
});

test('a probe notices that the file is gone, and is refused after a close', async () => {
  const path = newPath();
  const journal = await withJournal(path, async (open) => {
    await open.probe();
    fs.unlinkSync(path);
    const isRefused = refusal('ERR_STORE', path, 'another program removed it');
    await assert.rejects(open.probe(), isRefused);
    assert.ok(isRefused(await open.lost));
  });
  await assert.rejects(journal.probe(), refusal('ERR_STORE', path, 'it is closed'));
});

test('a file that was killed after a probe is opened as it is', async () => {
  for (const emptyLines of ['\n', '\n\n\n']) {
    const path = fileWith(written(JOE) + emptyLines);
    const { ino } = fs.statSync(path);
    await withJournal(path, async (journal) => {
      assert.equal(journal.find('joe')?.id, 'joe');
      assert.deepEqual([read(path), fs.statSync(path).ino], [written(JOE), ino]);
    });
  }
  // Its twin was killed after a write.
  const path = fileWith(written(JOE));
  const { ino } = fs.statSync(path);
  await withJournal(path, async () => assert.notEqual(fs.statSync(path).ino, ino));
});
