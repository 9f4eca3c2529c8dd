/**
 * Opening and closing a file under a path: folders, modes, links, permissions, and other programs
 * that change the file.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { AuthError } from '../../src/errors.ts';
import { LockedJournal } from '../../src/journal/locked-journal.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { USER_RECORDS } from '../../src/users/user-records.ts';
import { fromOtherRealm } from '../support/copies.ts';
import { NOT_STRINGS } from '../support/hostile.ts';
import {
  fileWith,
  folderOf,
  newPath,
  outputOf,
  refusal,
  start,
  userNamed,
  withStore,
} from '../support/user-files.ts';
import {
  ANN,
  ann,
  BOB,
  bob,
  closed,
  fault,
  fileOf,
  handles,
  JOE,
  joe,
  read,
  written,
} from '../support/user-lines.ts';

const open = (path: string) => JsonFileUserStore.open(path);

test('folders have mode 0700, the file and its lock 0600, whatever the umask', async () => {
  const child = await start('store', 'umask', newPath());
  child.send('go');
  const masks = ['0', '22', '77', '177', '777'];
  assert.equal(await outputOf(child), masks.map((mask) => `${mask} 700 700 600 600\n`).join(''));
});

test('a folder that another process creates at the same time keeps its mode', async (t) => {
  const path = newPath();
  const { mkdir } = fsPromises;
  const { mock } = t.mock.method(fsPromises, 'mkdir', async (folder: string) => {
    await mkdir(folder);
    fs.chmodSync(folder, 0o750);
    throw Object.assign(new Error('EEXIST: made by the test'), { code: 'EEXIST' });
  });
  await withStore(path, () => undefined);
  assert.equal(mock.callCount(), 1);
  assert.equal(fs.statSync(dirname(path)).mode & 0o777, 0o750);
});

test('a symbolic link to a file that does not exist yet opens the same store', async () => {
  const path = fileWith('');
  fs.unlinkSync(path);
  const link = join(dirname(fileWith('')), 'link.jsonl');
  fs.symlinkSync(path, link);
  await withStore(link, async (store) => {
    await assert.rejects(open(path), refusal('ERR_STORE_LOCKED'));
    assert.equal(await store.insert(joe), true);
  });
  assert.equal(read(path), closed(JOE));
});

test('a path where no file can be, or that is not a string, is refused', async () => {
  const [file, folder] = [fileWith(''), dirname(fileWith(''))];
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  const devices = ['/dev/null', join(folder, 'pipe')];
  const nowhere = [
    ...devices,
    folder,
    join(file, 'x.jsonl'),
    join(file, 'a', 'x.jsonl'),
    '/proc/x.jsonl',
    '/dev/null/x',
  ];
  for (const path of nowhere) await assert.rejects(open(path), refusal('ERR_STORE', path), path);
  for (const path of devices) {
    const message = `${path} cannot be opened: it is not a regular file: name another file`;
    await assert.rejects(open(path), { code: 'ERR_STORE', message });
    assert.deepEqual(
      folderOf(path).filter((name) => /lock|compact/.test(name)),
      [],
      path,
    );
  }
  for (const path of ['', ...NOT_STRINGS] as string[]) {
    await assert.rejects(open(path), /^TypeError: "path" expected /);
  }
  const message = '"path" expected a path without NUL, got one with NUL';
  await assert.rejects(open('a\0b'), { name: 'TypeError', message });
  await withStore(join(folder, 'a', 'x.jsonl'), async (store) =>
    assert.equal(await store.insert(joe), true),
  );
});

test('without permission the error names the file and a remedy, and nothing changes', async () => {
  const [readOnly, closed, full, hidden] = [
    fileWith(fileOf(JOE)),
    fileWith(''),
    newPath(),
    fileWith(''),
  ];
  fs.mkdirSync(dirname(full));
  fs.chmodSync(dirname(dirname(full)), 0o711);
  for (const [path, mode] of [
    [readOnly, 0o444],
    [closed, 0],
  ] as const)
    fs.chmodSync(path, mode);
  const folders = [
    [readOnly, 0o777],
    [closed, 0o777],
    [full, 0o555],
    [hidden, 0],
  ] as const;
  for (const [path, mode] of folders) fs.chmodSync(dirname(path), mode);
  const child = await start('store', 'denied', readOnly, closed, full, hidden);
  child.send('go');
  const refusals = (await outputOf(child)).trimEnd().split('\n');
  for (const [index, path] of [readOnly, closed, full, hidden].entries()) {
    const reason = `EACCES: permission denied, open '${path}'`;
    const remedy = 'let the user of this process read and write this file and its folder';
    const pattern = new RegExp(
      `^AuthError: ${path} cannot be opened: ${reason}: ${remedy}, or use another folder$`,
    );
    assert.match(refusals[index] ?? '', pattern);
  }
  fs.chmodSync(dirname(hidden), 0o700);
  assert.deepEqual(
    [readOnly, closed, full, hidden].map((path) => folderOf(path).length),
    [1, 1, 0, 1],
  );
});

test('a file that another program changed is not written to until it is restored', async () => {
  const changes: ((path: string) => void)[] = [
    (path) => fs.unlinkSync(path),
    (path) => fs.renameSync(fileWith(read(path)), path),
    (path) => fs.rmSync(path) ?? fs.mkdirSync(path),
    (path) => fs.truncateSync(path, 60),
    (path) => fs.appendFileSync(path, `${BOB}\n`),
  ];
  const content = (path: string) =>
    fs.statSync(path, { throwIfNoEntry: false })?.isFile() && read(path);
  for (const change of changes) {
    const path = newPath();
    await withStore(path, async (store) => {
      await store.insert(joe);
      fs.linkSync(path, `${path}.kept`);
      change(path);
      const found = content(path);
      await assert.rejects(
        store.insert(ann),
        refusal('ERR_STORE', path, 'restart this process'),
        String(change),
      );
      const isLost = refusal('ERR_STORE', path, 'restart this process');
      assert.ok(isLost(await store.lost), String(change));
      assert.equal(content(path), found);
      fs.rmSync(path, { recursive: true, force: true });
      fs.renameSync(`${path}.kept`, path);
      fs.writeFileSync(path, written(JOE));
      assert.equal(await store.insert(ann), true, String(change));
    });
  }
});

test('close finishes the writes under way, and may be called again', async () => {
  for (const isPending of [false, true]) {
    const path = newPath();
    const store = await open(path);
    const inserts = [store.insert(joe)];
    await setImmediate();
    if (isPending) inserts.push(store.insert(ann), store.insert(bob));
    await Promise.all([store.close(), store.close()]);
    const expected = isPending ? closed(JOE, `${ANN}\n${BOB}`) : closed(JOE);
    assert.equal(read(path), expected);
    assert.ok((await Promise.all(inserts)).every((isInserted) => isInserted));
    for (const late of [() => store.insert(userNamed('late')), () => store.update(joe)]) {
      await assert.rejects(late, refusal('ERR_STORE', path, 'cannot be written: it is closed'));
    }
    await withStore(path, async () => {
      await store.close();
      await assert.rejects(open(path), refusal('ERR_STORE_LOCKED'));
    });
    assert.deepEqual([read(path), folderOf(path)], [expected, ['users.jsonl']]);
  }
  const journal = await LockedJournal.open(newPath(), USER_RECORDS);
  const closing = journal.close();
  assert.equal(journal.close(), closing, 'it is closed once');
  await closing;
});

test("an error of the store has the system's error code in its cause", async (t) => {
  const assertCode = (error: unknown, code: string, path: string): boolean => {
    assert.ok(error instanceof AuthError && error.code === 'ERR_STORE');
    assert.equal(Object(error.cause).code, code);
    assert.ok(`${error} ${error.cause}`.includes(path));
    return true;
  };
  for (const code of ['ENOSPC', 'EIO']) {
    const path = newPath();
    await withStore(path, async (store) => {
      const failure = Object.assign(new Error('made by the test'), { code });
      const failing = async () => Promise.reject(failure);
      t.mock.method(handles, 'datasync', failing, { times: 1 });
      await assert.rejects(store.insert(joe), (error) => {
        assert.equal(Object(error).cause.message, `${path} cannot be written: made by the test`);
        assert.equal(Object(error).cause.cause, failure);
        return assertCode(error, code, path);
      });
      // A write that cannot be rolled back either.
      t.mock.method(handles, 'datasync', failing, { times: 1 });
      t.mock.method(handles, 'truncate', fault('EROFS'), { times: 1 });
      let isLost = false;
      void store.lost.then(() => (isLost = true));
      const writes = [store.insert(joe), store.update(joe)] as const;
      await assert.rejects(writes[0], (error) => {
        const fate = 'the write cannot be rolled back and may be there after a restart';
        assert.match(Object(error).cause.message, new RegExp(`made by the test; ${fate}: EROFS: `));
        return assertCode(error, code, path);
      });
      assert.equal(await writes[1], false, 'the next write of this user finds none');
      assert.equal(isLost, false);
    });
    // A file that was not closed cannot be copied.
    const unclosed = fileWith(written(JOE));
    t.mock.method(handles, 'writeFile', fault(code), { times: 1 });
    await assert.rejects(open(unclosed), (error) => assertCode(error, code, unclosed));
  }
  const below = join(fileWith(''), 'users.jsonl');
  await assert.rejects(open(below), (error) => assertCode(error, 'ENOTDIR', below));
  await withStore(newPath(), async (store) => {
    await store.close();
    await assert.rejects(store.update(joe), ({ cause }: AuthError) => {
      assert.ok(!Object.hasOwn(Object(cause), 'code'), 'the system reported no error');
      return true;
    });
  });
});

/** An error of node:fs as a program under Jest gets it: of the realm of Node, not of its own. */
const foreignError = (code: string): Error =>
  Object.assign(fromOtherRealm<Error>(`new Error('${code}: made by the test')`), { code });

test('what another realm made: an error of the system is known by its code', async (t) => {
  const path = join(newPath(), 'users.jsonl');
  const { stat, mkdir } = fsPromises;
  // The folder is missing, and the error says so.
  t.mock.method(fsPromises, 'stat', (...args: Parameters<typeof stat>) =>
    stat(...args).catch(() => Promise.reject(foreignError('ENOENT'))),
  );
  await withStore(path, (users) => users.insert(userNamed('joe')));
  const refused = (code: string) =>
    t.mock.method(fsPromises, 'mkdir', async (...args: Parameters<typeof mkdir>) => {
      await mkdir(...args);
      throw foreignError(code);
    });
  const eexist = refused('EEXIST');
  await withStore(join(newPath(), 'users.jsonl'), () => undefined);
  eexist.mock.restore();
  refused('EACCES');
  const error: unknown = await open(join(newPath(), 'below/users.jsonl')).catch((thrown) => thrown);
  assert.ok(error instanceof AuthError && error.code === 'ERR_STORE');
  assert.match(
    error.message,
    /EACCES: made by the test: let the user of this process read and write /,
  );
  assert.equal(Object(error.cause).code, 'EACCES');
});
