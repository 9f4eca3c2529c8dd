/**
 * GET /health over a real PostgreSQL that stops and hangs. Skipped unless TEST_POSTGRES_URL names a
 * server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  createApp,
  listen,
  PostgresSessionStore,
  PostgresUserStore,
  Sessions,
  type PgClient,
  type Server,
} from '../../src/index.ts';
import { send } from '../support/app.ts';
import { ownServer, poolAt, skip } from '../support/postgres.ts';
import { SECRET } from '../support/tokens.ts';

const { url, control } = await ownServer();
const unstoppable = control === undefined && 'TEST_POSTGRES_CTL does not say how to stop it';
const needsOwnServer = { skip: skip || unstoppable, timeout: 60_000 };

describe('GET /health over PostgreSQL', needsOwnServer, () => {
  const pool = poolAt(url ?? '', 4);
  let statements = 0;
  const client: PgClient = {
    query(text, values) {
      statements += 1;
      return pool.query(text, values);
    },
  };
  let server: Server;
  before(async () => {
    const users = new PostgresUserStore(client);
    const store = new PostgresSessionStore(client);
    await users.createTable();
    await store.createTable();
    const sessions = new Sessions({ store });
    const app = createApp({ secret: SECRET, users, sessions, onError: () => undefined });
    server = await listen(app, { port: 0 });
  });
  after(async () => {
    await server.close();
    await pool.end();
  });
  const health = async () => (await send(`${server.url}/health`, 'GET')).status;
  // The answer of a check holds for a second.
  const until = async (status: number) => {
    while ((await health()) !== status) await delay(50);
  };
  const databaseServer = (action: string) =>
    execFileSync('sh', ['-c', `${control} ${action}`], { encoding: 'utf8' });

  it('is 503 while the database is stopped, and 200 once it has started', async () => {
    assert.equal(await health(), 200);
    databaseServer('stop');
    await until(503);
    databaseServer('start');
    await until(200);
  });

  it('is 503 while the database hangs, and 200 once it goes on', async () => {
    await until(200);
    const { rows } = await pool.query('SELECT pid FROM pg_stat_activity', []);
    const [, main] = /PID: (\d+)/.exec(databaseServer('status')) ?? [];
    const processes = [Number(main), ...rows.map((row) => Number(row['pid']))];
    for (const pid of processes) process.kill(pid, 'SIGSTOP');
    try {
      await until(503);
      const before = statements;
      // Each of them would otherwise take two seconds.
      for (let request = 0; request < 50; request += 1) assert.equal(await health(), 503);
      assert.equal(statements, before);
    } finally {
      for (const pid of processes) process.kill(pid, 'SIGCONT');
    }
    await until(200);
  });

  it('is 503 while the database is read-only', async () => {
    await until(200);
    await pool.query('ALTER SYSTEM SET default_transaction_read_only = on', []);
    await pool.query('SELECT pg_reload_conf()', []);
    await until(503);
    await pool.query('ALTER SYSTEM RESET default_transaction_read_only', []);
    await pool.query('SELECT pg_reload_conf()', []);
    await until(200);
  });
});
