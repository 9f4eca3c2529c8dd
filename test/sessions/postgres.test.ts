/**
 * Sessions in a real PostgreSQL. Skipped unless TEST_POSTGRES_URL names a server, as
 * `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { after, describe, it, test } from 'node:test';
import { PostgresSessionStore, type PgClient, type SessionRecord } from '../../src/index.ts';
import { testSessionStore } from '../../src/sessions/contract.ts';
import { allSaid } from '../support/assertions.ts';
import { NOT_STRINGS } from '../support/hostile.ts';
import { asRole, ownDatabase, poolAt, skip } from '../support/postgres.ts';
import { MARKER } from '../support/tokens.ts';
import { refusal } from '../support/user-files.ts';

const session = (id: string) => ({
  id,
  generation: 3,
  isUsed: true,
  isRefreshable: true,
  startedAt: 1_700_000_000,
  refreshedAt: 1_700_000_100.5,
  endsAt: 1_702_592_000,
  agent: `curl/8 "'\\ ~`,
});

const record = (version: number, ...ids: string[]): SessionRecord => ({
  version,
  endedAt: 1_600_000_000,
  sessions: ids.map(session),
});

/** Claims of other applications may be any string, or any JSON text. */
const ODD_IDS = [
  '',
  '7',
  '"7"',
  '{"id":7}',
  '__proto__',
  "'; drop table latchkey_sessions; --",
  '%_',
  'JOE',
  'joe ',
  '名前',
  '𐐨'.repeat(80),
  '\ufffd',
];

test('a client without query, an unknown option and a bad table name are refused', () => {
  const client: PgClient = { query: async () => ({ rows: [] }) };
  for (const bad of [undefined, null, {}, { query: 1 }] as never[]) {
    assert.throws(() => new PostgresSessionStore(bad), /^TypeError: "client" expected a client/);
  }
  for (const table of ['a b', 'a"b', '', 'a.b.c', 'x'.repeat(64)]) {
    assert.throws(
      () => new PostgresSessionStore(client, { table }),
      /^TypeError: "table" expected/,
    );
  }
  const wrong = { tabel: 'sessions' } as never;
  assert.throws(() => new PostgresSessionStore(client, wrong), /unknown option/);
  for (const table of ['sessions', 'auth.sessions', 'x'.repeat(63), undefined]) {
    const options = table === undefined ? {} : { table };
    assert.ok(new PostgresSessionStore(client, options));
  }
});

test('the default table is latchkey_sessions', async () => {
  const texts: string[] = [];
  const query: PgClient['query'] = async (text) => {
    texts.push(text);
    return [];
  };
  await new PostgresSessionStore({ query }).createTable();
  assert.ok(texts.length >= 4 && texts.every((text) => text.includes('"latchkey_sessions"')));
});

test('a client that renames columns is told, and not the table', async () => {
  const row = { userId: 'joe', version: '1', record: JSON.stringify(record(1)) };
  const store = new PostgresSessionStore({ query: async () => [row] });
  const message =
    '"client" expected rows with the members user_id, version, record, got other names';
  await assert.rejects(store.find('joe'), { name: 'TypeError', message });
  const good = new PostgresSessionStore({ query: async () => [{ ...row, user_id: 'joe' }] });
  assert.deepEqual(await good.find('joe'), record(1));
});

describe('PostgresSessionStore', { skip, timeout: 120_000 }, () => {
  const { database } = ownDatabase();
  const pool = poolAt(database.href);
  let tables = 0;
  const newTable = () => `sessions_${(tables += 1)}`;
  const openStore = async (table: string, client: PgClient = pool) => {
    const store = new PostgresSessionStore(client, { table });
    await store.createTable();
    return store;
  };

  after(() => pool.end());

  testSessionStore('PostgresSessionStore', {
    open: () => openStore(newTable()),
    reopen: () => openStore(`sessions_${tables}`),
  });

  it('finds what was put, as a frozen record, and nothing else', async () => {
    const table = newTable();
    const store = await openStore(table);
    assert.equal(await store.find('joe'), undefined);
    assert.equal(await store.put('joe', record(1, 'a', 'b')), true);
    const found = await (await openStore(table)).find('joe');
    assert.deepEqual(found, record(1, 'a', 'b'));
    assert.ok(Object.isFrozen(found) && Object.isFrozen(found.sessions));
    assert.ok(found.sessions.every((one) => Object.isFrozen(one)));
    for (const id of ['Joe', 'joe ', 'jo', 'j%', '']) assert.equal(await store.find(id), undefined);
  });

  it('puts a record only if its version is one more than the stored one', async () => {
    const store = await openStore(newTable());
    for (const version of [2, 3]) assert.equal(await store.put('joe', record(version)), false);
    assert.equal(await store.put('joe', record(1, 'a')), true);
    for (const version of [1, 3, 2 ** 53 - 1]) {
      assert.equal(await store.put('joe', record(version, 'b')), false);
      assert.deepEqual(await store.find('joe'), record(1, 'a'));
    }
    assert.equal(await store.put('joe', record(2)), true);
    assert.equal(await store.put('joe', record(2)), false);
    assert.equal(await store.put('ann', record(1)), true);
    assert.deepEqual(await store.find('joe'), record(2));
  });

  it('lets one of 50 puts of one version through, over two pools', async () => {
    const table = newTable();
    const other = poolAt(database.href);
    const stores = [await openStore(table), await openStore(table, other)];
    for (const version of [1, 2, 3]) {
      const puts = Array.from({ length: 50 }, (_, index) => {
        return stores[index % 2]?.put('joe', record(version, `session ${index}`));
      });
      const answers = await Promise.all(puts);
      assert.equal(answers.filter((isStored) => isStored).length, 1);
      for (const store of stores) {
        const expected = record(version, `session ${answers.indexOf(true)}`);
        assert.deepEqual(await store.find('joe'), expected);
      }
    }
    await other.end();
  });

  it('loses no change if each is tried again from the record that won', async () => {
    const table = newTable();
    const other = poolAt(database.href);
    const stores = [await openStore(table), await openStore(table, other)];
    const ids = Array.from({ length: 20 }, (_, index) => `session ${index}`);
    await Promise.all(ids.map(async (id, index) => {
      const store = stores[index % 2];
      let isStored: boolean | undefined = false;
      while (!isStored) {
        const stored = await store?.find('joe');
        const sessions = [...(stored?.sessions ?? []), session(id)];
        isStored = await store?.put('joe', { ...record((stored?.version ?? 0) + 1), sessions });
      }
    }));
    const found = await stores[0]?.find('joe');
    assert.equal(found?.version, 20);
    assert.deepEqual(found?.sessions.map(({ id }) => id).sort(), ids.toSorted());
    await other.end();
  });

  it('keeps odd user ids apart, and neither stores nor finds one that would change', async () => {
    const store = await openStore(newTable());
    for (const id of ODD_IDS) assert.equal(await store.find(id), undefined);
    for (const id of ODD_IDS) assert.equal(await store.put(id, record(1, `of ${id}`)), true);
    for (const id of ODD_IDS) assert.deepEqual(await store.find(id), record(1, `of ${id}`));
    for (const id of ['\ud800', 'joe\0', ...NOT_STRINGS] as string[]) {
      assert.equal(await store.find(id), undefined);
      await assert.rejects(store.put(id, record(1)), /^TypeError: "userId" expected Unicode text/);
    }
  });

  it('keeps any text in a record as it is', async () => {
    const store = await openStore(newTable());
    const texts = ['', '\0', '\ud800', '\u2028', '"\\', '\ufffd', '名前'];
    assert.equal(await store.put('joe', record(1, ...texts)), true);
    assert.deepEqual(await store.find('joe'), record(1, ...texts));
  });

  it('refuses to put what it would refuse to find', async () => {
    const store = await openStore(newTable());
    for (const [wrong, reason] of [
      [record(0), 'has a "version" in a record that is not an integer of at least 1'],
      [{ ...record(1), endedAt: NaN }, 'has an "endedAt" in a record that is not a finite number'],
      [record(1, MARKER, MARKER), 'has two sessions with one id'],
      [{ ...record(1), until: 5 } as never, 'has a member too many or too few in a record'],
      [null as never, 'is not an object'],
    ] as const) {
      const refused = store.put('joe', wrong);
      await assert.rejects(refused, (error: Error) => {
        assert.ok(error instanceof TypeError && !allSaid(error).includes(MARKER));
        return error.message.includes(`"record" expected a session record, got one that ${reason}`);
      });
    }
    assert.equal(await store.find('joe'), undefined);
    assert.equal(await store.put('joe', record(1, MARKER)), true);
  });

  it('refuses a damaged row, with a reason that repeats none of it', async () => {
    const table = newTable();
    const store = await openStore(table);
    const text = JSON.stringify(record(1, MARKER, 'other'));
    const rows: readonly [version: string, stored: string, reason: string][] = [
      ['1', '', 'is not an object'],
      ['1', text.slice(0, -1), 'is not an object'],
      ['1', `[${text}]`, 'is not an object'],
      ['1', `"${MARKER}"`, 'is not an object'],
      ['1', 'null', 'is not an object'],
      ['2', text, 'whose version differs from its column'],
      ['1', text.replace('"version":1', '"version":2'), 'version differs from its column'],
      [
        '1',
        text.replace('"version":1', '"version":"1"'),
        '"version" in a record that is not an integer',
      ],
      ['1', text.replace('1600000000', '1e400'), 'is not a finite number'],
      [
        '1',
        text.replace('"isUsed":true', '"isUsed":1'),
        '"isUsed" in a session that is not a boolean',
      ],
      ['1', text.replace('"isUsed"', '"isused"'), 'too many or too few in a session'],
      ['1', text.replace('{', '{"__proto__":{},'), 'too many or too few in a record'],
      ['1', text.replace('"other"', `"${MARKER}"`), 'two sessions with one id'],
    ];
    for (const [version, stored, reason] of rows) {
      await pool.query(`DELETE FROM ${table}`, []);
      await pool.query(`INSERT INTO ${table} VALUES ('joe', $1, $2)`, [version, stored]);
      await assert.rejects(store.find('joe'), (error: unknown) => {
        assert.ok(!allSaid(error).includes(MARKER), allSaid(error));
        return refusal('ERR_STORE', reason)(error);
      }, reason);
    }
    await pool.query(`UPDATE ${table} SET record = $1`, [text]);
    assert.deepEqual(await store.find('joe'), record(1, MARKER, 'other'));
  });

  it('refuses a row whose user id is not exactly the one that was asked for', async () => {
    const table = newTable();
    const columns = 'user_id char(9) PRIMARY KEY, version bigint, record text';
    await pool.query(`CREATE TABLE ${table} (${columns})`, []);
    const store = await openStore(table);
    assert.equal(await store.put('joe', record(1)), true);
    await assert.rejects(store.find('joe'), refusal('ERR_STORE', 'returned another user id'));
    assert.deepEqual(await store.find('joe      '), record(1));
  });

  it('leaves no value in an error that the table reports', async () => {
    const table = newTable();
    const store = await openStore(table);
    await pool.query(`ALTER TABLE ${table} ADD CHECK (version > 1)`, []);
    await assert.rejects(store.put(`id ${MARKER}`, record(1, MARKER)), (error: unknown) => {
      assert.ok(!allSaid(error).includes(MARKER), allSaid(error));
      return refusal('ERR_STORE', 'violates check constraint')(error);
    });
  });

  it('creates its table once if 20 stores ask at the same time, also in a schema', async () => {
    await pool.query('CREATE SCHEMA auth', []);
    for (const table of [newTable(), 'auth.sessions', 'select', 'S'.repeat(63)]) {
      const stores = await Promise.all(Array.from({ length: 20 }, () => openStore(table)));
      for (const [index, store] of stores.entries()) {
        assert.equal(await store.put('joe', record(1)), index === 0);
      }
    }
  });

  it('works for a role that may not create the table, unless it is missing', async () => {
    const table = newTable();
    await openStore(table);
    await asRole(database, pool, async (role, other) => {
      const rights = ['SELECT', 'INSERT', 'UPDATE'];
      await pool.query(`GRANT ${rights.join(', ')} ON ${table} TO ${role}`, []);
      const store = await openStore(table, other);
      assert.equal(await store.put('joe', record(1)), true);
      assert.equal(await store.put('joe', record(2)), true);
      const noTable = refusal('ERR_STORE', `table sessions_${tables + 1}: permission`);
      await assert.rejects(openStore(newTable(), other), noTable);
      const denied = refusal('ERR_STORE', `permission denied for table ${table}`);
      for (const right of rights) {
        await pool.query(`REVOKE ${right} ON ${table} FROM ${role}`, []);
        await assert.rejects(openStore(table, other), denied);
        await pool.query(`GRANT ${right} ON ${table} TO ${role}`, []);
      }
    });
  });

  it('refuses a table with other columns or without a unique index on the user ids', async () => {
    for (const [columns, reason] of [
      ['user_id text PRIMARY KEY', 'column "version" does not exist'],
      ['user_id text, version bigint, record text', 'no unique or exclusion constraint'],
      ['user_id text PRIMARY KEY, version date, record text', '"version" is of type date'],
      ['user_id text PRIMARY KEY, version bigint, record jsonb', '"record" is of type json'],
    ] as const) {
      const table = newTable();
      await pool.query(`CREATE TABLE ${table} (${columns})`, []);
      await assert.rejects(openStore(table), refusal('ERR_STORE', reason));
    }
  });
});
