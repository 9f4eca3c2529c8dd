/** Whether a login may keep its session: the hash that it verified must still be stored. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryUserStore } from '../../src/index.ts';
import {
  addUser,
  HeldHasher,
  makeService,
  NEW,
  OLD,
  slowUsers,
  weakHash,
} from '../support/account-service.ts';
import { randomFrom } from '../support/random.ts';
import { userNamed } from '../support/user-files.ts';

test('each user object stands for the hash that it was returned with', async () => {
  const { accounts, users } = makeService();
  await addUser({ users }, 'joe');
  const loggedIn = await accounts.authenticate('joe', OLD);
  const confirmed = await accounts.confirmPassword('joe', OLD);
  assert.ok(loggedIn);
  assert.equal(await accounts.isCurrent(loggedIn), true);
  assert.equal(await accounts.isCurrent(confirmed), true);
  const changed = await accounts.changePassword('joe', OLD, NEW);
  assert.equal(await accounts.isCurrent(loggedIn), false);
  assert.equal(await accounts.isCurrent(confirmed), false);
  assert.equal(await accounts.isCurrent(changed), true);
  const set = await accounts.setPassword('joe', NEW);
  assert.equal(await accounts.isCurrent(changed), false, 'the same password, set again');
  assert.equal(await accounts.isCurrent(set), true);
  const again = await accounts.authenticate('joe', NEW);
  assert.ok(again);
  assert.equal(await accounts.isCurrent(again), true);
  const signedUp = await accounts.signup({ username: 'ann', password: OLD });
  assert.equal(await accounts.isCurrent(signedUp), true);
  await accounts.setPassword('ann', NEW);
  assert.equal(await accounts.isCurrent(signedUp), false);
});

test('a disabled or removed account is not current, and enabled again it is', async () => {
  const { accounts, users } = makeService();
  await addUser({ users }, 'joe');
  const loggedIn = await accounts.authenticate('joe', OLD);
  const found = await accounts.identity({ identity: 'joe' });
  const copy = { ...userNamed('joe', '') };
  assert.ok(loggedIn && found);
  const answers = async () => {
    return [
      await accounts.isCurrent(loggedIn),
      await accounts.isCurrent(found),
      await accounts.isCurrent(copy),
    ];
  };
  assert.deepEqual(await answers(), [true, true, true]);
  await accounts.disable('joe');
  assert.deepEqual(await answers(), [false, false, false]);
  const set = await accounts.setPassword('joe', NEW);
  assert.equal(await accounts.isCurrent(set), false);
  await accounts.enable('joe');
  assert.deepEqual(await answers(), [false, true, true]);
  await accounts.remove('joe');
  assert.deepEqual(await answers(), [false, false, false]);
});

test('a user object from before a removal does not stand for the next user of the name', async () => {
  const { accounts, users } = makeService();
  await addUser({ users }, 'joe');
  const found = await accounts.identity({ identity: 'joe' });
  assert.ok(found);
  await accounts.remove('joe');
  const newcomer = await accounts.signup({ username: 'joe', password: NEW });
  assert.equal(await accounts.isCurrent(found), false);
  assert.equal(await accounts.isCurrent({ ...newcomer }), true);
});

test('isCurrent answers at once where the store answers at once', async () => {
  const { accounts, users } = makeService();
  await addUser({ users }, 'joe');
  const user = userNamed('joe', weakHash);
  assert.equal(accounts.isCurrent(user), true);
  assert.equal(accounts.handlers.isCurrent(user), true);
  const slow = makeService({ users: slowUsers(users, () => 0) });
  assert.ok(slow.accounts.isCurrent(user) instanceof Promise);
  assert.equal(await slow.accounts.isCurrent(user), true);
});

test('logins that renew the hash at the same time all stay current', async () => {
  const users = new MemoryUserStore();
  const random = randomFrom(1);
  for (let round = 0; round < 50; round += 1) {
    const id = `joe${round}`;
    await addUser({ users }, id);
    const { accounts } = makeService({ users: slowUsers(users, random) });
    const logins = Array.from({ length: 4 }, () => accounts.authenticate(id, OLD));
    for (const user of await Promise.all(logins)) {
      assert.ok(user);
      assert.equal(await accounts.isCurrent(user), true);
    }
    assert.notEqual(users.find(id)?.passwordHash, weakHash);
  }
});

test('a login that loses its renewal to a change of the password is not current', async () => {
  const passwords = new HeldHasher({ logN: 2 });
  const users = new MemoryUserStore();
  const slow = makeService({ users, passwords });
  const fast = makeService({ users });
  await addUser({ users }, 'joe');
  const checking = passwords.hold();
  const login = slow.accounts.authenticate('joe', OLD);
  await checking.reached;
  const renewing = passwords.hold();
  checking.release();
  await renewing.reached;
  await fast.accounts.changePassword('joe', OLD, NEW);
  renewing.release();
  const user = await login;
  assert.ok(user);
  assert.equal(await slow.accounts.isCurrent(user), false);
});
