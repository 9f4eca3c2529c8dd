/** A store on a file system that lacks a call: it goes on where its promise holds. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import fsPromises, { type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import {
  createPrivateFile,
  makeFolder,
  realPathOf,
  syncFolder,
  type Disk,
} from '../../src/journal/disk.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { userRecord } from '../../src/users/user-records.ts';
import { systemError } from '../support/system-errors.ts';
import {
  fileWith,
  folderOf,
  newPath,
  openFilesIn,
  openJournal,
  refusal,
  withStore,
} from '../support/user-files.ts';
import { ann, fileOf, handles, JOE, joe, read } from '../support/user-lines.ts';

const KIND = 'calls that a file system does not have:';
const NO_CALL = ['EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];
const NOT_SETTABLE = [...NO_CALL, 'EPERM', 'EACCES'];

/** Lets the syncs of folders fail, or those of files. @returns the syncs of files, by `fsync` */
function failSyncs(t: TestContext, code: string, failing: 'folders' | 'files') {
  const { sync, datasync } = handles;
  const files: string[] = [];
  t.mock.method(handles, 'sync', async function (this: FileHandle) {
    const isFolder = (await this.stat()).isDirectory();
    if (!isFolder) files.push(read(`/proc/self/fd/${this.fd}`));
    if (isFolder === (failing === 'folders')) throw systemError(code, 'fsync');
    await sync.call(this);
  });
  t.mock.method(handles, 'datasync', async function (this: FileHandle) {
    if (failing === 'files') throw systemError(code, 'fdatasync');
    await datasync.call(this);
  });
  return files;
}

const skip = !fs.existsSync('/proc/self/fd') && 'the test reads an open file by /proc';

const NAMED = 'without a sync of folders a store syncs the file once it has its name';

test(`${KIND} ${NAMED}`, { skip }, async (t) => {
  for (const code of [...NO_CALL, 'EBADF', 'EISDIR', 'EPERM']) {
    for (const path of [newPath(), fileWith(fileOf(JOE))]) {
      const hadJoe = fs.existsSync(path);
      const synced = failSyncs(t, code, 'folders');
      await withStore(path, async (store) => {
        assert.equal(await syncFolder(dirname(path)), false);
        assert.deepEqual(synced, [read(path)], code);
        assert.equal(await store.insert(joe), !hadJoe);
        assert.equal(await store.insert(ann), true);
      });
      t.mock.restoreAll();
      assert.equal(await syncFolder(dirname(path)), true);
      await withStore(path, (store) => assert.ok(store.find('joe') && store.find('ann')));
    }
  }
  t.mock.method(handles, 'sync', async function (this: FileHandle) {
    throw systemError((await this.stat()).isDirectory() ? 'EINVAL' : 'EIO', 'fsync');
  });
  await assert.rejects(JsonFileUserStore.open(newPath()), refusal('ERR_STORE', 'EIO'));
  t.mock.restoreAll();
  // An error of the disk is not a call that it lacks.
  failSyncs(t, 'EIO', 'folders');
  const path = newPath();
  await assert.rejects(JsonFileUserStore.open(path), refusal('ERR_STORE', path, 'EIO'));
});

test('a folder is made durable, also one that an earlier process created', { skip }, async (t) => {
  const folder = fs.realpathSync(dirname(fileWith('')));
  const { sync } = handles;
  const synced: string[] = [];
  t.mock.method(handles, 'sync', async function (this: FileHandle) {
    synced.push(fs.readlinkSync(`/proc/self/fd/${this.fd}`));
    await sync.call(this);
  });
  await makeFolder(folder);
  assert.deepEqual(synced, [dirname(folder)]);
  await makeFolder(join(folder, 'a', 'b'));
  assert.deepEqual(synced.slice(1), [dirname(folder), folder, join(folder, 'a')]);
});

test(`${KIND} a file that cannot be synced is refused with the reason`, async (t) => {
  for (const code of NO_CALL) {
    const closed = newPath();
    await withStore(closed, (store) => store.insert(joe));
    for (const path of [newPath(), closed, fileWith(fileOf(JOE))]) {
      const before = fs.existsSync(path) ? read(path).trimEnd() : '';
      failSyncs(t, code, 'files');
      const words = ['cannot sync a file, so a power cut could undo any write', 'another folder'];
      await assert.rejects(JsonFileUserStore.open(path), refusal('ERR_STORE', path, ...words));
      t.mock.restoreAll();
      assert.deepEqual([read(path).trimEnd(), folderOf(path)], [before, ['users.jsonl']]);
      await withStore(path, async (store) => assert.equal(await store.insert(ann), true));
    }
  }
});

test(`${KIND} a store works where modes and owners cannot be set`, { skip }, async (t) => {
  for (const code of NOT_SETTABLE) {
    for (const path of [newPath(), fileWith(fileOf(JOE)), fileWith(`${fileOf('', JOE)}{"op":`)]) {
      const hadFolder = fs.existsSync(dirname(path));
      const refuse = async () => Promise.reject(systemError(code, 'fchmod'));
      for (const method of ['chmod', 'chown'] as const) t.mock.method(handles, method, refuse);
      t.mock.method(fsPromises, 'chmod', refuse);
      await withStore(path, async (store) => {
        assert.equal(await store.insert(ann), true, code);
        for (const name of folderOf(path)) {
          const { mode } = fs.statSync(join(dirname(path), name));
          assert.equal(mode & 0o777, 0o600, `the mode of open: ${name}`);
        }
      });
      t.mock.restoreAll();
      if (!hadFolder) assert.equal(fs.statSync(dirname(path)).mode & 0o777, 0o700);
    }
  }
  for (const method of ['chmod', 'chown'] as const) {
    t.mock.method(handles, method, async () => Promise.reject(systemError('EIO', method)));
    const path = fileWith('');
    await assert.rejects(JsonFileUserStore.open(path), refusal('ERR_STORE', path, 'EIO'));
    assert.deepEqual(openFilesIn(dirname(path)), []);
    if (method === 'chmod') await assert.rejects(createPrivateFile(`${path}-2`), { code: 'EIO' });
    assert.deepEqual(folderOf(path), ['users.jsonl']);
    t.mock.restoreAll();
  }
  t.mock.method(fsPromises, 'chmod', async () => Promise.reject(systemError('EIO', 'chmod')));
  const path = newPath();
  await assert.rejects(JsonFileUserStore.open(path), refusal('ERR_STORE', path, 'EIO'));
});

test(`${KIND} links are followed where the realpath of the system fails`, async (t) => {
  const path = fs.realpathSync(fileWith(''));
  const link = join(dirname(fileWith('')), 'link');
  fs.symlinkSync(path, link);
  for (const code of ['ENOSYS', 'EISDIR', 'ENOENT', 'UNKNOWN']) {
    const refuse = async () => Promise.reject(systemError(code, 'realpath'));
    const { mock } = t.mock.method(fsPromises, 'realpath', refuse);
    assert.equal(await realPathOf(link), path);
    await assert.rejects(realPathOf(`${link}-none`), { code: 'ENOENT' });
    await withStore(link, async () => {
      await assert.rejects(JsonFileUserStore.open(path), refusal('ERR_STORE_LOCKED'));
    });
    assert.ok(mock.callCount() >= 3);
    t.mock.restoreAll();
  }
});

/** Runs a job in a folder of its own, as a user who may write in it and may not read it. */
async function inUnreadableFolder(job: (folder: string) => Promise<void>): Promise<void> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'latchkey-unreadable-'));
  const isRoot = process.getuid?.() === 0;
  fs.chmodSync(folder, 0o333);
  if (isRoot) process.seteuid?.(65_534);
  try {
    await job(folder);
  } finally {
    if (isRoot) process.seteuid?.(0);
    fs.chmodSync(folder, 0o700);
    fs.rmSync(folder, { recursive: true });
  }
}

test('a folder that may not be read takes a new data folder, and an old one', async () => {
  await inUnreadableFolder(async (folder) => {
    assert.equal(await syncFolder(folder), false);
    for (const _ of ['new', 'old']) {
      await withStore(join(folder, 'data/users.jsonl'), async (store) => {
        await store.insert(joe);
        assert.deepEqual(store.find('joe'), joe);
      });
    }
    await makeFolder(join(folder, 'other/data'));
    await assert.rejects(fsPromises.readdir(folder), { code: 'EACCES' });
  });
});

/** The disk, with other inode numbers. */
function numberedDisk(numberOf: (ino: bigint) => bigint): Disk {
  const renumber = <T extends { ino: bigint }>(status: T): T => {
    return Object.assign(status, { ino: numberOf(status.ino) });
  };
  return {
    ...fsPromises,
    async open(path, flags, mode) {
      const file = await fsPromises.open(path, flags, mode);
      const stat: FileHandle['stat'] = file.stat.bind(file);
      return Object.assign(file, {
        stat: async (options?: { bigint: true }) => {
          return options === undefined ? stat() : renumber(await stat(options));
        },
      }) as FileHandle;
    },
    stat: async (path, options) => renumber(await fsPromises.stat(path, options)),
  };
}

/** Opens a journal on the disk, and replaces its file by a copy, which the journal must notice. */
async function assertReplacementNoticed(disk: Disk, work: () => void): Promise<void> {
  const path = fileWith('');
  const journal = await openJournal(path, disk);
  work();
  await journal.check();
  await journal.append(userRecord('insert', joe));
  fs.renameSync(path, `${path}.old`);
  fs.copyFileSync(`${path}.old`, path);
  await assert.rejects(journal.check(), /another program replaced it/);
  fs.renameSync(`${path}.old`, path);
  await journal.append(userRecord('insert', ann));
  await journal.close();
}

test(`${KIND} an inode number that changes is not a replaced file`, async () => {
  // As in a file system of FUSE that derives the number of a file from its path.
  let renames = 0n;
  await assertReplacementNoticed(numberedDisk((ino) => ino + renames), () => (renames += 1n));
});

test(`${KIND} inode numbers with more bits than a number tell two files apart`, async () => {
  // As on NTFS and SMB shares, where the numbers of neighbours differ in their lowest bits.
  const numbers = new Map<bigint, bigint>();
  const disk = numberedDisk((ino) => {
    numbers.set(ino, numbers.get(ino) ?? 2n ** 60n + BigInt(numbers.size));
    return numbers.get(ino) ?? 0n;
  });
  await assertReplacementNoticed(disk, () => undefined);
});
