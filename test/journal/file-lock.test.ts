/**
 * One process at a time has the file open, however the last one ended and however many start
 * together.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pid } from 'node:process';
import { after, test } from 'node:test';
import { lockFile, LOCK_TIMING } from '../../src/journal/file-lock.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { removeDrafts } from '../../src/journal/replacement.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import type { User } from '../../src/users/store.ts';
import { userRecord } from '../../src/users/user-records.ts';
import { assertNeverTwo, claimOn, hasProc, lockedBy } from '../support/claims.ts';
import {
  fileWith,
  folderOf,
  killChildren,
  newPath,
  openJournal,
  outputOf,
  refusal,
  start,
  userLine,
  userNamed,
  withStore,
} from '../support/user-files.ts';
import { handles } from '../support/user-lines.ts';

const open = (path: string) => JsonFileUserStore.open(path);

test('one process opens a file once, by whatever path or symbolic link', async () => {
  const path = newPath();
  const names = [path, relative('', path), join(dirname(fileWith('')), 'link')];
  await withStore(path, async () => {
    symlinkSync(path, names[2] ?? '');
    for (const name of names) await assert.rejects(open(name), lockedBy(pid), name);
    await withStore(join(dirname(path), 'other.jsonl'), () => undefined);
  });
  for (const name of names) await withStore(name, () => undefined);
  assert.deepEqual(folderOf(path), ['other.jsonl', 'users.jsonl']);
});

test('a second process is refused while the holder runs, and not afterwards', async () => {
  const path = newPath();
  for (const isKilled of [false, true]) {
    const child = await start('store', 'hold', path);
    child.send('go');
    await once(child, 'message');
    await assert.rejects(open(path), lockedBy(child.pid ?? 0));
    if (isKilled) child.kill('SIGKILL');
    else child.send('let go');
    await once(child, 'exit');
    assert.equal(folderOf(path).length, isKilled ? 2 : 1, 'only a killed process leaves a claim');
    await withStore(path, async (store) =>
      assert.equal(await store.insert(userNamed(`${isKilled}`)), true),
    );
    assert.deepEqual(folderOf(path), ['users.jsonl']);
  }
});

test('an opening that cannot remove a claim leaves no claim of its own', async () => {
  const path = fileWith('');
  mkdirSync(claimOn(path, '4194305.unknown'));
  await assert.rejects(open(path), refusal('ERR_STORE', path));
  assert.deepEqual(folderOf(path), ['users.jsonl', 'users.jsonl.lock.4194305.unknown']);
});

test('20 processes that start together get the lock one after the other', async () => {
  const path = newPath();
  const children = await Promise.all(
    Array.from({ length: 20 }, () => start('store', 'race', path)),
  );
  fileWith('', path);
  for (const child of children) child.send('go');
  await Promise.all(children.map(outputOf));
  assertNeverTwo(path, 20);
});

test(
  'a store whose file cannot be closed still releases its lock',
  { skip: !hasProc },
  async () => {
    const path = newPath();
    const store = await open(path);
    const own = readdirSync('/proc/self/fd').filter((fd) => {
      // The descriptor that lists the folder is closed by now.
      const link = `/proc/self/fd/${fd}`;
      return existsSync(link) && readlinkSync(link) === path;
    });
    assert.equal(own.length, 1);
    closeSync(Number(own[0]));
    await assert.rejects(store.close(), { code: 'EBADF' });
    assert.deepEqual(folderOf(path), ['users.jsonl']);
    await withStore(path, () => undefined);
  },
);

test('a holder touches its claim every 2 seconds, and the claim is stale after 10', () => {
  assert.equal(LOCK_TIMING.heartbeatMs, 2_000);
  assert.equal(LOCK_TIMING.pollMs * LOCK_TIMING.pollsUntilStale, 10_000);
  assert.ok(LOCK_TIMING.pollMs < LOCK_TIMING.heartbeatMs);
});

test('a store that loses its claim during a write acknowledges no more writes', async (t) => {
  const path = newPath();
  await withStore(path, async (store) => {
    await store.insert(userNamed('joe'));
    const [, claim = ''] = folderOf(path);
    const { datasync } = handles;
    const { mock } = t.mock.method(handles, 'datasync', async function (this: FileHandle) {
      await datasync.call(this);
      unlinkSync(join(dirname(path), claim));
    });
    await assert.rejects(
      store.insert(userNamed('ann')),
      refusal('ERR_STORE', path, 'its lock is gone'),
    );
    mock.restore();
    assert.equal(store.find('ann'), undefined);
    assert.match(String((await store.lost).cause), /its lock is gone/);
    // A new claim of the same name does not bring the lock back.
    writeFileSync(join(dirname(path), claim), '');
    const bytes = readFileSync(path);
    await assert.rejects(
      store.insert(userNamed('bob')),
      refusal('ERR_STORE', path, 'its lock is gone'),
    );
    assert.deepEqual(readFileSync(path), bytes);
  });
});

after(killChildren);

/** Files that an opening changes or replaces. */
const DAMAGED_FILES: Record<string, (path: string) => void> = {
  'a torn file': (path) => appendFileSync(path, '{"op":'),
  'a file to compact': (path) =>
    appendFileSync(path, userLine('update', userNamed('joe')).repeat(1001)),
  'a file that is taken over': () => undefined,
};

test('an opening that loses its claim leaves the file as it was', async () => {
  for (const [what, damage] of Object.entries(DAMAGED_FILES)) {
    const isTakenOver = what === 'a file that is taken over';
    let refused = 0;
    for (let confirmations = 0; confirmations < 3; confirmations += 1) {
      const path = newPath();
      await withStore(path, (store) => store.insert(userNamed('joe')));
      damage(path);
      const before = { bytes: readFileSync(path), ino: statSync(path).ino };
      const lock = await lockFile(path);
      const [, claim = ''] = folderOf(path);
      let confirmed = 0;
      const confirm = async () => {
        if (confirmed === confirmations) unlinkSync(join(dirname(path), claim));
        confirmed += 1;
        await lock.confirm();
      };
      const journal = await openJournal(path, undefined, {
        isTakenOver,
        confirm,
        id: lock.id,
      }).catch(String);
      await lock.release();
      if (typeof journal !== 'string') {
        await journal.close();
        continue;
      }
      refused += 1;
      assert.match(journal, /its lock is gone/, what);
      assert.deepEqual({ bytes: readFileSync(path), ino: statSync(path).ino }, before, what);
      assert.deepEqual(folderOf(path), ['users.jsonl'], what);
    }
    assert.ok(refused >= 1, what);
  }
});

test('a holder that resumes before its rename does not replace the next file', async () => {
  const path = newPath();
  await withStore(path, (store) => store.insert(userNamed('joe')));
  // The file was not closed, so each holder copies it.
  appendFileSync(path, userLine('insert', userNamed('ann')));
  let next: Journal<User> | undefined;
  const confirm = async () => {
    // The next holder takes over here, after this one has confirmed its claim for the last time.
    await removeDrafts(path);
    next ??= await openJournal(path, undefined, {
      id: 'next',
      isTakenOver: true,
      confirm: async () => undefined,
    });
    await next.append(userRecord('insert', userNamed('bob')));
  };
  await assert.rejects(
    openJournal(path, undefined, { id: 'suspended', isTakenOver: false, confirm }),
    /replaced it/,
  );
  await next?.append(userRecord('insert', userNamed('eve')));
  await next?.close();
  assert.deepEqual(folderOf(path), ['users.jsonl']);
  await withStore(path, (store) => {
    for (const id of ['joe', 'ann', 'bob', 'eve']) assert.ok(store.find(id), id);
  });
});

test('of 20 opens in one process exactly one succeeds', async () => {
  for (let round = 0; round < 5; round += 1) {
    const path = fileWith('');
    const opens = await Promise.allSettled(Array.from({ length: 20 }, () => open(path)));
    const stores = opens.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    assert.equal(stores.length, 1);
    for (const result of opens)
      assert.ok(result.status === 'fulfilled' || lockedBy(pid)(result.reason));
    await stores[0]?.close();
  }
});

test('a failed write is not rolled back once the lock is gone', async (t) => {
  const path = newPath();
  await withStore(path, async (store) => {
    const [, claim = ''] = folderOf(path);
    t.mock.method(
      handles,
      'datasync',
      async () => {
        // Another process has taken over, and acknowledges the records that it finds.
        unlinkSync(join(dirname(path), claim));
        throw new Error('EIO: made by the test');
      },
      { times: 1 },
    );
    await assert.rejects(
      store.insert(userNamed('ann')),
      refusal('ERR_STORE', 'may be there after a restart'),
    );
    const bytes = readFileSync(path);
    assert.match(bytes.toString(), /"ann"/);
    assert.match(String((await store.lost).cause), /EIO/);
    await assert.rejects(store.insert(userNamed('bob')), refusal('ERR_STORE', 'its lock is gone'));
    assert.deepEqual(readFileSync(path), bytes);
  });
});
