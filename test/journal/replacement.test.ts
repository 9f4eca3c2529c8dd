/**
 * Files that replace an old one, by compaction or because the old one was not closed, and the bytes
 * that are cut off.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { AuthError } from '../../src/errors.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import {
  fileWith,
  folderOf,
  openJournal,
  refusal,
  userNamed,
  withStore,
} from '../support/user-files.ts';
import {
  BOB,
  closed,
  fails,
  fault,
  fileOf,
  GOOD,
  handles,
  JOE,
  joe,
  line,
  NEW_JOE,
  newJoe,
  read,
  USERS,
  written,
} from '../support/user-lines.ts';

const open = (path: string) => JsonFileUserStore.open(path);

async function usersIn(path: string): Promise<Record<string, string | undefined>> {
  return withStore(path, (store) => {
    const found = Object.keys(USERS).map((id) => [id, store.find(id)?.passwordHash]);
    return Object.fromEntries(found.filter(([, hash]) => hash !== undefined));
  });
}

/** A file with this many users and superseded lines. Each user ends with the hash "new". */
const worn = (users: number, superseded: number) =>
  fileOf(
    ...Array.from({ length: users }, (_, index) => line('insert', userNamed(`${index}`, 'new'))),
    ...Array.from({ length: superseded }, (_, index) =>
      line('update', userNamed(`${index % users}`, 'new')),
    ),
  );

test('a file with 1000 superseded lines, and more of them than users, is compacted', async () => {
  for (const [users, superseded, isCompacted] of [
    [1, 999, false],
    [1, 1000, true],
    [1000, 1000, false],
    [999, 1000, true],
    [2500, 2501, true],
  ] as const) {
    const path = fileWith(`${worn(users, superseded)}\n`);
    fs.writeFileSync(`${path}.compact`, 'left by a crash');
    fs.chmodSync(path, 0o640);
    if (process.getuid?.() === 0) fs.chownSync(path, 1, 2);
    const { mode, uid, gid } = fs.statSync(path);
    const expected = worn(users, isCompacted ? 0 : superseded);
    await withStore(path, async (store) => {
      assert.equal(read(path), expected);
      assert.equal(await store.insert(joe), true);
    });
    assert.equal(read(path), `${expected}\n${JOE}\n\n`);
    const after = fs.statSync(path);
    assert.deepEqual([after.mode, after.uid, after.gid], [mode, uid, gid]);
    if (isCompacted) assert.deepEqual(folderOf(path), ['users.jsonl']);
    await withStore(path, (store) => assert.equal(store.find(`${users - 1}`)?.passwordHash, 'new'));
  }
});

test('an opening removes drafts, and no file whose name only begins like theirs', async () => {
  const path = fileWith(GOOD);
  for (const ending of ['.compact', '.compact-unlocked', '.compacted-backup', '.compact.bak']) {
    fs.writeFileSync(`${path}${ending}`, '');
  }
  await withStore(path, () => undefined);
  const kept = ['users.jsonl', 'users.jsonl.compact.bak', 'users.jsonl.compacted-backup'];
  assert.deepEqual(folderOf(path), kept);
  // A draft that cannot be removed could take the name of the file later.
  const obstructed = fileWith(GOOD);
  fs.mkdirSync(`${obstructed}.compact`);
  const isRefused = refusal('ERR_STORE', `unlink '${obstructed}.compact'`);
  await assert.rejects(open(obstructed), isRefused);
  await assert.rejects(open(obstructed), isRefused, 'the lock was released before');
  assert.deepEqual(folderOf(obstructed), ['users.jsonl', 'users.jsonl.compact']);
});

test('empty lines are not superseded lines', async () => {
  const path = fileWith(worn(1, 999).replaceAll('\n', '\n\n'));
  await withStore(path, () => assert.equal(read(path).split('\n').length, 2002));
});

test('a failed compaction leaves the file unchanged, and no other file beside it', async (t) => {
  for (const method of ['writeFile', 'datasync'] as const) {
    const path = fileWith(`${worn(1, 1000)}\n`);
    const { mock } = t.mock.method(handles, method, fault('ENOSPC'), { times: 1 });
    await withStore(path, async (store) => {
      assert.deepEqual(
        [read(path), folderOf(path).length],
        [worn(1, 1000), 2],
        'itself and the lock',
      );
      assert.equal(store.find('0')?.passwordHash, 'new');
      assert.equal(await store.insert(joe), true);
    });
    mock.restore();
    await withStore(path, () => assert.equal(read(path), `${worn(1, 0)}${JOE}\n`));
  }
});

test('a file that was not closed is copied, or is refused and does not change', async (t) => {
  for (const content of [written(JOE, NEW_JOE), `${closed(JOE, NEW_JOE)}{"op":`]) {
    for (const method of ['writeFile', 'datasync'] as const) {
      const path = fileWith(content);
      fs.chmodSync(path, 0o640);
      const { mock } = t.mock.method(handles, method, fault('ENOSPC'));
      const words = ['not closed cleanly', 'ENOSPC', `free disk space for a copy beside ${path}`];
      await assert.rejects(open(path), (error: AuthError) => {
        assert.equal(Object(Object(error.cause).cause).code, 'ENOSPC');
        return refusal('ERR_STORE', path, ...words)(error);
      });
      assert.deepEqual([read(path), folderOf(path)], [content, ['users.jsonl']]);
      mock.restore();
      await withStore(path, () => {
        assert.equal(read(path), fileOf(line('insert', newJoe)));
        assert.equal(fs.statSync(path).mode & 0o777, 0o640);
      });
    }
  }
});

test('a closed file is copied after a takeover, and the error names the reason', async (t) => {
  const path = fileWith(GOOD);
  t.mock.method(handles, 'writeFile', fault('EIO'), { times: 1 });
  const lock = { id: 'next', isTakenOver: true, confirm: async () => undefined };
  await assert.rejects(
    openJournal(path, undefined, lock),
    /^Error: another process may still write to it.*EIO/,
  );
  const journal = await openJournal(path, undefined, lock);
  assert.equal(journal.entries.size, 3);
  await journal.close();
});

test('a compaction, a failed compaction and a copy leak no file descriptor', async (t) => {
  const folder = '/proc/self/fd';
  if (!fs.existsSync(folder)) return t.skip('the system has no /proc/self/fd');
  for (const [content, fails] of [
    [`${worn(1, 1000)}\n`, true],
    [`${worn(1, 1000)}\n`, false],
    [written(JOE), false],
  ] as const) {
    const path = fileWith(content);
    const before = fs.readdirSync(folder).length;
    const { mock } = t.mock.method(handles, 'writeFile', fault('ENOSPC'), { times: 1 });
    if (!fails) mock.restore();
    const store = await open(path);
    assert.equal(fs.readdirSync(folder).length, before + 1);
    mock.restore();
    await store.close();
    assert.equal(fs.readdirSync(folder).length, before);
  }
});

test('a compaction keeps a symbolic link and syncs the folder of the file', async (t) => {
  const path = fileWith(worn(1, 1000));
  const link = join(dirname(fileWith('')), 'link.jsonl');
  fs.symlinkSync(path, link);
  const { mock } = t.mock.method(handles, 'sync');
  await withStore(link, async (store) => assert.equal(await store.insert(joe), true));
  assert.deepEqual(
    [fs.readlinkSync(link), read(path), mock.callCount()],
    [path, `${worn(1, 0)}\n${JOE}\n\n`, 2],
  );
});

test('each opening saves the bytes that it cuts off in a new file', async () => {
  const path = fileWith(GOOD);
  const torn = ['{"op":"one', '{"op":"two', '{"op":"three'];
  for (const [index, tail] of torn.entries()) {
    fs.appendFileSync(path, tail);
    await withStore(path, (store) => assert.equal(store.discardedPath, `${path}.cut-${index + 1}`));
  }
  assert.deepEqual(
    torn.map((_, index) => read(`${path}.cut-${index + 1}`)),
    torn,
  );
  assert.deepEqual(await usersIn(path), USERS);
});

test('an opening that cannot save the damaged bytes is refused and cuts nothing off', async (t) => {
  const content = `${GOOD}{"op":`;
  const path = fileWith(content);
  const { writeFile } = handles;
  // The copy of the users succeeds.
  const { mock } = t.mock.method(
    handles,
    'writeFile',
    async function (this: FileHandle, bytes: Uint8Array) {
      if (bytes.length === 6) await fails();
      return writeFile.call(this, bytes);
    },
  );
  await assert.rejects(JsonFileUserStore.open(path), refusal('ERR_STORE', path, 'EIO'));
  assert.deepEqual([read(path), folderOf(path)], [content, ['users.jsonl']]);
  mock.restore();
  assert.deepEqual(await usersIn(path), USERS);
  assert.equal(read(`${path}.cut-1`), '{"op":');
});

test('a backup that replaces the file during the opening is not overwritten', async (t) => {
  const path = fileWith(GOOD.trimEnd());
  const backup = fileWith(fileOf(BOB));
  const { mock } = t.mock.method(handles, 'chown', async () => fs.renameSync(backup, path), {
    times: 1,
  });
  await assert.rejects(
    JsonFileUserStore.open(path),
    refusal('ERR_STORE', path, 'another program replaced it'),
  );
  mock.restore();
  assert.equal(read(path), fileOf(BOB));
});

test('a line that another program adds during the opening is not lost', async (t) => {
  const added = `\n${line('insert', userNamed('eve'))}\n`;
  const assertKept = async (
    path: string,
    content: string,
    fault: { mock: { restore(): void } },
  ) => {
    await assert.rejects(
      JsonFileUserStore.open(path),
      refusal('ERR_STORE', path, 'another program modified it'),
    );
    fault.mock.restore();
    assert.equal(read(path), content + added);
    await withStore(path, (store) => assert.ok(store.find('eve')));
  };
  // While the new file is written, and while a file that was closed is read.
  const unclosed = fileWith(GOOD.trimEnd());
  await assertKept(
    unclosed,
    GOOD.trimEnd(),
    t.mock.method(handles, 'chown', async () => {
      fs.appendFileSync(unclosed, added);
    }),
  );
  const path = fileWith(GOOD);
  const { read: readBytes } = handles;
  await assertKept(
    path,
    GOOD,
    t.mock.method(
      handles,
      'read',
      async function (this: FileHandle, ...values: Parameters<typeof readBytes>) {
        const result = await readBytes.apply(this, values);
        if (result.bytesRead === 0) fs.appendFileSync(path, added);
        return result;
      },
    ),
  );
});
