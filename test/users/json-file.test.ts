/**
 * Holds the file of users to its format and its promises: what was answered is in it and synced, damage is refused and
 * left alone, and a disk that fails costs nobody more than the write it failed.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { open as openFile, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { AuthError } from '../../src/errors.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import type { User } from '../../src/users/store.ts';
import { INHERITED_NAMES, NOT_STRINGS, NOT_USERNAMES, ONE_USERNAME } from '../support/hostile.ts';
import { fileWith, folderOf, newPath, outputOf } from '../support/user-files.ts';
import { refusal, start, userNamed, withStore } from '../support/user-files.ts';
import { childPath } from '../support/children.ts';

const open = (path: string) => JsonFileUserStore.open(path);
const read = (path: string) => fs.readFileSync(path, 'utf8');

// The format, written here without the code under test, so that it cannot change unnoticed.
const HEADER = '{"format":"latchkey-users","version":1}';
const line = (op: string, { id, username, passwordHash, createdAt }: User) =>
  JSON.stringify({ op, id, username, passwordHash, createdAt });
const fileOf = (...lines: string[]) => [HEADER, ...lines, ''].join('\n');
/** As the store writes it: an empty line before each batch. */
const written = (...batches: string[]) => fileOf(...batches.flatMap((batch) => ['', batch]));
/** As the store leaves it: an empty line at the end says that all of it is on disk. */
const closed = (...batches: string[]) => `${written(...batches)}\n`;
const [joe, newJoe, ann, bob] = [userNamed('joe'), userNamed('joe', 'new'), userNamed('ann'), userNamed('bob')];
const [JOE, NEW_JOE] = [line('insert', joe), line('update', newJoe)];
const [ANN, BOB] = [line('insert', ann), line('insert', bob)];

/** Where every FileHandle has its methods: to count syncs, and for faults that no disk makes when asked to. */
const probe = await openFile(import.meta.filename, 'r');
const handles: FileHandle = Object.getPrototypeOf(probe);
await probe.close();

test('a file has a line for its format and one for each write, there when the write is answered', async (t) => {
  const path = newPath();
  const { mock } = t.mock.method(handles, 'sync');
  await withStore(path, async (store) => {
    assert.equal(mock.callCount(), 3, 'the folder, the one that it was made in, and the one of that');
    assert.equal(read(path), written());
    assert.equal(await store.insert(joe), true);
    assert.equal(read(path), written(JOE));
    assert.equal(await store.update(newJoe), true);
    assert.equal(read(path), written(JOE, NEW_JOE));
    assert.deepEqual([await store.insert(joe), await store.update(ann)], [false, false]);
  });
  assert.deepEqual([read(path), folderOf(path)], [closed(JOE, NEW_JOE), ['users.jsonl']]);
  await withStore(path, (store) => assert.deepEqual({ ...store.find('joe') }, newJoe));
});

test('whatever the umask, folders have the mode 0700, the file and its lock 0600', async () => {
  const child = await start('store', 'umask', newPath());
  child.send('go');
  const masks = ['0', '22', '77', '177', '777'];
  assert.equal(await outputOf(child), masks.map((mask) => `${mask} 700 700 600 600\n`).join(''));
});

test('an insert answers once it is synced; until then nobody is found, but the id is taken', async (t) => {
  const path = newPath();
  await withStore(path, async (store) => {
    const { datasync } = handles;
    let isAnswered = false;
    let seen: unknown[] = [];
    t.mock.method(handles, 'datasync', async function (this: FileHandle) {
      const again = await store.insert(userNamed('joe', 'other'));
      await setImmediate();
      seen = [read(path), again, store.find('joe'), isAnswered];
      await datasync.call(this);
    });
    assert.equal(await store.insert(joe).finally(() => (isAnswered = true)), true);
    assert.deepEqual(seen, [written(JOE), false, undefined, false]);
    assert.deepEqual({ ...store.find('joe') }, joe);
  });
});

test('concurrent writes keep their order and share a sync, single ones do not; 50 of one id let one in', async (t) => {
  const path = newPath();
  const users = Array.from({ length: 64 }, (_, index) => userNamed(`${index}`));
  await withStore(path, async (store) => {
    const { mock } = t.mock.method(handles, 'datasync');
    await Promise.all(users.map((user) => store.insert(user)));
    assert.ok(mock.callCount() < 8, `${mock.callCount()} syncs`);
    const lines = read(path).split('\n').filter((it) => it !== '');
    assert.deepEqual(lines, [HEADER, ...users.map((user) => line('insert', user))]);
    mock.resetCalls();
    for (const user of users) await store.update(user);
    assert.equal(mock.callCount(), 64);
    const same = await Promise.all(users.map(({ id }) => store.insert(userNamed('joe', id))));
    assert.deepEqual([same.indexOf(true), same.lastIndexOf(true), store.find('joe')?.passwordHash], [0, 0, '0']);
  });
});

test('records come back as they were, whatever is in them, across the chunks in which the file is read', async () => {
  const path = newPath();
  const ids = [...INHERITED_NAMES, ...NOT_USERNAMES, ...ONE_USERNAME, '\ufffd', '"\\', '\u2029', 'x'.repeat(200_000)];
  const users = ids.map((id, index) => userNamed(id, '\u{1f511}\u20ac'.repeat(index * 1000)));
  await withStore(path, async (store) => {
    assert.ok((await Promise.all(users.map((user) => store.insert(user)))).every((isInserted) => isInserted));
  });
  assert.ok(fs.statSync(path).size > 4e6);
  await withStore(path, (store) => assert.deepEqual(ids.map((id) => ({ ...store.find(id) })), users));
});

test('a record that could not be read again is refused and not written', async () => {
  const path = newPath();
  await withStore(path, async (store) => {
    await store.insert(joe);
    for (const value of NOT_STRINGS) {
      await assert.rejects(store.insert(Object.assign(userNamed('ann'), { username: value })), TypeError);
      await assert.rejects(store.update(Object.assign(userNamed('joe'), { passwordHash: value })), TypeError);
    }
    await assert.rejects(store.insert(userNamed('ann', 'x'.repeat(1 << 20))), RangeError);
    assert.equal(await store.insert(userNamed('ann', 'x'.repeat(1_000_000))), true);
  });
  await withStore(path, (store) => assert.deepEqual({ ...store.find('joe') }, joe));
});

test('a last line torn at any byte, or ending in zeros, is cut off, counted and saved; a whole one is kept', async () => {
  const lasting = userNamed('\u00f1and\u00fa \u{10428}');
  const LAST = line('insert', lasting);
  for (const [before, last] of [['', HEADER], [written(JOE), `\n${LAST}`]] as const) {
    const bytes = Buffer.from(`${last}\n`);
    const kept = before === '' ? [] : [JOE];
    for (let length = 0; length <= bytes.length; length += 1) {
      for (const zeros of length % 10 === 0 && length < bytes.length ? [0, 7] : [0]) {
        const start = Buffer.concat([Buffer.from(before), bytes.subarray(0, length)]);
        const path = fileWith(Buffer.concat([start, Buffer.alloc(zeros)]));
        const isWhole = length >= bytes.length - 1;
        const lines = before !== '' && isWhole ? [...kept, LAST] : kept;
        const left = fileOf(...lines);
        const isClosed = before !== '' && length === 1 && zeros === 0;
        // The empty line before the last one was written whole.
        const cut = bytes.subarray(before === '' ? 0 : 1, isWhole ? 0 : length);
        await withStore(path, async (store) => {
          assert.equal(store.discardedBytes, cut.length + zeros);
          // Where nothing but the empty line arrived, the file is as after a clean stop.
          assert.equal(read(path), isClosed ? before : left);
          if (store.discardedPath === undefined) assert.equal(cut.length + zeros, 0);
          else {
            assert.equal(store.discardedPath, `${path}.cut-1`);
            assert.deepEqual(fs.readFileSync(store.discardedPath), Buffer.concat([cut, Buffer.alloc(zeros)]));
            assert.equal(fs.statSync(store.discardedPath).mode & 0o777, 0o600);
          }
          assert.equal(await store.insert(ann), true);
        });
        assert.equal(read(path), `${isClosed ? before : left}\n${ANN}\n\n`);
      }
    }
  }
});

const record = (members: object) => JSON.stringify({ op: 'insert', ...ann, ...members });
/** What may not stand in the place of one line of a good file, by its number. In ASCII, and bytes as \x80 to \xff. */
const DAMAGE: Record<string, string[]> = {
  1: [
    ...['', ' ', '\0', 'hello', 'null', '[]', '{}', JOE, `\xef\xbb\xbf${HEADER}`, `${HEADER}\r`, `${HEADER}${HEADER}`],
    ...[',"version":2', ',"version":0', ',"version":"1"', ',"version":null', ''].map((v) => HEADER.replace(/,.*\d/, v)),
    HEADER.replace('latchkey-users', 'latchkey-user'),
  ],
  3: [
    ...[' ', '\0', 'null', 'true', '1', '"x"', '[]', '{}', '{"op":', HEADER, JOE, line('update', ann)],
    ...[`\xef\xbb\xbf${ANN}`, `${ANN}\r`, `${ANN}\0`, `\0${ANN}`, `${ANN}${BOB}`, ANN.slice(0, -1)],
    // No byte of UTF-8, half a character, a surrogate, an overlong slash (RFC 3629 section 3).
    ...['\xff', '\xc3', '\xed\xa0\x80', '\xc0\xaf'].map((username) => record({ username })),
    ...Object.keys({ op: 0, ...ann }).flatMap((name) =>
      [undefined, null, true, 1, [], ['x'], {}].map((value) => record({ [name]: value })),
    ),
    ...[record({ op: 'delete' }), record({ isAdmin: true }), ANN.replace('{', '{"__proto__":{},')],
    record({ op: undefined }).replace('{', '{"__proto__":{"op":"insert"},'),
  ],
  4: ['{"op":', JOE, line('update', bob)],
};

test('damage is refused with the number of its line, and the file is left byte for byte as it was', async () => {
  const lines = [HEADER, JOE, ANN, BOB, '', line('insert', userNamed('eve'))];
  await withStore(fileWith(fileOf(...lines.slice(1))), (store) => assert.deepEqual({ ...store.find('bob') }, bob));
  for (const [number, damage] of Object.entries(DAMAGE)) {
    for (const bad of damage) {
      // The torn end is not cut off either.
      const bytes = Buffer.from(`${lines.with(Number(number) - 1, bad).join('\n')}\n{"op":`, 'latin1');
      const path = fileWith(bytes);
      const reason = bad.startsWith('\xef\xbb\xbf') ? 'begins with a byte order mark' : '';
      const expected = refusal('ERR_STORE_DAMAGED', `${path}, line ${number} ${reason}`);
      await assert.rejects(open(path), expected, `${number} ${bad}`);
      assert.deepEqual([fs.readFileSync(path), folderOf(path)], [bytes, ['users.jsonl']]);
    }
  }
  const many = Array.from({ length: 20_000 }, (_, index) => line('insert', userNamed(`\ufffd ${index}`)));
  // Neither a sound line beside the broken one, nor the user that it names from an earlier chunk, is taken for damage.
  const sound = fileOf(...many, line('update', userNamed('\ufffd 0')));
  const path = fileWith(Buffer.concat([Buffer.from(sound), Buffer.from('"\xff"\n', 'latin1')]));
  await assert.rejects(open(path), refusal('ERR_STORE_DAMAGED', `${path}, line 20003 `));
});

const EVE = line('insert', userNamed('eve'));
/** Pages that a power cut keeps from the last batch, and the records that are whole without them. */
const HOLES: [from: number, to: number, kept: string[]][] = (() => {
  const batch = `\n${ANN}\n${BOB}\n${EVE}\n`;
  const [toAnn, toBob, toEve] = [ANN, BOB, EVE].map((record) => batch.indexOf(record));
  assert.ok(toAnn !== undefined && toBob !== undefined && toEve !== undefined);
  return [
    [0, batch.length, []],
    [0, 1, [ANN, BOB, EVE]],
    [0, 9, [BOB, EVE]],
    [toAnn, toAnn + 1, [BOB, EVE]],
    [toAnn, toBob, [BOB, EVE]],
    [toBob - 1, toBob, [ANN, BOB, EVE]],
    [toBob - 2, toBob, [BOB, EVE]],
    [toBob - 1, toEve, [ANN, EVE]],
    [toBob + 9, toBob + 10, [ANN, EVE]],
    [toBob + 9, toEve + 9, [ANN]],
    [toEve + 9, batch.length, [ANN, BOB]],
    [batch.length - 1, batch.length, [ANN, BOB, EVE]],
    [batch.length - 2, batch.length, [ANN, BOB]],
  ];
})();

test('of a batch with a page missing what is whole is kept and the rest saved; elsewhere it is damage', async () => {
  const last = [ANN, BOB, EVE].join('\n');
  for (const before of [fileOf(), fileOf(JOE), written(JOE)]) {
    for (const [from, to, kept] of HOLES) {
      const bytes = Buffer.from(`${before}\n${last}\n`);
      bytes.fill(0, before.length + from, before.length + to);
      const path = fileWith(bytes);
      await withStore(path, (store) => {
        const all = before === fileOf() ? kept : [JOE, ...kept];
        assert.equal(read(path), fileOf(...all), `${from} ${to}`);
        const saved = fs.readFileSync(store.discardedPath ?? '');
        assert.equal(saved.length, store.discardedBytes);
        assert.ok(saved.filter((byte) => byte === 0).length === to - from, 'the hole is saved, too');
        const text = kept.reduce((rest, record) => rest.replace(record, ''), `${last}\n`);
        assert.ok(saved.length <= text.length + 1);
      });
      // The same hole, in a batch that was answered for.
      const line = bytes.subarray(0, before.length + from).toString().split('\n').length;
      for (const below of ['\n', `\n${NEW_JOE}\n`]) {
        const damaged = Buffer.concat([bytes, Buffer.from(below)]);
        const damagedPath = fileWith(damaged);
        // A hole that took the line feed before the empty line may leave one batch for two.
        if (to === last.length + 2) continue;
        await assert.rejects(open(damagedPath), refusal('ERR_STORE_DAMAGED', `${damagedPath}, line ${line} holds NUL`));
        assert.deepEqual([fs.readFileSync(damagedPath), folderOf(damagedPath)], [damaged, ['users.jsonl']]);
      }
    }
  }
});

test('a missing page is found in time, however much follows it, at the end of a chunk as well', async () => {
  const start = written(JOE);
  const many = Array.from({ length: 20_000 }, (_, index) => line('insert', userNamed(`${index}`)));
  for (const [tail, kept] of [
    [`\n\0${'x\0'.repeat(1 << 20)}x`, []],
    ['\0'.repeat(3 << 20), []],
    [`\0${'\0'.repeat(3 << 20)}\n${BOB}\n`, [BOB]],
    [`\n${ANN}${'\0'.repeat(3 << 20)}${BOB}\n`, [ANN, BOB]],
    [`\0\n${many.join('\n')}\n`, many],
    [`\0${'x'.repeat((1 << 20) - start.length - 2)}\n\n`, undefined],
    [`\0${'x'.repeat((2 << 20) - start.length - 2)}\n\n`, undefined],
    [`\0${'x'.repeat(1 << 21)}\n\n${BOB}\n`, undefined],
    [`\0${'\0'.repeat(3 << 20)}${'x'.repeat(1 << 21)}`, undefined],
  ] as const) {
    const path = fileWith(start + tail);
    if (kept === undefined) {
      await assert.rejects(open(path), refusal('ERR_STORE_DAMAGED', `${path}, line 4 `));
      assert.equal(read(path), start + tail);
    } else {
      await withStore(path, (store) => {
        assert.equal(read(path), fileOf(JOE, ...kept));
        assert.equal(fs.statSync(store.discardedPath ?? '').size, store.discardedBytes);
      });
    }
  }
});

test('a file that never was one of users is refused and not emptied, though it has no line feed', async () => {
  const nuls = ['\0'.repeat(HEADER.length + 2), '\0'.repeat(2_000_000), `\0\n${HEADER}\n`];
  for (const text of ['[{"username":"joe"}]', 'secret', `${HEADER}\r`, fileOf(JOE).replaceAll('\n', '\r'), ...nuls]) {
    const path = fileWith(text);
    await assert.rejects(open(path), refusal('ERR_STORE_DAMAGED', `${path}, line 1 `), text);
    assert.equal(read(path), text);
  }
});

/** So many users and superseded lines; each user ends with the hash "new". */
const worn = (users: number, superseded: number) =>
  fileOf(
    ...Array.from({ length: users }, (_, index) => line('insert', userNamed(`${index}`, 'new'))),
    ...Array.from({ length: superseded }, (_, index) => line('update', userNamed(`${index % users}`, 'new'))),
  );

test('a file is compacted once 1000 lines, and more than there are users, are superseded', async () => {
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

test('empty lines are no superseded ones', async () => {
  const path = fileWith(worn(1, 999).replaceAll('\n', '\n\n'));
  await withStore(path, () => assert.equal(read(path).split('\n').length, 2002));
});

test('a compaction that fails leaves the file as it was, and nothing beside it, until the next opening', async (t) => {
  for (const method of ['writeFile', 'datasync'] as const) {
    const path = fileWith(`${worn(1, 1000)}\n`);
    const { mock } = t.mock.method(handles, method, fault('ENOSPC'), { times: 1 });
    await withStore(path, async (store) => {
      assert.deepEqual([read(path), folderOf(path).length], [worn(1, 1000), 2], 'itself and the lock');
      assert.equal(store.find('0')?.passwordHash, 'new');
      assert.equal(await store.insert(joe), true);
    });
    mock.restore();
    await withStore(path, () => assert.equal(read(path), `${worn(1, 0)}${JOE}\n`));
  }
});

test('a file that was not closed is copied; while that fails it is refused and stays as it was', async (t) => {
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

test('neither a compaction, nor one that fails, nor a copy leaves another file open', async (t) => {
  const folder = '/proc/self/fd';
  if (!fs.existsSync(folder)) return t.skip('the system does not tell');
  for (const [content, fails] of [[`${worn(1, 1000)}\n`, true], [`${worn(1, 1000)}\n`, false], [written(JOE), false]] as const) {
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

test('a compaction of a file behind a link leaves the link, and syncs the folder of the file', async (t) => {
  const path = fileWith(worn(1, 1000));
  const link = join(dirname(fileWith('')), 'link.jsonl');
  fs.symlinkSync(path, link);
  const { mock } = t.mock.method(handles, 'sync');
  await withStore(link, async (store) => assert.equal(await store.insert(joe), true));
  assert.deepEqual([fs.readlinkSync(link), read(path), mock.callCount()], [path, `${worn(1, 0)}\n${JOE}\n\n`, 2]);
});

test('a link to a file that is not there yet is the same store as that file', async () => {
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

test('what a caller does with its object, or with one that was found, changes nothing', async () => {
  const path = newPath();
  await withStore(path, async (store) => {
    const own = { ...joe };
    const writing = store.insert(own);
    Object.assign(own, { id: 'eve', username: 'EVE', passwordHash: 'eve' });
    assert.equal(await writing, true);
    assert.deepEqual([{ ...store.find('joe') }, store.find('eve')], [joe, undefined]);
    assert.throws(() => Object.assign(store.find('joe') ?? {}, { passwordHash: 'eve' }), TypeError);
    class Account implements User {
      get id() { return 'ann'; }
      get username() { return ann.username; }
      get passwordHash() { return ann.passwordHash; }
      get createdAt() { return ann.createdAt; }
    }
    assert.equal(await store.insert(new Account()), true);
    assert.deepEqual({ ...store.find('ann') }, ann);
  });
  assert.equal(read(path), closed(JOE, ANN));
  await withStore(path, (store) => assert.throws(() => Object.assign(store.find('joe') ?? {}, { id: '' }), TypeError));
});

test('a place where no file can be is refused by name, a path that is no text as a TypeError', async () => {
  const [file, folder] = [fileWith(''), dirname(fileWith(''))];
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  const devices = ['/dev/null', join(folder, 'pipe')];
  const nowhere = [...devices, folder, join(file, 'x.jsonl'), join(file, 'a', 'x.jsonl'), '/proc/x.jsonl', '/dev/null/x', 'a\0b'];
  for (const path of nowhere) await assert.rejects(open(path), refusal('ERR_STORE', path), path);
  for (const path of devices) {
    await assert.rejects(open(path), refusal('ERR_STORE', path, 'it is not a regular file'));
    assert.deepEqual(folderOf(path).filter((name) => /lock|compact/.test(name)), [], path);
  }
  for (const path of ['', ...NOT_STRINGS] as string[]) await assert.rejects(open(path), TypeError);
  await withStore(join(folder, 'a', 'x.jsonl'), async (store) => assert.equal(await store.insert(joe), true));
});

test('a store that permissions keep out names the file and what to do, and changes nothing', async () => {
  const [readOnly, closed, full, hidden] = [fileWith(fileOf(JOE)), fileWith(''), newPath(), fileWith('')];
  fs.mkdirSync(dirname(full));
  fs.chmodSync(dirname(dirname(full)), 0o711);
  for (const [path, mode] of [[readOnly, 0o444], [closed, 0]] as const) fs.chmodSync(path, mode);
  const folders = [[readOnly, 0o777], [closed, 0o777], [full, 0o555], [hidden, 0]] as const;
  for (const [path, mode] of folders) fs.chmodSync(dirname(path), mode);
  const child = await start('store', 'denied', readOnly, closed, full, hidden);
  child.send('go');
  const refusals = (await outputOf(child)).trimEnd().split('\n');
  for (const [index, path] of [readOnly, closed, full, hidden].entries()) {
    const reason = `EACCES: permission denied, open '${path}'`;
    const pattern = new RegExp(`^AuthError: ${path} cannot be opened: ${reason}: mend that, or use another folder$`);
    assert.match(refusals[index] ?? '', pattern);
  }
  fs.chmodSync(dirname(hidden), 0o700);
  assert.deepEqual([readOnly, closed, full, hidden].map((path) => folderOf(path).length), [1, 1, 0, 1]);
});

test('a file that somebody removes, replaces, cuts or adds to is not written to, until it is as it was', async () => {
  const changes: ((path: string) => void)[] = [
    (path) => fs.unlinkSync(path),
    (path) => fs.renameSync(fileWith(read(path)), path),
    (path) => fs.rmSync(path) ?? fs.mkdirSync(path),
    (path) => fs.truncateSync(path, 60),
    (path) => fs.appendFileSync(path, `${BOB}\n`),
  ];
  const content = (path: string) => fs.statSync(path, { throwIfNoEntry: false })?.isFile() && read(path);
  for (const change of changes) {
    const path = newPath();
    await withStore(path, async (store) => {
      await store.insert(joe);
      fs.linkSync(path, `${path}.kept`);
      change(path);
      const found = content(path);
      await assert.rejects(store.insert(ann), refusal('ERR_STORE', path, 'put it back'), String(change));
      assert.ok(refusal('ERR_STORE', path, 'put it back')(await store.lost), String(change));
      assert.equal(content(path), found);
      fs.rmSync(path, { recursive: true, force: true });
      fs.renameSync(`${path}.kept`, path);
      fs.writeFileSync(path, written(JOE));
      assert.equal(await store.insert(ann), true, String(change));
    });
  }
});

/** A write that gets so far and fails. */
function fault(code: string, share = 0) {
  return async function (this: FileHandle, bytes?: unknown): Promise<never> {
    if (bytes instanceof Uint8Array) fs.writeSync(this.fd, bytes.subarray(0, Math.floor(bytes.length * share)));
    throw Object.assign(new Error(`${code}: made by the test`), { code });
  };
}

/** The error code of the system, which stands in the innermost cause. */
function codeBehind(error: unknown): unknown {
  const { code, cause } = Object(error);
  return cause === undefined ? code : codeBehind(cause);
}

test('a write that fails answers an error to each of its callers, leaves nothing, and the store goes on', async (t) => {
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
        assert.ok(write.status === 'rejected' && refusal('ERR_STORE', path, code)(write.reason), `${method} ${share}`);
        assert.equal(codeBehind(write.reason), code);
        assert.ok(!inspect(write.reason, { depth: 9, showHidden: true }).includes(ann.passwordHash));
      }
      assert.equal(read(path), written(JOE));
      assert.deepEqual([store.find('ann'), { ...store.find('joe') }], [undefined, joe]);
      mock.restore();
      assert.equal(await store.insert(ann), true);
      assert.equal(read(path), written(JOE, ANN));
    });
  }
});

test('while what a failed write left cannot be taken back nothing more is written', async (t) => {
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
    assert.deepEqual([read(path), mock.callCount()], [written(BOB), 2], 'what was taken back was synced, too');
  });
});

test('on a disk that is really full what was answered stays, nothing else does, and what fits is written', () => {
  const path = newPath();
  // A limit on the length of files stands in for the size of the disk: a write ends short, and the next one fails.
  const command = [process.execPath, ...process.execArgv, childPath('store'), 'fill', path];
  const env = { ...process.env, TSX_DISABLE_CACHE: '1' }; // Nothing but the file under test may hit the limit.
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -f 40 && exec "$@"', 'sh', ...command], { encoding: 'utf8', env });
  const answers = stdout.trimEnd().split('\n');
  const kept = answers.filter((answer) => answer.endsWith(' true'));
  const refused = answers.filter((answer) => answer.includes(`Error: ${path} cannot be written: EFBIG`));
  assert.ok(refused.length > 0 && kept.length + refused.length === answers.length, stdout);
  assert.equal(kept.at(-1), 'small true');
  assert.deepEqual(read(path).match(/(?<="id":")[^"]+/g)?.map((id) => `${id} true`), kept);
});

test('close finishes what was begun, may be called again at any time, and nothing is written afterwards', async () => {
  for (const isGathering of [false, true]) {
    const path = newPath();
    const store = await open(path);
    const inserts = [store.insert(joe)];
    await setImmediate();
    if (isGathering) inserts.push(store.insert(ann), store.insert(bob));
    await Promise.all([store.close(), store.close()]);
    const expected = isGathering ? closed(JOE, `${ANN}\n${BOB}`) : closed(JOE);
    assert.equal(read(path), expected);
    assert.ok((await Promise.all(inserts)).every((isInserted) => isInserted));
    for (const late of [() => store.insert(userNamed('late')), () => store.update(joe)]) {
      await assert.rejects(late, refusal('ERR_STORE', path, 'it is closed'));
    }
    await withStore(path, async () => {
      await store.close();
      await assert.rejects(open(path), refusal('ERR_STORE_LOCKED'));
    });
    assert.deepEqual([read(path), folderOf(path)], [expected, ['users.jsonl']]);
  }
});
