/**
 * A login that makes a hash anew is the one write that no caller asked for: it must undo nothing that a caller did.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Accounts, MemoryUserStore, PasswordHasher, type User, type UserStore } from '../../src/index.ts';
import { lostChanges } from '../support/rehash-race.ts';
import { newPath, userNamed, withStore } from '../support/user-files.ts';

const PASSWORD = 'correct horse';
const weakHash = await new PasswordHasher({ logN: 1 }).hash(PASSWORD);
const joe = userNamed('joe', weakHash);
const isRenewed = (user: User | undefined) => /^\$scrypt\$ln=2,/.test(user?.passwordHash ?? '');

/** Answers after 2 ms, as a database does: what was found is old when it arrives. */
function slowStore(): UserStore {
  const users = new MemoryUserStore();
  return {
    async find(id) {
      const user = users.find(id);
      await delay(2);
      return user;
    },
    insert: (user) => users.insert(user),
    async update(user, expectedHash) {
      await delay(1);
      const isUpdated = users.update(user, expectedHash);
      await delay(1);
      return isUpdated;
    },
  };
}

/** As a store was written for version 0.1. */
function storeOfVersion01(users: Map<string, User>): UserStore {
  return {
    find: (id) => users.get(id),
    insert: (user) => !users.has(user.id) && users.set(user.id, user).size > 0,
    update: (user) => users.has(user.id) && users.set(user.id, user).size > 0,
  };
}

/** Logs joe in, and runs `meanwhile` once the new hash is made and not yet stored. */
async function logIn(users: UserStore, meanwhile: () => unknown = () => undefined): Promise<void> {
  const passwords = new PasswordHasher({ logN: 2 });
  const hash = passwords.hash.bind(passwords);
  passwords.hash = async (password) => {
    const made = await hash(password);
    await meanwhile();
    return made;
  };
  const accounts = new Accounts({ users, passwords, limits: false });
  assert.equal((await accounts.authenticate('joe', PASSWORD))?.id, 'joe');
}

test('no password change in a file is lost to a login with the old password', async () => {
  await withStore(newPath(), async (store) => assert.deepEqual(await lostChanges(store, 300), []));
});

test('nor one in memory, nor one in a store that takes 2 ms', async () => {
  for (const store of [new MemoryUserStore(), slowStore()]) {
    assert.deepEqual(await lostChanges(store, 300), []);
  }
});

test('a login replaces only the hash that it verified', async () => {
  const expected: unknown[] = [];
  const users = new MemoryUserStore();
  users.insert(joe);
  const store: UserStore = {
    find: (id) => users.find(id),
    insert: () => assert.fail(),
    update(user, expectedHash) {
      expected.push(expectedHash);
      return users.update(user, expectedHash);
    },
  };
  await logIn(store);
  assert.deepEqual([expected, isRenewed(users.find('joe'))], [[weakHash], true]);
  await logIn(store);
  assert.equal(expected.length, 1);
});

test('a login brings no user back who was removed, and changes none who has the name since', async () => {
  for (const successor of [undefined, userNamed('joe', 'the hash of another')]) {
    const users = new Map([['joe', joe]]);
    const store = storeOfVersion01(users);
    await logIn(store, () => {
      users.delete('joe');
      if (successor !== undefined) users.set('joe', successor);
    });
    assert.deepEqual(users.get('joe'), successor);
  }
});

test('a login keeps the other members of a user as they are when the hash is made', async () => {
  const renamed = { ...joe, username: 'another name', email: 'joe@example.org' };
  for (const makeStore of [storeOfVersion01, () => new MemoryUserStore()]) {
    const users = new Map([['joe', joe]]);
    const store = makeStore(users);
    await store.insert(joe);
    await logIn(store, () => store.update(renamed));
    const stored = await store.find('joe');
    assert.deepEqual([stored?.username, isRenewed(stored)], ['another name', true]);
    // A store may keep more than the port knows.
    assert.equal(Object(users.get('joe')).email, makeStore === storeOfVersion01 ? 'joe@example.org' : undefined);
  }
});

test('a store that ignores the expected hash works as in version 0.1', async () => {
  const users = new Map([['joe', joe]]);
  const store = storeOfVersion01(users);
  await logIn(store, () => store.update(userNamed('joe', 'changed')));
  assert.equal(users.get('joe')?.passwordHash, 'changed');
  users.set('joe', joe);
  await logIn(store);
  assert.ok(isRenewed(users.get('joe')));
});
