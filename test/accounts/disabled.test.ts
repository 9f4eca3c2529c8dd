/** Disabled accounts: out everywhere, and enabled again with the very same hash. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Accounts, MemoryUserStore, PasswordHasher } from '../../src/index.ts';
import {
  addUser,
  makeService,
  NEW,
  OLD,
  openingPasswords,
  weakHash,
} from '../support/account-service.ts';
import { refusal, werkzeugHash } from '../support/accounts.ts';
import { userNamed } from '../support/user-files.ts';

/** A hasher that reads any text as a hash, and whose every password is right. */
const acceptsAll = {
  hash: async () => 'a hash',
  verify: async (_password: string, stored: string | undefined) => stored !== undefined,
  needsRehash: () => false,
};

test('a disabled account logs in nowhere, and its tokens find no user in any mode', async () => {
  for (const passwords of [new PasswordHasher({ logN: 1 }), acceptsAll]) {
    const users = new MemoryUserStore();
    const withSessions = makeService({ users, passwords }).accounts;
    const without = new Accounts({ users, passwords });
    await addUser({ users }, 'joe');
    for (const accounts of [withSessions, without]) {
      for (const isDisabled of [false, true]) {
        await accounts[isDisabled ? 'disable' : 'enable']('joe');
        const user = await accounts.authenticate('joe', OLD);
        assert.equal(user !== undefined, !isDisabled);
        const claims = [{ identity: 'joe' }, { identity: 'joe', sid: 'x', iat: 1 }];
        for (const one of claims) {
          assert.equal((await accounts.identity(one)) !== undefined, !isDisabled);
        }
        const confirmed = accounts.confirmPassword('joe', OLD);
        if (isDisabled) await assert.rejects(confirmed, refusal('ERR_CREDENTIALS'));
        else assert.equal((await confirmed).id, 'joe');
      }
      const changed = accounts.changePassword('joe', OLD, NEW);
      await assert.rejects(changed, refusal('ERR_CREDENTIALS'));
      await accounts.enable('joe');
    }
  }
});

test('enable restores the very same hash, however often an account was disabled', async () => {
  const { accounts, users } = makeService();
  await addUser({ users }, 'joe');
  const before = await users.find('joe');
  assert.equal(await accounts.enable('joe'), true);
  assert.deepEqual(await users.find('joe'), before);
  assert.equal(await accounts.disable('joe'), true);
  assert.equal(await accounts.disable('joe'), true);
  assert.deepEqual(await users.find('joe'), { ...before, passwordHash: `!${weakHash}` });
  assert.equal(await accounts.enable('joe'), true);
  assert.deepEqual(await users.find('joe'), before);
});

test('enable restores a hash that only another program can read', async () => {
  const { accounts, users } = makeService();
  const FOREIGN = {
    pbkdf2: `pbkdf2:sha256:600000$salt$${'0'.repeat(64)}`,
    bcrypt: `$2b$12$${'a'.repeat(53)}`,
    argon2: '$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$a2V5',
  };
  for (const [id, hash] of Object.entries(FOREIGN)) {
    await users.insert(userNamed(id, hash));
    assert.equal(await accounts.disable(id), true);
    assert.equal((await users.find(id))?.passwordHash, `!${hash}`);
    assert.equal(await accounts.enable(id), true);
    assert.equal((await users.find(id))?.passwordHash, hash);
  }
});

test('a password that is set for a disabled account opens it once it is enabled', async () => {
  const service = makeService();
  await addUser(service, 'joe');
  await service.accounts.disable('joe');
  await service.accounts.setPassword('joe', NEW);
  assert.deepEqual(await openingPasswords(service, 'joe'), []);
  await service.accounts.enable('joe');
  assert.deepEqual(await openingPasswords(service, 'joe'), [NEW]);
});

test('an account without a hash behind its mark cannot be enabled', async () => {
  for (const passwords of [new PasswordHasher({ logN: 1 }), acceptsAll]) {
    const ours = passwords !== acceptsAll;
    const cutOff = `!${weakHash.slice(0, weakHash.lastIndexOf('$'))}`;
    const unreadable = ours ? ['!*', '!x', '! ', cutOff] : [];
    for (const stored of ['!', '!!', `!!${weakHash}`, ...unreadable]) {
      const users = new MemoryUserStore();
      const { accounts } = makeService({ users, passwords });
      users.insert(userNamed('joe', stored));
      await assert.rejects(accounts.enable('joe'), refusal('ERR_PASSWORD_HASH'));
      assert.equal(users.find('joe')?.passwordHash, stored);
      assert.equal(await accounts.authenticate('joe', OLD), undefined);
      assert.equal(await accounts.disable('joe'), true);
      // Such an account can get a password, as in shadow(5).
      await accounts.setPassword('joe', NEW);
      assert.equal(await accounts.authenticate('joe', NEW), undefined);
      assert.equal(await accounts.enable('joe'), true);
      assert.equal((await accounts.authenticate('joe', NEW))?.id, 'joe');
    }
  }
});

test('a disabled user is imported as disabled, with a hash that can be read', async () => {
  const { accounts, users } = makeService();
  for (const [index, hash] of [weakHash, werkzeugHash(OLD)].entries()) {
    const id = `joe${index}`;
    assert.equal((await accounts.importUser(id, `!${hash}`)).id, id);
    assert.equal((await users.find(id))?.passwordHash, `!${hash}`);
    assert.equal(await accounts.authenticate(id, OLD), undefined);
    assert.equal(await accounts.identity({ identity: id }), undefined);
    await accounts.enable(id);
    assert.equal((await accounts.authenticate(id, OLD))?.id, id);
  }
  for (const hash of ['!', '!!', `!!${weakHash}`, '!*', `${weakHash}!`, '', undefined, 7]) {
    const imported = accounts.importUser('ann', hash as string);
    await assert.rejects(imported, refusal('ERR_PASSWORD_HASH'));
  }
  assert.equal(await users.find('ann'), undefined);
});

test('a login does not renew the hash of an account that is disabled meanwhile', async () => {
  const users = new MemoryUserStore();
  const other = makeService({ users });
  const passwords = new PasswordHasher({ logN: 3 });
  const hash = passwords.hash.bind(passwords);
  passwords.hash = async (password) => {
    const made = await hash(password);
    await other.accounts.disable('joe');
    return made;
  };
  await addUser({ users }, 'joe');
  const { accounts } = makeService({ users, passwords });
  const user = await accounts.authenticate('joe', OLD);
  assert.ok(user);
  assert.equal(accounts.isCurrent(user), false);
  assert.equal(users.find('joe')?.passwordHash, `!${weakHash}`);
});
