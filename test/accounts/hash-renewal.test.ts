/**
 * The renewal of a hash is the one write that no caller asked for: it must undo no change that a
 * caller made.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  Accounts,
  AuthError,
  MemoryUserStore,
  PasswordHasher,
  type User,
  type UserStore,
} from '../../src/index.ts';
import { JOE, makeAccounts, PASSWORD, storedIn, werkzeugHash } from '../support/accounts.ts';
import { lostChanges } from '../support/rehash-race.ts';
import { newPath, userNamed, withStore } from '../support/user-files.ts';

const weakHash = await new PasswordHasher({ logN: 1 }).hash(PASSWORD);
const joe = userNamed('joe', weakHash);
const isRenewed = (user: User | undefined) => /^\$scrypt\$ln=2,/.test(user?.passwordHash ?? '');

/** Answers after 2 ms, as a database does: a user may have changed before it arrives. */
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

/** A store for version 0.1, which ignores the expected hash. */
function storeOfVersion01(users: Map<string, User>): UserStore {
  return {
    find: (id) => users.get(id),
    insert: (user) => !users.has(user.id) && users.set(user.id, user).size > 0,
    update: (user) => users.has(user.id) && users.set(user.id, user).size > 0,
  };
}

/** Logs joe in, and runs `meanwhile` after the new hash was made and before it is stored. */
async function logIn(
  users: UserStore,
  meanwhile: () => unknown = () => undefined,
): Promise<void> {
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

test('after the cost was raised, the next right password renews the hash, once', async () => {
  const { accounts, users } = makeAccounts();
  const user = storedIn(users, await accounts.signup(JOE));
  const raised = new Accounts({ users, passwords: new PasswordHasher({ logN: 2 }) });
  assert.equal(await raised.authenticate('joe', 'battery staple'), undefined);
  assert.deepEqual(users.written, [user]);
  for (const one of [raised, raised, accounts]) {
    assert.equal((await one.authenticate('joe', PASSWORD))?.id, 'joe');
  }
  const passwordHash = users.find('joe')?.passwordHash ?? '';
  assert.match(passwordHash, /^\$scrypt\$ln=2,/);
  assert.deepEqual(users.written, [user, { ...user, passwordHash }]);
});

test('a login with a hash of Werkzeug (Flask) replaces it by a PHC string', async () => {
  const { accounts, users } = makeAccounts();
  const user = {
    id: 'joe',
    username: 'Joe',
    passwordHash: werkzeugHash(PASSWORD),
    createdAt: '2020-01-02',
  };
  users.insert(user);
  assert.equal(await accounts.authenticate('joe', 'battery staple'), undefined);
  assert.deepEqual(users.written, [user]);
  for (let login = 1; login <= 2; login += 1) {
    assert.equal((await accounts.authenticate('joe', PASSWORD))?.id, 'joe');
  }
  const passwordHash = users.find('joe')?.passwordHash ?? '';
  assert.match(passwordHash, /^\$scrypt\$ln=1,/);
  assert.deepEqual(users.written, [user, { ...user, passwordHash }]);
});

test('a login succeeds even if the new hash cannot be made or stored', async () => {
  const fail = (code: 'ERR_STORE' | 'ERR_BUSY') => () => Promise.reject(new AuthError(code));
  const FAILURES = [
    { update: () => false },
    { update: fail('ERR_STORE') },
    {
      update: () => {
        throw new AuthError('ERR_STORE');
      },
    },
    { hash: fail('ERR_BUSY') },
  ];
  for (const failure of FAILURES) {
    const { accounts, users } = makeAccounts();
    const user = await accounts.signup(JOE);
    const stored = storedIn(users, user);
    const passwords = Object.assign(new PasswordHasher({ logN: 2 }), failure);
    const raised = new Accounts({ users: Object.assign(users, failure), passwords });
    assert.deepEqual(await raised.authenticate('joe', PASSWORD), user);
    assert.deepEqual(users.written, [stored]);
  }
});

test('an error of the renewal that is not an AuthError is a bug, and is thrown', async () => {
  const bug = new TypeError('a bug');
  const BUGS = [
    {
      update: () => {
        throw bug;
      },
    },
    { update: () => Promise.reject(bug) },
    { hash: () => Promise.reject(bug) },
    {
      needsRehash: () => {
        throw bug;
      },
    },
  ];
  for (const failure of BUGS) {
    const { accounts, users } = makeAccounts();
    await accounts.signup(JOE);
    const passwords = Object.assign(new PasswordHasher({ logN: 2 }), failure);
    const raised = new Accounts({ users: Object.assign(users, failure), passwords });
    await assert.rejects(raised.authenticate('joe', PASSWORD), bug);
    assert.equal(users.written.length, 1);
  }
});

test('a password change during a renewal stays', async () => {
  const users = new MemoryUserStore();
  const passwords = new PasswordHasher({ logN: 1 });
  await new Accounts({ users, passwords }).signup({ username: 'joe', password: 'the old one' });
  const accounts = new Accounts({ users, passwords: new PasswordHasher({ logN: 12 }) });
  const login = accounts.authenticate('joe', 'the old one');
  const joe = users.find('joe');
  assert.ok(joe);
  users.update({ ...joe, passwordHash: await passwords.hash('the new one') });
  await login;
  assert.equal(await accounts.authenticate('joe', 'the old one'), undefined);
  assert.equal((await accounts.authenticate('joe', 'the new one'))?.id, 'joe');
});

test('no password change in a file is lost to a login with the old password', async () => {
  await withStore(newPath(), async (store) => assert.deepEqual(await lostChanges(store, 300), []));
});

test('a password change in memory or in a slow store is not lost to a login', async () => {
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

test('a renewal restores no removed user, and changes no new user of the same name', async () => {
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

test('a renewal keeps changes of the other members of a user', async () => {
  const renamed = { ...joe, username: 'another name', email: 'joe@example.org' };
  for (const makeStore of [storeOfVersion01, () => new MemoryUserStore()]) {
    const users = new Map([['joe', joe]]);
    const store = makeStore(users);
    await store.insert(joe);
    await logIn(store, () => store.update(renamed));
    const stored = await store.find('joe');
    assert.deepEqual([stored?.username, isRenewed(stored)], ['another name', true]);
    // A store may keep more than the port knows.
    const email = makeStore === storeOfVersion01 ? 'joe@example.org' : undefined;
    assert.equal(Object(users.get('joe')).email, email);
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
