/** Claims that come and go, and the heartbeat where the file system lets no process set times. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { afterEach, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { lastHeartbeatOf, touchClaim } from '../../src/journal/claims.ts';
import { lockFile } from '../../src/journal/file-lock.ts';
import { FileLostError } from '../../src/journal/lost.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { claimOn, PATIENT } from '../support/claims.ts';
import { systemError } from '../support/system-errors.ts';
import { fileWith, folderOf, newPath, refusal, withStore } from '../support/user-files.ts';
import { ann, joe } from '../support/user-lines.ts';

const KIND = 'calls that a file system does not have:';

function refuseTimes(t: TestContext, code: string): void {
  t.mock.method(fsPromises, 'utimes', async () => Promise.reject(systemError(code, 'utime')));
  syncBuiltinESMExports();
}

afterEach((t) => {
  (t as TestContext).mock.restoreAll();
  syncBuiltinESMExports();
});

for (const code of ['EPERM', 'EACCES', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL']) {
  test(`${KIND} without a call that sets times (${code}) a write is the heartbeat`, async (t) => {
    refuseTimes(t, code);
    const path = fileWith('');
    const lock = await lockFile(path, PATIENT);
    const claim = join(dirname(path), folderOf(path)[1] ?? '');
    const first = await lastHeartbeatOf(claim);
    await delay(20);
    await lock.confirm();
    assert.notEqual(await lastHeartbeatOf(claim), first);
    fs.unlinkSync(claim);
    await assert.rejects(lock.confirm(), FileLostError);
    assert.deepEqual(folderOf(path), ['users.jsonl'], 'a confirmation makes no claim');
    await lock.release();
  });
}

test(`${KIND} a store that loses its claim there acknowledges no more writes`, async (t) => {
  refuseTimes(t, 'EPERM');
  const path = newPath();
  const store = await JsonFileUserStore.open(path);
  assert.equal(await store.insert(joe), true);
  fs.unlinkSync(join(dirname(path), folderOf(path)[1] ?? ''));
  await assert.rejects(store.insert(ann), refusal('ERR_STORE', 'its lock is gone'));
  await store.close();
});

test(`${KIND} any other failure of a heartbeat is reported`, async (t) => {
  refuseTimes(t, 'EIO');
  const claim = fileWith('');
  await assert.rejects(touchClaim(claim), { code: 'EIO' });
  const path = newPath();
  await assert.rejects(JsonFileUserStore.open(path), refusal('ERR_STORE', path, 'EIO'));
  t.mock.restoreAll();
  syncBuiltinESMExports();
  await touchClaim(claim);
  await withStore(path, async (store) => assert.equal(await store.insert(joe), true));
});

test('a claim of another scope that goes away while it is watched locks nothing', async (t) => {
  const { open } = fsPromises;
  for (const removedAt of [1, 2]) {
    const path = fileWith('');
    const claim = fileWith('', claimOn(path, '5.unknown.0123456789ab.0123456789ab'));
    let looks = 0;
    t.mock.method(fsPromises, 'open', (...values: Parameters<typeof open>) => {
      if (values[0] === claim && (looks += 1) === removedAt) fs.unlinkSync(claim);
      return open(...values);
    });
    syncBuiltinESMExports();
    const lock = await lockFile(path, PATIENT);
    assert.equal(looks, removedAt);
    assert.equal(lock.isTakenOver, true);
    await lock.release();
    t.mock.restoreAll();
  }
});

test('a lock and its heartbeats leak no file descriptor', async (t) => {
  const folder = '/proc/self/fd';
  if (!fs.existsSync(folder)) return t.skip('the system has no /proc/self/fd');
  const path = fileWith('');
  const before = fs.readdirSync(folder).length;
  refuseTimes(t, 'EPERM');
  const lock = await lockFile(path, PATIENT);
  await lock.confirm();
  await lastHeartbeatOf(join(dirname(path), folderOf(path)[1] ?? ''));
  const during = fs.readdirSync(folder).length;
  await lock.release();
  assert.equal(during, before);
});

test('a process that belongs to another user is alive', async (t) => {
  const path = fileWith('');
  fileWith('', claimOn(path, `${process.ppid}.unknown`));
  for (const [code, isAlive] of [['EPERM', true], ['ESRCH', false]] as const) {
    const { mock } = t.mock.method(process, 'kill', () => {
      throw systemError(code, 'kill');
    });
    const outcome = await lockFile(path, PATIENT).then((lock) => lock.release(), String);
    mock.restore();
    assert.equal(outcome?.includes(`is in use by process ${process.ppid}`) ?? false, isAlive);
  }
});
