/**
 * Holds the file of users to its promise where a person or another program had it in hand: a
 * complete record is never removed, what a crash cannot have left is kept or refused with its line
 * number, and what is cut off is saved.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { open as openFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { fileWith, folderOf, newPath, refusal, userNamed, withStore } from '../support/user-files.ts';

const read = (path: string) => fs.readFileSync(path, 'utf8');
const record = (op: string, id: string, passwordHash = 'a hash') =>
  JSON.stringify({ op, ...userNamed(id, passwordHash) });
const HEADER = '{"format":"latchkey-users","version":1}';
const [JOE, ANN, BOB, NEW_JOE] = [
  record('insert', 'joe'),
  record('insert', 'ann'),
  record('insert', 'bob'),
  record('update', 'joe', 'new'),
];
const fileOf = (...lines: string[]) => [HEADER, ...lines, ''].join('\n');

/** Four users in three batches, after a clean stop. */
const GOOD = fileOf('', JOE, '', ANN, BOB, '', NEW_JOE, '');

const USERS = { joe: 'new', ann: 'a hash', bob: 'a hash' };

async function usersIn(path: string): Promise<Record<string, string | undefined>> {
  return withStore(path, (store) => {
    const found = Object.keys(USERS).map((id) => [id, store.find(id)?.passwordHash]);
    return Object.fromEntries(found.filter(([, hash]) => hash !== undefined));
  });
}

async function assertRefused(content: string | Buffer, lineNumber: number, reason = ''): Promise<void> {
  const path = fileWith(content);
  const bytes = fs.readFileSync(path);
  const expected = refusal('ERR_STORE_DAMAGED', `${path}, line ${lineNumber} ${reason}`);
  await assert.rejects(JsonFileUserStore.open(path), expected, `line ${lineNumber} ${reason}`);
  assert.deepEqual([fs.readFileSync(path), folderOf(path)], [bytes, ['users.jsonl']]);
}

/** Where every FileHandle has its methods, for faults that no disk makes when asked to. */
const probe = await openFile(import.meta.filename, 'r');
const handles: FileHandle = Object.getPrototypeOf(probe);
await probe.close();

async function fails(): Promise<never> {
  throw Object.assign(new Error('EIO: made by the test'), { code: 'EIO' });
}

test('what an editor does to line feeds and empty lines keeps every user', async () => {
  for (const content of [
    GOOD,
    GOOD.slice(0, -1),
    GOOD.slice(0, -2),
    `${GOOD}\n\n\n`,
    GOOD.replaceAll('\n', '\n\n'),
    GOOD.replaceAll(/\n\n+/g, '\n'),
    GOOD.replaceAll(/\n\n+/g, '\n').trimEnd(),
  ]) {
    const path = fileWith(content);
    for (const time of ['first', 'second']) {
      assert.deepEqual(await usersIn(path), USERS, `${time} time ${JSON.stringify(content)}`);
      assert.deepEqual(folderOf(path), ['users.jsonl']);
    }
  }
});

test('a user is removed by removing the lines with the id, whether or not the file was closed', async () => {
  for (const content of [GOOD, GOOD.trimEnd()]) {
    const path = fileWith(content.split('\n').filter((line) => !line.includes('"joe"')).join('\n'));
    assert.deepEqual(await usersIn(path), { ann: 'a hash', bob: 'a hash' });
  }
});

test('what no crash leaves is refused with its line number, and the file stays as it was', async () => {
  const good = GOOD.split('\n');
  const withLine = (number: number, line: string) => good.toSpliced(number - 1, 0, line).join('\n');
  const eve = record('insert', 'eve');
  // Two files joined, with and without a line feed between them.
  await assertRefused(GOOD + GOOD, 10, 'is not a user');
  await assertRefused(GOOD.trimEnd() + GOOD, 8, 'is not JSON');
  await assertRefused(GOOD + GOOD.split('\n').slice(1).join('\n'), 11, 'inserts a user that exists');
  // Two lines joined, in the middle and at the end.
  await assertRefused(GOOD.replace(`${ANN}\n`, ANN), 5, 'is not JSON');
  await assertRefused(fileOf('', JOE, '', `${ANN}${BOB}`).trimEnd(), 5, 'is not JSON');
  await assertRefused(fileOf('', JOE, '', `${ANN}${BOB.slice(0, 30)}`).trimEnd(), 5, 'is not JSON');
  // Cut at the front and in the middle.
  await assertRefused(GOOD.slice(HEADER.length + 1), 1);
  await assertRefused(GOOD.slice(20), 1);
  await assertRefused(GOOD.replace(ANN, ANN.slice(0, 40)), 5, 'is not JSON');
  await assertRefused(GOOD.replace(`${JOE}\n`, ''), 7, 'updates a user that does not exist');
  // Lines of another hand.
  for (const number of [2, 4, 10]) await assertRefused(withLine(number, '# checked by ann'), number, 'is not JSON');
  await assertRefused(`${GOOD}# checked by ann`, 10, 'is not JSON');
  await assertRefused(`${GOOD}{"op":"insert"}`, 10, 'is not a user');
  await assertRefused(`${GOOD}${JOE}`, 10, 'inserts a user that exists already');
  await assertRefused(`${GOOD}${eve}\r`, 10, 'ends in a carriage return');
  await assertRefused(`${GOOD}\ufeff${eve}`, 10, 'begins with a byte order mark');
  await assertRefused(GOOD.replaceAll('\n', '\r\n'), 1, 'ends in a carriage return');
  await assertRefused(`\ufeff${GOOD}`, 1, 'begins with a byte order mark');
  // An incomplete line, where no empty line begins a write: the file was cut.
  const compacted = fileOf(JOE, ANN, BOB);
  await assertRefused(compacted.slice(0, -9), 4, 'is incomplete, but no empty line above it begins a write');
  // A hole that is not in the last batch, or in none.
  await assertRefused(GOOD.replace(ANN, ANN.replace('ann', '\0\0\0')), 5, 'holds NUL');
  await assertRefused(GOOD.replace(NEW_JOE, NEW_JOE.replace('joe', '\0\0\0')), 8, 'holds NUL');
  await assertRefused(compacted.replace(ANN, ANN.replace('ann', '\0\0\0')), 3, 'holds NUL');
  // The accepted twins.
  for (const twin of [GOOD, `${GOOD}${eve}`, compacted]) await usersIn(fileWith(twin));
});

test('a foreign end of more than 1 MiB without a line feed is refused, not cut off', async () => {
  for (const tail of ['x'.repeat((1 << 20) + 1), `{"op":"${'x'.repeat(3 << 20)}`]) {
    await assertRefused(GOOD + tail, 10, 'is too long');
    await assertRefused(`${GOOD}\0${tail}`, 10, 'is too long');
  }
  const torn = `{"op":"insert","id":"${'x'.repeat((1 << 20) - 100)}`;
  await withStore(fileWith(GOOD + torn), (store) => assert.equal(store.discardedBytes, torn.length));
});

test('a file cut at any byte gives every complete record back, or is refused; what is cut off is saved', async () => {
  const compacted = fileOf(JOE, ANN, BOB);
  for (const [content, isRefusable] of [[GOOD, false], [compacted, true]] as const) {
    for (let length = 0; length < content.length; length += 1) {
      const cut = content.slice(0, length);
      const path = fileWith(cut);
      const complete = cut.match(/\{"op".*?\}/g) ?? [];
      const store = await JsonFileUserStore.open(path).catch((error: Error) => {
        assert.ok(isRefusable && refusal('ERR_STORE_DAMAGED', `${path}, line `)(error), String(error));
        assert.deepEqual([read(path), folderOf(path)], [cut, ['users.jsonl']]);
      });
      if (store === undefined) continue;
      for (const line of complete) {
        const { id, passwordHash } = JSON.parse(line);
        const isLast = complete.at(-1) === line || !NEW_JOE.includes(`"${id}"`);
        if (isLast || complete.length < 4) assert.equal(store.find(id)?.passwordHash, passwordHash);
      }
      const saved = store.discardedPath === undefined ? '' : read(store.discardedPath);
      assert.ok(cut.endsWith(saved));
      assert.equal(saved.length, store.discardedBytes);
      await store.close();
      const texts = [...complete.map((line) => JSON.parse(line).id), saved];
      assert.ok(texts.every((text) => `${read(path)}${saved}`.includes(text)));
    }
  }
});

test('a copy made at any moment, in the middle of a write too, can be opened', async (t) => {
  const path = newPath();
  const copies: string[] = [];
  await withStore(path, async (store) => {
    const { writeFile } = handles;
    const { mock } = t.mock.method(handles, 'writeFile', async function (
      this: FileHandle,
      bytes: Uint8Array,
    ) {
      for (const part of [bytes.subarray(0, bytes.length / 2), bytes.subarray(bytes.length / 2)]) {
        await writeFile.call(this, part);
        copies.push(read(path));
      }
    });
    for (const id of ['joe', 'ann', 'bob']) assert.equal(await store.insert(userNamed(id)), true);
    mock.restore();
  });
  assert.equal(copies.length, 6);
  for (const copy of copies) await usersIn(fileWith(copy));
});

test('what is cut off never overwrites what was cut off before', async () => {
  const path = fileWith(GOOD);
  const torn = ['{"op":"one', '{"op":"two', '{"op":"three'];
  for (const [index, tail] of torn.entries()) {
    fs.appendFileSync(path, tail);
    await withStore(path, (store) => assert.equal(store.discardedPath, `${path}.cut-${index + 1}`));
  }
  assert.deepEqual(torn.map((_, index) => read(`${path}.cut-${index + 1}`)), torn);
  assert.deepEqual(await usersIn(path), USERS);
});

test('nothing is cut off while it cannot be saved', async (t) => {
  const content = `${GOOD}{"op":`;
  const path = fileWith(content);
  const { writeFile } = handles;
  // The copy of the users succeeds.
  const { mock } = t.mock.method(handles, 'writeFile', async function (this: FileHandle, bytes: Uint8Array) {
    if (bytes.length === 6) await fails();
    return writeFile.call(this, bytes);
  });
  await assert.rejects(JsonFileUserStore.open(path), refusal('ERR_STORE', path, 'EIO'));
  assert.deepEqual([read(path), folderOf(path)], [content, ['users.jsonl']]);
  mock.restore();
  assert.deepEqual(await usersIn(path), USERS);
  assert.equal(read(`${path}.cut-1`), '{"op":');
});

test('a backup that is moved into place while the file is being opened is not overwritten', async (t) => {
  const path = fileWith(GOOD.trimEnd());
  const backup = fileWith(fileOf(BOB));
  const { mock } = t.mock.method(handles, 'chown', async () => fs.renameSync(backup, path), { times: 1 });
  await assert.rejects(JsonFileUserStore.open(path), refusal('ERR_STORE', path, 'another program replaced it'));
  mock.restore();
  assert.equal(read(path), fileOf(BOB));
});

test('a line that is longer than any that is written is refused with its number', async () => {
  const long = JSON.stringify({ op: 'insert', ...userNamed('long', 'x'.repeat(1_500_000)) });
  for (const content of [fileOf(JOE, long, BOB), fileOf(JOE, long)]) {
    const path = fileWith(content);
    await assert.rejects(JsonFileUserStore.open(path), refusal('ERR_STORE_DAMAGED', `${path}, line 3 is too long`));
    assert.equal(read(path), content);
  }
});

test('a line that is added while the file is being opened is not lost', async (t) => {
  const added = `\n${record('insert', 'eve')}\n`;
  const assertKept = async (path: string, content: string, fault: { mock: { restore(): void } }) => {
    await assert.rejects(JsonFileUserStore.open(path), refusal('ERR_STORE', path, 'another program'));
    fault.mock.restore();
    assert.equal(read(path), content + added);
    await withStore(path, (store) => assert.ok(store.find('eve')));
  };
  // While the new file is written, and while a file that was closed is read.
  const unclosed = fileWith(GOOD.trimEnd());
  await assertKept(unclosed, GOOD.trimEnd(), t.mock.method(handles, 'chown', async () => {
    fs.appendFileSync(unclosed, added);
  }));
  const path = fileWith(GOOD);
  const { read: readBytes } = handles;
  await assertKept(path, GOOD, t.mock.method(handles, 'read', async function (
    this: FileHandle,
    ...values: Parameters<typeof readBytes>
  ) {
    const result = await readBytes.apply(this, values);
    if (result.bytesRead === 0) fs.appendFileSync(path, added);
    return result;
  }));
});

test('what another program adds or cuts after a failed write is neither cut off nor filled with NULs', async (t) => {
  for (const change of [
    (path: string) => fs.appendFileSync(path, `${BOB}\n`),
    (path: string) => fs.truncateSync(path, 60),
  ]) {
    const path = newPath();
    const store = await JsonFileUserStore.open(path);
    assert.equal(await store.insert(userNamed('joe')), true);
    const { mock } = t.mock.method(handles, 'datasync', async () => {
      change(path);
      return fails();
    }, { times: 1 });
    await assert.rejects(store.insert(userNamed('ann')), refusal('ERR_STORE', path, 'EIO'));
    mock.restore();
    const changed = read(path);
    await assert.rejects(store.insert(userNamed('eve')), refusal('ERR_STORE', path, 'another program'));
    await store.close();
    assert.equal(read(path), changed, 'not marked as closed either');
  }
});

test('a file that was changed while it was open, or whose end cannot be written, is not marked as closed', async (t) => {
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
});
