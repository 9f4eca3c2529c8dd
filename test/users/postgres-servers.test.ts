/**
 * Servers that share their users in a real PostgreSQL while it is up, down or hangs. Skipped unless
 * TEST_POSTGRES_URL names a server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { send } from '../support/app.ts';
import { commandPath } from '../support/compiled.ts';
import { asRole, ownDatabase, ownServer, PG, poolAt, skip } from '../support/postgres.ts';
import { assertRefused, commandIn, emptyFolder, ROOT, run, serve } from '../support/run-command.ts';
import { SECRET } from '../support/tokens.ts';

const { url, control } = await ownServer();

describe('latchkey serve --users postgres://', { skip, timeout: 120_000 }, () => {
  const { name, database, admin } = ownDatabase(url);
  const args = `serve --port 0 --scrypt-cost 1 --throttle off --users ${database}`;
  const password = 'a password';
  let where: { cwd: string; env: Record<string, string>; command: string[] };

  before(async () => {
    // A clone in which pg is installed.
    const cwd = await emptyFolder();
    cpSync(join(ROOT, 'src'), join(cwd, 'src'), { recursive: true });
    for (const file of ['package.json', 'tsconfig.json']) cpSync(join(ROOT, file), join(cwd, file));
    mkdirSync(join(cwd, 'node_modules'));
    symlinkSync(PG, join(cwd, 'node_modules/pg'));
    symlinkSync(join(ROOT, 'node_modules/@types'), join(cwd, 'node_modules/@types'));
    where = { cwd, env: { LATCHKEY_SECRET: SECRET }, command: commandIn(cwd) };
  });
  const post = (server: string, path: string, username: string) =>
    send(`${server}${path}`, 'POST', { username, password });
  const hello = (server: string, token: string) =>
    send(`${server}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` });
  const tokenOf = ({ body }: { body: unknown }) => String(Object(body).access_token);

  it('runs the program of src/users/README.md', async () => {
    const { cwd } = where;
    const [, code = ''] =
      /^```js\n([^]*?)^```$/m.exec(readFileSync(join(ROOT, 'src/users/README.md'), 'utf8')) ?? [];
    execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc')], { cwd });
    const env = { ...process.env, DATABASE_URL: database.href };
    const args = ['--input-type=module', '-e', code];
    assert.equal(execFileSync(process.execPath, args, { cwd, env, encoding: 'utf8' }), 'joe\n');
  });

  it('needs pg, and says what to install if it is missing', async () => {
    const remedy = /PostgreSQL needs the package pg, which is not installed: npm install pg/;
    // A copy outside of the clone, in whose node_modules a developer may have installed pg.
    const cwd = await emptyFolder();
    cpSync(join(dirname(commandPath()), '../..'), cwd, { recursive: true });
    const copy = [process.execPath, '--', join(cwd, 'src/cli/main.js')];
    assertRefused(await run(`serve --users ${database}`, { cwd, command: copy }), 1, [remedy]);
  });

  it('prints the reason if pg is installed but cannot be loaded', async () => {
    const cwd = await emptyFolder();
    cpSync(join(ROOT, 'src'), join(cwd, 'src'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(cwd, 'package.json'));
    mkdirSync(join(cwd, 'node_modules/pg'), { recursive: true });
    writeFileSync(
      join(cwd, 'node_modules/pg/index.js'),
      "throw new Error('made for another Node');",
    );
    const ended = await run(`serve --users ${database}`, {
      ...where,
      cwd,
      command: commandIn(cwd),
    });
    assertRefused(ended, 1, [/another Node/]);
  });

  it('refuses to start without its database, and prints its name but no password', async () => {
    const nowhere = new URL(database);
    nowhere.pathname = '/nowhere';
    const closed = new URL(database);
    [closed.port, closed.password] = ['1', 'hidden'];
    const noPassword = new URL(database);
    noPassword.password = '';
    const noPort = new URL(database);
    noPort.search = '?port=70000&password=hidden';
    for (const [target, reason, remedy] of [
      [nowhere, /"nowhere" does not exist/, /Create the database/],
      [closed, /ECONNREFUSED/, /Check that the database is running/],
      [noPassword, /password must be a string/, /Set PGPASSWORD/],
      [noPort, /Port should be/, /Check the URL of --users/],
    ] as const) {
      const start = performance.now();
      const ended = await run(`serve --port 0 --users ${target}`, where);
      assertRefused(ended, 1, [
        /users in PostgreSQL at 127\.0\.0\.1:\d+\/\w+: /,
        reason,
        remedy,
      ]);
      assert.doesNotMatch(ended.stderr, /a.password|hidden/);
      assert.ok(
        performance.now() - start < 20_000,
        'it does not wait for the connection to be closed',
      );
    }
  });

  it('shares its users with every server over the same database', async () => {
    const servers = await Promise.all([serve(args, where), serve(args, where)]);
    const [first = '', second = ''] = servers.map((server) => server.url);
    for (const { output } of servers) {
      assert.match(output.stdout, /users in PostgreSQL at 127\.0\.0\.1:\d+\/latchkey_test_\w+, /);
      assert.doesNotMatch(output.stdout, /a%20password/);
    }
    assert.equal((await post(first, '/signup', 'bob')).status, 200);
    const token = tokenOf(await post(second, '/auth', 'bob'));
    assert.deepEqual((await hello(first, token)).body, { Status: 'Success', result: 'Hello bob' });

    const signups = Array.from({ length: 50 }, (_, index) =>
      post(index % 2 === 0 ? first : second, '/signup', 'ann'),
    );
    const statuses = (await Promise.all(signups)).map(({ status }) => status);
    assert.deepEqual(statuses.toSorted(), [200, ...Array(49).fill(400)]);
    for (const { child, ended } of servers) {
      child.kill('SIGTERM');
      assert.equal((await ended).code, 0);
    }
  });

  it('needs no other rights without sessions than version 0.1 did', async () => {
    const owner = poolAt(database.href, 1);
    await owner.query('DROP TABLE IF EXISTS latchkey_users_removed', []);
    await asRole(database, owner, async (role) => {
      await owner.query(`GRANT SELECT, INSERT, UPDATE ON latchkey_users TO ${role}`, []);
      const url = new URL(database);
      [url.username, url.password] = [role, 'word'];
      const program = `serve --port 0 --scrypt-cost 1 --sessions off --users ${url}`;
      const server = await serve(program, where);
      assert.equal((await post(server.url, '/signup', 'old')).status, 200);
      const token = tokenOf(await post(server.url, '/auth', 'old'));
      assert.equal((await hello(server.url, token)).status, 200);
      server.child.kill('SIGTERM');
      assert.equal((await server.ended).code, 0);
      // Sessions need a table that this role cannot create.
      const ended = await run(program.replace('off', 'on'), where);
      assertRefused(ended, 1, [/table latchkey_sessions: permission denied for table/]);
    });
    await owner.end();
  });

  const databaseServer = (action: string) =>
    execFileSync('sh', ['-c', `${control} ${action}`], { encoding: 'utf8' });
  const needsOwnServer = {
    skip: control === undefined && 'TEST_POSTGRES_CTL does not say how to stop the database',
  };

  it(
    'answers 503 while the database is away, and serves again when it is back',
    needsOwnServer,
    async () => {
      const server = await serve(args, where);
      await post(server.url, '/signup', 'eve');
      const token = tokenOf(await post(server.url, '/auth', 'eve'));
      const answered: string[] = [];
      const statuses = new Set<number>();
      let isOver = false;
      let count = 0;
      const load = async () => {
        while (!isOver) {
          const username = `load${(count += 1)}`;
          const { status, body } = await post(server.url, '/signup', username);
          statuses.add(status);
          if (status === 200) answered.push(username);
          else
            assert.deepEqual(
              [status, Object.keys(Object(body))],
              [503, ['status_code', 'error', 'description']],
            );
        }
      };
      const loads = Array.from({ length: 8 }, load);
      await delay(300);
      databaseServer('stop');
      const { status, body } = await hello(server.url, token);
      assert.deepEqual(
        [status, Object(body).description],
        [503, 'The user store is unavailable'],
      );
      await delay(300);
      databaseServer('start');
      while ((await hello(server.url, token)).status !== 200) await delay(50);
      await delay(300);
      isOver = true;
      await Promise.all(loads);

      assert.deepEqual([...statuses].toSorted(), [200, 503]);
      for (const username of answered)
        assert.equal((await post(server.url, '/auth', username)).status, 200, username);
      assert.match(server.output.stderr, /latchkey: .*ECONNREFUSED/);
      server.child.kill('SIGTERM');
      assert.equal((await server.ended).code, 0);
    },
  );

  it('leaves no statement behind that waits for a lock', async () => {
    const server = await serve(args, where);
    const other = poolAt(database.href, 1);
    await other.query('BEGIN', []);
    await other.query('LOCK TABLE latchkey_users', []);
    const signups = Array.from({ length: 20 }, (_, index) =>
      post(server.url, '/signup', `waits${index}`),
    );
    for (const { status } of await Promise.all(signups)) assert.equal(status, 503);
    const waiting =
      'SELECT count(*) FROM pg_stat_activity ' + "WHERE datname = $1 AND wait_event_type = 'Lock'";
    while (Object((await admin.query(waiting, [name])).rows[0]).count !== '0') await delay(50);
    await other.query('COMMIT', []);
    const { rows } = await other.query("SELECT id FROM latchkey_users WHERE id LIKE 'waits%'", []);
    assert.deepEqual(rows, []);
    assert.equal((await post(server.url, '/signup', 'waits')).status, 200);
    await other.end();
    server.child.kill('SIGTERM');
    assert.equal((await server.ended).code, 0);
  });

  it('answers in time, and stops, while the database hangs', needsOwnServer, async () => {
    const servers = await Promise.all([serve(args, where), serve(args, where)]);
    const [staying, leaving] = servers;
    const token = tokenOf(await post(staying.url, '/auth', 'eve'));
    const { rows } = await admin.query('SELECT pid FROM pg_stat_activity WHERE datname = $1', [
      name,
    ]);
    const [, main] = /PID: (\d+)/.exec(databaseServer('status')) ?? [];
    const processes = [Number(main), ...rows.map((row) => Number(Object(row).pid))];
    for (const pid of processes) process.kill(pid, 'SIGSTOP');
    try {
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => hello(staying.url, token)),
      );
      for (const { status } of answers) assert.equal(status, 503);
      leaving.child.kill('SIGTERM');
      assert.equal((await leaving.ended).code, 0);
    } finally {
      for (const pid of processes) process.kill(pid, 'SIGCONT');
    }
    assert.equal((await hello(staying.url, token)).status, 200);
    staying.child.kill('SIGTERM');
    assert.equal((await staying.ended).code, 0);
  });
});
