/** For tests on a real PostgreSQL: databases, roles and servers of their own. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before } from 'node:test';
import type { PgClient } from '../../src/index.ts';
import { ROOT } from './root.ts';

/** The part of the package pg that is used. It is installed for test/interop. */
export interface Pool extends PgClient {
  query(text: string, values: string[]): Promise<{ rows: readonly Record<string, unknown>[] }>;
  on(event: 'error', listener: () => void): void;
  end(): Promise<void>;
}

export const PG: string = join(ROOT, 'test/interop/node_modules/pg');

export function poolAt(connectionString: string, max = 10): Pool {
  const pool: Pool = new (createRequire(import.meta.url)(PG).Pool)({ connectionString, max });
  pool.on('error', () => undefined);
  return pool;
}

const { TEST_POSTGRES_URL: sharedUrl, TEST_POSTGRES_CTL: sharedControl } = process.env;

export const skip: string | false =
  sharedUrl === undefined && 'TEST_POSTGRES_URL names no database; .ci/with-postgres starts one';

export interface PostgresServer {
  readonly url: string | undefined;
  /** A command that takes stop, start and status; undefined if the server is not ours. */
  readonly control: string | undefined;
}

/**
 * Starts a server that its tests may stop, because tests of other files use the shared one at the
 * same time. It ends after all tests of the file, and also if this process is killed.
 * @returns the shared server if that one is not ours
 */
export async function ownServer(): Promise<PostgresServer> {
  if (sharedControl === undefined) return { url: sharedUrl, control: undefined };
  const program = 'echo "$TEST_POSTGRES_URL"; echo "$TEST_POSTGRES_CTL"; cat';
  const child = spawn(join(ROOT, '.ci/with-postgres'), ['sh', '-c', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  after(async () => {
    child.stdin.end();
    if (child.exitCode === null) await once(child, 'exit');
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const url: unknown = (await lines.next()).value;
  const control: unknown = (await lines.next()).value;
  return { url: String(url), control: String(control) };
}

/**
 * Creates a database for a suite, and removes it afterwards.
 * @returns its name and URL, and a pool of the server's own database
 */
export function ownDatabase(url: string | undefined = sharedUrl): {
  name: string;
  database: URL;
  admin: Pool;
} {
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

/** Runs `body` with a new role and a pool of that role, and removes both afterwards. */
export async function asRole(
  database: URL,
  owner: Pool,
  body: (role: string, pool: Pool) => Promise<void>,
): Promise<void> {
  const role = `role_${randomBytes(6).toString('hex')}`;
  await owner.query(`CREATE ROLE ${role} LOGIN PASSWORD 'word'`, []);
  const url = new URL(database);
  [url.username, url.password] = [role, 'word'];
  const pool = poolAt(url.href);
  try {
    await body(role, pool);
  } finally {
    await pool.end();
    await owner.query(`DROP OWNED BY ${role}`, []);
    await owner.query(`DROP ROLE ${role}`, []);
  }
}
