/** The suite that every store must pass: our stores pass it, and broken ones do not. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { testUserStore } from '../../src/users/contract.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { MemoryUserStore } from '../../src/users/memory.ts';
import { newPath } from '../support/user-files.ts';
import { childPath } from '../support/compiled.ts';

testUserStore('MemoryUserStore', { open: () => new MemoryUserStore() });

let path = '';
testUserStore('JsonFileUserStore', {
  open: () => JsonFileUserStore.open((path = newPath())),
  reopen: () => JsonFileUserStore.open(path),
});

test('callers cannot change what a store in this process returned', async () => {
  const users = new MemoryUserStore();
  const given = {
    id: 'joe',
    username: 'Joe',
    passwordHash: 'a hash',
    createdAt: '2026-01-02T03:04:05.678Z',
  };
  users.insert(given);
  given.passwordHash = 'another hash';
  assert.equal(users.find('joe')?.passwordHash, 'a hash');
  assert.ok(Object.isFrozen(users.find('joe')));
  users.update(given);
  assert.ok(Object.isFrozen(users.find('joe')));
});

test('the suite fails each broken store, in the tests of its fault only', () => {
  // With NODE_TEST_CONTEXT the child would report to our own runner.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const values = ['--test', '--test-reporter=tap', childPath('broken-stores')];
  const { stdout } = spawnSync(process.execPath, values, { encoding: 'utf8', env });
  const verdicts = [...stdout.matchAll(/^ *(ok|not ok) \d+ - (.*: .*)$/gm)];
  // Eleven stores, ten tests each, and one more for the store that can be opened again.
  assert.equal(verdicts.length, 11 * 10 + 1);
  assert.deepEqual(
    verdicts.flatMap(([, verdict, name]) => (verdict === 'ok' ? [] : [name])),
    [
      'two steps: lets exactly one of 50 inserts of one id through',
      'writes all back: keeps apart what is written at the same time',
      'update inserts: updates a user that exists, and no other',
      'ignores the hash: replaces only the hash that is expected',
      'ignores the hash: lets exactly one of 50 updates that expect one hash through',
      'ignores the hash: never undoes an update by one that expects the hash from before',
      'ignores the hash: compares odd hashes to the letter',
      'compares in two steps: lets exactly one of 50 updates that expect one hash through',
      'compares in two steps: never undoes an update by one that expects the hash from before',
      'shows it late: never undoes an update by one that expects the hash from before',
      'an empty hash is none: compares odd hashes to the letter',
      'folds case: finds what was inserted, and nothing else',
      'plain object: keeps odd ids apart',
      'forgets: keeps acknowledged writes when it is opened again',
    ],
  );
});
