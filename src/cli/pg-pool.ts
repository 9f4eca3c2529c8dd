/** A pool of connections to PostgreSQL. It needs the package pg, which an operator installs. */
import { createRequire } from 'node:module';
import type { PgClient } from '../users/postgres.ts';

const require = createRequire(import.meta.url);

/**
 * A database that does not answer must not keep clients waiting, and the database must not go on
 * with a statement whose client was refused.
 */
const LIMITS = {
  connectionTimeoutMillis: 3_000,
  query_timeout: 3_000,
  statement_timeout: 3_000,
};

/** As much of a pool of pg as is used. */
interface PgPool extends PgClient {
  on(event: 'error', listener: (error: unknown) => void): void;
  end(): Promise<void>;
}

/**
 * Loads pg from beside this package. Without --users postgres://... it is never loaded.
 * @param onError told when an idle connection breaks; the next query opens another one
 * @throws Error if pg is not installed or cannot be loaded
 */
export function openPool(url: URL, onError: (error: unknown) => void): PgPool {
  const { Pool } = loadPg();
  // Idle connections must not keep the process alive.
  const pool = new Pool({ allowExitOnIdle: true, ...LIMITS, connectionString: url.href });
  pool.on('error', onError);
  return pool;
}

function loadPg(): { readonly Pool: new (options: object) => PgPool } {
  try {
    require.resolve('pg');
  } catch {
    const problem = 'PostgreSQL needs the package pg, which is not installed';
    throw new Error(`--users: ${problem}: npm install pg`);
  }
  return require('pg');
}
