/** Opens a pool of connections to PostgreSQL, with the package pg. The operator installs pg. */
import { createRequire } from 'node:module';
import type { PgClient } from '../users/postgres.ts';
import { CommandError } from './command-errors.ts';

const require = createRequire(import.meta.url);

/**
 * In milliseconds. The first two keep clients from waiting for a database that does not answer. The
 * last one ends a statement in the database once its client has been refused.
 */
const LIMITS = {
  connectionTimeoutMillis: 3_000,
  query_timeout: 3_000,
  statement_timeout: 3_000,
};

/** The members of `Pool` in pg that latchkey uses. */
interface PgPool extends PgClient {
  on(event: 'error', listener: (error: unknown) => void): void;
  end(): Promise<void>;
}

/**
 * Loads pg, and opens a pool that connects at its first query.
 * @param onError called when an idle connection breaks; the next query opens another one
 * @throws CommandError if pg is not installed
 * @throws the error of pg if it cannot be loaded
 */
export function openPool(url: URL, onError: (error: unknown) => void): PgPool {
  const { Pool } = loadPg();
  // Idle connections must not keep the process alive.
  const pool = new Pool({ allowExitOnIdle: true, ...LIMITS, connectionString: url.href });
  pool.on('error', onError);
  return pool;
}

/** Node finds pg in the `node_modules` that holds latchkey, or in the folders above. */
function loadPg(): { readonly Pool: new (options: object) => PgPool } {
  try {
    require.resolve('pg');
  } catch {
    const problem = 'PostgreSQL needs the package pg, which is not installed';
    throw new CommandError(`--users: ${problem}: npm install pg`);
  }
  return require('pg');
}
