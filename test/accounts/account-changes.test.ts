/** Each change of an account, its three steps, and what a store that fails leaves behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Accounts,
  MemorySessionStore,
  MemoryUserStore,
  PasswordHasher,
  type User,
  type UserStore,
} from '../../src/index.ts';
import {
  addUser,
  CHANGES,
  countSessions,
  HeldHasher,
  logIn,
  makeService,
  NEW,
  OLD,
  openingPasswords,
  unavailable,
  watchedStores,
  weakHash,
  type Service,
} from '../support/account-service.ts';
import { refusal } from '../support/accounts.ts';
import { userNamed } from '../support/user-files.ts';

/** What opens the account after each change. */
const AFTER: Readonly<Record<string, string[]>> = {
  change: [NEW],
  set: [NEW],
  disable: [],
  remove: [],
  removeByOwner: [],
};

async function withTwoSessions(service: Service): Promise<Service> {
  await addUser(service, 'joe');
  for (let login = 0; login < 2; login += 1) assert.equal(await logIn(service, 'joe', OLD), true);
  return service;
}

for (const [name, change] of Object.entries(CHANGES)) {
  test(`${name} ends all sessions before and after the user store is written`, async () => {
    const users = new MemoryUserStore();
    const store = new MemorySessionStore();
    const service = await withTwoSessions(makeService({ users, sessionStore: store }));
    await addUser(service, 'ann');
    assert.equal(await logIn(service, 'ann', OLD), true);
    const writes: unknown[] = [];
    const watched = watchedStores(users, store, async ({ kind }, work) => {
      writes.push([kind, await countSessions(service, 'joe')]);
      return work();
    });
    await change(makeService(watched).accounts, 'joe');
    const write = name.startsWith('remove') ? 'remove' : 'update';
    assert.deepEqual(writes, [['put', 2], [write, 0], ['put', 0]]);
    assert.deepEqual(await openingPasswords(service, 'joe'), AFTER[name]);
    assert.equal(await countSessions(service, 'ann'), 1, 'no session of another user has ended');
  });

  test(`${name}: a store that fails at any step leaves the old or the new account`, async () => {
    for (const step of [1, 2, 3]) {
      for (const hasWritten of [false, true]) {
        for (const isDownAfterwards of [false, true]) {
          const users = new MemoryUserStore();
          const store = new MemorySessionStore();
          const service = await withTwoSessions(makeService({ users, sessionStore: store }));
          const watched = watchedStores(users, store, async ({ number }, work) => {
            const isDown = number === step || (isDownAfterwards && number > step);
            if (!isDown) return work();
            if (hasWritten && number === step) await work();
            throw unavailable();
          });
          const changed = change(makeService(watched).accounts, 'joe');
          // The third step is tried again, so an error that passes does not matter.
          if (step === 3 && !isDownAfterwards) await changed;
          else await assert.rejects(changed, refusal('ERR_STORE'));
          const isAsBefore = step === 1 || (step === 2 && !hasWritten);
          const where = `step ${step}, ${hasWritten}, ${isDownAfterwards}`;
          const count = await countSessions(service, 'joe');
          assert.equal(count, step === 1 && !hasWritten ? 2 : 0, where);
          const opening = await openingPasswords(service, 'joe');
          assert.deepEqual(opening, isAsBefore ? [OLD] : AFTER[name], where);
          // The same change can be made again, if the password is still the old one.
          if (isAsBefore) await change(service.accounts, 'joe');
          assert.deepEqual(await openingPasswords(service, 'joe'), AFTER[name], where);
          assert.equal(await countSessions(service, 'joe'), 0, where);
        }
      }
    }
  });

  test(`${name}: an unknown answer of the user store saves no session of a login`, async () => {
    const users = new MemoryUserStore();
    const store = new MemorySessionStore();
    const service = await withTwoSessions(makeService({ users, sessionStore: store }));
    const watched = watchedStores(users, store, async ({ kind }, work) => {
      if (kind === 'put') return work();
      assert.equal(await logIn(service, 'joe', OLD), true);
      await work();
      throw unavailable();
    });
    await assert.rejects(change(makeService(watched).accounts, 'joe'), refusal('ERR_STORE'));
    assert.equal(await countSessions(service, 'joe'), 0);
  });

  test(`${name} works without sessions`, async () => {
    const users = new MemoryUserStore();
    const accounts = new Accounts({ users, passwords: new PasswordHasher({ logN: 2 }) });
    await addUser({ users }, 'joe');
    await change(accounts, 'joe');
    assert.equal(await accounts.authenticate('joe', OLD), undefined);
    const found = await accounts.identity({ identity: 'joe' });
    assert.equal(found !== undefined, AFTER[name]?.length === 1);
  });
}

test('a change returns the user without a hash, and the answers name unknown users', async () => {
  const { accounts, users } = makeService();
  await addUser({ users }, 'joe');
  const { passwordHash, ...joe } = userNamed('joe', weakHash);
  const changed = await accounts.changePassword('joe', OLD, NEW);
  const set = await accounts.setPassword('joe', OLD);
  assert.deepEqual([changed, set], [joe, joe]);
  assert.ok(Object.isFrozen(changed) && Object.isFrozen(set));
  for (const one of ['disable', 'enable', 'remove'] as const) {
    assert.equal(await accounts[one]('unknown'), false);
    assert.equal(await accounts[one]('joe'), true);
  }
  assert.equal(await accounts.remove('joe'), false);
  await assert.rejects(accounts.setPassword('joe', NEW), {
    code: 'ERR_IDENTITY_UNKNOWN',
    status: 404,
  });
  await assert.rejects(accounts.changePassword('joe', OLD, NEW), refusal('ERR_CREDENTIALS'));
});

test('a wrong password changes nothing and ends no session', async () => {
  const service = await withTwoSessions(makeService());
  const stored = await service.users.find('joe');
  for (const wrong of ['wrong', '', '\0', 'x'.repeat(1025), undefined, 7, {}]) {
    const changed = service.accounts.changePassword('joe', wrong as string, NEW);
    await assert.rejects(changed, refusal('ERR_CREDENTIALS'));
    const confirmed = service.accounts.confirmPassword('joe', wrong as string);
    await assert.rejects(confirmed, refusal('ERR_CREDENTIALS'));
  }
  assert.deepEqual(await service.users.find('joe'), stored);
  assert.equal(await countSessions(service, 'joe'), 2);
  assert.equal((await service.accounts.confirmPassword('joe', OLD)).id, 'joe');
  assert.equal(await countSessions(service, 'joe'), 2);
});

test('a login that renews the hash during a change does not refuse the owner', async () => {
  const passwords = new HeldHasher({ logN: 2 });
  const users = new MemoryUserStore();
  const store = new MemorySessionStore();
  const other = makeService({ users, sessionStore: store });
  // The renewal comes while the new password is hashed, and then right before the hash is written.
  for (const isLate of [false, true]) {
    const id = `joe-${isLate}`;
    await addUser(other, id);
    const renew = async () => {
      assert.equal(await logIn(other, id, OLD), true);
      assert.notEqual((await users.find(id))?.passwordHash, weakHash);
    };
    let isRenewed = false;
    const watched = watchedStores(users, store, async ({ kind }, work) => {
      if (kind === 'update' && isLate && !isRenewed) {
        isRenewed = true;
        await renew();
      }
      return work();
    });
    const held = isLate ? undefined : passwords.hold();
    const { accounts } = makeService({ ...watched, passwords });
    const change = accounts.changePassword(id, OLD, NEW);
    await held?.reached;
    if (!isLate) await renew();
    held?.release();
    assert.equal((await change).id, id);
    assert.deepEqual(await openingPasswords(other, id), [NEW]);
    assert.equal(await countSessions(other, id), 0);
  }
});

test('of two changes at once one wins, and the other is refused', async () => {
  const others: Readonly<Record<string, (service: Service) => Promise<unknown>>> = {
    change: ({ accounts }) => accounts.changePassword('joe', OLD, 'a third one'),
    set: ({ accounts }) => accounts.setPassword('joe', 'a third one'),
    disable: ({ accounts }) => accounts.disable('joe'),
    remove: ({ accounts }) => accounts.remove('joe'),
  };
  for (const [name, other] of Object.entries(others)) {
    const passwords = new HeldHasher({ logN: 2 });
    const users = new MemoryUserStore();
    const sessionStore = new MemorySessionStore();
    const slow = makeService({ users, sessionStore, passwords });
    const fast = makeService({ users, sessionStore });
    await addUser(fast, 'joe');
    const held = passwords.hold();
    const change = slow.accounts.changePassword('joe', OLD, NEW);
    await held.reached;
    await other(fast);
    const isOpen = name === 'change' || name === 'set';
    if (isOpen) assert.equal(await logIn(fast, 'joe', 'a third one'), true);
    const written = users.find('joe');
    held.release();
    await assert.rejects(change, refusal('ERR_CREDENTIALS'), name);
    assert.deepEqual(users.find('joe'), written, name);
    const count = await countSessions(fast, 'joe');
    assert.equal(count, isOpen ? 1 : 0, 'the session of the winner lives');
  }
});

test('a new password obeys the rules of a signup, and the old one stays', async () => {
  const asked: unknown[] = [];
  const isForbidden = (password: string, username: string) => {
    asked.push([password, username]);
    return password === 'forbidden';
  };
  const service = await withTwoSessions(makeService({ isForbidden }));
  const { accounts, users } = service;
  const stored = await users.find('joe');
  const REFUSED: readonly (readonly [unknown, string])[] = [
    ['short', 'ERR_PASSWORD_TOO_SHORT'],
    ['x'.repeat(257), 'ERR_PASSWORD_TOO_LONG'],
    ['x'.repeat(1025), 'ERR_PASSWORD_TOO_LONG'],
    ['the new\0one', 'ERR_PASSWORD_INVALID'],
    [undefined, 'ERR_PASSWORD_INVALID'],
    [12345678, 'ERR_PASSWORD_INVALID'],
    ['forbidden', 'ERR_PASSWORD_FORBIDDEN'],
  ];
  for (const [password, code] of REFUSED) {
    const calls = [
      () => accounts.changePassword('joe', OLD, password as string),
      () => accounts.setPassword('joe', password as string),
    ];
    for (const call of calls) {
      const refused = await call().catch((error) => error);
      const { status, error, description, body } = refused;
      assert.deepEqual([refused.code, status, error], [code, 400, 'Password refused']);
      assert.deepEqual(body, { status_code: 400, error, description });
    }
  }
  // `isForbidden` is asked for the owner alone: not before the old password is right.
  assert.deepEqual(asked, [['forbidden', 'JOE'], ['forbidden', 'JOE']]);
  const wrong = accounts.changePassword('joe', 'wrong', 'forbidden');
  await assert.rejects(wrong, refusal('ERR_CREDENTIALS'));
  assert.equal(asked.length, 2);
  assert.deepEqual(await users.find('joe'), stored);
  assert.equal(await countSessions(service, 'joe'), 2);
  const username = { ...userNamed('longname', weakHash) };
  await users.insert(username);
  const asName = accounts.setPassword('longname', 'LongName');
  await assert.rejects(asName, refusal('ERR_PASSWORD_FORBIDDEN'));
  assert.equal((await accounts.setPassword('longname', 'LongName!')).id, 'longname');
  // In NFC, as at a signup.
  await accounts.setPassword('joe', 'cafe\u0301 noir');
  assert.deepEqual(asked.at(-1), ['caf\u00e9 noir', 'JOE']);
  assert.equal((await accounts.authenticate('joe', 'caf\u00e9 noir'))?.id, 'joe');
});

test('without an own list, a common password is refused', async () => {
  const { accounts, users } = makeService();
  await addUser({ users }, 'joe');
  const refused = accounts.changePassword('joe', OLD, 'Password1');
  await assert.rejects(refused, refusal('ERR_PASSWORD_FORBIDDEN'));
  assert.equal((await accounts.changePassword('joe', OLD, 'Password1 and more')).id, 'joe');
});

test('a store of version 0.1 has no remove and no list, and all else works', async () => {
  const users = new Map<string, User>();
  const store: UserStore = {
    find: (id) => users.get(id),
    insert: (user) => !users.has(user.id) && users.set(user.id, user).size > 0,
    update: (user) => users.has(user.id) && users.set(user.id, user).size > 0,
  };
  const service = await withTwoSessions(makeService({ users: store }));
  const { accounts } = service;
  await assert.rejects(accounts.remove('joe'), { name: 'TypeError', message: /method remove/ });
  await assert.rejects(accounts.list(), { name: 'TypeError', message: /method list/ });
  assert.equal(await countSessions(service, 'joe'), 2, 'nothing has changed');
  await accounts.changePassword('joe', OLD, NEW);
  assert.deepEqual(await openingPasswords(service, 'joe'), [NEW]);
  await accounts.disable('joe');
  assert.deepEqual(await openingPasswords(service, 'joe'), []);
  await accounts.setPassword('joe', OLD);
  await accounts.enable('joe');
  assert.deepEqual(await openingPasswords(service, 'joe'), [OLD]);
});

test('a store that refuses every change is unavailable, and gets no endless calls', async () => {
  const users = new MemoryUserStore();
  let updates = 0;
  const update = () => {
    updates += 1;
    return false;
  };
  const store = { find: users.find.bind(users), insert: users.insert.bind(users), update };
  const { accounts } = makeService({ users: store });
  await addUser({ users }, 'joe');
  await assert.rejects(accounts.changePassword('joe', OLD, NEW), refusal('ERR_STORE'));
  await assert.rejects(accounts.setPassword('joe', NEW), refusal('ERR_STORE'));
  assert.equal(updates, 20);
});

test('a page of users is sorted by id, and holds no hash', async () => {
  const { accounts, users } = makeService();
  for (const id of ['joe', 'ann', 'bob']) await addUser({ users }, id);
  await accounts.disable('bob');
  const { passwordHash, ...ann } = userNamed('ann', weakHash);
  assert.deepEqual(await accounts.list(undefined, 1), [ann]);
  const idsOf = async (...page: Parameters<Accounts['list']>) => {
    return (await accounts.list(...page)).map(({ id }) => id);
  };
  assert.deepEqual(await idsOf(), ['ann', 'bob', 'joe']);
  assert.deepEqual(await idsOf('ann'), ['bob', 'joe']);
  assert.deepEqual(await idsOf('ann', 1), ['bob']);
  assert.deepEqual(await idsOf('joe'), []);
  await assert.rejects(accounts.list(undefined, 0), RangeError);
});
