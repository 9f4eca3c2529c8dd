/**
 * Reads that share statements, of both stores over a real PostgreSQL. Skipped unless
 * TEST_POSTGRES_URL names a server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { after, describe, it } from 'node:test';
import { PostgresSessionStore, PostgresUserStore, type PgClient } from '../../src/index.ts';
import { ownDatabase, poolAt, skip } from '../support/postgres.ts';
import { refusal, userNamed } from '../support/user-files.ts';

/** A time in 2001. */
const REMOVED_AT = 1_000_000_000;

const namesOf = (count: number) => Array.from({ length: count }, (_, index) => `user${index}`);
const record = (version: number) => ({ version, endedAt: 5, sessions: [] });

describe('reads of several ids at once', { skip, timeout: 120_000 }, () => {
  const { name, database, admin } = ownDatabase();
  const pool = poolAt(database.href);
  let tables = 0;
  const newTable = () => `table_${(tables += 1)}`;
  const openUsers = async (table: string, client: PgClient = pool) => {
    const store = new PostgresUserStore(client, { table });
    await store.createTable();
    return store;
  };
  const openSessions = async (table: string) => {
    const store = new PostgresSessionStore(pool, { table });
    await store.createTable();
    return store;
  };

  after(() => pool.end());

  it('find 1,000 users in five statements, each with the time of its own removal', async () => {
    const texts: string[] = [];
    const query: PgClient['query'] = (text, values) => {
      texts.push(text);
      return pool.query(text, values);
    };
    const table = newTable();
    await openUsers(table);
    const store = new PostgresUserStore({ query }, { table });
    const names = namesOf(1000);
    const rows = `SELECT 'user' || n, 'user' || n, 'hash', 'now' FROM generate_series(0, 998) AS n`;
    await pool.query(`INSERT INTO ${table} ${rows}`, []);
    const removed = `SELECT 'user' || n, n FROM generate_series(0, 998, 3) AS n`;
    await pool.query(`INSERT INTO ${table}_removed ${removed}`, []);
    const found = await Promise.all(names.map((id) => store.find(id)));
    const expected = names.map((id, index) => {
      if (index === 999) return undefined;
      const user = { id, username: id, passwordHash: 'hash', createdAt: 'now' };
      return index % 3 === 0 ? { ...user, validAfter: index } : user;
    });
    assert.deepEqual(found, expected);
    assert.deepEqual([texts.length, new Set(texts).size], [5, 2]);
  });

  it('find 1,000 session records, each that of its user', async () => {
    const table = newTable();
    const store = await openSessions(table);
    const rows = `SELECT 'user' || n, n, '{"version":' || n || ',"endedAt":5,"sessions":[]}'`;
    await pool.query(`INSERT INTO ${table} ${rows} FROM generate_series(1, 999) AS n`, []);
    const found = await Promise.all(namesOf(1000).map((id) => store.find(id)));
    assert.deepEqual(found, namesOf(1000).map((_, index) => index > 0 ? record(index) : undefined));
  });

  it('see each write that another store object has answered before', async () => {
    const [users, sessions] = [newTable(), newTable()];
    const [userWriter, sessionWriter] = [await openUsers(users), await openSessions(sessions)];
    await userWriter.insert(userNamed('joe'));
    await sessionWriter.put('joe', record(1));
    // Rows that the database has read reach the stores only after `arrival`.
    const events = new EventEmitter();
    const arrival = once(events, 'arrival');
    const query: PgClient['query'] = async (text, values) => {
      const result = await pool.query(text, values);
      events.emit('read');
      await arrival;
      return result;
    };
    const find = [
      new PostgresUserStore({ query }, { table: users }),
      new PostgresSessionStore({ query }, { table: sessions }),
    ].map((store) => () => store.find('joe'));
    const before = [];
    for (const ask of find) {
      const read = once(events, 'read');
      before.push(ask());
      await read;
    }
    await userWriter.remove('joe');
    await sessionWriter.put('joe', record(2));
    const later = find.map((ask) => ask());
    events.emit('arrival');
    assert.deepEqual(await Promise.all(before), [userNamed('joe'), record(1)]);
    assert.deepEqual(await Promise.all(later), [undefined, record(2)]);
  });

  it('fail for a bad row of a user alone', async () => {
    const table = newTable();
    const columns = 'id text PRIMARY KEY, username text, password_hash text, created_at text';
    await pool.query(`CREATE TABLE ${table} (${columns})`, []);
    const store = await openUsers(table);
    for (const id of ['ann', 'bad', 'joe']) await store.insert(userNamed(id));
    await pool.query(`UPDATE ${table} SET username = NULL WHERE id = 'bad'`, []);
    const bad = assert.rejects(store.find('bad'), refusal('ERR_STORE', 'of the type text'));
    const found = await Promise.all(['ann', 'joe', 'no one'].map((id) => store.find(id)));
    assert.deepEqual(found, [userNamed('ann'), userNamed('joe'), undefined]);
    await bad;
  });

  it('fail for a damaged session record alone', async () => {
    const table = newTable();
    const store = await openSessions(table);
    for (const id of ['ann', 'bad', 'joe']) await store.put(id, record(1));
    await pool.query(`UPDATE ${table} SET record = '' WHERE user_id = 'bad'`, []);
    const bad = assert.rejects(store.find('bad'), refusal('ERR_STORE', 'is not an object'));
    const found = await Promise.all(['ann', 'joe', 'no one'].map((id) => store.find(id)));
    assert.deepEqual(found, [record(1), record(1), undefined]);
    await bad;
  });

  it('refuse the row of another id to the one id that it was returned for', async () => {
    const [users, sessions] = [newTable(), newTable()];
    const others = 'username text, password_hash text, created_at text';
    await pool.query(`CREATE TABLE ${users} (id char(9) PRIMARY KEY, ${others})`, []);
    const columns = 'user_id char(9) PRIMARY KEY, version bigint, record text';
    await pool.query(`CREATE TABLE ${sessions} (${columns})`, []);
    const [userStore, sessionStore] = [await openUsers(users), await openSessions(sessions)];
    for (const id of ['joe', '9 letters']) {
      await userStore.insert(userNamed(id));
      await sessionStore.put(id, record(1));
    }
    const refused = [
      assert.rejects(userStore.find('joe'), refusal('ERR_STORE', 'of the type text')),
      assert.rejects(sessionStore.find('joe'), refusal('ERR_STORE', 'another user id')),
    ];
    const ids = ['9 letters', 'no one'];
    assert.deepEqual(await Promise.all(ids.map((id) => userStore.find(id))), [
      userNamed('9 letters'),
      undefined,
    ]);
    assert.deepEqual(await Promise.all(ids.map((id) => sessionStore.find(id))), [
      record(1),
      undefined,
    ]);
    await Promise.all(refused);
  });

  it('know removed names whatever the types and the collations of the two id columns', async () => {
    await pool.query('CREATE EXTENSION citext', []);
    const others = 'username text, password_hash text, created_at text';
    for (const [type, removedType] of [
      ['text COLLATE "en-x-icu"', 'text COLLATE "C"'],
      ['text', 'varchar(99) COLLATE "en-x-icu"'],
      ['varchar(99)', 'citext'],
      ['citext', 'text'],
      ['text', 'char(20)'],
      ['citext', 'varchar(99) COLLATE "C"'],
    ]) {
      const table = newTable();
      await pool.query(`CREATE TABLE ${table} (id ${type} PRIMARY KEY, ${others})`, []);
      const columns = `id ${removedType} PRIMARY KEY, removed_at bigint`;
      await pool.query(`CREATE TABLE ${table}_removed (${columns})`, []);
      const store = await openUsers(table);
      const ids = ['ann', 'bob', 'joe', 'ä'];
      for (const id of ids) await store.insert(userNamed(id));
      for (const [index, id] of ['bob', 'ä'].entries()) {
        await store.remove(id, REMOVED_AT + index);
        await store.insert(userNamed(id));
      }
      const times = [undefined, REMOVED_AT, undefined, REMOVED_AT + 1];
      const alone = [];
      for (const id of ids) alone.push((await store.find(id))?.validAfter);
      assert.deepEqual(alone, times, `${type}, ${removedType}`);
      const atOnce = await Promise.all(ids.map((id) => store.find(id)));
      assert.deepEqual(atOnce.map((user) => user?.validAfter), times, `${type}, ${removedType}`);
    }
  });

  it('work without the table of removed names', async () => {
    const table = newTable();
    await (await openUsers(table)).insert(userNamed('joe'));
    await pool.query(`DROP TABLE ${table}_removed`, []);
    const store = new PostgresUserStore(pool, { table });
    const found = await Promise.all(['ann', 'joe', 'bob'].map((id) => store.find(id)));
    assert.deepEqual(found, [undefined, userNamed('joe'), undefined]);
  });

  it('fail for an id alone that the encoding of the database lacks', async () => {
    const latin = `${name}_latin`;
    const settings = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    await admin.query(`CREATE DATABASE ${latin} ${settings}`, []);
    const url = new URL(database);
    url.pathname = `/${latin}`;
    const other = poolAt(url.href);
    const store = await openUsers('users', other);
    for (const id of ['joe', 'jürgen']) await store.insert(userNamed(id));
    const refused = assert.rejects(store.find('名前'), refusal('ERR_STORE', 'has no equivalent'));
    const found = await Promise.all(['joe', 'jürgen', 'ann'].map((id) => store.find(id)));
    assert.deepEqual(found, [userNamed('joe'), userNamed('jürgen'), undefined]);
    await refused;
    await other.end();
    await admin.query(`DROP DATABASE ${latin}`, []);
  });
});
