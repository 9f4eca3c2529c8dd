/**
 * Group commit and rollback: a failed write fails for each of its callers, leaves nothing, and does
 * not stop the next one.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { Disk } from '../../src/journal/disk.ts';
import { FileLostError } from '../../src/journal/lost.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { userRecord } from '../../src/users/user-records.ts';
import { childPath } from '../support/compiled.ts';
import {
  fileWith,
  folderOf,
  newPath,
  openJournal,
  refusal,
  userNamed,
  withStore,
} from '../support/user-files.ts';
import {
  ANN,
  ann,
  BOB,
  bob,
  fails,
  fault,
  fileOf,
  GOOD,
  handles,
  HEADER,
  JOE,
  joe,
  newJoe,
  read,
  USERS,
  written,
} from '../support/user-lines.ts';

async function usersIn(path: string): Promise<Record<string, string | undefined>> {
  return withStore(path, (store) => {
    const found = Object.keys(USERS).map((id) => [id, store.find(id)?.passwordHash]);
    return Object.fromEntries(found.filter(([, hash]) => hash !== undefined));
  });
}

/** @returns the system's error code, from the innermost cause */
function codeBehind(error: unknown): unknown {
  const { code, cause } = Object(error);
  return cause === undefined ? code : codeBehind(cause);
}

test('a failed write fails for all its callers and leaves nothing behind', async (t) => {
  for (const [method, code, share] of [
    ['writeFile', 'ENOSPC', 0],
    ['writeFile', 'ENOSPC', 0.4],
    ['writeFile', 'EIO', 1],
    ['datasync', 'EIO', 0],
  ] as const) {
    const path = newPath();
    await withStore(path, async (store) => {
      await store.insert(joe);
      const { mock } = t.mock.method(handles, method, fault(code, share));
      const writes = [store.insert(ann), store.insert(bob), store.update(newJoe)];
      for (const write of await Promise.allSettled(writes)) {
        assert.ok(
          write.status === 'rejected' && refusal('ERR_STORE', path, code)(write.reason),
          `${method} ${share}`,
        );
        assert.equal(codeBehind(write.reason), code);
        assert.ok(
          !inspect(write.reason, { depth: 9, showHidden: true }).includes(ann.passwordHash),
        );
      }
      assert.equal(read(path), written(JOE));
      assert.deepEqual([store.find('ann'), { ...store.find('joe') }], [undefined, joe]);
      mock.restore();
      assert.equal(await store.insert(ann), true);
      assert.equal(read(path), written(JOE, ANN));
    });
  }
});

test('nothing more is written until a failed write is rolled back', async (t) => {
  const path = newPath();
  await withStore(path, async (store) => {
    t.mock.method(handles, 'writeFile', fault('ENOSPC', 0.5), { times: 1 });
    t.mock.method(handles, 'truncate', fault('EIO'), { times: 2 });
    await assert.rejects(store.insert(joe), refusal('ERR_STORE', path, 'ENOSPC'));
    const torn = read(path);
    await assert.rejects(store.insert(ann), refusal('ERR_STORE', path, 'EIO'));
    assert.deepEqual([read(path), torn.length > fileOf().length], [torn, true]);
    const { mock } = t.mock.method(handles, 'datasync');
    assert.equal(await store.insert(bob), true);
    assert.deepEqual(
      [read(path), mock.callCount()],
      [written(BOB), 2],
      'the rollback was synced too',
    );
  });
});

test('on a full disk the file holds only acknowledged writes, and a smaller write succeeds', () => {
  const path = newPath();
  // The limit on the length of files acts like a full disk: a write ends short, the next one fails.
  const command = [process.execPath, childPath('store'), 'fill', path];
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -f 40 && exec "$@"', 'sh', ...command], {
    encoding: 'utf8',
  });
  const answers = stdout.trimEnd().split('\n');
  const kept = answers.filter((answer) => answer.endsWith(' true'));
  const refused = answers.filter((answer) =>
    answer.includes(`Error: ${path} cannot be written: EFBIG`),
  );
  assert.ok(refused.length > 0 && kept.length + refused.length === answers.length, stdout);
  assert.equal(kept.at(-1), 'small true');
  assert.deepEqual(
    read(path)
      .match(/(?<="id":")[^"]+/g)
      ?.map((id) => `${id} true`),
    kept,
  );
});

test('a rollback changes no line of another program and no shortened file', async (t) => {
  for (const change of [
    (path: string) => fs.appendFileSync(path, `${BOB}\n`),
    (path: string) => fs.truncateSync(path, 60),
  ]) {
    const path = newPath();
    const store = await JsonFileUserStore.open(path);
    assert.equal(await store.insert(userNamed('joe')), true);
    const { mock } = t.mock.method(
      handles,
      'datasync',
      async () => {
        change(path);
        return fails();
      },
      { times: 1 },
    );
    await assert.rejects(store.insert(userNamed('ann')), refusal('ERR_STORE', path, 'EIO'));
    mock.restore();
    const changed = read(path);
    await assert.rejects(
      store.insert(userNamed('eve')),
      refusal('ERR_STORE', path, 'another program modified it'),
    );
    await store.close();
    assert.equal(read(path), changed, 'the file is not marked as closed either');
  }
});

test('without the lock nothing is rolled back, and no file is marked as closed', async (t) => {
  for (const isFailing of [true, false]) {
    let isLost = false;
    const confirm = async () => {
      if (isLost) throw new FileLostError('its lock is gone');
    };
    const path = fileWith('');
    const lock = { id: 'own', isTakenOver: false, confirm };
    const journal = await openJournal(path, undefined, lock);
    await journal.append(userRecord('insert', joe));
    const failOnce = async () => {
      isLost = true;
      return fails();
    };
    if (isFailing) {
      t.mock.method(handles, 'datasync', failOnce, { times: 1 });
      await assert.rejects(journal.append(userRecord('insert', ann)), /its lock is gone/);
    }
    isLost = true;
    // The process that took the lock over may have acknowledged the line.
    assert.equal(read(path), isFailing ? written(JOE, ANN) : written(JOE));
    await journal.close();
    assert.equal(read(path), isFailing ? written(JOE, ANN) : written(JOE));
  }
});

test('a changed file, or one whose end cannot be written, is not marked as closed', async (t) => {
  for (const change of [
    (path: string) => fs.appendFileSync(path, `${BOB}\n`),
    (path: string) => fs.renameSync(fileWith(GOOD), path),
  ]) {
    const path = newPath();
    const store = await JsonFileUserStore.open(path);
    assert.equal(await store.insert(userNamed('joe')), true);
    change(path);
    const changed = read(path);
    await store.close();
    assert.equal(read(path), changed);
  }
  const path = newPath();
  const store = await JsonFileUserStore.open(path);
  assert.equal(await store.insert(userNamed('joe')), true);
  const { mock } = t.mock.method(handles, 'writeFile', fails);
  await store.close();
  mock.restore();
  assert.equal(read(path), fileOf('', JOE));
  const { ino } = fs.statSync(path);
  assert.deepEqual(await usersIn(path), { joe: 'a hash' });
  assert.notEqual(fs.statSync(path).ino, ino, 'it was replaced');
  assert.equal(folderOf(path).length, 1, dirname(path));
  // What the mark proves is true, though the mark itself may not be on disk.
  const unsynced = await JsonFileUserStore.open(path);
  t.mock.method(handles, 'datasync', fails, { times: 1 });
  await unsynced.close();
  assert.ok(read(path).endsWith('\n\n'));
});

test('an opening that fails gives its own reason, though its file cannot be closed', async () => {
  const path = fileWith(`${HEADER}\nx\n`);
  const disk: Disk = {
    ...fsPromises,
    async open(file, flags, mode) {
      const handle = await fsPromises.open(file, flags, mode);
      const { close } = handle;
      return Object.assign(handle, { close: () => close.call(handle).then(fails) });
    },
  };
  await assert.rejects(openJournal(path, disk), refusal('ERR_STORE_DAMAGED', 'line 2'));
});

test('a check accepts pending, running and failed writes of its journal', async (t) => {
  const path = newPath();
  await withStore(path, () => undefined);
  const journal = await openJournal(path);
  const calls: Promise<void>[] = [];
  for (let index = 0; index < 300; index += 1) {
    calls.push(journal.append(userRecord('insert', userNamed(String(index)))), journal.check());
    if (index % 7 === 0) await delay(0);
  }
  await Promise.all(calls);
  await journal.close();
  // The size that a slow check found must not be compared with a later write.
  const delays = [0, 50];
  const disk = {
    ...fsPromises,
    async stat(file: string) {
      const status = await fsPromises.stat(file, { bigint: true });
      await delay(delays.shift());
      return status;
    },
  };
  const slow = await openJournal(path, disk);
  await Promise.all([slow.append(userRecord('insert', userNamed('slow'))), slow.check()]);
  await slow.close();
  const fail = () => Promise.reject(new Error('EIO: made by the test'));
  const torn = await openJournal(path);
  for (const method of ['datasync', 'truncate'] as const) t.mock.method(handles, method, fail);
  await assert.rejects(torn.append(userRecord('insert', userNamed('joe'))), /EIO/);
  await torn.check();
  t.mock.restoreAll();
  await torn.append(userRecord('insert', userNamed('joe')));
  await torn.check();
  // A rollback leaves a file whose length is known.
  t.mock.method(handles, 'datasync', fail, { times: 1 });
  await assert.rejects(torn.append(userRecord('insert', userNamed('ann'))), /EIO/);
  fs.appendFileSync(path, '\n');
  await assert.rejects(torn.check(), /another program modified it/);
  await torn.close();
  await torn.check();
  const unwritten = await openJournal(path);
  fs.appendFileSync(path, '\n');
  await assert.rejects(unwritten.check(), /another program modified it/);
  await unwritten.close();
});
