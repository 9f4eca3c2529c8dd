/**
 * Counts in a real PostgreSQL. Skipped unless TEST_POSTGRES_URL names a server, as
 * `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { after, describe, it, type TestContext } from 'node:test';
import { PostgresLimitCounts, type PgClient, type Try } from '../../src/index.ts';
import { sourceOf } from '../../src/limits/network.ts';
import { Throttle } from '../../src/limits/throttle.ts';
import { begin, ClockedClient, limitOf } from '../support/limit-counts.ts';
import { HOUR, inTurn, START_SECONDS } from '../support/limits.ts';
import { ownDatabase, poolAt, skip } from '../support/postgres.ts';
import { refusal } from '../support/user-files.ts';

describe('PostgresLimitCounts', { skip, timeout: 120_000 }, () => {
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
  /** Counts under a clock that the test moves by hand, with a client whose failure it chooses. */
  const clockedCounts = async (t: TestContext) => {
    const clock = { seconds: START_SECONDS };
    t.mock.method(performance, 'now', () => clock.seconds * 1000);
    const failing = { from: /nothing/ };
    const clocked = new ClockedClient(pool, () => clock.seconds);
    const query: PgClient['query'] = async (text, values) => {
      if (failing.from.test(text)) throw new Error('the database is away');
      return clocked.query(text, values);
    };
    return { clock, failing, counts: await openCounts(newTable(), { query }) };
  };

  it('a try in flight counts, and a wait of a second ends with it', async (t) => {
    const { counts } = await clockedCounts(t);
    const tries = await inTurn(3, () => begin(counts, limitOf('joe')));
    assert.equal(await counts.begin([limitOf('joe')]), 1);
    await tries[0]?.end(false);
    await (await begin(counts, limitOf('joe'))).end(true);
    assert.equal(await counts.begin([limitOf('joe')]), 1);
    for (const one of tries.slice(1)) await one.end(true);
    assert.equal(await counts.begin([limitOf('joe')]), 13 * 300);
    assert.equal(typeof await counts.begin([limitOf('ann')]), 'object');
  });

  it('a wait is rounded up to whole seconds', async (t) => {
    const { clock, counts } = await clockedCounts(t);
    for (const key of ['joe', 'ann']) await (await begin(counts, limitOf(key, 1))).end(true);
    clock.seconds += 0.75;
    assert.equal(await counts.begin([limitOf('joe', 1)]), 13 * 300);
    clock.seconds += 13 * 300 - 1;
    assert.equal(await counts.begin([limitOf('ann', 1)]), 1);
  });

  it('the wait ends with the slot that is forgotten first', async (t) => {
    const { clock, counts } = await clockedCounts(t);
    for (const pause of [0, -600, 900]) {
      clock.seconds += pause;
      await (await begin(counts, limitOf('joe'))).end(true);
    }
    assert.equal(await counts.begin([limitOf('joe')]), 13 * 300 - 900);
  });

  it('a try that one limit refuses counts under none of them', async (t) => {
    const { counts } = await clockedCounts(t);
    const [narrow, wide] = [limitOf('narrow', 1), limitOf('wide', 2)];
    await begin(counts, wide, narrow);
    for (let index = 0; index < 5; index += 1) {
      assert.equal(await counts.begin([wide, narrow]), 1);
    }
    await begin(counts, wide);
    assert.equal(await counts.begin([wide]), 1);
  });

  it('a try that loses a race for one limit is taken back from the others', async () => {
    const table = newTable();
    await openCounts(table);
    const servers = Array.from({ length: 30 }, () => new PostgresLimitCounts(pool, { table }));
    const ends: Try[] = [];
    for (let round = 0; round < 5; round += 1) {
      const begun = await Promise.all(servers.map((counts, index) => {
        return counts.begin([limitOf(`wide ${index % 3}`, 1000), limitOf(`narrow ${round}`, 2)]);
      }));
      ends.push(...begun.filter((one) => typeof one !== 'number'));
    }
    assert.equal(ends.length, 10);
    const sum = `SELECT CAST(SUM(CAST(slot->>'in_flight' AS int)) AS text) AS sum
      FROM ${table}, jsonb_array_elements(slots) AS slot WHERE key LIKE 'wide%'`;
    assert.equal((await pool.query(sum, [])).rows[0]?.['sum'], '10');
    await Promise.all(ends.map((one) => one.end(false)));
    assert.equal((await pool.query(sum, [])).rows[0]?.['sum'], null);
  });

  it('a login fails if networks cannot be read, and succeeds if its own cannot be stored', async (t) => {
    const { failing, counts } = await clockedCounts(t);
    const throttle = new Throttle({}, counts);
    let checks = 0;
    const logIn = () => throttle.login('joe', sourceOf('10.0.0.1'), async () => (checks += 1));
    failing.from = /INSERT INTO "\w+_networks"/;
    assert.equal(await logIn(), 1);
    failing.from = /SELECT account/;
    await assert.rejects(logIn(), refusal('ERR_STORE', 'database is away'));
    assert.equal(checks, 1, 'no password is checked');
    failing.from = /nothing/;
    assert.equal(await logIn(), 2);
  });

  it('the last three networks of an account are known, newest first', async (t) => {
    const { counts } = await clockedCounts(t);
    assert.deepEqual(await counts.networksOf('joe'), []);
    for (const network of ['a', 'b', 'c', 'b', 'b', 'd']) await counts.addNetwork('joe', network);
    await counts.addNetwork('ann', 'e');
    assert.deepEqual(await counts.networksOf('joe'), ['d', 'b', 'c']);
    assert.deepEqual(await counts.networksOf('ann'), ['e']);
  });

  it('tries count, and networks are known, once the time takes more than 32 bits', async (t) => {
    const { clock, counts } = await clockedCounts(t);
    clock.seconds = 2 ** 31;
    await (await begin(counts, limitOf('joe', 1))).end(true);
    assert.equal(await counts.begin([limitOf('joe', 1)]), 13 * 300 - (2 ** 31 % 300));
    await counts.addNetwork('joe', 'a');
    assert.deepEqual(await counts.networksOf('joe'), ['a']);
  });

  it('if the clock is set back, no wait is longer than two windows and a slot', async (t) => {
    for (const [back, slots] of [[HOUR, 25], [1.5 * HOUR, 25], [600, 15]] as const) {
      const { clock, counts } = await clockedCounts(t);
      await (await begin(counts, limitOf('joe', 1))).end(true);
      clock.seconds -= back;
      assert.equal(await counts.begin([limitOf('joe', 1)]), slots * 300, `${back}`);
    }
  });

  it('if the clock is set back far, tries count for one window more', async (t) => {
    const { clock, counts } = await clockedCounts(t);
    await (await begin(counts, limitOf('joe', 1))).end(true);
    clock.seconds -= 1_000_000;
    const wait = await counts.begin([limitOf('joe', 1)]);
    assert.ok(typeof wait === 'number' && wait > 2 * HOUR - 300 && wait <= 2 * HOUR + 300);
    clock.seconds += wait - 1;
    assert.equal(await counts.begin([limitOf('joe', 1)]), 1);
    clock.seconds += 1;
    await begin(counts, limitOf('joe', 1));
  });
});
