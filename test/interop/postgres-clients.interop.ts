/**
 * The stores in PostgreSQL over pg-promise, whose queries resolve to the rows. Skipped unless
 * TEST_POSTGRES_URL names a server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import pgPromise from 'pg-promise';
import { PostgresSessionStore, PostgresUserStore } from '../../src/index.ts';
import { testUserStore } from '../../src/users/contract.ts';

const { TEST_POSTGRES_URL: url } = process.env;
const skip =
  url === undefined && 'TEST_POSTGRES_URL names no database; .ci/with-postgres starts one';

describe('a duck type of which only the name was checked: pg-promise', { skip }, () => {
  const database = pgPromise()(url ?? '');
  let tables = 0;
  const open = async () => {
    const store = new PostgresUserStore(database, { table: `pg_promise_${tables}` });
    await store.createTable();
    return store;
  };

  after(() => database.$pool.end());

  testUserStore('PostgresUserStore over pg-promise', {
    open: () => {
      tables += 1;
      return open();
    },
    reopen: open,
  });

  it('removes users and lists them', async () => {
    tables += 1;
    const store = await open();
    const user = {
      id: "o'neill $1",
      username: "O'Neill",
      passwordHash: 'a hash',
      createdAt: '2026-01-02T03:04:05.678Z',
    };
    await store.insert(user);
    assert.deepEqual(await store.list('o'), [user]);
    assert.equal(await store.remove(user.id, 5), true);
    assert.deepEqual(await store.list('o', 1), []);
    assert.equal(await store.insert({ ...user, validAfter: 4 }), true);
    assert.deepEqual(await store.find(user.id), { ...user, validAfter: 5 });
    await store.check();
  });

  it('keeps sessions', async () => {
    const store = new PostgresSessionStore(database, { table: 'pg_promise_sessions' });
    await store.createTable();
    const first = { version: 1, endedAt: 0, sessions: [] };
    const second = { version: 2, endedAt: 5, sessions: [] };
    assert.equal(await store.put('joe', second), false);
    assert.equal(await store.put('joe', first), true);
    assert.equal(await store.put('joe', first), false);
    assert.equal(await store.put('joe', second), true);
    assert.deepEqual(await store.find('joe'), second);
    assert.equal(await store.find('ann'), undefined);
  });
});
