/** What an opening leaves: the modes of its files, and which of them stay if it fails. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { open } from 'node:fs/promises';
import { test } from 'node:test';
import { copyBytes } from '../../src/journal/draft.ts';
import { FileLostError } from '../../src/journal/lost.ts';
import { diskWith, type DraftCall } from '../support/draft-hooks.ts';
import { systemError } from '../support/system-errors.ts';
import { fileWith, folderOf, openJournal, withStore } from '../support/user-files.ts';
import { fault, GOOD, handles, read } from '../support/user-lines.ts';

const TORN = `${GOOD}{"op":`;
const modeOf = (path: string) => fs.statSync(path).mode & 0o777;

test('the saved bytes have mode 0600, whatever the umask', async () => {
  const path = fileWith(TORN);
  const umask = process.umask(0o777);
  try {
    await withStore(path, () => undefined);
  } finally {
    process.umask(umask);
  }
  assert.equal(modeOf(`${path}.cut-1`), 0o600);
});

test('where no mode can be set, the copy and the saved bytes have mode 0600', async (t) => {
  const path = fileWith(TORN);
  for (const call of ['chmod', 'chown'] as const) t.mock.method(handles, call, fault('EPERM'));
  await withStore(path, () => undefined);
  assert.deepEqual([modeOf(path), modeOf(`${path}.cut-1`)], [0o600, 0o600]);
});

test('a copy that cannot get the owner of the file gives no group any rights', async (t) => {
  const path = fileWith(TORN);
  fs.chmodSync(path, 0o665);
  t.mock.method(handles, 'chown', fault('EPERM'));
  await withStore(path, () => undefined);
  assert.equal(modeOf(path), 0o600);
});

test('a copy whose mode the disk fails to set does not replace the file', async (t) => {
  const path = fileWith(TORN);
  t.mock.method(handles, 'chmod', fault('EIO'), { times: 1 });
  await assert.rejects(openJournal(path), { code: 'EIO' });
  assert.deepEqual([read(path), folderOf(path)], [TORN, ['users.jsonl']]);
});

test('a part of a file is copied to the byte, and not from a shorter file', async () => {
  const path = fileWith(Buffer.from(Uint8Array.from({ length: 2_500_000 }, (_, at) => at % 251)));
  const copy = fileWith('');
  const [from, to] = [await open(path, 'r'), await open(copy, 'r+')];
  await copyBytes(from, to, { start: 5, end: 2_400_001 });
  assert.ok(fs.readFileSync(copy).equals(fs.readFileSync(path).subarray(5, 2_400_001)));
  const isRefused = /another program modified it/;
  await assert.rejects(copyBytes(from, to, { start: 5, end: 2_500_001 }), isRefused);
  await Promise.all([from.close(), to.close()]);
});

test('a file without a whole header gets mode 0600, and one with a header keeps its mode', async () => {
  for (const [content, mode] of [
    ['', 0o600],
    ['{"format":', 0o600],
    [TORN, 0o640],
  ] as const) {
    const path = fileWith(content);
    fs.chmodSync(path, 0o640);
    await withStore(path, () => undefined);
    assert.equal(modeOf(path), mode);
  }
});

test('the saved bytes are removed if the copy then does not get the name of the file', async () => {
  const path = fileWith(TORN);
  const disk = failingAt('rename', new Error('made by the test'));
  await assert.rejects(openJournal(path, disk), /made by the test/);
  assert.deepEqual([read(path), folderOf(path)], [TORN, ['users.jsonl']]);
});

test('a file that was closed is not opened, and does not change, if the lock is gone', async () => {
  const path = fileWith(GOOD);
  const lock = {
    id: 'mine',
    isTakenOver: false,
    confirm: () => Promise.reject(new Error('made by the test')),
  };
  await assert.rejects(openJournal(path, undefined, lock), /made by the test/);
  assert.equal(read(path), GOOD);
  await (await openJournal(path)).close();
});

test('the refusal of a copy that fails says what to do, by the error of the disk', async () => {
  const path = fileWith(GOOD.trimEnd());
  const freeSpace = `free disk space for a copy beside ${path}`;
  for (const [code, remedy] of [
    ['ENOSPC', freeSpace],
    ['EDQUOT', freeSpace],
    ['EIO', 'check the disk and the log of the system, or move the file to another folder'],
  ] as const) {
    const disk = failingAt('write', systemError(code, 'write'));
    await assert.rejects(openJournal(path, disk), (error: Error) => {
      assert.ok(error.message.endsWith(`and the file is unchanged: ${remedy}`), error.message);
      return true;
    });
  }
});

test('no copy is advised if the file is new, or if another program changed it', async () => {
  for (const [content, error] of [
    ['', new Error('made by the test')],
    [GOOD.trimEnd(), new FileLostError('made by the test')],
  ] as const) {
    const disk = failingAt('rename', error);
    await assert.rejects(openJournal(fileWith(content), disk), (thrown) => thrown === error);
  }
});

/** A disk that fails with this error at a call. */
const failingAt = (failing: DraftCall, error: Error) =>
  diskWith((call) => {
    if (call === failing) throw error;
  });
