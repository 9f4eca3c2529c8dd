/**
 * The administration of users in a real PostgreSQL, beside the servers that use it. Skipped unless
 * TEST_POSTGRES_URL names a server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PostgresSessionStore, PostgresUserStore, Sessions } from '../../../src/index.ts';
import {
  openAdministration,
  type AdministrationAccess,
} from '../../../src/cli/administration/open-administration.ts';
import { PASSWORD, werkzeugHash } from '../../support/accounts.ts';
import { dataFolder } from '../../support/administration.ts';
import { asRole, ownDatabase, PG, poolAt, skip, type Pool } from '../../support/postgres.ts';

describe('openAdministration with --users postgres://', { skip, timeout: 60_000 }, () => {
  const { database } = ownDatabase();
  const logged: string[] = [];
  const home = process.cwd();
  let pool: Pool;
  let data: string;

  const open = (access: AdministrationAccess = 'create', users: URL = database) => {
    const options = { users, data, access };
    return openAdministration(options, (_event, detail) => logged.push(detail));
  };

  before(async () => {
    // pg is found from the working directory.
    data = await dataFolder();
    mkdirSync(join(data, 'node_modules'));
    symlinkSync(PG, join(data, 'node_modules/pg'));
    process.chdir(data);
    pool = poolAt(database.href);
  });
  after(async () => {
    process.chdir(home);
    await pool.end();
  });

  const tables = async () => {
    const text = "SELECT tablename FROM pg_tables WHERE tablename LIKE 'latchkey%' ORDER BY 1";
    const { rows } = await pool.query(text, []);
    return rows.map((row) => row['tablename']);
  };

  it('creates no table to read or change users, and names the database', async () => {
    for (const access of ['read', 'change'] as const) {
      const words =
        /\/latchkey_test_\w+: .*"latchkey_users" does not .* Name the database of the s/;
      await assert.rejects(open(access), words);
    }
    assert.deepEqual(await tables(), []);
  });

  it('creates the table of users, and none of sessions', async () => {
    const administration = await open();
    assert.deepEqual(await administration.list(undefined), []);
    await assert.rejects(administration.logoutPage(undefined), /No sessions are kept/);
    await administration.close();
    assert.deepEqual(await tables(), ['latchkey_users', 'latchkey_users_removed']);
  });

  it('reads with the right to read alone', async () => {
    await asRole(database, pool, async (role) => {
      await pool.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`, []);
      const users = new URL(database);
      [users.username, users.password] = [role, 'word'];
      users.searchParams.set('options', '-c default_transaction_read_only=on');
      const administration = await open('read', users);
      assert.deepEqual(await administration.list(undefined), []);
      assert.deepEqual(await administration.exportUsers(undefined), []);
      assert.deepEqual(await administration.exportRemovedNames(undefined), []);
      await administration.close();
    });
  });

  it('ends the sessions in the table beside the users, at every server at once', async () => {
    const store = new PostgresSessionStore(pool);
    await store.createTable();
    const sessions = new Sessions({ store });
    const users = new PostgresUserStore(pool);
    const user = { id: 'joe', username: 'Joe', passwordHash: werkzeugHash(PASSWORD) };
    await users.insert({ ...user, createdAt: '2020-01-02T03:04:05.000Z' });
    await sessions.start('joe', { isRefreshable: true });
    const administration = await open();
    assert.equal((await administration.disable('JOE'))?.id, 'joe');
    assert.deepEqual(await sessions.list('joe'), []);
    await sessions.start('joe', { isRefreshable: true });
    assert.equal((await administration.logoutPage(undefined)).count, 1);
    assert.deepEqual(await sessions.list('joe'), []);
    assert.equal((await administration.remove('joe'))?.id, 'joe');
    assert.equal(await users.find('joe'), undefined);
    const createdAt = '2026-01-02T03:04:05.678Z';
    assert.equal(await administration.importRemovedName({ id: 'jim', removedAt: 1000 }), true);
    const jim = { ...user, id: 'jim', username: 'Jim', createdAt };
    assert.equal(await administration.importUser(jim), true);
    assert.equal((await users.find('jim'))?.validAfter, 1000);
    const nul = administration.importUser({ ...user, id: 'j\0', createdAt });
    await assert.rejects(nul, { code: 'ERR_BAD_REQUEST', message: /^its id is not a canonical/ });
    await administration.close();
    assert.deepEqual(logged, []);
  });
});
