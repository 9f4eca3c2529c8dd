/** The suite that every store must pass. Our stores pass it, and broken stores fail in it. */
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

test('each broken store fails in the tests of its fault, and in no other', () => {
  // With NODE_TEST_CONTEXT the child would report to our own runner.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const values = ['--test', '--test-reporter=tap', childPath('broken-stores')];
  const { stdout } = spawnSync(process.execPath, values, { encoding: 'utf8', env });
  const verdicts = [...stdout.matchAll(/^ *(ok|not ok) \d+ - (.*: .*)$/gm)];
  // Eleven stores, eleven tests each, and one more for the store that can be reopened.
  assert.equal(verdicts.length, 11 * 11 + 1);
  assert.deepEqual(
    verdicts.flatMap(([, verdict, name]) => (verdict === 'ok' ? [] : [name])),
    [
      'two steps: lets exactly one of 50 inserts of the same id through',
      'writes all back: keeps concurrent writes of different ids apart',
      'update inserts: updates a user that exists, and no other',
      'ignores the hash: replaces only the hash that is expected',
      'ignores the hash: lets exactly one of 50 updates through that expect the same hash',
      'ignores the hash: keeps an update when another expects the hash from before it',
      'ignores the hash: compares odd hashes exactly',
      'compares in two steps: lets exactly one of 50 updates through that expect the same hash',
      'compares in two steps: keeps an update when another expects the hash from before it',
      'shows it late: keeps an update when another expects the hash from before it',
      'an empty hash is none: compares odd hashes exactly',
      'folds case: finds what was inserted, and nothing else',
      'plain object: keeps odd ids apart',
      'forgets: keeps acknowledged writes when it is reopened',
    ],
  );
});
