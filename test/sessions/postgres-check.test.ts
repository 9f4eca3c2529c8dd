/**
 * The check of the sessions in a real PostgreSQL. Skipped unless TEST_POSTGRES_URL names a server,
 * as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { PostgresSessionStore } from '../../src/index.ts';
import { asRole, ownDatabase, poolAt, skip } from '../support/postgres.ts';
import { refusal } from '../support/user-files.ts';

describe('PostgresSessionStore.check', { skip }, () => {
  const { database } = ownDatabase();
  const pool = poolAt(database.href);
  const store = new PostgresSessionStore(pool, { table: 'sessions' });
  after(() => pool.end());

  it('fails while the database is read-only, although it can be read', async () => {
    await store.createTable();
    assert.equal(await store.check(), undefined);
    const readOnly = new URL(database);
    readOnly.searchParams.set('options', '-c default_transaction_read_only=on');
    const otherPool = poolAt(readOnly.href);
    const other = new PostgresSessionStore(otherPool, { table: 'sessions' });
    assert.equal(await other.find('joe'), undefined);
    await assert.rejects(other.check(), refusal('ERR_STORE', 'read-only transaction'));
    await otherPool.end();
  });

  it('needs the right to read and the right to update', async () => {
    await asRole(database, pool, async (role, rolePool) => {
      const own = new PostgresSessionStore(rolePool, { table: 'sessions' });
      const denied = refusal('ERR_STORE', 'permission denied for table sessions');
      await assert.rejects(own.check(), denied);
      await pool.query(`GRANT SELECT ON sessions TO ${role}`, []);
      await assert.rejects(own.check(), denied);
      await pool.query(`GRANT UPDATE ON sessions TO ${role}`, []);
      assert.equal(await own.check(), undefined);
    });
  });

  it('fails without its table', async () => {
    assert.equal(await store.check(), undefined);
    await pool.query('DROP TABLE sessions', []);
    await assert.rejects(store.check(), refusal('ERR_STORE', 'does not exist'));
  });
});
