/**
 * `Accounts`, `createApp` and `JwtAuth` with counts in a real PostgreSQL. Skipped unless
 * TEST_POSTGRES_URL names a server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  Accounts,
  createApp,
  JwtAuth,
  MemoryUserStore,
  PostgresLimitCounts,
  type LimitOptions,
} from '../../src/index.ts';
import { cheapPasswords } from '../support/app.ts';
import { inTurn, loginRequest, PASSWORD, waitOf, wrongs } from '../support/limits.ts';
import { ownDatabase, poolAt, skip, type Pool } from '../support/postgres.ts';
import { SECRET } from '../support/tokens.ts';

describe('counts in PostgreSQL', { skip, timeout: 60_000 }, () => {
  const { database } = ownDatabase();
  let pools: Pool[] = [];

  before(() => {
    pools = [poolAt(database.href), poolAt(database.href)];
  });
  after(() => Promise.all(pools.map((pool) => pool.end())));

  /** @returns the option `limits` of two servers over one table */
  async function limitsOfTwo(table: string): Promise<LimitOptions[]> {
    const ofBoth = pools.map((pool) => new PostgresLimitCounts(pool, { table }));
    await Promise.all(ofBoth.map((counts) => counts.createTable()));
    return ofBoth.map((counts) => ({ counts }));
  }

  function accountsWith(limits: LimitOptions, users = new MemoryUserStore()): Accounts {
    return new Accounts({ users, passwords: cheapPasswords(), limits });
  }
  /** @returns whether the password is right, or the seconds to wait */
  const logIn = (accounts: Accounts, password: string, address = '192.0.2.1') => {
    return accounts.authenticate('joe', password, { address }).then(Boolean, waitOf);
  };
  const authWith = (limits: LimitOptions) => new JwtAuth<string>({
    secret: SECRET,
    limits,
    authenticate: (username, password) => password === PASSWORD && username,
    identity: ({ identity }) => String(identity),
  });
  const logInTo = (auth: JwtAuth<string>, password: string) => {
    const login = auth.login(loginRequest('joe', password, '192.0.2.1'));
    return login.then(() => true, (error) => {
      return Object(error).code === 'ERR_CREDENTIALS' ? false : waitOf(error);
    });
  };

  it('two Accounts share the tries of logins, and of an owner with a token', async () => {
    const users = new MemoryUserStore();
    const limits = await limitsOfTwo('of_accounts');
    const [one, other] = limits.map((option) => accountsWith(option, users));
    assert.ok(one && other);
    await one.signup({ username: 'joe', password: PASSWORD });
    const both = [one, other];
    const wrong = (index: number) => logIn(both[index % 2] ?? one, 'wrong');
    assert.deepEqual(await inTurn(10, wrong), wrongs(10));
    for (const accounts of both) {
      assert.ok(Number(await logIn(accounts, PASSWORD)) > 3000);
      assert.equal(await logIn(accounts, PASSWORD, '192.0.2.2'), true);
    }
    const session = { address: '192.0.2.1', sessionId: 'one' };
    const confirm = (index: number, password: string) => {
      return both[index % 2]?.confirmPassword('joe', password, session);
    };
    const codes = await inTurn(11, async (index) => {
      return confirm(index, 'wrong')?.then(() => 'right', (error) => String(error.code));
    });
    assert.deepEqual(codes, [...Array(10).fill('ERR_CREDENTIALS'), 'ERR_THROTTLED']);
    for (const index of [0, 1]) {
      await assert.rejects(Promise.resolve(confirm(index, PASSWORD)), { code: 'ERR_THROTTLED' });
    }
  });

  it('two applications of createApp share the tries of signups', async () => {
    const users = new MemoryUserStore();
    const apps = (await limitsOfTwo('of_apps')).map((limits) => {
      return createApp({ secret: SECRET, users, passwords: cheapPasswords(), limits });
    });
    const codes = await inTurn(52, async (index) => {
      const body = { username: `user${index}`, password: PASSWORD };
      const signup = apps[index % 2]?.accounts.signup(body, { address: '192.0.2.1' });
      return signup?.then(() => 'created', (error) => String(error.code));
    });
    assert.deepEqual(codes, [...Array(50).fill('created'), 'ERR_THROTTLED', 'ERR_THROTTLED']);
  });

  it('two JwtAuth over users of their own share the tries of logins', async () => {
    const auths = (await limitsOfTwo('of_auths')).map(authWith);
    const [one, other] = auths;
    assert.ok(one && other);
    const wrong = (index: number) => logInTo(auths[index % 2] ?? one, 'wrong');
    assert.deepEqual(await inTurn(10, wrong), wrongs(10));
    assert.ok(Number(await logInTo(other, PASSWORD)) > 3000);
  });

  it('rate limiters with tables of their own do not count for each other', async () => {
    const [ofOneTenant = {}] = await limitsOfTwo('one_tenant');
    const [ofOtherTenant = {}] = await limitsOfTwo('other_tenant');
    const one = authWith(ofOneTenant);
    assert.deepEqual(await inTurn(10, () => logInTo(one, 'wrong')), wrongs(10));
    assert.ok(Number(await logInTo(one, PASSWORD)) > 3000);
    assert.equal(await logInTo(authWith(ofOtherTenant), PASSWORD), true);
    // In one table they are one account.
    assert.ok(Number(await logInTo(authWith(ofOneTenant), PASSWORD)) > 3000);
  });
});
