/** The heartbeat of a holder while calls of the file system hang or fail. The test is the timer. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';
import { afterEach, test, type TestContext } from 'node:test';
import timers from 'node:timers';
import timersPromises, { setImmediate as nextTurn } from 'node:timers/promises';
import { LOCK_TIMING, lockFile } from '../../src/journal/file-lock.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { systemError } from '../support/system-errors.ts';
import { fileWith, folderOf, newPath } from '../support/user-files.ts';
import { joe } from '../support/user-lines.ts';

const restore = (t: TestContext) => {
  t.mock.restoreAll();
  syncBuiltinESMExports();
};

afterEach((t) => restore(t as TestContext));

/** @returns a function that begins a heartbeat, and waits until no answer causes another call */
function heartbeatsOf(t: TestContext): () => Promise<void> {
  let beat = () => {};
  t.mock.method(timers, 'setInterval', (callback: () => void, ms: number) => {
    assert.equal(ms, LOCK_TIMING.heartbeatMs);
    beat = callback;
    return { unref: () => undefined };
  });
  t.mock.method(timers, 'clearInterval', () => (beat = () => {}));
  return async () => {
    beat();
    await settled();
  };
}

const settled = async () => {
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
};

/** Lets each call hang. @returns a function for each call, which lets it fail */
function hanging(t: TestContext, method: 'utimes' | 'stat'): ((error: Error) => void)[] {
  const fail: ((error: Error) => void)[] = [];
  t.mock.method(fsPromises, method, () => new Promise((_, reject) => fail.push(reject)));
  syncBuiltinESMExports();
  return fail;
}

const claimBeside = (path: string) => {
  const name = folderOf(path).find((one) => one.includes('.lock.')) ?? '';
  return join(dirname(path), name);
};

test('while a heartbeat hangs no other begins, nor does one after the release', async (t) => {
  const beat = heartbeatsOf(t);
  const lock = await lockFile(fileWith(''));
  const fail = hanging(t, 'utimes');
  await beat();
  await beat();
  assert.equal(fail.length, 1);
  fail[0]?.(systemError('EIO', 'utime'));
  await settled();
  await beat();
  assert.equal(fail.length, 2, 'the one that failed was not the last one');
  fail[1]?.(systemError('EIO', 'utime'));
  await settled();
  await lock.release();
  await beat();
  assert.equal(fail.length, 2);
});

test('a heartbeat reports that the claim is gone, but not once the lock is released', async (t) => {
  for (const [code, isReleased, isLoss] of [
    ['ENOENT', false, true],
    ['ENOTDIR', false, true],
    ['ESTALE', false, true],
    ['EIO', false, false],
    ['ENOENT', true, false],
  ] as const) {
    const beat = heartbeatsOf(t);
    const path = fileWith('');
    const lock = await lockFile(path);
    const heartbeats: Promise<string>[] = [];
    lock.onHeartbeat((heartbeat) => heartbeats.push(heartbeat.then(() => '', String)));
    const fail = hanging(t, 'utimes');
    await beat();
    if (isReleased) await lock.release();
    fail[0]?.(systemError(code, 'utime'));
    const outcome = await heartbeats[0];
    assert.equal(outcome?.includes('its lock is gone'), isLoss, outcome);
    await lock.release();
    restore(t);
  }
});

test('a heartbeat that fails before anyone listens ends no process', async (t) => {
  const beat = heartbeatsOf(t);
  const path = fileWith('');
  const lock = await lockFile(path);
  fs.unlinkSync(claimBeside(path));
  const fail = hanging(t, 'utimes');
  await beat();
  fail[0]?.(systemError('ENOENT', 'utime'));
  await settled();
  const reason = 'it was removed, or another process took over while this one was suspended';
  const message = `its lock is gone: ${reason}: restart this process to read the file again`;
  await assert.rejects(lock.confirm(), { message });
  await lock.release();
});

test('a rival that gives up at once is waited for, and one that stays is not', async (t) => {
  const { unlink } = fsPromises;
  for (const staysForAttempts of [1, 4, Infinity]) {
    const path = fileWith('');
    const rival = fileWith('', `${path}.lock.${process.ppid}.unknown`);
    let attempts = 0;
    const waits: number[] = [];
    t.mock.method(Math, 'random', () => 0.5);
    t.mock.method(timersPromises, 'setTimeout', async (ms: number) => {
      await settled();
      waits.push(ms);
    });
    t.mock.method(fsPromises, 'unlink', async (claim: string) => {
      await unlink(claim);
      if (claim.startsWith(`${path}.lock.${process.pid}.`)) attempts += 1;
      if (attempts === staysForAttempts) fs.rmSync(rival, { force: true });
    });
    syncBuiltinESMExports();
    const opening = lockFile(path);
    if (staysForAttempts === Infinity) await assert.rejects(opening, { code: 'ERR_STORE_LOCKED' });
    else await (await opening).release();
    assert.equal(attempts, staysForAttempts === Infinity ? 5 : staysForAttempts + 1);
    assert.deepEqual(waits, [30, 50, 70, 90].slice(0, staysForAttempts));
    restore(t);
  }
});

test('the timer of the heartbeat keeps no process alive', async () => {
  const timersAlive = () => {
    return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  };
  const before = timersAlive();
  const lock = await lockFile(fileWith(''));
  const during = timersAlive();
  await lock.release();
  assert.equal(during, before);
});

test('a heartbeat reports that an idle store lost its file or its lock', async (t) => {
  const losses = [
    [(path: string) => fs.renameSync(fileWith(fs.readFileSync(path)), path), 'replaced it'],
    [(path: string) => fs.unlinkSync(claimBeside(path)), 'its lock is gone'],
  ] as const;
  for (const [lose, reason] of losses) {
    const beat = heartbeatsOf(t);
    const path = newPath();
    const store = await JsonFileUserStore.open(path);
    let lost: unknown;
    void store.lost.then(({ cause }) => (lost = cause));
    await beat();
    assert.equal(lost, undefined);
    lose(path);
    for (let count = 0; lost === undefined && count < 1000; count += 1) await beat();
    assert.match(String(lost), RegExp(`cannot be used any more: .*${reason}`));
    await store.close();
    restore(t);
  }
});

test('while a check of the file hangs no other begins, and a failure is no loss', async (t) => {
  const beat = heartbeatsOf(t);
  const store = await JsonFileUserStore.open(newPath());
  let isLost = false;
  void store.lost.then(() => (isLost = true));
  const fail = hanging(t, 'stat');
  const utimes = t.mock.method(fsPromises, 'utimes', async () => undefined);
  syncBuiltinESMExports();
  await beat();
  await beat();
  assert.deepEqual([utimes.mock.callCount(), fail.length], [2, 1]);
  fail[0]?.(systemError('EIO', 'stat'));
  await settled();
  assert.equal(fail.length, 1, 'none waited for it');
  await beat();
  assert.equal(fail.length, 2);
  fail[1]?.(systemError('EIO', 'stat'));
  restore(t);
  assert.equal(await store.insert(joe), true);
  assert.equal(isLost, false);
  await store.close();
});
