/** Accounts whose store or hasher comes with another copy of this package. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthError, MemoryUserStore, PasswordHasher } from '../../src/index.ts';
import { JOE, makeAccounts, PASSWORD, refusal } from '../support/accounts.ts';
import { cheapPasswords } from '../support/app.ts';
import { OtherAuthError } from '../support/copies.ts';

const weakHash = await cheapPasswords().hash(PASSWORD);
const joe = { id: 'joe', username: 'joe', passwordHash: weakHash, createdAt: 'today' };

/** A store whose writes fail. */
const storeWith = (error: Error) => {
  const users = new MemoryUserStore();
  users.insert(joe);
  const fail = () => Promise.reject(error);
  return { find: (id: string) => users.find(id), insert: fail, update: fail };
};

for (const [name, Kind] of Object.entries({ own: AuthError, other: OtherAuthError })) {
  test(`what another copy made: a login is not refused if a store cannot renew its hash: ${name}`, async () => {
    const users = storeWith(new Kind('ERR_STORE'));
    const { accounts } = makeAccounts({ users, passwords: new PasswordHasher({ logN: 2 }) });
    assert.equal((await accounts.authenticate('joe', PASSWORD))?.id, 'joe');
  });

  test(`what another copy made: a signup counts, unless the store failed: ${name}`, async () => {
    const users = storeWith(new Kind('ERR_STORE'));
    const { accounts } = makeAccounts({ users, limits: { signupsPerAddress: 1 } });
    const signUp = () => accounts.signup({ ...JOE, username: 'ann' }, { address: '192.0.2.1' });
    for (let round = 0; round < 3; round += 1) await assert.rejects(signUp(), refusal('ERR_STORE'));
    const busy = storeWith(new Kind('ERR_BUSY'));
    const { accounts: counting } = makeAccounts({ users: busy, limits: { signupsPerAddress: 1 } });
    const client = { address: '192.0.2.1' };
    const ann = { ...JOE, username: 'ann' };
    await assert.rejects(counting.signup(ann, client), refusal('ERR_BUSY'));
    await assert.rejects(counting.signup(ann, client), refusal('ERR_THROTTLED'));
  });

  test(`what another copy made: a hasher may refuse a stored hash or a password: ${name}`, async () => {
    const calls: unknown[] = [];
    class Refusing extends PasswordHasher {
      readonly #code: 'ERR_PASSWORD_HASH' | 'ERR_PASSWORD_TOO_LONG';

      constructor(code: 'ERR_PASSWORD_HASH' | 'ERR_PASSWORD_TOO_LONG') {
        super({ logN: 1 });
        this.#code = code;
      }

      override async verify(_password: string, stored: string | undefined): Promise<boolean> {
        calls.push(stored);
        if (stored !== undefined) throw new Kind(this.#code);
        return false;
      }
    }
    for (const code of ['ERR_PASSWORD_HASH', 'ERR_PASSWORD_TOO_LONG'] as const) {
      const passwords = new Refusing(code);
      const { accounts } = makeAccounts({ users: storeWith(new Error()), passwords });
      assert.equal(await accounts.authenticate('joe', PASSWORD), undefined);
    }
    // The decoy is verified in place of a hash that cannot be read.
    assert.deepEqual(calls.slice(0, 2), [weakHash, undefined]);
  });
}
