/**
 * `latchkey users` over a real PostgreSQL. Skipped unless TEST_POSTGRES_URL names a server, as
 * `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PostgresSessionStore, PostgresUserStore, Sessions } from '../../../src/index.ts';
import { weakHash } from '../../support/account-service.ts';
import { ownDatabase, poolAt, skip, type Pool } from '../../support/postgres.ts';
import { assertRefused, emptyFolder, ROOT, start, type Ended } from '../../support/run-command.ts';
import { userNamed } from '../../support/user-files.ts';

describe('latchkey users --users postgres://', { skip, timeout: 120_000 }, () => {
  const { database } = ownDatabase();
  // The package pg is installed there.
  const cwd = join(ROOT, 'test/interop');
  // The command warns of a password in the URL.
  const url = new URL(database);
  url.password = '';
  const where = { cwd, env: { PGPASSWORD: decodeURIComponent(database.password) } };
  let pool: Pool;

  before(() => {
    pool = poolAt(database.href);
  });
  after(() => pool.end());

  /** @param input standard input */
  function runUsers(line: string, input = ''): Promise<Ended> {
    const started = start(`users ${line} --users ${url}`, where);
    started.child.stdin.end(input);
    return started.ended;
  }

  it('changes and lists the users of the database, and ends sessions of a server', async () => {
    const users = new PostgresUserStore(pool);
    const store = new PostgresSessionStore(pool);
    await users.createTable();
    await store.createTable();
    await users.insert(userNamed('joe', weakHash));
    const sessions = new Sessions({ store });
    await sessions.start('joe', { isRefreshable: true });

    const added = await runUsers('add Ann', 'correct horse\n');
    assert.deepEqual(added, { code: 0, stdout: 'ann: added\n', stderr: '' });
    const stdout = 'joe: disabled, and all sessions have ended\n';
    assert.deepEqual(await runUsers('disable joe'), { code: 0, stdout, stderr: '' });
    assert.deepEqual(await sessions.list('joe'), []);
    const list = await runUsers('list --json');
    const listed = list.stdout.trimEnd().split('\n').map((text) => JSON.parse(text));
    assert.deepEqual(listed.map(({ id, username, isDisabled }) => [id, username, isDisabled]), [
      ['ann', 'Ann', false],
      ['joe', 'JOE', true],
    ]);
  });

  it('reads variables of pg, such as PGDATABASE, from the file of --environment', async () => {
    const file = join(await emptyFolder(), 'environment');
    await writeFile(file, `PGDATABASE=${database.pathname.slice(1)}\n`);
    const server = new URL('/', url);
    const args = `users list --users ${server} --environment ${file}`;
    const listed = await start(args, where).ended;
    assert.deepEqual([listed.code, listed.stderr], [0, '']);
    assert.match(listed.stdout, /^ann /m);
  });

  it('ends with 1 for a database that does not answer, and names no password', async () => {
    const args = 'users list --users postgres://joe:hunter2@127.0.0.1:1/users';
    const { stderr, ...ended } = await start(args, { cwd }).ended;
    const [warning = '', ...lines] = stderr.split(/(?<=\n)/);
    assert.match(warning, /^latchkey: --users: other system users can see the password /);
    const words = /127\.0\.0\.1:1\/users.*Check that the database is running/;
    assertRefused({ ...ended, stderr: lines.join('') }, 1, [words]);
    assert.doesNotMatch(stderr, /hunter2/);
  });
});
