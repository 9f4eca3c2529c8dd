/** A store without types may return null for a user who does not exist. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryUserStore, type UserStore } from '../../src/index.ts';
import { findUser } from '../../src/accounts/find-user.ts';
import { addUser, makeService, NEW, OLD, weakHash } from '../support/account-service.ts';
import { refusal } from '../support/accounts.ts';
import { userNamed } from '../support/user-files.ts';

/** A store as a program over Prisma writes it: `find` returns null. */
function nullingStore(isAsync: boolean): UserStore {
  const memory = new MemoryUserStore();
  const find = (id: string) => {
    const found = (memory.find(id) ?? null) as ReturnType<typeof memory.find>;
    return isAsync ? Promise.resolve(found) : found;
  };
  return {
    find,
    insert: (user) => memory.insert(user),
    update: (user, expectedHash) => memory.update(user, expectedHash),
    remove: (id, removedAt, expectedHash) => memory.remove(id, removedAt, expectedHash),
  };
}

for (const isAsync of [false, true]) {
  const kind = isAsync ? 'a promise of null' : 'null';

  test(`a store that returns ${kind} has no such user, in every method`, async () => {
    const users = nullingStore(isAsync);
    const { accounts, auth } = makeService({ users });
    assert.equal(await findUser(users, 'joe'), undefined);
    assert.equal(await accounts.authenticate('joe', OLD), undefined);
    assert.equal(await accounts.identity({ identity: 'joe' }), undefined);
    assert.equal(await accounts.isCurrent(userNamed('joe', weakHash)), false);
    for (const one of ['disable', 'enable', 'remove'] as const) {
      assert.equal(await accounts[one]('joe'), false);
    }
    for (const ask of [
      () => accounts.confirmPassword('joe', OLD),
      () => accounts.changePassword('joe', OLD, NEW),
      () => accounts.removeByOwner('joe', OLD),
    ]) {
      await assert.rejects(ask(), refusal('ERR_CREDENTIALS'));
    }
    await assert.rejects(accounts.setPassword('joe', NEW), refusal('ERR_IDENTITY_UNKNOWN'));
    const user = await accounts.signup({ username: 'joe', password: OLD });
    const { access_token: token } = await auth.issue(user);
    assert.equal((await auth.authorize(`Bearer ${token}`)).id, 'joe');
    await addUser({ users }, 'ann');
    assert.equal((await accounts.authenticate('ann', OLD))?.id, 'ann');
    assert.equal(await accounts.removeByOwner('ann', OLD), true);
    assert.equal(await accounts.importUser('ann', weakHash).then(({ id }) => id), 'ann');
  });
}

test('a store that answers at once gets an answer at once', () => {
  const users = new MemoryUserStore();
  users.insert(userNamed('joe', weakHash));
  assert.deepEqual(findUser(users, 'joe'), userNamed('joe', weakHash));
  assert.equal(findUser(nullingStore(false), 'joe'), undefined);
  assert.ok(findUser(nullingStore(true), 'joe') instanceof Promise);
});
