/** Claims that come and go, and the heartbeat where the file system lets no process set times. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
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
import { claimOn, hasProc, PATIENT, startIdOf } from '../support/claims.ts';
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

test('the name of a claim is the one that other versions expect', { skip: !hasProc }, async () => {
  const path = fileWith('');
  const lock = await lockFile(path, PATIENT);
  const [, name] = folderOf(path);
  await lock.release();
  const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  const namespaces = ['pid', 'time'].map((kind) => fs.readlinkSync(`/proc/self/ns/${kind}`));
  const scope = createHash('sha256').update([boot, ...namespaces].join(' ')).digest('hex');
  const own = `${process.pid}.${startIdOf(process.pid)}.${scope.slice(0, 12)}`;
  assert.equal(name, `users.jsonl.lock.${own}.${lock.id}`);
  assert.match(lock.id, /^[0-9a-f]{12}$/);
});

test('a file whose name is not quite that of a claim is left alone', async () => {
  const id = '0123456789ab';
  for (const [name, isClaim] of [
    ['999999999.unknown', true],
    ['9999999999.unknown', false],
    ['999999999.', false],
    ['999999999.unknown.more', false],
    [`999999999.unknown..${id}`, false],
    [`999999999.unknown.a.b.${id}`, false],
    [`999999999.unknown.a.${id}0`, false],
  ] as const) {
    const path = fileWith('');
    const other = fileWith('', claimOn(path, name));
    const lock = await lockFile(path, PATIENT);
    assert.equal(lock.isTakenOver, false, name);
    await lock.release();
    assert.equal(fs.existsSync(other), !isClaim, name);
  }
});

test('a claim locks the file that it names, also one with a line feed in its name', async () => {
  for (const [name, isLocked] of [['a\nb', true], ['b', false]] as const) {
    const path = fileWith('', join(dirname(fileWith('')), name));
    fileWith('', join(dirname(path), `a\nb.lock.${process.ppid}.unknown`));
    const outcome = await lockFile(path, PATIENT).then((lock) => lock.release(), String);
    assert.equal(outcome?.includes('is in use') ?? false, isLocked, name);
  }
});

test('a claim of another scope is stale after as many looks as the timing says', async (t) => {
  const { open } = fsPromises;
  const path = fileWith('');
  const claim = fileWith('', claimOn(path, '5.unknown.0123456789ab.0123456789ab'));
  let looks = 0;
  t.mock.method(fsPromises, 'open', (...values: Parameters<typeof open>) => {
    if (values[0] === claim) looks += 1;
    return open(...values);
  });
  syncBuiltinESMExports();
  const lock = await lockFile(path, { heartbeatMs: 50, pollMs: 1, pollsUntilStale: 3 });
  assert.equal(looks, 1 + 3);
  assert.equal(lock.isTakenOver, true);
  assert.equal(fs.existsSync(claim), false);
  await lock.release();
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
