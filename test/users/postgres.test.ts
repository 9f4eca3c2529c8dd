/**
 * Users in a real PostgreSQL: the store, and servers that share it while it is up, down or hangs.
 * Skipped unless TEST_POSTGRES_URL names a server whose user may create databases:
 * `.ci/with-postgres npm test` starts one.
 *
 * All in one file, because the tests of servers stop and suspend the database, and files run at the
 * same time.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError, PostgresUserStore, type PgClient } from '../../src/index.ts';
import { testUserStore } from '../../src/users/contract.ts';
import { allSaid } from '../support/assertions.ts';
import { commandPath } from '../support/compiled.ts';
import { MARKER } from '../support/tokens.ts';
import { assertRefused, commandIn, emptyFolder, ROOT, run, serve } from '../support/run-command.ts';
import { NOT_STRINGS } from '../support/hostile.ts';
import { lostChanges } from '../support/rehash-race.ts';
import { refusal, userNamed } from '../support/user-files.ts';
import { SECRET } from '../support/tokens.ts';
import { send } from '../support/app.ts';

/** The part of the package pg that is used. It is installed for test/interop. */
interface Pool extends PgClient {
  query(text: string, values: string[]): Promise<{ rows: readonly Record<string, unknown>[] }>;
  on(event: 'error', listener: () => void): void;
  end(): Promise<void>;
}
const PG = join(ROOT, 'test/interop/node_modules/pg');
const poolAt = (connectionString: string, max = 10): Pool => {
  const pool: Pool = new (createRequire(import.meta.url)(PG).Pool)({ connectionString, max });
  pool.on('error', () => undefined);
  return pool;
};

const { TEST_POSTGRES_URL: url, TEST_POSTGRES_CTL: control } = process.env;
const skip =
  url === undefined && 'TEST_POSTGRES_URL names no database; .ci/with-postgres starts one';

/**
 * Creates a database for a suite, and removes it afterwards.
 * @returns its name and URL, and a pool of the server's own database
 */
function ownDatabase(): { name: string; database: URL; admin: Pool } {
  const name = `latchkey_test_${randomBytes(6).toString('hex')}`;
  const database = new URL(url ?? 'postgres://');
  const admin = poolAt(database.href, 1);
  database.pathname = `/${name}`;
  before(async () => {
    await admin.query(`CREATE DATABASE ${name}`, []);
  });
  after(async () => {
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`, []);
    await admin.end();
  });
  return { name, database, admin };
}

test('a client without query, an unknown option and a bad table name are refused', () => {
  const client: PgClient = { query: async () => ({ rows: [] }) };
  for (const bad of [undefined, null, {}, { query: 1 }, 'postgres://'] as never[]) {
    assert.throws(() => new PostgresUserStore(bad), TypeError);
  }
  const tables = ['users', 'Users_2', '_', 'x'.repeat(63), 'auth.users', 'select'];
  for (const table of tables) assert.ok(new PostgresUserStore(client, { table }));
  const notTables = [
    '',
    'a b',
    'a-b',
    '2users',
    'a"b',
    "a'b",
    'a;b',
    'a.',
    '.a',
    'a.b.c',
    'a\n',
    'ä',
    'x'.repeat(64),
  ];
  for (const table of [
    ...notTables,
    ...NOT_STRINGS.filter((value) => value !== undefined),
  ] as string[]) {
    assert.throws(
      () => new PostgresUserStore(client, { table }),
      /^TypeError: "table" expected a table name/,
    );
  }
  assert.throws(() => new PostgresUserStore(client, { tabel: 'users' } as never), /unknown option/);
});

describe('PostgresUserStore', { skip, timeout: 120_000 }, () => {
  const { name, database } = ownDatabase();
  const pool = poolAt(database.href);
  let tables = 0;
  const newTable = () => `users_${(tables += 1)}`;
  const openStore = async (table: string, client: PgClient = pool) => {
    const store = new PostgresUserStore(client, { table });
    await store.createTable();
    return store;
  };

  after(() => pool.end());

  testUserStore('PostgresUserStore', {
    open: () => openStore(newTable()),
    reopen: () => openStore(`users_${tables}`),
  });

  it('lets one of 50 inserts of the same id through, over two pools', async () => {
    const other = poolAt(database.href);
    const table = newTable();
    const stores = [await openStore(table), await openStore(table, other)];
    const inserts = Array.from({ length: 50 }, (_, index) =>
      stores[index % 2]?.insert(userNamed('joe', `${index}`)),
    );
    const answers = await Promise.all(inserts);
    assert.equal(answers.filter((isInserted) => isInserted).length, 1);
    for (const store of stores)
      assert.equal((await store.find('joe'))?.passwordHash, `${answers.indexOf(true)}`);
    await other.end();
  });

  it('creates its table once if 20 stores ask at the same time, also in a schema', async () => {
    await pool.query('CREATE SCHEMA auth', []);
    for (const table of [newTable(), 'auth.users', 'select', 'Users']) {
      const stores = await Promise.all(Array.from({ length: 20 }, () => openStore(table)));
      for (const [index, store] of stores.entries())
        assert.equal(await store.insert(userNamed('joe')), index === 0);
    }
  });

  it('works for a role that may not create the table, unless the table is missing', async () => {
    const role = `${name}_role`;
    const table = newTable();
    await (await openStore(table)).insert(userNamed('joe'));
    await pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'word'`, []);
    await pool.query(`GRANT SELECT, INSERT, UPDATE ON ${table} TO ${role}`, []);
    const asRole = new URL(database);
    [asRole.username, asRole.password] = [role, 'word'];
    const other = poolAt(asRole.href);
    try {
      const store = await openStore(table, other);
      assert.equal(await store.insert(userNamed('joe')), false);
      assert.equal(await store.update(userNamed('joe', 'new')), true);
      await assert.rejects(
        openStore(newTable(), other),
        refusal('ERR_STORE', 'permission denied for schema public'),
      );
      for (const right of ['SELECT', 'INSERT', 'UPDATE']) {
        await pool.query(`REVOKE ${right} ON ${table} FROM ${role}`, []);
        await assert.rejects(
          openStore(table, other),
          refusal('ERR_STORE', `permission denied for table ${table}`),
        );
        await pool.query(`GRANT ${right} ON ${table} TO ${role}`, []);
      }
      await pool.query(`REVOKE UPDATE ON ${table} FROM ${role}`, []);
      for (const columns of ['username, password_hash', 'username, created_at']) {
        await pool.query(`GRANT UPDATE (${columns}) ON ${table} TO ${role}`, []);
        await assert.rejects(
          openStore(table, other),
          refusal('ERR_STORE', `permission denied for table ${table}`),
        );
        await pool.query(`REVOKE UPDATE (${columns}) ON ${table} FROM ${role}`, []);
      }
    } finally {
      await other.end();
      await pool.query(`DROP OWNED BY ${role}`, []);
      await pool.query(`DROP ROLE ${role}`, []);
    }
  });

  it('refuses a table with other columns or without a unique index on the ids', async () => {
    const others = {
      'id integer PRIMARY KEY': /column "username" .*does not exist/,
      'id text, username text, password_hash text, created_at text':
        /no unique or exclusion constraint/,
      'id text PRIMARY KEY, username text, password_hash integer, created_at text':
        /"password_hash" is of type int/,
      'id text PRIMARY KEY, username text, password_hash text, created_at timestamptz':
        /"created_at" is of type time/,
    };
    for (const [columns, reason] of Object.entries(others)) {
      const table = newTable();
      await pool.query(`CREATE TABLE ${table} (${columns})`, []);
      await assert.rejects(openStore(table), (error: Error) => reason.test(String(error.cause)));
    }
  });

  it('refuses a row whose id is not exactly the id that was asked for', async () => {
    for (const [type, id] of [
      ['char(9)', 'joe'],
      ['name', 'x'.repeat(70)],
    ] as const) {
      const table = newTable();
      const columns = 'username text, password_hash text, created_at text';
      await pool.query(`CREATE TABLE ${table} (id ${type} PRIMARY KEY, ${columns})`, []);
      const store = await openStore(table);
      await store.insert(userNamed(id));
      await assert.rejects(store.find(id), refusal('ERR_STORE', 'of the type text'));
      await pool.query(`UPDATE ${table} SET username = NULL, id = 'ann      '`, []);
      await assert.rejects(store.find('ann      '), refusal('ERR_STORE', 'of the type text'));
    }
  });

  it('loses no password change to a login with the old password', async () => {
    const table = newTable();
    assert.deepEqual(await lostChanges(await openStore(table), 300), []);
    // First a warm pool, then one connection, for which both wait.
    const other = poolAt(database.href, 1);
    assert.deepEqual(await lostChanges(await openStore(newTable(), other), 100), []);
    await other.end();
  });

  it('lets one of 50 updates through that expect the same hash, over two pools', async () => {
    const other = poolAt(database.href);
    const table = newTable();
    const stores = [await openStore(table), await openStore(table, other)];
    await stores[0]?.insert(userNamed('joe', 'old'));
    const updates = Array.from({ length: 50 }, (_, index) =>
      stores[index % 2]?.update(userNamed('joe', `${index}`), 'old'),
    );
    const answers = await Promise.all(updates);
    assert.equal(answers.filter((isUpdated) => isUpdated).length, 1);
    for (const store of stores) {
      assert.equal((await store.find('joe'))?.passwordHash, `${answers.indexOf(true)}`);
    }
    await other.end();
  });

  it('compares hashes as text, and matches no hash that it cannot store', async () => {
    await pool.query('CREATE EXTENSION citext', []);
    for (const type of ['text', 'citext', 'varchar(99)']) {
      const table = newTable();
      const columns = `username text, password_hash ${type}, created_at text`;
      await pool.query(`CREATE TABLE ${table} (id text PRIMARY KEY, ${columns})`, []);
      const store = await openStore(table);
      await store.insert(userNamed('joe', 'a\ufffdb'));
      // The driver would turn the first one into the stored hash.
      for (const expected of ['a\ud800b', 'a\ufffdb\0', 'A\ufffdB', 'a\ufffdb ', ...NOT_STRINGS]) {
        if (expected === undefined) continue;
        assert.equal(await store.update(userNamed('joe', 'lost'), expected as string), false, type);
      }
      assert.equal(await store.update(userNamed('joe', 'new'), 'a\ufffdb'), true);
    }
  });

  it('leaves no hash in an error that a table or a trigger reports', async () => {
    const hash = `$scrypt$ln=17,r=8,p=1$${MARKER}$${MARKER}`;
    const marked = { ...userNamed('joe', hash), username: `name ${MARKER}` };
    const texts = {
      id: 'text PRIMARY KEY',
      username: 'text',
      password_hash: 'text',
      created_at: 'text',
    };
    const columnsOf = (others: Partial<typeof texts>) =>
      Object.entries({ ...texts, ...others })
        .map(([column, type]) => `${column} ${type}`)
        .join(', ');
    const tables = {
      [columnsOf({ created_at: 'text CHECK (username = created_at)' })]:
        'violates check constraint',
      [columnsOf({ password_hash: 'text CHECK (length(password_hash) < 9)' })]:
        'violates check constraint',
      [`${columnsOf({})}, other text NOT NULL`]: 'null value in column "other"',
      [`${columnsOf({})}, other text UNIQUE DEFAULT 'x'`]: 'duplicate key value',
      [columnsOf({ password_hash: 'integer' })]: 'invalid input syntax for type integer: "..."',
      [columnsOf({ password_hash: 'uuid' })]: 'invalid input syntax for type uuid: "..."',
      [columnsOf({ username: 'timestamptz' })]:
        'invalid input syntax for type timestamp with time zone: "..."',
      [columnsOf({ password_hash: 'text[]' })]: 'malformed array literal: "..."',
      [columnsOf({ password_hash: 'varchar(9)' })]: 'value too long',
    };
    for (const [columns, reason] of Object.entries(tables)) {
      const table = newTable();
      await pool.query(`CREATE TABLE ${table} (${columns})`, []);
      const store = new PostgresUserStore(pool, { table });
      if (reason.startsWith('duplicate')) await store.insert(userNamed('first'));
      await assertSilent(() => store.insert(marked), reason);
    }

    // The message of a trigger may hold anything, also the stored user.
    const table = newTable();
    const store = await openStore(table);
    await store.insert(marked);
    await pool.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'was %, is %, % and %', OLD.password_hash, NEW, NEW.username, OLD.id;
      END $$`,
      [],
    );
    await pool.query(
      `CREATE TRIGGER refuse BEFORE UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse()`,
      [],
    );
    await assertSilent(
      () => store.update({ ...marked, passwordHash: `${hash}2` }, hash),
      'was ... is (',
    );
  });

  /** The error has the code and the message of the database, and none of the values. */
  async function assertSilent(write: () => Promise<unknown>, reason: string): Promise<void> {
    const error: unknown = await write().then(
      () => assert.fail(reason),
      (thrown) => thrown,
    );
    assert.ok(error instanceof AuthError && error.cause instanceof Error, reason);
    assert.ok(error.cause.message.includes(reason), error.cause.message);
    assert.match(String(Reflect.get(error.cause, 'code')), /^[0-9A-Z]{5}$/);
    assert.ok(!allSaid(error).includes(MARKER), allSaid(error));
  }

  it('neither stores nor finds text that the database would change or refuse', async () => {
    const store = await openStore(newTable());
    await store.insert(userNamed('\ufffd'));
    for (const id of ['\ud800', 'joe\0', ...NOT_STRINGS] as string[]) {
      assert.equal(await store.find(id), undefined);
      const user = { ...userNamed('joe'), id };
      await assert.rejects(store.insert(user), /^TypeError: "id" expected Unicode text/);
      await assert.rejects(store.update(user), /^TypeError: "id" expected Unicode text/);
    }
  });
});

describe('latchkey serve --users postgres://', { skip, timeout: 120_000 }, () => {
  const { name, database, admin } = ownDatabase();
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
      [noPassword, /password must be a string/, /Give the password/],
      [noPort, /Port should be/, /Fix this, or use another/],
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

  const databaseServer = (action: string) =>
    execFileSync('sh', ['-c', `${control} ${action}`], { encoding: 'utf8' });
  const isOurs = {
    skip: control === undefined && 'TEST_POSTGRES_CTL does not say how to stop the database',
  };

  it(
    'answers 503 while the database is away, and serves again when it is back',
    isOurs,
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

  it('answers in time, and stops, while the database hangs', isOurs, async () => {
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
