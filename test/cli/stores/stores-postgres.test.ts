/**
 * Two servers that share users and sessions in a real PostgreSQL. Skipped unless TEST_POSTGRES_URL
 * names a server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ownDatabase, PG, poolAt, skip } from '../../support/postgres.ts';
import {
  assertRefused,
  commandIn,
  emptyFolder,
  ROOT,
  run,
  serve,
  stop,
} from '../../support/run-command.ts';
import {
  helloStatus,
  logIn,
  pairIn,
  refresh,
  signUpOwner,
} from '../../support/session-client.ts';
import { assertEndsOnBoth, SHARED_ENDS } from '../../support/shared-ends.ts';
import { SECRET } from '../../support/tokens.ts';

describe('latchkey serve --users postgres://, with sessions', { skip, timeout: 120_000 }, () => {
  const { database } = ownDatabase();
  const args = `serve --port 0 --scrypt-cost 1 --throttle off --users ${database}`;
  let where: { cwd: string; env: Record<string, string>; command: string[] };
  let servers: Awaited<ReturnType<typeof serve>>[] = [];

  before(async () => {
    // A clone in which pg is installed.
    const cwd = await emptyFolder();
    cpSync(join(ROOT, 'src'), join(cwd, 'src'), { recursive: true });
    for (const file of ['package.json', 'tsconfig.json']) cpSync(join(ROOT, file), join(cwd, file));
    mkdirSync(join(cwd, 'node_modules'));
    symlinkSync(PG, join(cwd, 'node_modules/pg'));
    where = { cwd, env: { LATCHKEY_SECRET: SECRET }, command: commandIn(cwd) };
    servers = await Promise.all([serve(args, where), serve(args, where)]);
  });
  after(() => Promise.all(servers.map(stop)));

  /** Each part of these tests begins with no users and no sessions. */
  async function empty(): Promise<void> {
    const pool = poolAt(database.href, 1);
    const { rows } = await pool.query(
      "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
      [],
    );
    for (const row of rows) await pool.query(`DELETE FROM ${row['table_name']}`, []);
    await pool.end();
  }

  it('says that sessions are beside the users', () => {
    for (const { output } of servers) {
      assert.match(output.stdout, /users in PostgreSQL at \S+, sessions beside them, secret/);
    }
  });

  for (const end of SHARED_ENDS) {
    it(`${end[0]} is effective on both servers at the next request`, async () => {
      await empty();
      const [one = '', other = ''] = servers.map(({ url }) => url);
      await assertEndsOnBoth(one, other, end);
    });
  }

  it('twenty refreshes with one token over both servers get one successor', async () => {
    await empty();
    const urls = servers.map(({ url }) => url);
    const [one = ''] = urls;
    await signUpOwner(one);
    const { refresh_token: token } = await logIn(one);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => {
      return refresh(urls[index % 2] ?? '', token);
    }));
    const successors = new Set(answers.map((answer) => pairIn(answer).refresh_token));
    assert.equal(successors.size, 1);
    for (const url of urls) {
      for (const answer of answers) {
        assert.equal(await helloStatus(url, pairIn(answer).access_token), 200);
      }
    }
  });

  it('a server without sessions uses the same users, and no table of sessions', async () => {
    await empty();
    const pool = poolAt(database.href, 1);
    await pool.query('ALTER TABLE latchkey_sessions RENAME TO away', []);
    const stateless = await serve(`${args} --sessions off`, where);
    await signUpOwner(stateless.url);
    const { access_token: token } = await logIn(stateless.url, {});
    assert.equal(await helloStatus(stateless.url, token), 200);
    await stop(stateless);
    const { rows } = await pool.query("SELECT to_regclass('latchkey_sessions') AS found", []);
    assert.deepEqual(rows, [{ found: null }]);
    await pool.query('ALTER TABLE away RENAME TO latchkey_sessions', []);
    await pool.end();
    // A guard of the other server accepts it: no end of all sessions was after it.
    assert.equal(await helloStatus(servers[0]?.url ?? '', token), 200);
  });

  it('does not start if the role may not create the table of sessions, and says so', async () => {
    const pool = poolAt(database.href, 1);
    await pool.query('ALTER TABLE latchkey_sessions RENAME TO away', []);
    await pool.query("CREATE ROLE reader LOGIN PASSWORD 'word'", []);
    await pool.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC', []);
    // The rights that version 0.1 needed, on the tables of users alone.
    await pool.query('GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO reader', []);
    const limited = new URL(database);
    [limited.username, limited.password] = ['reader', 'word'];
    try {
      const refused = await run(`serve --port 0 --users ${limited}`, where);
      assertRefused(refused, 1, [
        /sessions in PostgreSQL at \S+: table latchkey_sessions: permission denied/,
        /Create the table that is named, and grant this role .* Or start .* --sessions off\./,
      ]);
      await stop(await serve(`serve --port 0 --users ${limited} --sessions off`, where));
    } finally {
      await pool.query('ALTER TABLE away RENAME TO latchkey_sessions', []);
      await pool.query('DROP OWNED BY reader', []);
      await pool.query('DROP ROLE reader', []);
      await pool.end();
    }
  });
});
