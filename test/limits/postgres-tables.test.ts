/**
 * The tables of the counts in a real PostgreSQL. Skipped unless TEST_POSTGRES_URL names a server,
 * as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { PostgresLimitCounts, type PgClient } from '../../src/index.ts';
import { sourceOf } from '../../src/limits/network.ts';
import { removeStale, selectTries } from '../../src/limits/postgres-statements.ts';
import { Throttle } from '../../src/limits/throttle.ts';
import { allSaid } from '../support/assertions.ts';
import { begin, ClockedClient, limitOf } from '../support/limit-counts.ts';
import { inTurn, START_SECONDS } from '../support/limits.ts';
import { asRole, ownDatabase, poolAt, skip } from '../support/postgres.ts';
import { MARKER } from '../support/tokens.ts';
import { refusal } from '../support/user-files.ts';

describe('the tables of PostgresLimitCounts', { skip, timeout: 120_000 }, () => {
  const { database } = ownDatabase();
  const pool = poolAt(database.href);
  let tables = 0;
  const newTable = () => `limits_${(tables += 1)}`;

  after(() => pool.end());

  const openCounts = async (table: string = newTable(), client: PgClient = pool) => {
    const counts = new PostgresLimitCounts(client, { table });
    await counts.createTable();
    return counts;
  };
  const rowsOf = async (table: string) => {
    return (await pool.query(`SELECT * FROM ${table}`, [])).rows.map((row) => JSON.stringify(row));
  };

  it('stale rows are removed, at most 1000 by one statement, and current rows stay', async () => {
    const table = newTable();
    await openCounts(table);
    const day = 86_400;
    const now = `EXTRACT(EPOCH FROM clock_timestamp())`;
    const series = 'FROM generate_series(1, 2500) AS number';
    await pool.query(
      `INSERT INTO ${table} SELECT 'stale ' || number, '[]', ${now} - 1 ${series}`, [],
    );
    await pool.query(`INSERT INTO ${table} VALUES ('current', '[]', ${now} + 100)`, []);
    await pool.query(
      `INSERT INTO ${table}_networks SELECT 'stale ' || number, '[]', ${now} - 1 ${series}`, [],
    );
    const deletions: number[] = [];
    let begun: Promise<unknown> = Promise.resolve();
    const cleaned = new Promise<void>((resolve) => {
      const query: PgClient['query'] = async (text, values) => {
        const result = await pool.query(text, values);
        if (!text.includes('DELETE')) return result;
        deletions.push(result.rows.length);
        if (result.rows.length < 1000 && text.includes('_networks')) resolve();
        return result;
      };
      const counts = new PostgresLimitCounts({ query }, { table });
      const begins = () => inTurn(3, () => counts.begin([limitOf('joe')]));
      begun = counts.addNetwork('joe', 'a').then(begins);
    });
    await Promise.all([cleaned, begun]);
    assert.deepEqual(deletions, [1000, 1000, 500, 1000, 1000, 500]);
    const rows = (await rowsOf(table)).map((row) => JSON.parse(row).key);
    assert.ok(rows.includes('current') && !rows.some((key) => key.startsWith('stale')));
    const [known, ...others] = await rowsOf(`${table}_networks`);
    assert.deepEqual(others, []);
    const days = (Number(JSON.parse(known ?? '').expires_at) - Date.now() / 1000) / day;
    assert.ok(days > 179 && days < 181, `${days} days`);
  });

  it('a row has the slots that count, and stays until the newest one is forgotten', async () => {
    const table = newTable();
    let seconds = START_SECONDS;
    const counts = await openCounts(table, new ClockedClient(pool, () => seconds));
    const fail = async () => (await begin(counts, limitOf('joe', 9))).end(true);
    const row = async () => JSON.parse((await rowsOf(table))[0] ?? '');
    const expiresIn = async () => Number((await row()).expires_at) - seconds;
    for (const _ of [1, 2, 3]) await fail();
    assert.equal((await row()).slots.length, 1);
    seconds += 1800;
    await fail();
    assert.equal((await row()).slots.length, 2);
    assert.equal(await expiresIn(), 13 * 300);
    seconds += 14 * 300 - 1800;
    assert.equal(await counts.begin([limitOf('joe', 1)]), 1500);
    await fail();
    assert.equal((await row()).slots.length, 2, 'the first slot is forgotten');
    assert.equal(await expiresIn(), 13 * 300);
    const others = await pool.query(selectTries(table), ['["ann"]']);
    assert.deepEqual(others.rows, []);
  });

  it('what ended tries refuse takes two statements, and changes no row', async () => {
    const table = newTable();
    const texts: string[] = [];
    const clocked = new ClockedClient(pool, () => START_SECONDS);
    const query: PgClient['query'] = async (text, values) => {
      texts.push(text);
      return clocked.query(text, values);
    };
    const counts = await openCounts(table, { query });
    const [wide, narrow] = [limitOf('wide', 9), limitOf('narrow', 1, 1200)];
    await (await begin(counts, wide, narrow)).end(true);
    const before = await rowsOf(table);
    texts.length = 0;
    assert.equal(await counts.begin([wide, narrow]), 13 * 100);
    assert.deepEqual(texts.map((text) => text.split(' ')[0]), ['WITH', 'SELECT']);
    assert.deepEqual(await rowsOf(table), before);
    texts.length = 0;
    for (const limit of [narrow, { ...narrow, maxTries: 0.5 }]) {
      assert.equal(await counts.begin([wide, limit]), 13 * 100);
    }
    assert.deepEqual(texts, [], 'a refusal that is certain takes none');
    await begin(counts, wide, { ...narrow, maxTries: 2 });
  });

  it('known networks stay for 180 days after the last login', async () => {
    const table = newTable();
    let seconds = START_SECONDS;
    const counts = await openCounts(table, new ClockedClient(pool, () => seconds));
    for (const network of ['a', 'b', 'b']) {
      seconds += 100 * 86_400;
      await counts.addNetwork('joe', network);
      const [row = ''] = await rowsOf(`${table}_networks`);
      assert.equal(Number(JSON.parse(row).expires_at) - seconds, 180 * 86_400, network);
    }
  });

  it('a stale row that another statement has locked is left, and not waited for', async () => {
    const table = newTable();
    await openCounts(table);
    await pool.query(`INSERT INTO ${table} VALUES ('free', '[]', 1), ('locked', '[]', 1)`, []);
    const url = new URL(database);
    url.searchParams.set('options', '-c lock_timeout=2000');
    const [holder, remover] = [poolAt(database.href, 1), poolAt(url.href, 1)];
    try {
      await holder.query('BEGIN', []);
      await holder.query(`SELECT key FROM ${table} WHERE key = 'locked' FOR UPDATE`, []);
      const removed = await remover.query(removeStale(table, 'key'), []);
      assert.deepEqual(removed.rows, [{ key: 'free' }]);
    } finally {
      await Promise.all([holder.end(), remover.end()]);
    }
  });

  it('the tables hold no username, no address and no password', async () => {
    const table = newTable();
    const throttle = new Throttle({}, await openCounts(table));
    const [id, from] = [`name ${MARKER}`, '203.0.113.77'];
    await throttle.login(id, sourceOf(from), async () => 'user');
    await throttle.login(id, sourceOf(from), async () => undefined);
    await throttle.confirm(id, `session ${MARKER}`, sourceOf(from), async () => undefined);
    await throttle.signup(sourceOf(from), async () => undefined);
    const rows = [...await rowsOf(table), ...await rowsOf(`${table}_networks`)];
    assert.equal(rows.length, 6);
    for (const row of rows) {
      assert.match(row, /^\{"(?:key|account)":"[\w-]{43}",/);
      assert.ok(!row.includes(MARKER) && !row.includes(from) && !row.includes('name'));
    }
  });

  it('an error that the table reports holds no key', async () => {
    const table = newTable();
    const counts = await openCounts(table);
    await pool.query(`ALTER TABLE ${table} ADD CHECK (key = 'joe')`, []);
    await assert.rejects(counts.begin([limitOf(MARKER)]), (error: unknown) => {
      assert.ok(!allSaid(error).includes(MARKER), allSaid(error));
      return refusal('ERR_STORE', 'violates check constraint')(error);
    });
    await begin(counts, limitOf('joe'));
  });

  it('a damaged row is refused', async () => {
    const table = newTable();
    const counts = await openCounts(table);
    await begin(counts, limitOf('joe', 1));
    await counts.addNetwork('joe', 'a');
    const other = new PostgresLimitCounts(pool, { table });
    for (const slots of ['7', '[7]', '"text"', '[{"expires_at": "never"}]']) {
      await pool.query(`UPDATE ${table} SET slots = CAST($1 AS jsonb)`, [slots]);
      await assert.rejects(other.begin([limitOf('joe', 1)]), refusal('ERR_STORE'), slots);
      await pool.query(`UPDATE ${table}_networks SET networks = '7'`, []);
      await assert.rejects(counts.networksOf('joe'), refusal('ERR_STORE'));
    }
    await pool.query(`UPDATE ${table} SET slots = '[]'`, []);
    await begin(other, limitOf('joe', 1));
  });

  it('20 servers can create the tables at the same time, also in a schema', async () => {
    await pool.query('CREATE SCHEMA auth', []);
    for (const table of [newTable(), 'auth.limits', 'S'.repeat(63)]) {
      const servers = await Promise.all(Array.from({ length: 20 }, () => openCounts(table)));
      const begun = await Promise.all(servers.map((counts) => counts.begin([limitOf('joe', 2)])));
      assert.equal(begun.filter((one) => typeof one !== 'number').length, 2, table);
    }
  });

  it('a role that may not create the tables needs four rights on each', async () => {
    const table = newTable();
    await openCounts(table);
    await asRole(database, pool, async (role, other) => {
      const missing = refusal('ERR_STORE', `table limits_${tables + 1}: permission`);
      await assert.rejects(openCounts(newTable(), other), missing);
      const rights = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
      for (const name of [table, `${table}_networks`]) {
        await pool.query(`GRANT ${rights.join(', ')} ON ${name} TO ${role}`, []);
      }
      for (const name of [table, `${table}_networks`]) {
        for (const right of rights) {
          await pool.query(`REVOKE ${right} ON ${name} FROM ${role}`, []);
          const denied = refusal('ERR_STORE', `permission denied for table ${name}`);
          await assert.rejects(openCounts(table, other), denied, `${right} on ${name}`);
          await pool.query(`GRANT ${right} ON ${name} TO ${role}`, []);
        }
      }
      const counts = await openCounts(table, other);
      await (await begin(counts, limitOf('joe'))).end(true);
      await counts.addNetwork('joe', 'a');
      assert.deepEqual(await counts.networksOf('joe'), ['a']);
    });
  });

  it('a table with other columns or without a unique index on the keys is refused', async () => {
    const good = 'key text PRIMARY KEY, slots jsonb, expires_at bigint';
    const rows: readonly [columns: string, reason: string][] = [
      ['key text PRIMARY KEY, slots jsonb', 'expires_at'],
      ['key text, slots jsonb, expires_at bigint', 'no unique or exclusion constraint'],
      ['key text PRIMARY KEY, slots text, expires_at bigint', 'text'],
      ['key text PRIMARY KEY, slots jsonb, expires_at date', 'date'],
    ];
    for (const [columns, reason] of rows) {
      const table = newTable();
      await pool.query(`CREATE TABLE ${table} (${columns})`, []);
      const refused = refusal('ERR_STORE', `table ${table}: `, reason);
      await assert.rejects(openCounts(table), refused, columns);
    }
    for (const columns of ['account text PRIMARY KEY', 'account text, networks jsonb']) {
      const table = newTable();
      await pool.query(`CREATE TABLE ${table} (${good})`, []);
      await pool.query(`CREATE TABLE ${table}_networks (${columns}, expires_at bigint)`, []);
      await assert.rejects(openCounts(table), refusal('ERR_STORE', `table ${table}_networks: `));
    }
    const table = newTable();
    await pool.query(`CREATE TABLE ${table} (${good})`, []);
    await begin(await openCounts(table), limitOf('joe'));
  });
});
