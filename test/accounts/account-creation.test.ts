/** A new account has no sessions, whatever an earlier user of its name has left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { insertAndEndOldSessions } from '../../src/accounts/account-creation.ts';
import { MemorySessionStore, MemoryUserStore, Sessions } from '../../src/index.ts';
import {
  addUser,
  countSessions,
  logIn,
  makeService,
  OLD,
  unavailable,
  watchedStores,
  weakHash,
} from '../support/account-service.ts';
import { refusal } from '../support/accounts.ts';

const CREATIONS: Readonly<
  Record<string, (accounts: ReturnType<typeof makeService>['accounts']) => Promise<unknown>>
> = {
  signup: (accounts) => accounts.signup({ username: 'joe', password: OLD }),
  importUser: (accounts) => accounts.importUser('joe', weakHash),
};

for (const [name, create] of Object.entries(CREATIONS)) {
  test(`${name} ends the sessions that a user deleted by hand has left`, async () => {
    const sessionStore = new MemorySessionStore();
    const before = makeService({ sessionStore });
    await addUser(before, 'joe');
    assert.equal(await logIn(before, 'joe', OLD), true);
    const after = makeService({ sessionStore, users: new MemoryUserStore() });
    assert.equal(await countSessions(after, 'joe'), 1);
    await create(after.accounts);
    assert.equal(await countSessions(after, 'joe'), 0);
    assert.equal(await logIn(after, 'joe', OLD), true);
    await assert.rejects(create(after.accounts), refusal('ERR_USER_EXISTS'));
    assert.equal(await countSessions(after, 'joe'), 1, 'a taken name loses no session');
  });

  test(`${name} writes no session, and none can be there if their store is away`, async () => {
    const users = new MemoryUserStore();
    const sessionStore = new MemorySessionStore();
    const fails = watchedStores(users, sessionStore, async () => Promise.reject(unavailable()));
    await create(makeService(fails).accounts);
    assert.equal(sessionStore.find('joe'), undefined);
    assert.equal(users.find('joe')?.id, 'joe');
    const find = () => Promise.reject(unavailable());
    const away = makeService({ sessionStore: { find, put: () => true } });
    await assert.rejects(create(away.accounts), refusal('ERR_STORE'));
    assert.equal(await away.users.find('joe'), undefined);
  });
}

test('a removal that stops in the middle leaves no session to the next user', async () => {
  const users = new MemoryUserStore();
  const sessionStore = new MemorySessionStore();
  const service = makeService({ users, sessionStore });
  await addUser(service, 'joe');
  let hasLoggedIn = false;
  const watched = watchedStores(users, sessionStore, async ({ number, kind }, work) => {
    if (kind === 'put' && number > 1) throw unavailable();
    if (kind === 'remove' && !hasLoggedIn) {
      hasLoggedIn = await logIn(service, 'joe', OLD);
      assert.ok(hasLoggedIn);
    }
    return work();
  });
  await assert.rejects(makeService(watched).accounts.remove('joe'), refusal('ERR_STORE'));
  assert.equal(users.find('joe'), undefined);
  assert.equal(await countSessions(service, 'joe'), 1);
  await service.accounts.signup({ username: 'joe', password: OLD });
  assert.equal(await countSessions(service, 'joe'), 0);
});

test('a signup that loses the name to another one ends none of its sessions', async () => {
  const users = new MemoryUserStore();
  const store = new MemorySessionStore();
  const owner = makeService({ users, sessionStore: store });
  // The loser finds the name free, and then the owner signs up and logs in.
  let isFirst = true;
  const find = async (id: string) => {
    if (isFirst) {
      isFirst = false;
      await owner.accounts.signup({ username: 'joe', password: OLD });
      assert.equal(await logIn(owner, 'joe', OLD), true);
    }
    return store.find(id);
  };
  const sessionStore = { find, put: store.put.bind(store) };
  for (const create of Object.values(CREATIONS)) {
    const loser = makeService({ users, sessionStore });
    await assert.rejects(create(loser.accounts), refusal('ERR_USER_EXISTS'));
    assert.equal(await countSessions(owner, 'joe'), 1);
  }
});

test('no user of another store is inserted while the session store fails', async () => {
  const users = new MemoryUserStore();
  const store = new MemorySessionStore();
  const user = { id: 'joe', username: 'joe', passwordHash: weakHash, createdAt: '' };
  const insert = () => insertAndEndOldSessions(user, { users, sessions: new Sessions({ store }) });
  store.find = () => {
    throw unavailable();
  };
  await assert.rejects(insert(), refusal('ERR_STORE'));
  assert.equal(users.find('joe'), undefined);
  store.find = () => undefined;
  assert.equal(await insert(), true);
});
