/**
 * The stores in PostgreSQL over pg-promise, whose queries resolve to the rows. Skipped unless
 * TEST_POSTGRES_URL names a server, as `.ci/with-postgres` does.
 */
import { after, describe } from 'node:test';
import pgPromise from 'pg-promise';
import { PostgresSessionStore, PostgresUserStore } from '../../src/index.ts';
import { testSessionStore } from '../../src/sessions/contract.ts';
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

  const openSessions = async () => {
    const store = new PostgresSessionStore(database, { table: `pg_promise_sessions_${tables}` });
    await store.createTable();
    return store;
  };

  testSessionStore('PostgresSessionStore over pg-promise', {
    open: () => {
      tables += 1;
      return openSessions();
    },
    reopen: openSessions,
  });
});
