/**
 * Changes of accounts by two servers over a real PostgreSQL, while logins are under way. Skipped
 * unless TEST_POSTGRES_URL names a server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { PostgresSessionStore, PostgresUserStore } from '../../src/index.ts';
import { wrongRounds } from '../support/account-races.ts';
import { makeService, type Service } from '../support/account-service.ts';
import { ownDatabase, poolAt, skip, type Pool } from '../support/postgres.ts';

describe('PostgreSQL', { skip }, () => {
  const { database } = ownDatabase();
  const pools: Pool[] = [];

  /** A server with connections of its own. */
  async function server(): Promise<Service> {
    const pool = poolAt(database.href);
    pools.push(pool);
    const users = new PostgresUserStore(pool);
    const sessionStore = new PostgresSessionStore(pool);
    await users.createTable();
    await sessionStore.createTable();
    return makeService({ users, sessionStore });
  }

  let servers: [Service, Service];
  before(async () => {
    servers = [await server(), await server()];
  });
  after(() => Promise.all(pools.map((pool) => pool.end())));

  test('in 100 rounds over PostgreSQL no login outlives a change', async () => {
    assert.deepEqual(await wrongRounds(servers, 100, 7), []);
  });
});
