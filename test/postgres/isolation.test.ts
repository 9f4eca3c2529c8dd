/**
 * Databases whose default isolation is above READ COMMITTED. There the database breaks off each of
 * two statements that change one row at the same time, but for the first. Skipped unless
 * TEST_POSTGRES_URL names a server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import {
  PostgresLimitCounts,
  PostgresSessionStore,
  PostgresUserStore,
  Sessions,
} from '../../src/index.ts';
import { limitOf } from '../support/limit-counts.ts';
import { ownDatabase, poolAt, skip } from '../support/postgres.ts';
import { userNamed } from '../support/user-files.ts';

for (const level of ['repeatable read', 'serializable']) {
  describe(`default isolation ${level}`, { skip, timeout: 120_000 }, () => {
    const { database } = ownDatabase();
    const url = new URL(database);
    const setting = `default_transaction_isolation=${level.replace(' ', '\\ ')}`;
    url.searchParams.set('options', `-c ${setting}`);
    const pools = [poolAt(url.href), poolAt(url.href)];
    const poolOf = (index: number) => pools[index % 2] ?? assert.fail();

    after(() => Promise.all(pools.map((pool) => pool.end())));

    const countTrue = (answers: boolean[]) => answers.filter((answer) => answer).length;
    const times = (count: number) => Array.from({ length: count }, (_, index) => index);

    it('is what the statements of the store have', async () => {
      const { rows } = await poolOf(0).query('SHOW transaction_isolation', []);
      assert.equal(rows[0]?.['transaction_isolation'], level);
    });

    it('20 refreshes with one token, by 10 servers at once, are all answered', async () => {
      const servers = times(10).map((index) => {
        const store = new PostgresSessionStore(poolOf(index));
        return { store, sessions: new Sessions({ store }) };
      });
      await servers[0]?.store.createTable();
      for (const user of times(5).map((index) => `user${index}`)) {
        const login = { isRefreshable: true, agent: '' };
        const first = await servers[0]?.sessions.start(user, login) ?? assert.fail();
        const refreshes = times(20).map((index) =>
          servers[index % 10]?.sessions.refresh(user, first.id, first.generation));
        const outcomes = (await Promise.all(refreshes)).map((result) => result?.outcome);
        assert.deepEqual(outcomes.sort(), [...Array(19).fill('repeated'), 'rotated']);
        const logins = times(20).map((index) => servers[index % 10]?.sessions.start(user, login));
        await Promise.all(logins);
        assert.equal((await servers[1]?.sessions.list(user))?.length, 21);
      }
    });

    it('one of 50 writes of a user wins, and the others are answered', async () => {
      const stores = times(2).map((index) => new PostgresUserStore(poolOf(index)));
      await Promise.all(stores.map((store) => store.createTable()));
      const all = (write: (store: PostgresUserStore, index: number) => Promise<boolean>) =>
        Promise.all(times(50).map((index) => write(stores[index % 2] ?? assert.fail(), index)));

      assert.equal(countTrue(await all((store) => store.insert(userNamed('joe', 'old')))), 1);
      const updates =
        await all((store, index) => store.update(userNamed('joe', `${index}`), 'old'));
      assert.equal(countTrue(updates), 1);
      const resets = await all((store) => store.update(userNamed('joe', 'reset')));
      assert.equal(countTrue(resets), 50);
      const removals = await all((store) => store.remove('joe', 5, 'reset'));
      assert.equal(countTrue(removals), 1);
      assert.equal(await stores[0]?.insert(userNamed('joe')), true);
      assert.equal((await stores[1]?.find('joe'))?.validAfter, 5);
    });

    it('of 60 tries at once no more begin than the limit, and all of them end', async () => {
      const counts = times(2).map((index) => new PostgresLimitCounts(poolOf(index)));
      await counts[0]?.createTable();
      const limits = [limitOf('a', 5), limitOf('b', 100)];
      const answers = await Promise.all(times(60).map((index) => counts[index % 2]?.begin(limits)));
      const begun = answers.filter((answer) => typeof answer === 'object');
      assert.equal(begun.length, 5);
      await Promise.all(begun.map((one, index) => one.end(index < 2)));
      const again = await Promise.all(times(60).map((index) => counts[index % 2]?.begin(limits)));
      assert.equal(again.filter((answer) => typeof answer === 'object').length, 3);
    });
  });
}
