/**
 * The rate limits of servers that share a real PostgreSQL. Skipped unless TEST_POSTGRES_URL names a
 * server, as `.ci/with-postgres` does.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { send } from '../../support/app.ts';
import { blocks } from '../../support/documents.ts';
import { asRole, ownDatabase, ownServer, poolAt, skip } from '../../support/postgres.ts';
import { ROOT, serve, start, stop } from '../../support/run-command.ts';
import { OWNER, signUpOwner } from '../../support/session-client.ts';
import { SECRET } from '../../support/tokens.ts';

const { url, control } = await ownServer();

type Command = Awaited<ReturnType<typeof serve>>;

describe('the limits of latchkey serve --users postgres://', { skip, timeout: 120_000 }, () => {
  const { database } = ownDatabase(url);
  const flags = 'serve --port 0 --scrypt-cost 1 --trust-proxy 1 --users';
  const args = `${flags} ${database}`;
  // The package pg is installed there.
  const where = { cwd: join(ROOT, 'test/interop'), env: { LATCHKEY_SECRET: SECRET } };

  /** Each test begins without users, and without counts. */
  beforeEach(async () => {
    await asOwner('DROP SCHEMA public CASCADE');
    await asOwner('CREATE SCHEMA public');
  });

  async function asOwner(statement: string): Promise<readonly Record<string, unknown>[]> {
    const pool = poolAt(database.href, 1);
    try {
      return (await pool.query(statement, [])).rows;
    } finally {
      await pool.end();
    }
  }
  const twoServers = () => Promise.all([serve(args, where), serve(args, where)]);
  const stopAll = (servers: readonly Command[]) => Promise.all(servers.map(stop));
  const post = async (server: Command, path: string, body: object, network: string) => {
    const headers = { 'X-Forwarded-For': network };
    return (await send(`${server.url}${path}`, 'POST', body, headers)).status;
  };
  const logIn = (server: Command, network: string) => post(server, '/auth', OWNER, network);
  const guess = (server: Command, network: string) => {
    return post(server, '/auth', { ...OWNER, password: 'a wrong guess' }, network);
  };
  const countOf = (statuses: readonly number[], status: number) => {
    return statuses.filter((other) => other === status).length;
  };

  it('an account takes at most 100 wrong passwords an hour, and its owner gets in', async () => {
    const servers = await twoServers();
    const [one, other] = servers;
    assert.match(one.output.stdout, /users in .*, sessions and rate limits beside them, secret/);
    await signUpOwner(one.url);
    const homes = ['192.0.2.1', '192.0.2.2', '192.0.2.3'];
    for (const home of homes) assert.equal(await logIn(one, home), 200);

    // All at once, from 20 networks that the account does not know.
    const strangers = Array.from({ length: 20 }, (_, network) => `198.51.100.${network}`);
    const burst = await Promise.all(servers.flatMap((server) => {
      return strangers.flatMap((network) => [guess(server, network), guess(server, network)]);
    }));
    // Of tries at once some wait a second although the limit is not reached.
    const rest: number[] = [];
    for (const server of [...servers, ...servers]) {
      for (const network of strangers) rest.push(await guess(server, network));
    }
    const statuses = [...burst, ...rest];
    assert.equal(countOf(statuses, 401), 70);
    assert.equal(countOf(statuses, 429), statuses.length - 70);

    // The owner, on the networks of the last logins, also at the other server.
    for (const home of homes) assert.equal(await logIn(other, home), 200);
    assert.equal(await logIn(other, '203.0.113.1'), 429);

    // 10 from each of these networks, and then none from any.
    const fromHomes: number[] = [];
    for (const home of homes) {
      for (let tries = 0; tries < 12; tries += 1) fromHomes.push(await guess(other, home));
    }
    assert.equal(countOf(fromHomes, 401), 30);
    for (const home of homes) assert.equal(await logIn(one, home), 429);
    await stopAll(servers);
  });

  it('a network has 10 wrong passwords for an account, also after kill -9 and restarts', async () => {
    const servers = await twoServers();
    const [killed, stopped] = servers;
    await signUpOwner(killed.url);
    for (let tries = 0; tries < 4; tries += 1) {
      for (const server of servers) assert.equal(await guess(server, '192.0.2.1'), 401);
    }
    killed.child.kill('SIGKILL');
    await killed.ended;
    const restarted = await serve(args, where);
    assert.equal(await guess(restarted, '192.0.2.1'), 401);
    await stop(stopped);
    const last = await serve(args, where);
    assert.equal(await guess(last, '192.0.2.1'), 401);
    for (const server of [restarted, last]) {
      assert.equal(await logIn(server, '192.0.2.1'), 429);
      assert.equal(await logIn(server, '192.0.2.2'), 200);
    }
    await stopAll([restarted, last]);
  });

  it('a network has 50 signups an hour at all servers together', async () => {
    const servers = await twoServers();
    const signups: number[] = [];
    for (let count = 0; count < 30; count += 1) {
      for (const [index, server] of servers.entries()) {
        const user = { username: `user${count}at${index}`, password: OWNER.password };
        signups.push(await post(server, '/signup', user, '192.0.2.1'));
      }
    }
    assert.deepEqual(signups, [...Array(50).fill(200), ...Array(10).fill(429)]);
    const [one] = servers;
    const user = { username: 'neighbour', password: OWNER.password };
    assert.equal(await post(one, '/signup', user, '192.0.2.2'), 200);
    await stopAll(servers);
  });

  it('a login is 503 while the counts are away, though the users are there', async () => {
    const server = await serve(args, where);
    await signUpOwner(server.url);
    await asOwner('ALTER TABLE latchkey_limits RENAME TO away');
    assert.equal(await logIn(server, '192.0.2.1'), 503);
    assert.equal(await guess(server, '192.0.2.1'), 503);
    const lines = server.output.stderr.match(/^.*"latchkey_limits" does not exist.*$/gm);
    assert.equal(lines?.length, 1);
    const line = /^latchkey: store in PostgreSQL at \S+: .*\. Create it and grant it /;
    assert.match(lines.join(), line);
    await asOwner('ALTER TABLE away RENAME TO latchkey_limits');
    assert.equal(await logIn(server, '192.0.2.1'), 200);
    await stop(server);
  });

  const needsOwnServer = {
    skip: control === undefined && 'TEST_POSTGRES_CTL does not say how to stop the database',
  };
  it('guesses are 503 while the database is stopped, and count on', needsOwnServer, async () => {
    const server = await serve(args, where);
    await signUpOwner(server.url);
    for (let tries = 0; tries < 9; tries += 1) await guess(server, '192.0.2.1');
    const databaseServer = (action: string) => {
      execFileSync('sh', ['-c', `${control} ${action}`], { stdio: 'ignore' });
    };
    databaseServer('stop');
    for (let tries = 0; tries < 20; tries += 1) {
      assert.equal(await guess(server, '192.0.2.1'), 503);
    }
    const refused = server.output.stderr.match(/^latchkey: store in PostgreSQL at .*$/gm) ?? [];
    assert.ok(refused.length > 0);
    assert.equal(new Set(refused).size, refused.length, 'each line only once');
    for (const line of refused) assert.match(line, /\. Check that the database is running, /);
    assert.doesNotMatch(server.output.stderr, /\| at /, 'a stack trace');
    databaseServer('start');
    while (await logIn(server, '192.0.2.2') === 503) await delay(50);
    assert.equal(await guess(server, '192.0.2.1'), 401);
    assert.equal(await guess(server, '192.0.2.1'), 429);
    await stop(server);
  });

  it('without rights on the tables a server warns, and counts by itself', async () => {
    const owner = poolAt(database.href, 1);
    await stop(await serve(args, where));
    await asRole(database, owner, async (role) => {
      const limited = new URL(database);
      [limited.username, limited.password] = [role, 'word'];
      const page = blocks('sql').find((block) => block.startsWith('GRANT')) ?? '';
      const [onUsers = '', onSessions = '', onLimits = ''] = page.split('\n');
      const grant = async (statement: string) => {
        await owner.query(statement.replace(/TO latchkey;$/, `TO ${role}`), []);
      };
      await owner.query('DROP TABLE latchkey_limits, latchkey_limits_networks', []);
      await owner.query(`GRANT USAGE ON SCHEMA public TO ${role}`, []);
      await grant(onUsers);
      await grant(onSessions);
      const server = await serve(`${flags} ${limited}`, where);
      const reason = /table latchkey_limits: permission denied for schema public/.source;
      const remedy = /create latchkey_limits and latchkey_limits_networks, and grant .* on both/;
      const warning = `rate limits count for this server alone \\(${reason}\\): ${remedy.source}`;
      assert.match(server.output.stderr, RegExp(`^latchkey: --users: ${warning}$`, 'm'));
      await signUpOwner(server.url);
      for (let tries = 0; tries < 10; tries += 1) await guess(server, '192.0.2.1');
      assert.equal(await logIn(server, '192.0.2.1'), 429);
      await stop(server);

      // A server of another role makes the tables.
      await stop(await serve(args, where));
      await grant(onLimits);
      const sharing = await serve(`${flags} ${limited}`, where);
      assert.doesNotMatch(sharing.output.stderr, /limits/);
      assert.equal(await guess(sharing, '192.0.2.1'), 401);
      await stop(sharing);
    });
    assert.deepEqual(await asOwner('SELECT true AS "isCounted" FROM latchkey_limits LIMIT 1'), [
      { isCounted: true },
    ]);
    await owner.end();
  });

  it('--throttle off and latchkey users make no tables of limits', async () => {
    await stop(await serve(`${args} --throttle off`, where));
    const adding = start(`users add joe --users ${database}`, where);
    adding.child.stdin.end(`${OWNER.password}\n`);
    assert.equal((await adding.ended).code, 0);
    const tables = `SELECT table_name AS name FROM information_schema.tables
      WHERE table_schema = 'public' ORDER BY table_name`;
    assert.deepEqual((await asOwner(tables)).map(({ name }) => name), [
      'latchkey_sessions',
      'latchkey_users',
      'latchkey_users_removed',
    ]);
  });
});
