/** The suite that every store must pass. Our stores pass it, and broken stores fail in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemorySessionStore } from '../../src/sessions/memory.ts';
import { testUserStore } from '../../src/users/contract.ts';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import { MemoryUserStore } from '../../src/users/memory.ts';
import { failuresIn, verdictsOf } from '../support/broken-stores.ts';
import { newPath } from '../support/user-files.ts';

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
  const verdicts = verdictsOf('broken-stores');
  // Ten stores of version 0.1, eleven tests each. The tests of optional methods are skipped.
  const ofOldStores = verdicts.filter(({ title }) => !title.startsWith('forgets: '));
  assert.equal(ofOldStores.filter(({ isSkipped }) => !isSkipped).length, 10 * 11);
  assert.deepEqual(
    failuresIn(verdicts),
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
      'forgets: remove, if the store has it: keeps removed names when it is reopened',
      'forgets: keeps acknowledged writes when it is reopened',
    ],
  );
});

/** The tests of `remove` that need the time of a removal. */
const TIMES = {
  later: 'remove: a later user of the name has the time of the removal',
  clock: 'remove: the time is that of the clock if none is given',
  back: 'remove: a later removal never moves the time back',
  update: 'remove: no update changes or drops the time',
  insert: 'remove: an insert keeps the later of the two times, kept and given',
  bounds: 'remove: refuses what is not a whole number of seconds, and changes nothing',
  odd: 'remove: keeps odd ids apart',
  once: 'remove: lets exactly one of 50 removals of the same user through',
  beside: 'remove: an insert beside a removal comes first and fails, or gets its time',
  kept: 'remove: keeps removed names when it is reopened',
};

/** The tests of `remove` with a hash that it expects. */
const EXPECTED = {
  only: 'remove: removes only a user with the hash that is expected',
  odd: 'remove: compares odd hashes exactly',
  update: 'remove: lets one of an update and a removal with the same hash through',
  next: 'remove: never removes the next user of a name for the hash of the last',
};

const PAGES = {
  all: 'list: has all users, as find does',
  order: 'list: sorts ids by code points',
  start: 'list: begins behind an id that need not exist, and ends at the limit',
  size: 'list: a page has 100 users by default, and at most 1000',
  bounds: 'list: refuses other limits, and an id that is not a string',
  writes: 'list: follows every write between two pages',
  removed: 'list: has no removed user, if the store can remove users',
};

const NAMES = {
  all: 'listRemoved: has the names that have no user, with their times',
  writes: 'listRemoved: follows every write between two pages',
  brought: 'listRemoved: has the time that an inserted user brought, once that user is removed',
  bounds: 'listRemoved: sorts and bounds its pages as list does',
  size: 'listRemoved: a page has 100 names by default, and at most 1000',
  odd: 'listRemoved: keeps odd names apart',
};

const BROKEN_REMOVALS: Readonly<Record<string, readonly string[]>> = {
  'removes what is not there': [
    'remove: removes a user that exists, and no other',
    TIMES.odd,
    TIMES.once,
    EXPECTED.only,
    EXPECTED.odd,
    EXPECTED.update,
    EXPECTED.next,
  ],
  'removes in two steps': [TIMES.once, EXPECTED.update, EXPECTED.next],
  'forgets the name': [
    TIMES.later,
    TIMES.clock,
    TIMES.back,
    TIMES.update,
    TIMES.insert,
    TIMES.bounds,
    TIMES.odd,
    TIMES.once,
    TIMES.beside,
    EXPECTED.only,
    EXPECTED.next,
    PAGES.removed,
    ...Object.values(NAMES),
  ],
  'moves the time back': [TIMES.back, TIMES.insert, NAMES.writes, NAMES.brought],
  'counts milliseconds': [TIMES.clock, TIMES.back, TIMES.insert, NAMES.writes, NAMES.brought],
  'takes any time': [
    TIMES.clock,
    TIMES.back,
    TIMES.insert,
    TIMES.bounds,
    NAMES.writes,
    NAMES.brought,
  ],
  'removes with any hash': Object.values(EXPECTED),
  'removal compares in two steps': [EXPECTED.update],
  'an empty hash is none for a removal': [EXPECTED.only, EXPECTED.odd],
  'keeps the time of a removal that fails': [EXPECTED.only, EXPECTED.update],
  'expects a hash without its case': [EXPECTED.only],
  'update drops the time': [TIMES.update],
  'update takes the time': [TIMES.update],
  'update brings a user back': ['remove: no update at the same time brings the user back'],
  'insert ignores the time': [TIMES.insert, TIMES.bounds, NAMES.brought],
  'insert prefers its own time': [TIMES.insert],
  'an insert beside a removal forgets the time': [TIMES.beside, EXPECTED.next],
  'lists by units': [PAGES.order],
  'lists the id again': [PAGES.order, PAGES.start, PAGES.size, PAGES.writes],
  'lists from an id that exists': [PAGES.start],
  'lists a thousand': [PAGES.size],
  'lists up to any limit': [PAGES.bounds],
  'lists what it once had': [PAGES.all, PAGES.writes, PAGES.removed],
  'lists removed users': [PAGES.removed],
  'names all that ever were': [NAMES.writes],
  'names the last time': [NAMES.writes, NAMES.brought],
  'names without pages': [NAMES.writes, NAMES.bounds, NAMES.size],
  'check never succeeds': ['check: returns, and changes nothing'],
  'check inserts a user': ['check: returns, and changes nothing'],
  'keeps users alone': [TIMES.kept],
  'forgets': [TIMES.kept, 'keeps acknowledged writes when it is reopened'],
};

test('await using works for the stores in memory, which keep what they have', async () => {
  const users = new MemoryUserStore();
  {
    await using store = users;
    await using sessions = new MemorySessionStore();
    assert.equal(sessions.find('joe'), undefined);
    store.insert({ id: 'joe', username: 'Joe', passwordHash: 'a hash', createdAt: '2026-01-02' });
  }
  assert.equal(users.find('joe')?.username, 'Joe');
});

test('each store with a broken optional method fails in the tests of its fault', () => {
  const verdicts = verdictsOf('broken-removals');
  assert.deepEqual(verdicts.filter(({ isSkipped }) => isSkipped), []);
  const expected = Object.entries(BROKEN_REMOVALS).flatMap(([name, titles]) =>
    titles.map((title) => `${name}: ${title}`),
  );
  const failures = failuresIn(verdicts).map((title) => title.replace(', if the store has it', ''));
  assert.deepEqual(failures, expected);
});
