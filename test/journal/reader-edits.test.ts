/**
 * Reads files that a person or another program has edited: a complete record is never removed, and
 * what a crash cannot have left is kept or refused with its line number.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { test } from 'node:test';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import {
  fileWith,
  folderOf,
  newPath,
  refusal,
  userNamed,
  withStore,
} from '../support/user-files.ts';
import {
  ANN,
  BOB,
  EVE,
  fileOf,
  GOOD,
  handles,
  HEADER,
  JOE,
  line,
  NEW_JOE,
  read,
  USERS,
} from '../support/user-lines.ts';

async function usersIn(path: string): Promise<Record<string, string | undefined>> {
  return withStore(path, (store) => {
    const found = Object.keys(USERS).map((id) => [id, store.find(id)?.passwordHash]);
    return Object.fromEntries(found.filter(([, hash]) => hash !== undefined));
  });
}

async function assertRefused(
  content: string | Buffer,
  lineNumber: number,
  reason = '',
): Promise<void> {
  const path = fileWith(content);
  const bytes = fs.readFileSync(path);
  const expected = refusal('ERR_STORE_DAMAGED', `${path}, line ${lineNumber} ${reason}`);
  await assert.rejects(JsonFileUserStore.open(path), expected, `line ${lineNumber} ${reason}`);
  assert.deepEqual([fs.readFileSync(path), folderOf(path)], [bytes, ['users.jsonl']]);
}

test('edits of line feeds and empty lines keep every user', async () => {
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

test('removing the lines of a user removes the user, also if the file was not closed', async () => {
  for (const content of [GOOD, GOOD.trimEnd()]) {
    const path = fileWith(
      content
        .split('\n')
        .filter((line) => !line.includes('"joe"'))
        .join('\n'),
    );
    assert.deepEqual(await usersIn(path), { ann: 'a hash', bob: 'a hash' });
  }
});

test('an edit that breaks a line is refused with its number and stays as it is', async () => {
  const good = GOOD.split('\n');
  const withLine = (number: number, line: string) => good.toSpliced(number - 1, 0, line).join('\n');
  const eve = line('insert', userNamed('eve'));
  // Two files joined, with and without a line feed between them.
  await assertRefused(GOOD + GOOD, 10, 'has an unknown op');
  await assertRefused(GOOD.trimEnd() + GOOD, 8, 'is not JSON');
  await assertRefused(
    GOOD + GOOD.split('\n').slice(1).join('\n'),
    11,
    'inserts a user that exists',
  );
  // Two lines joined, in the middle and at the end.
  await assertRefused(GOOD.replace(`${ANN}\n`, ANN), 5, 'is not JSON');
  await assertRefused(fileOf('', JOE, '', `${ANN}${BOB}`).trimEnd(), 5, 'is not JSON');
  await assertRefused(fileOf('', JOE, '', `${ANN}${BOB.slice(0, 30)}`).trimEnd(), 5, 'is not JSON');
  // A part of a line joined with a whole one, wherever that part ends.
  for (let length = 1; length < ANN.length; length += 1) {
    const joined = fileOf('', JOE, '', `${ANN.slice(0, length)}${BOB}`).trimEnd();
    await assertRefused(joined, 5, 'is not JSON');
  }
  // A part of a line with a value that is not a string.
  for (const end of ['12', 'tru', '{', '['])
    await assertRefused(
      fileOf('', JOE, '', `{"op":"insert","id":${end}`).trimEnd(),
      5,
      'is not JSON',
    );
  // Cut at the front and in the middle.
  await assertRefused(GOOD.slice(HEADER.length + 1), 1);
  await assertRefused(GOOD.slice(20), 1);
  await assertRefused(GOOD.replace(ANN, ANN.slice(0, 40)), 5, 'is not JSON');
  await assertRefused(GOOD.replace(`${JOE}\n`, ''), 7, 'updates a user that does not exist');
  // Lines that latchkey never writes.
  for (const number of [2, 4, 10])
    await assertRefused(withLine(number, '# checked by ann'), number, 'is not JSON');
  await assertRefused(`${GOOD}# checked by ann`, 10, 'is not JSON');
  await assertRefused(`${GOOD}{"op":"insert"}`, 10, 'does not have exactly the members of a user');
  await assertRefused(GOOD + EVE.replace('"EVE"', '1'), 10, 'has no string as "username"');
  await assertRefused(`${GOOD}${JOE}`, 10, 'inserts a user that exists already');
  await assertRefused(`${GOOD}${eve}\r`, 10, 'ends in a carriage return');
  await assertRefused(`${GOOD}\ufeff${eve}`, 10, 'begins with a byte order mark');
  await assertRefused(GOOD.replaceAll('\n', '\r\n'), 1, 'ends in a carriage return');
  await assertRefused(`\ufeff${GOOD}`, 1, 'begins with a byte order mark');
  // An incomplete line, where no empty line begins a write: the file was cut.
  const compacted = fileOf(JOE, ANN, BOB);
  await assertRefused(
    compacted.slice(0, -9),
    4,
    'is incomplete, and no empty line above it begins an interrupted write',
  );
  // A line with NUL bytes in the last batch counts as a line.
  await assertRefused(`${GOOD}{"op":\0\0}\nno JSON\n`, 11);
  // NUL bytes above the last batch, and in a file without batches.
  await assertRefused(GOOD.replace(ANN, ANN.replace('ann', '\0\0\0')), 5, 'holds NUL');
  await assertRefused(GOOD.replace(NEW_JOE, NEW_JOE.replace('joe', '\0\0\0')), 8, 'holds NUL');
  await assertRefused(compacted.replace(ANN, ANN.replace('ann', '\0\0\0')), 3, 'holds NUL');
  // The accepted twins.
  for (const twin of [GOOD, `${GOOD}${eve}`, compacted]) await usersIn(fileWith(twin));
});

test('an end of more than 1 MiB without a line feed is refused instead of cut off', async () => {
  for (const tail of ['x'.repeat((1 << 20) + 1), `{"op":"${'x'.repeat(3 << 20)}`]) {
    await assertRefused(GOOD + tail, 10, 'is too long');
    await assertRefused(`${GOOD}\0${tail}`, 10, 'is too long');
  }
  const torn = `{"op":"insert","id":"${'x'.repeat((1 << 20) - 100)}`;
  await withStore(fileWith(GOOD + torn), (store) =>
    assert.equal(store.discardedBytes, torn.length),
  );
});

test('a copy made at any moment, also in the middle of a write, can be opened', async (t) => {
  const path = newPath();
  const copies: string[] = [];
  await withStore(path, async (store) => {
    const { writeFile } = handles;
    const { mock } = t.mock.method(
      handles,
      'writeFile',
      async function (this: FileHandle, bytes: Uint8Array) {
        for (const part of [
          bytes.subarray(0, bytes.length / 2),
          bytes.subarray(bytes.length / 2),
        ]) {
          await writeFile.call(this, part);
          copies.push(read(path));
        }
      },
    );
    for (const id of ['joe', 'ann', 'bob']) assert.equal(await store.insert(userNamed(id)), true);
    mock.restore();
  });
  assert.equal(copies.length, 6);
  for (const copy of copies) await usersIn(fileWith(copy));
});

test('a line over 1 MiB is refused with its number', async () => {
  const long = JSON.stringify({ op: 'insert', ...userNamed('long', 'x'.repeat(1_500_000)) });
  for (const content of [fileOf(JOE, long, BOB), fileOf(JOE, long)]) {
    const path = fileWith(content);
    await assert.rejects(
      JsonFileUserStore.open(path),
      refusal('ERR_STORE_DAMAGED', `${path}, line 3 is too long`),
    );
    assert.equal(read(path), content);
  }
});
