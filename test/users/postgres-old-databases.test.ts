/**
 * Databases of version 0.1: those that it made and goes on using, with the rights that it needed.
 * Skipped unless TEST_POSTGRES_URL names a server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { PostgresUserStore, type PgClient } from '../../src/index.ts';
import { OldServer } from '../support/old-server.ts';
import { asRole, ownDatabase, poolAt, skip } from '../support/postgres.ts';
import { refusal, userNamed } from '../support/user-files.ts';

/** A time in 2001. */
const REMOVED_AT = 1_000_000_000;

describe('PostgresUserStore: databases of 0.1', { skip, timeout: 120_000 }, () => {
  const { database } = ownDatabase();
  const pool = poolAt(database.href);
  let tables = 0;
  const newTable = () => `users_${(tables += 1)}`;
  const openStore = async (table: string, client: PgClient = pool) => {
    const store = new PostgresUserStore(client, { table });
    await store.createTable();
    return store;
  };

  after(() => pool.end());

  it('works on a table that 0.1 made, and creates the second one once for 20 stores', async () => {
    for (const table of [newTable(), 'x'.repeat(63), 'Users_']) {
      const old = new OldServer(pool, table);
      await old.createTable();
      await old.insert(userNamed('joe'));
      const stores = await Promise.all(Array.from({ length: 20 }, () => openStore(table)));
      for (const store of stores) assert.deepEqual(await store.find('joe'), userNamed('joe'));
      assert.equal(await stores[0]?.remove('joe', REMOVED_AT), true);
      assert.equal(await stores[1]?.insert(userNamed('joe')), true);
      assert.equal((await stores[2]?.find('joe'))?.validAfter, REMOVED_AT);
    }
  });

  it('shares its users with a server of 0.1', async () => {
    const table = newTable();
    const store = await openStore(table);
    const old = new OldServer(pool, table);
    await old.createTable();
    await store.insert(userNamed('joe'));
    assert.equal(Object(await old.find('joe')).password_hash, userNamed('joe').passwordHash);
    await store.remove('joe', REMOVED_AT);
    assert.equal(await old.find('joe'), undefined);
    assert.equal(await old.update(userNamed('joe')), false);
    assert.equal(await old.insert(userNamed('joe', 'second')), true);
    const second = { ...userNamed('joe', 'second'), validAfter: REMOVED_AT };
    assert.deepEqual(await store.find('joe'), second);
    assert.equal(await old.update(userNamed('joe', 'third')), true);
    const third = { ...userNamed('joe', 'third'), validAfter: REMOVED_AT };
    assert.deepEqual(await store.find('joe'), third);
    assert.deepEqual(await store.list(), [third]);
  });

  it('works without the second table and with the rights of 0.1, but for removals', async () => {
    const table = newTable();
    const old = new OldServer(pool, table);
    await old.createTable();
    await asRole(database, pool, async (role, other) => {
      await pool.query(`GRANT SELECT, INSERT, UPDATE ON ${table} TO ${role}`, []);
      // The second store stands for a program that never calls createTable.
      for (const store of [
        await openStore(table, other),
        new PostgresUserStore(other, { table }),
      ]) {
        await pool.query(`DELETE FROM ${table}`, []);
        assert.equal(await store.find('joe'), undefined);
        assert.equal(await store.insert(userNamed('joe')), true);
        assert.equal(await old.insert(userNamed('ann')), true);
        assert.equal(await store.update(userNamed('joe', 'new')), true);
        assert.deepEqual(await store.find('joe'), userNamed('joe', 'new'));
        assert.deepEqual(await store.list(), [userNamed('ann'), userNamed('joe', 'new')]);
        assert.deepEqual(await store.listRemoved(), []);
        assert.equal(await store.check(), undefined);
        const brought = { ...userNamed('bob'), validAfter: REMOVED_AT };
        for (const write of [() => store.remove('joe'), () => store.insert(brought)]) {
          await assert.rejects(write, (error: unknown) =>
            refusal('ERR_STORE', `"${table}_removed" does not exist. To keep`)(error) &&
            refusal('ERR_STORE', `create the table ${table}_removed (id text PRIMARY`)(error) &&
            refusal('ERR_STORE', `DELETE on ${table}`)(error));
        }
        assert.deepEqual(await store.list(), [userNamed('ann'), userNamed('joe', 'new')]);
      }
    });
  });

  it('needs further rights for removals alone, and says which', async () => {
    const table = newTable();
    const owner = await openStore(table);
    await owner.insert(userNamed('joe'));
    await asRole(database, pool, async (role, other) => {
      await pool.query(`GRANT SELECT, INSERT, UPDATE ON ${table} TO ${role}`, []);
      const unreadable = `table ${table}_removed: permission denied for table ${table}_removed`;
      await assert.rejects(openStore(table, other), refusal('ERR_STORE', unreadable));
      await pool.query(`GRANT SELECT ON ${table}_removed TO ${role}`, []);
      const store = await openStore(table, other);
      const ofRemoved = `SELECT, INSERT and UPDATE on ${table}_removed`;
      const denied = `permission denied for table ${table}`;
      const removing = () => store.remove('joe');
      await pool.query(`GRANT INSERT, UPDATE ON ${table}_removed TO ${role}`, []);
      const deletion = `${denied}. Grant this role DELETE on ${table}, and ${ofRemoved}`;
      await assert.rejects(removing, refusal('ERR_STORE', deletion));
      await pool.query(`REVOKE INSERT, UPDATE ON ${table}_removed FROM ${role}`, []);
      await pool.query(`GRANT DELETE ON ${table} TO ${role}`, []);
      const writing = `${denied}_removed. Grant this role ${ofRemoved}, and DELETE on ${table}`;
      await assert.rejects(removing, refusal('ERR_STORE', writing));
      assert.deepEqual(await store.find('joe'), userNamed('joe'));
      await pool.query(`GRANT INSERT, UPDATE ON ${table}_removed TO ${role}`, []);
      assert.equal(await store.remove('joe', REMOVED_AT), true);
    });
  });

  it('knows the removed names as soon as it has removed a user itself', async () => {
    const table = newTable();
    await new OldServer(pool, table).createTable();
    const store = new PostgresUserStore(pool, { table });
    await store.insert(userNamed('joe'));
    assert.deepEqual(await store.find('joe'), userNamed('joe')); // the table is missing
    await openStore(table); // another server creates it
    assert.equal(await store.remove('joe', REMOVED_AT), true);
    await store.insert(userNamed('joe'));
    assert.equal((await store.find('joe'))?.validAfter, REMOVED_AT);
    await pool.query(`DROP TABLE ${table}_removed`, []);
    await assert.rejects(store.find('joe'), refusal('ERR_STORE', 'does not exist'));
  });
});
