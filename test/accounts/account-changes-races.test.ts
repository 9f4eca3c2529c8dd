/** Logins under way while an account changes: none of them leaves a session. */
import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { JsonFileUserStore, MemorySessionStore, MemoryUserStore } from '../../src/index.ts';
import { JsonFileSessionStore } from '../../src/sessions/json-file.ts';
import {
  addUser,
  CHANGES,
  countSessions,
  HeldHasher,
  logIn,
  makeService,
  NEW,
  OLD,
  passTurns,
  slowSessions,
  slowUsers,
} from '../support/account-service.ts';
import { wrongRounds } from '../support/account-races.ts';
import { roundsOf } from '../support/long.ts';
import { randomFrom } from '../support/random.ts';
import { newPath } from '../support/user-files.ts';

for (const [name, change] of Object.entries(CHANGES)) {
  test(`a login that began before a ${name} and ends after it leaves no session`, async () => {
    const passwords = new HeldHasher({ logN: 2 });
    const users = new MemoryUserStore();
    const sessionStore = new MemorySessionStore();
    const slow = makeService({ users, sessionStore, passwords });
    const fast = makeService({ users, sessionStore });
    await addUser(fast, 'joe');
    const held = passwords.hold();
    const login = logIn(slow, 'joe', OLD);
    await held.reached;
    await change(fast.accounts, 'joe');
    held.release();
    assert.equal(await login, false);
    assert.equal(await countSessions(fast, 'joe'), 0);
  });

  test(`a login whose session is stored before a ${name} leaves no session`, async () => {
    const service = makeService();
    await addUser(service, 'joe');
    const during = () => change(service.accounts, 'joe');
    assert.equal(await logIn(service, 'joe', OLD, during), false);
    assert.equal(await countSessions(service, 'joe'), 0);
  });
}

test('in many rounds over memory no login outlives a change', async () => {
  const stores = { users: new MemoryUserStore(), sessionStore: new MemorySessionStore() };
  const servers = [makeService(stores), makeService(stores)] as const;
  assert.deepEqual(await wrongRounds(servers, roundsOf(300), 1), []);
});

test('in many rounds over two servers with slow stores no login outlives a change', async () => {
  const users = new MemoryUserStore();
  const store = new MemorySessionStore();
  const random = randomFrom(2);
  const server = () => {
    return makeService({
      users: slowUsers(users, random),
      sessionStore: slowSessions(store, random),
    });
  };
  assert.deepEqual(await wrongRounds([server(), server()], roundsOf(300), 3), []);
});

test('in many rounds over files no login outlives a change', async () => {
  const path = newPath();
  const users = await JsonFileUserStore.open(path);
  const sessionStore = await JsonFileSessionStore.open(join(dirname(path), 'sessions.jsonl'));
  const server = makeService({ users, sessionStore });
  assert.deepEqual(await wrongRounds([server, server], roundsOf(300), 4), []);
  await Promise.all([users.close(), sessionStore.close()]);
});

test('of any number of changes at once exactly one wins', async () => {
  const users = new MemoryUserStore();
  const store = new MemorySessionStore();
  const random = randomFrom(5);
  for (let round = 0; round < 30; round += 1) {
    const id = `joe${round}`;
    const server = () => {
      return makeService({
        users: slowUsers(users, random),
        sessionStore: slowSessions(store, random),
      });
    };
    const servers = [server(), server(), server()];
    const [first = server()] = servers;
    await addUser(first, id);
    const newPasswords = servers.map((_, index) => `password of ${index}`);
    const changes = servers.map(async ({ accounts }, index) => {
      await passTurns(random() * 6);
      const changed = accounts.changePassword(id, OLD, newPasswords[index] ?? '');
      return changed.then(() => newPasswords[index], ({ code }) => code);
    });
    const outcomes = await Promise.all(changes);
    const winners = outcomes.filter((outcome) => outcome !== 'ERR_CREDENTIALS');
    assert.equal(winners.length, 1, outcomes.join(', '));
    for (const password of newPasswords) {
      const isRight = (await first.accounts.authenticate(id, password)) !== undefined;
      assert.equal(isRight, password === winners[0]);
    }
    assert.equal(await countSessions(first, id), 0);
  }
});

test('a change and logins at once never refuse the owner', async () => {
  const users = new MemoryUserStore();
  const store = new MemorySessionStore();
  const random = randomFrom(6);
  const server = makeService({
    users: slowUsers(users, random),
    sessionStore: slowSessions(store, random),
  });
  for (let round = 0; round < 100; round += 1) {
    const id = `joe${round}`;
    await addUser(server, id);
    const logins = [0, 1, 2].map(async () => {
      await passTurns(random() * 10);
      await logIn(server, id, OLD);
    });
    await passTurns(random() * 10);
    assert.equal((await server.accounts.changePassword(id, OLD, NEW)).id, id);
    await Promise.all(logins);
  }
});
