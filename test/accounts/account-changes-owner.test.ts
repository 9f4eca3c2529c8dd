/**
 * What an owner asks for with a password that waits in the queue of the hasher, while the account
 * changes: the password must still be right, and no later user of the name is touched.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  MemorySessionStore,
  MemoryUserStore,
  type PublicUser,
  type UserStore,
} from '../../src/index.ts';
import {
  addUser,
  countSessions,
  HeldHasher,
  logIn,
  makeService,
  NEW,
  OLD,
  openingPasswords,
  slowSessions,
  slowUsers,
  watchedStores,
  weakHash,
  type Service,
} from '../support/account-service.ts';
import { refusal } from '../support/accounts.ts';
import { randomFrom } from '../support/random.ts';
import { userNamed } from '../support/user-files.ts';

/** What a user asks for with the password OLD. */
const REQUESTS: Readonly<Record<string, (service: Service) => Promise<unknown>>> = {
  confirmPassword: ({ accounts }) => accounts.confirmPassword('joe', OLD),
  changePassword: ({ accounts }) => accounts.changePassword('joe', OLD, 'a third one'),
  removeByOwner: ({ accounts }) => accounts.removeByOwner('joe', OLD),
};

async function removeAndSignUp({ accounts }: Service): Promise<void> {
  assert.equal(await accounts.remove('joe'), true);
  await accounts.signup({ username: 'joe', password: NEW });
}

/** What happens meanwhile, and whether there is an account with the password NEW after it. */
const MEANWHILE: Readonly<Record<string, readonly [(service: Service) => unknown, boolean]>> = {
  'a change of the password': [({ accounts }) => accounts.changePassword('joe', OLD, NEW), true],
  'a new password by an administrator': [({ accounts }) => accounts.setPassword('joe', NEW), true],
  'a disabling': [({ accounts }) => accounts.disable('joe'), false],
  'a removal': [({ accounts }) => accounts.remove('joe'), false],
  'a removal and a signup with the name': [removeAndSignUp, true],
};

/** Two servers over one store. The hasher of the slow one can be held. */
async function twoServers() {
  const passwords = new HeldHasher({ logN: 2 });
  const users = new MemoryUserStore();
  const sessionStore = new MemorySessionStore();
  const slow = makeService({ users, sessionStore, passwords });
  const fast = makeService({ users, sessionStore });
  await addUser(fast, 'joe');
  return { passwords, users, slow, fast };
}

for (const [request, ask] of Object.entries(REQUESTS)) {
  for (const [name, [meanwhile, isOpen]] of Object.entries(MEANWHILE)) {
    test(`${request} is refused after ${name} that overlapped its hash`, async () => {
      const { passwords, users, slow, fast } = await twoServers();
      const held = passwords.hold();
      const asked = ask(slow);
      await held.reached;
      await meanwhile(fast);
      assert.equal(await logIn(fast, 'joe', NEW), isOpen);
      const stored = users.find('joe');
      held.release();
      await assert.rejects(asked, refusal('ERR_CREDENTIALS'));
      assert.deepEqual(users.find('joe'), stored);
      assert.equal(await countSessions(fast, 'joe'), isOpen ? 1 : 0);
    });
  }

  test(`${request} succeeds after a login that renewed the hash meanwhile`, async () => {
    const { passwords, users, slow, fast } = await twoServers();
    const held = passwords.hold();
    const asked = ask(slow);
    await held.reached;
    assert.equal(await logIn(fast, 'joe', OLD), true);
    assert.notEqual(users.find('joe')?.passwordHash, weakHash);
    held.release();
    assert.ok(await asked);
  });

  test(`${request} does not reach a later user of the name with the same password`, async () => {
    const { passwords, users, slow, fast } = await twoServers();
    const held = passwords.hold();
    const asked = ask(slow);
    await held.reached;
    await fast.accounts.remove('joe');
    await fast.accounts.signup({ username: 'joe', password: OLD });
    const stored = users.find('joe');
    held.release();
    await assert.rejects(asked, refusal('ERR_CREDENTIALS'));
    assert.deepEqual(users.find('joe'), stored);
  });
}

test('a removal by the owner compares the hash in the write itself', async () => {
  for (const [name, [meanwhile, isOpen]] of Object.entries(MEANWHILE)) {
    const users = new MemoryUserStore();
    const sessionStore = new MemorySessionStore();
    const service = makeService({ users, sessionStore });
    await addUser(service, 'joe');
    const watched = watchedStores(users, sessionStore, async ({ kind }, work) => {
      if (kind === 'remove') await meanwhile(service);
      return work();
    });
    const removed = makeService(watched).accounts.removeByOwner('joe', OLD);
    await assert.rejects(removed, refusal('ERR_CREDENTIALS'), name);
    assert.equal(await logIn(service, 'joe', NEW), isOpen, name);
  }
});

test('a change by an administrator does not reach a later user of the name', async () => {
  const CHANGES: Readonly<Record<string, (service: Service) => Promise<unknown>>> = {
    disable: ({ accounts }) => accounts.disable('joe'),
    remove: ({ accounts }) => accounts.remove('joe'),
    setPassword: ({ accounts }) => {
      return accounts.setPassword('joe', 'a third one').catch((error) => {
        assert.deepEqual([error.code, error.status], ['ERR_IDENTITY_UNKNOWN', 404]);
        return false;
      });
    },
  };
  for (const [name, change] of Object.entries(CHANGES)) {
    const users = new MemoryUserStore();
    const sessionStore = new MemorySessionStore();
    const service = makeService({ users, sessionStore });
    await addUser(service, 'joe');
    let isFirst = true;
    const watched = watchedStores(users, sessionStore, async ({ kind }, work) => {
      if (kind !== 'put' && isFirst) {
        isFirst = false;
        await removeAndSignUp(service);
      }
      return work();
    });
    assert.equal(await change(makeService(watched)), false, name);
    assert.deepEqual(await openingPasswords(service, 'joe'), [NEW], name);
  }
});

test('setPassword ends no session of a user who got the name during the hash', async () => {
  const { passwords, slow, fast } = await twoServers();
  const held = passwords.hold();
  const set = slow.accounts.setPassword('joe', 'a third one');
  await held.reached;
  await removeAndSignUp(fast);
  assert.equal(await logIn(fast, 'joe', NEW), true);
  held.release();
  await assert.rejects(set, { code: 'ERR_IDENTITY_UNKNOWN', status: 404 });
  assert.equal(await countSessions(fast, 'joe'), 1);
  assert.deepEqual(await openingPasswords(fast, 'joe'), [NEW]);
});

test('of ten removals at once by the owner one wins, and no newcomer is removed', async () => {
  const users = new MemoryUserStore();
  const store = new MemorySessionStore();
  const random = randomFrom(7);
  const server = () => {
    return makeService({
      users: slowUsers(users, random),
      sessionStore: slowSessions(store, random),
    });
  };
  const servers = [server(), server()] as const;
  for (let round = 0; round < 30; round += 1) {
    const id = `joe${round}`;
    await addUser(servers[0], id);
    const signUp = async (): Promise<PublicUser> => {
      const signup = servers[1].accounts.signup({ username: id, password: NEW });
      return signup.catch((error) => {
        assert.equal(error.code, 'ERR_USER_EXISTS');
        return signUp();
      });
    };
    const removals = Array.from({ length: 10 }, (_, index) => {
      const removed = servers[index % 2 === 0 ? 0 : 1].accounts.removeByOwner(id, OLD);
      return removed.catch((error) => error.code);
    });
    const newcomer = signUp();
    const outcomes = await Promise.all(removals);
    assert.deepEqual(outcomes.filter((outcome) => outcome !== 'ERR_CREDENTIALS'), [true]);
    assert.equal((await newcomer).id, id);
    assert.deepEqual(await openingPasswords(servers[0], id), [NEW]);
  }
});

test('a wrong password removes nothing, and a store without remove is named first', async () => {
  const service = makeService();
  await addUser(service, 'joe');
  for (const wrong of ['wrong', '', undefined]) {
    const removed = service.accounts.removeByOwner('joe', wrong as string);
    await assert.rejects(removed, refusal('ERR_CREDENTIALS'));
  }
  await assert.rejects(service.accounts.removeByOwner('ann', OLD), refusal('ERR_CREDENTIALS'));
  assert.equal((await service.users.find('joe'))?.id, 'joe');
  assert.equal(await service.accounts.removeByOwner('joe', OLD), true);
  assert.equal(await service.users.find('joe'), undefined);
  const memory = new MemoryUserStore();
  const users: UserStore = {
    find: (id) => memory.find(id),
    insert: (user) => memory.insert(user),
    update: (user, expectedHash) => memory.update(user, expectedHash),
  };
  const named = { name: 'TypeError', message: /method remove/ };
  const { accounts } = makeService({ users });
  await assert.rejects(accounts.removeByOwner('joe', 'wrong'), named);
});

test('a hash that is replaced at every look gets no endless verifications', async () => {
  let finds = 0;
  const hashes = [weakHash, await new HeldHasher({ logN: 1 }).hash(OLD)];
  const find = () => {
    finds += 1;
    return userNamed('joe', hashes[finds % 2] ?? '');
  };
  const users = { find, insert: () => false, update: () => false, remove: () => false };
  const { accounts } = makeService({ users });
  await assert.rejects(accounts.confirmPassword('joe', OLD), refusal('ERR_STORE'));
  assert.equal(finds, 11);
  await assert.rejects(accounts.removeByOwner('joe', OLD), refusal('ERR_STORE'));
});
