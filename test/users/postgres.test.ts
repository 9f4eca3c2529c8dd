/**
 * Users in a real PostgreSQL: the store. Skipped unless TEST_POSTGRES_URL names a server whose user
 * may create databases: `.ci/with-postgres npm test` starts one.
 */
import assert from 'node:assert/strict';
import { after, describe, it, test } from 'node:test';
import { AuthError, PostgresUserStore, type PgClient } from '../../src/index.ts';
import { testUserStore } from '../../src/users/contract.ts';
import { allSaid } from '../support/assertions.ts';
import { NOT_STRINGS } from '../support/hostile.ts';
import { asRole, ownDatabase, poolAt, skip } from '../support/postgres.ts';
import { lostChanges } from '../support/rehash-race.ts';
import { MARKER } from '../support/tokens.ts';
import { refusal, userNamed } from '../support/user-files.ts';

test('a client without query, an unknown option and a bad table name are refused', () => {
  const client: PgClient = { query: async () => ({ rows: [] }) };
  for (const bad of [undefined, null, {}, { query: 1 }, 'postgres://'] as never[]) {
    assert.throws(() => new PostgresUserStore(bad), TypeError);
  }
  const tables = ['users', 'Users_2', '_', 'x'.repeat(63), 'auth.users', 'select'];
  for (const table of tables) assert.ok(new PostgresUserStore(client, { table }));
  const notTables = [
    '',
    'a b',
    'a-b',
    '2users',
    'a"b',
    "a'b",
    'a;b',
    'a.',
    '.a',
    'a.b.c',
    'a\n',
    'ä',
    'x'.repeat(64),
  ];
  for (const table of [
    ...notTables,
    ...NOT_STRINGS.filter((value) => value !== undefined),
  ] as string[]) {
    assert.throws(
      () => new PostgresUserStore(client, { table }),
      /^TypeError: "table" expected a table name/,
    );
  }
  assert.throws(() => new PostgresUserStore(client, { tabel: 'users' } as never), /unknown option/);
});

describe('PostgresUserStore', { skip, timeout: 120_000 }, () => {
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

  testUserStore('PostgresUserStore', {
    open: () => openStore(newTable()),
    reopen: () => openStore(`users_${tables}`),
  });

  it('lets one of 50 inserts of the same id through, over two pools', async () => {
    const other = poolAt(database.href);
    const table = newTable();
    const stores = [await openStore(table), await openStore(table, other)];
    const inserts = Array.from({ length: 50 }, (_, index) =>
      stores[index % 2]?.insert(userNamed('joe', `${index}`)),
    );
    const answers = await Promise.all(inserts);
    assert.equal(answers.filter((isInserted) => isInserted).length, 1);
    for (const store of stores)
      assert.equal((await store.find('joe'))?.passwordHash, `${answers.indexOf(true)}`);
    await other.end();
  });

  it('creates its table once if 20 stores ask at the same time, also in a schema', async () => {
    await pool.query('CREATE SCHEMA auth', []);
    for (const table of [newTable(), 'auth.users', 'select', 'Users']) {
      const stores = await Promise.all(Array.from({ length: 20 }, () => openStore(table)));
      for (const [index, store] of stores.entries())
        assert.equal(await store.insert(userNamed('joe')), index === 0);
    }
  });

  it('works for a role that may not create the tables, unless one is missing', async () => {
    const table = newTable();
    await (await openStore(table)).insert(userNamed('joe'));
    await asRole(database, pool, async (role, other) => {
      const [users, removed] = [table, `${table}_removed`];
      const grant = (rights: string, on: string) =>
        pool.query(`GRANT ${rights} ON ${on} TO ${role}`, []);
      const revoke = (rights: string, on: string) =>
        pool.query(`REVOKE ${rights} ON ${on} FROM ${role}`, []);
      const assertDenied = (on: string) =>
        assert.rejects(
          openStore(table, other),
          refusal('ERR_STORE', `table ${on}: permission denied for table ${on}`),
        );
      await grant('SELECT, INSERT, UPDATE, DELETE', users);
      await grant('SELECT, INSERT, UPDATE', removed);
      const store = await openStore(table, other);
      assert.equal(await store.insert(userNamed('joe')), false);
      assert.equal(await store.update(userNamed('joe', 'new')), true);
      assert.equal(await store.remove('joe', 5), true);
      assert.equal(await store.insert(userNamed('joe')), true);
      assert.equal((await store.list())[0]?.validAfter, 5);
      await store.check();
      const missing = newTable();
      await assert.rejects(
        openStore(missing, other),
        refusal('ERR_STORE', `table ${missing}: permission denied for schema public`),
      );
      for (const [on, ...rights] of [
        [users, 'SELECT', 'INSERT', 'UPDATE'],
        [removed, 'SELECT'],
      ] as const) {
        for (const right of rights) {
          await revoke(right, on);
          await assertDenied(on);
          await grant(right, on);
        }
      }
      await openStore(table, other);
      await revoke('UPDATE', users);
      for (const columns of ['username, password_hash', 'username, created_at']) {
        await grant(`UPDATE (${columns})`, users);
        await assertDenied(users);
        await revoke(`UPDATE (${columns})`, users);
      }
    });
  });

  it('refuses a table with other columns or without a unique index on the ids', async () => {
    const others = {
      'id integer PRIMARY KEY': /column users.username does not exist/,
      'id text, username text, password_hash text, created_at text':
        /no unique or exclusion constraint/,
      'id text PRIMARY KEY, username text, password_hash integer, created_at text':
        /"password_hash" is of type int/,
      'id text PRIMARY KEY, username text, password_hash text, created_at timestamptz':
        /"created_at" is of type time/,
    };
    for (const [columns, reason] of Object.entries(others)) {
      const table = newTable();
      await pool.query(`CREATE TABLE ${table} (${columns})`, []);
      await assert.rejects(openStore(table), (error: Error) => reason.test(String(error.cause)));
    }
  });

  it('refuses a row whose id is not exactly the id that was asked for', async () => {
    for (const [type, id] of [
      ['char(9)', 'joe'],
      ['name', 'x'.repeat(70)],
    ] as const) {
      const table = newTable();
      const columns = 'username text, password_hash text, created_at text';
      await pool.query(`CREATE TABLE ${table} (id ${type} PRIMARY KEY, ${columns})`, []);
      const store = await openStore(table);
      await store.insert(userNamed(id));
      await assert.rejects(store.find(id), refusal('ERR_STORE', 'of the type text'));
      await pool.query(`UPDATE ${table} SET username = NULL, id = 'ann      '`, []);
      await assert.rejects(store.find('ann      '), refusal('ERR_STORE', 'of the type text'));
    }
  });

  it('loses no password change to a login with the old password', async () => {
    const table = newTable();
    assert.deepEqual(await lostChanges(await openStore(table), 300), []);
    // First a warm pool, then one connection, for which both wait.
    const other = poolAt(database.href, 1);
    assert.deepEqual(await lostChanges(await openStore(newTable(), other), 100), []);
    await other.end();
  });

  it('lets one of 50 updates through that expect the same hash, over two pools', async () => {
    const other = poolAt(database.href);
    const table = newTable();
    const stores = [await openStore(table), await openStore(table, other)];
    await stores[0]?.insert(userNamed('joe', 'old'));
    const updates = Array.from({ length: 50 }, (_, index) =>
      stores[index % 2]?.update(userNamed('joe', `${index}`), 'old'),
    );
    const answers = await Promise.all(updates);
    assert.equal(answers.filter((isUpdated) => isUpdated).length, 1);
    for (const store of stores) {
      assert.equal((await store.find('joe'))?.passwordHash, `${answers.indexOf(true)}`);
    }
    await other.end();
  });

  it('compares hashes as text, and matches no hash that it cannot store', async () => {
    await pool.query('CREATE EXTENSION citext', []);
    for (const type of ['text', 'citext', 'varchar(99)']) {
      const table = newTable();
      const columns = `username text, password_hash ${type}, created_at text`;
      await pool.query(`CREATE TABLE ${table} (id text PRIMARY KEY, ${columns})`, []);
      const store = await openStore(table);
      await store.insert(userNamed('joe', 'a\ufffdb'));
      // The driver would turn the first one into the stored hash.
      for (const expected of ['a\ud800b', 'a\ufffdb\0', 'A\ufffdB', 'a\ufffdb ', ...NOT_STRINGS]) {
        if (expected === undefined) continue;
        assert.equal(await store.update(userNamed('joe', 'lost'), expected as string), false, type);
      }
      assert.equal(await store.update(userNamed('joe', 'new'), 'a\ufffdb'), true);
    }
  });

  it('leaves no hash in an error that a table or a trigger reports', async () => {
    const hash = `$scrypt$ln=17,r=8,p=1$${MARKER}$${MARKER}`;
    const marked = { ...userNamed('joe', hash), username: `name ${MARKER}` };
    const texts = {
      id: 'text PRIMARY KEY',
      username: 'text',
      password_hash: 'text',
      created_at: 'text',
    };
    const columnsOf = (others: Partial<typeof texts>) =>
      Object.entries({ ...texts, ...others })
        .map(([column, type]) => `${column} ${type}`)
        .join(', ');
    const tables = {
      [columnsOf({ created_at: 'text CHECK (username = created_at)' })]:
        'violates check constraint',
      [columnsOf({ password_hash: 'text CHECK (length(password_hash) < 9)' })]:
        'violates check constraint',
      [`${columnsOf({})}, other text NOT NULL`]: 'null value in column "other"',
      [`${columnsOf({})}, other text UNIQUE DEFAULT 'x'`]: 'duplicate key value',
      [columnsOf({ password_hash: 'integer' })]: 'invalid input syntax for type integer: "..."',
      [columnsOf({ password_hash: 'uuid' })]: 'invalid input syntax for type uuid: "..."',
      [columnsOf({ username: 'timestamptz' })]:
        'invalid input syntax for type timestamp with time zone: "..."',
      [columnsOf({ password_hash: 'text[]' })]: 'malformed array literal: "..."',
      [columnsOf({ password_hash: 'varchar(9)' })]: 'value too long',
    };
    for (const [columns, reason] of Object.entries(tables)) {
      const table = newTable();
      await pool.query(`CREATE TABLE ${table} (${columns})`, []);
      const store = new PostgresUserStore(pool, { table });
      if (reason.startsWith('duplicate')) await store.insert(userNamed('first'));
      await assertSilent(() => store.insert(marked), reason);
    }

    // The message of a trigger may hold anything, also the stored user.
    const table = newTable();
    const store = await openStore(table);
    await store.insert(marked);
    await pool.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'was %, is %, % and %', OLD.password_hash, NEW, NEW.username, OLD.id;
      END $$`,
      [],
    );
    await pool.query(
      `CREATE TRIGGER refuse BEFORE UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse()`,
      [],
    );
    await assertSilent(
      () => store.update({ ...marked, passwordHash: `${hash}2` }, hash),
      'was ... is (',
    );
  });

  /** The error has the code and the message of the database, and none of the values. */
  async function assertSilent(write: () => Promise<unknown>, reason: string): Promise<void> {
    const error: unknown = await write().then(
      () => assert.fail(reason),
      (thrown) => thrown,
    );
    assert.ok(error instanceof AuthError && error.cause instanceof Error, reason);
    assert.ok(error.cause.message.includes(reason), error.cause.message);
    assert.match(String(Reflect.get(error.cause, 'code')), /^[0-9A-Z]{5}$/);
    assert.ok(!allSaid(error).includes(MARKER), allSaid(error));
  }

  it('neither stores nor finds text that the database would change or refuse', async () => {
    const store = await openStore(newTable());
    await store.insert(userNamed('\ufffd'));
    for (const id of ['\ud800', 'joe\0', ...NOT_STRINGS] as string[]) {
      assert.equal(await store.find(id), undefined);
      const user = { ...userNamed('joe'), id };
      await assert.rejects(store.insert(user), /^TypeError: "id" expected Unicode text/);
      await assert.rejects(store.update(user), /^TypeError: "id" expected Unicode text/);
    }
  });
});
