/**
 * How tries end in a real PostgreSQL. Skipped unless TEST_POSTGRES_URL names a server, as
 * `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, describe, it, type TestContext } from 'node:test';
import timers from 'node:timers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PostgresLimitCounts, type PgClient } from '../../src/index.ts';
import { begin, ClockedClient, limitOf } from '../support/limit-counts.ts';
import { HOUR, inTurn, START_SECONDS } from '../support/limits.ts';
import { ownDatabase, PG, poolAt, skip } from '../support/postgres.ts';
import { killChildren, refusal, start } from '../support/user-files.ts';

after(killChildren);

describe('the tries of PostgresLimitCounts', { skip, timeout: 120_000 }, () => {
  const { database } = ownDatabase();
  const pool = poolAt(database.href);
  let tables = 0;
  const newTable = () => `limits_${(tables += 1)}`;

  after(() => pool.end());

  /** Counts whose database a test takes away, and whose clocks it moves. */
  const fragileCounts = async (t: TestContext) => {
    const clock = { seconds: START_SECONDS };
    t.mock.method(performance, 'now', () => clock.seconds * 1000);
    const pauses: number[] = [];
    const alarms: (() => void)[] = [];
    t.mock.method(timers, 'setTimeout', (alarm: () => void, milliseconds: number) => {
      pauses.push(milliseconds);
      alarms.push(alarm);
      return { unref: () => undefined };
    });
    const clocked = new ClockedClient(pool, () => clock.seconds);
    const state: { database: 'up' | 'away' | 'answers nothing' } = { database: 'up' };
    const query: PgClient['query'] = async (text, values) => {
      if (state.database !== 'away') {
        const result = await clocked.query(text, values);
        if (state.database === 'up') return result;
      }
      throw new Error('the database is away');
    };
    const table = newTable();
    const counts = new PostgresLimitCounts({ query }, { table });
    await counts.createTable();
    /** Lets the next pause of a try that ends be over. */
    const passPause = async () => {
      while (alarms.length === 0) await nextTurn();
      alarms.shift()?.();
    };
    return { clock, clocked, state, pauses, passPause, counts, table };
  };

  it('the tries of a process that is killed count until one window after they began', async () => {
    const table = newTable();
    const real = new PostgresLimitCounts(pool, { table });
    await real.createTable();
    const child = await start('begin-tries', PG, database.href, table, 'joe');
    child.kill('SIGKILL');
    await once(child, 'close');
    await begin(real, limitOf('joe'));
    assert.equal(await real.begin([limitOf('joe')]), 1);
    const hourLater = new ClockedClient(pool, () => Date.now() / 1000 + 13 * 300);
    const later = new PostgresLimitCounts(hourLater, { table });
    await inTurn(3, () => begin(later, limitOf('joe')));
  });

  it('an end that the database does not take is stored later', async (t) => {
    const { state, pauses, passPause, counts } = await fragileCounts(t);
    const begun = await begin(counts, limitOf('joe', 1));
    state.database = 'away';
    await begun.end(false);
    await passPause();
    await passPause();
    state.database = 'up';
    assert.equal(await counts.begin([limitOf('joe', 1)]), 1);
    await passPause();
    while (typeof await counts.begin([limitOf('joe', 1)]) === 'number') await nextTurn();
    assert.deepEqual(pauses, [500, 2000, 8000]);
  });

  it('an end whose answer is lost ends no other try', async (t) => {
    const { clocked, state, passPause, counts, table } = await fragileCounts(t);
    const begun = await begin(counts, limitOf('joe', 2));
    const other = await begin(counts, limitOf('joe', 2));
    state.database = 'answers nothing';
    await begun.end(false);
    await passPause();
    await passPause();
    const elsewhere = new PostgresLimitCounts(clocked, { table });
    await begin(elsewhere, limitOf('joe', 2));
    assert.equal(await elsewhere.begin([limitOf('joe', 2)]), 1);
    state.database = 'up';
    await other.end(false);
    await begin(elsewhere, limitOf('joe', 2));
  });

  it('a try whose begin got no answer is ended later', async (t) => {
    const { state, passPause, counts } = await fragileCounts(t);
    state.database = 'answers nothing';
    const unanswered = counts.begin([limitOf('joe', 1)]);
    await assert.rejects(unanswered, refusal('ERR_STORE', 'database is away'));
    state.database = 'up';
    assert.equal(await counts.begin([limitOf('joe', 1)]), 1);
    await passPause();
    while (typeof await counts.begin([limitOf('joe', 1)]) === 'number') await nextTurn();
  });

  it('a try counts until one window later if the database stays away at its end', async (t) => {
    const { clock, state, pauses, passPause, counts } = await fragileCounts(t);
    const begun = await begin(counts, limitOf('joe', 1));
    state.database = 'away';
    await begun.end(false);
    await assert.rejects(counts.begin([limitOf('ann')]), refusal('ERR_STORE', 'database is away'));
    // The begin of ann got no answer, so her try is ended later too.
    for (let pause = 0; pause < 8; pause += 1) await passPause();
    await nextTurn();
    assert.deepEqual(pauses, [500, 500, 2000, 2000, 8000, 8000, 32_000, 32_000]);
    state.database = 'up';
    clock.seconds += HOUR - 1;
    assert.equal(await counts.begin([limitOf('joe', 1)]), 1);
    clock.seconds += 301;
    await begin(counts, limitOf('joe', 1));
  });
});
