/**
 * Removed names in a real PostgreSQL: races of removals, and pages in any collation. Skipped unless
 * TEST_POSTGRES_URL names a server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { PostgresUserStore, type PgClient } from '../../src/index.ts';
import { OldServer } from '../support/old-server.ts';
import { ownDatabase, poolAt, skip } from '../support/postgres.ts';
import { ROOT } from '../support/run-command.ts';
import { refusal, userNamed } from '../support/user-files.ts';

/** A time in 2001. */
const REMOVED_AT = 1_000_000_000;

describe('PostgresUserStore: removed names', { skip, timeout: 120_000 }, () => {
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

  it('loses no removal to an insert at the same time, over two pools', async () => {
    const table = newTable();
    const otherPool = poolAt(database.href);
    const [store, other] = [await openStore(table), await openStore(table, otherPool)];
    const old = new OldServer(otherPool, table);
    let insertions = 0;
    for (let round = 0; round < 300; round += 1) {
      const id = `user${round}`;
      await store.insert(userNamed(id));
      // An insert that succeeded looks at once, because the removal may not have been answered yet.
      const afterInsert = async (isInserted: boolean) => {
        if (!isInserted) return;
        insertions += 1;
        assert.equal((await other.find(id))?.validAfter, REMOVED_AT, id);
      };
      const inserts = [
        async () => afterInsert(await other.insert(userNamed(id, 'second'))),
        async () => afterInsert(await old.insert(userNamed(id, 'third'))),
        async () => afterInsert(await store.insert({ ...userNamed(id), validAfter: 1 })),
      ];
      const removal = async () => assert.equal(await store.remove(id, REMOVED_AT), true);
      const writes = inserts.toSpliced(round % 4, 0, removal);
      await Promise.all(writes.map((write) => write()));
    }
    assert.ok(insertions > 0, 'no insert came second');
    await otherPool.end();
  });

  it('lets one of 50 removals of a user through, over two pools', async () => {
    const table = newTable();
    const otherPool = poolAt(database.href);
    const stores = [await openStore(table), await openStore(table, otherPool)];
    await stores[0]?.insert(userNamed('joe'));
    const removals = Array.from({ length: 50 }, (_, index) => {
      return stores[index % 2]?.remove('joe', REMOVED_AT + index);
    });
    const answers = await Promise.all(removals);
    assert.equal(answers.filter((isRemoved) => isRemoved).length, 1);
    await stores[1]?.insert(userNamed('joe'));
    const found = await stores[0]?.find('joe');
    assert.equal(found?.validAfter, REMOVED_AT + answers.indexOf(true));
    await otherPool.end();
  });

  it('removes no user if the name cannot be kept, and the other way round', async () => {
    const table = newTable();
    const store = await openStore(table);
    await store.insert(userNamed('joe'));
    await pool.query(`ALTER TABLE ${table}_removed ADD CHECK (removed_at <> 7)`, []);
    await assert.rejects(store.remove('joe', 7), refusal('ERR_STORE', 'violates check constraint'));
    assert.deepEqual(await store.find('joe'), userNamed('joe'));
    const ann = { ...userNamed('ann'), validAfter: 7 };
    await assert.rejects(store.insert(ann), refusal('ERR_STORE', 'violates check constraint'));
    assert.equal(await store.find('ann'), undefined);
    assert.equal(await store.remove('joe', 8), true);
  });

  it('lists the removed names from an id that the database would change or refuse', async () => {
    const store = await openStore(newTable());
    const ids = ['a', 'a\u0001', 'a\ud7ff', 'a\ue000', 'b'];
    for (const id of ids) {
      await store.insert(userNamed(id));
      await store.remove(id, REMOVED_AT);
    }
    for (const [start, from] of [
      ['a', 1],
      ['a\0', 1],
      ['a\ud800', 3],
      ['\0', 0],
    ] as const) {
      const found = (await store.listRemoved(start)).map(({ id }) => id);
      assert.deepEqual(found, ids.slice(from), JSON.stringify(start));
    }
  });

  it('neither removes nor lists text that the database would change or refuse', async () => {
    const store = await openStore(newTable());
    const ids = ['a', 'a\u0001', 'a\ud7ff', 'a\ue000', 'a\ufffd', 'b'];
    for (const id of ids) await store.insert(userNamed(id));
    assert.equal(await store.remove('a\ud800', 5), false);
    assert.equal(await store.remove('a\0', 5), false);
    for (const [start, from] of [
      ['a', 1],
      ['a\0', 1],
      ['a\0\ud800', 1],
      ['a\ud800', 3],
      ['a\udfff\0b', 3],
      ['\0', 0],
      ['', 0],
    ] as const) {
      const found = (await store.list(start)).map(({ id }) => id);
      assert.deepEqual(found, ids.slice(from), JSON.stringify(start));
    }
  });

  it('sorts by code points whatever the collations of the columns are', async () => {
    const ids = ['A', 'B', 'a', 'aa', 'b', 'ä', '～', '𐐨'];
    for (const [collation, removedCollation] of [
      ['en-x-icu', 'default'],
      ['default', 'en-x-icu'],
      ['C', 'en-x-icu'],
    ]) {
      const table = newTable();
      const others = 'username text, password_hash text, created_at text';
      const id = (name = '') => `id text COLLATE "${name}" PRIMARY KEY`;
      await pool.query(`CREATE TABLE ${table} (${id(collation)}, ${others})`, []);
      const removedColumns = `${id(removedCollation)}, removed_at bigint`;
      await pool.query(`CREATE TABLE ${table}_removed (${removedColumns})`, []);
      const store = await openStore(table);
      for (const name of ids.toReversed()) await store.insert(userNamed(name));
      await store.remove('b', REMOVED_AT);
      await store.insert(userNamed('b'));
      assert.equal((await store.find('b'))?.validAfter, REMOVED_AT);
      const listed = await store.list();
      assert.deepEqual(listed.map((user) => user.id), ids);
      assert.deepEqual(
        listed.flatMap(({ id: name, validAfter }) => (validAfter === undefined ? [] : [name])),
        ['b'],
      );
      assert.deepEqual((await store.list('B', 2)).map((user) => user.id), ['a', 'aa']);
      for (const name of ids) await store.remove(name, REMOVED_AT);
      await store.insert(userNamed('b'));
      const removedIds = async (after?: string, limit?: number) =>
        (await store.listRemoved(after, limit)).map(({ id: name }) => name);
      assert.deepEqual(await removedIds(), ids.filter((name) => name !== 'b'));
      assert.deepEqual(await removedIds('aa', 2), ['ä', '～']);
    }
  });

  it('refuses what is not a time, so that no old token becomes valid', async () => {
    const table = newTable();
    const others = 'id text PRIMARY KEY, removed_at';
    await pool.query(`CREATE TABLE ${table}_removed (${others} double precision)`, []);
    const store = await openStore(table);
    await store.insert(userNamed('joe'));
    for (const value of ['-1', '1.5', "'NaN'", "'Infinity'"]) {
      await pool.query(`DELETE FROM ${table}_removed`, []);
      await pool.query(`INSERT INTO ${table}_removed VALUES ('joe', ${value})`, []);
      await assert.rejects(store.find('joe'), refusal('ERR_STORE', 'not a time in whole seconds'));
      await assert.rejects(store.list(), refusal('ERR_STORE', 'not a time in whole seconds'));
      await pool.query(`UPDATE ${table}_removed SET id = 'ann'`, []);
      await assert.rejects(store.listRemoved(), refusal('ERR_STORE', 'not a time in whole'));
    }
    await pool.query(`UPDATE ${table}_removed SET removed_at = 1`, []);
    assert.deepEqual(await store.listRemoved(), [{ id: 'ann', removedAt: 1 }]);
    await pool.query(`UPDATE ${table}_removed SET id = 'joe'`, []);
    assert.equal((await store.find('joe'))?.validAfter, 1);
  });

  it('keeps removed names of tables apart whose long names begin alike', async () => {
    const names = ['a', 'b'].map((end) => `auth.${'long_'.repeat(12)}${end}`);
    await pool.query('CREATE SCHEMA auth', []);
    const [first, second] = [await openStore(names[0] ?? ''), await openStore(names[1] ?? '')];
    for (const store of [first, second]) await store.insert(userNamed('joe'));
    await first.remove('joe', REMOVED_AT);
    assert.equal((await second.find('joe'))?.validAfter, undefined);
    await first.insert(userNamed('joe'));
    assert.equal((await first.find('joe'))?.validAfter, REMOVED_AT);
    const text = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'auth'";
    assert.equal((await pool.query(text, [])).rows.length, 4);
  });

  it('removes only the user whose hash is expected, also of another type of column', async () => {
    for (const type of ['text', 'citext', 'varchar(99)']) {
      const table = newTable();
      await pool.query('CREATE EXTENSION IF NOT EXISTS citext', []);
      const columns = `id text PRIMARY KEY, username text, password_hash ${type}, created_at text`;
      await pool.query(`CREATE TABLE ${table} (${columns})`, []);
      const store = await openStore(table);
      await store.insert(userNamed('joe', 'a\ufffdb'));
      // The driver would turn the first one into the stored hash.
      for (const expected of ['a\ud800b', 'a\ufffdb\0', 'A\ufffdB', 'a\ufffdb ', null, 7]) {
        assert.equal(await store.remove('joe', 5, expected as string), false, type);
      }
      assert.equal(await store.remove('joe', 5, 'a\ufffdb'), true);
    }
  });

  it('the statement of src/users/README.md removes a user, and keeps the name', async () => {
    const page = readFileSync(join(ROOT, 'src/users/README.md'), 'utf8');
    const [, statement = ''] = /^  ```sql\n([^]*?)^  ```$/m.exec(page) ?? [];
    const store = await openStore('latchkey_users');
    await store.insert(userNamed('joe'));
    await store.insert(userNamed('ann'));
    const from = Math.floor(Date.now() / 1_000);
    await pool.query(statement, []);
    assert.equal(await store.find('joe'), undefined);
    await store.insert(userNamed('joe'));
    const { validAfter = NaN } = (await store.find('joe')) ?? {};
    assert.ok(validAfter >= from && validAfter <= Date.now() / 1_000, `${validAfter}`);
    assert.deepEqual(await store.find('ann'), userNamed('ann'));
  });

  it('a check fails while the database is read-only, or a table is missing', async () => {
    const table = newTable();
    const store = await openStore(table);
    assert.equal(await store.check(), undefined);
    const readOnly = new URL(database);
    readOnly.searchParams.set('options', '-c default_transaction_read_only=on');
    const otherPool = poolAt(readOnly.href);
    const other = new PostgresUserStore(otherPool, { table });
    assert.equal(await other.find('joe'), undefined);
    await assert.rejects(other.check(), refusal('ERR_STORE', 'read-only transaction'));
    await otherPool.end();
    await pool.query(`DROP TABLE ${table}_removed`, []);
    await assert.rejects(store.check(), refusal('ERR_STORE', 'does not exist'));
  });
});
