/** What an opening leaves: the modes of its files, and which of them stay if it fails. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { diskWith } from '../support/draft-hooks.ts';
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
  const disk = diskWith((call) => {
    if (call === 'rename') throw new Error('made by the test');
  });
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
