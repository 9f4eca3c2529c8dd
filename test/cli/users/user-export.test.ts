/** Exports: all users and removed names of a store, page by page, at the pace of the output. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { removedNameLine, userLine } from '../../../src/cli/users/import-lines.ts';
import { exportUsers } from '../../../src/cli/users/user-export.ts';
import { MemoryUserStore } from '../../../src/index.ts';
import { collected } from '../../support/outputs.ts';
import { administrationOf, exported, userOf } from '../../support/transfers.ts';

test('an export has each user, then each removed name, sorted by id', async () => {
  const store = new MemoryUserStore();
  const users = ['ann', 'joe', '\u{10428}'].map((id) => userOf(id, `hash of ${id}`));
  for (const user of users.toReversed()) store.insert(user);
  for (const id of ['zoe', 'bob', 'joe']) {
    store.insert(userOf(id));
    if (id !== 'joe') store.remove(id, 1_000_000_000);
  }
  const names = ['bob', 'zoe'].map((id) => ({ id, removedAt: 1_000_000_000 }));
  const expected = [...users.map(userLine), ...names.map(removedNameLine)].join('');
  assert.equal(await exported(administrationOf(store)), expected);
});

test('an export of no users is empty', async () => {
  assert.equal(await exported(administrationOf(new MemoryUserStore())), '');
});

test('an export has every page, and counts the users', async () => {
  const store = new MemoryUserStore();
  const ids = Array.from({ length: 2_500 }, (_, index) => `user${1_000 + index}`);
  for (const id of ids) store.insert(userOf(id));
  for (const id of ids.slice(0, 1_200)) store.remove(id, 1_000_000_000);
  const { output, chunks } = collected();
  assert.equal(await exportUsers(administrationOf(store), output), 1_300);
  const lines = chunks.join('').trimEnd().split('\n');
  const written = lines.map((line) => Object(JSON.parse(line)).id);
  assert.deepEqual(written, [...ids.slice(1_200), ...ids.slice(0, 1_200)]);
  assert.equal(output.writableEnded, false);
});

test('the next page is read once the output has taken the last one', async () => {
  const store = new MemoryUserStore();
  for (let index = 0; index < 3_000; index += 1) store.insert(userOf(`user${index}`));
  const administration = administrationOf(store);
  const steps: string[] = [];
  const output = new Writable({
    write(_chunk, _encoding, callback) {
      steps.push('write');
      setImmediate(() => {
        steps.push('written');
        callback();
      });
    },
  });
  await exportUsers({
    exportUsers: async (after) => {
      steps.push('read');
      return administration.exportUsers(after);
    },
    exportRemovedNames: async () => [],
  }, output);
  const page = ['read', 'write', 'written'];
  assert.deepEqual(steps, [...page, ...page, ...page, 'read']);
});

test('an output that fails, or is closed, refuses the export', async () => {
  const store = new MemoryUserStore();
  store.insert(userOf('joe'));
  const full = new Writable({
    write(_chunk, _encoding, callback) {
      callback(new Error('no space left: made by the test'));
    },
  });
  const administration = administrationOf(store);
  await assert.rejects(exportUsers(administration, full), /no space left/);
  const closed = new Writable();
  closed.destroy();
  await assert.rejects(exportUsers(administration, closed), /cannot write the output: .*destroyed/);
});

test('an output that fails at the removed names refuses the export', async () => {
  const store = new MemoryUserStore();
  store.insert(userOf('joe'));
  store.remove('joe', 1_000_000_000);
  const full = new Writable({
    write(_chunk, _encoding, callback) {
      setImmediate(callback, new Error('no space left: made by the test'));
    },
  });
  await assert.rejects(exportUsers(administrationOf(store), full), /no space left/);
});
