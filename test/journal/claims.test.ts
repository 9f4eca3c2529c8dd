/** The heartbeat of a holder, where the file system does not let it set times. */
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
import { PATIENT } from '../support/claims.ts';
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
