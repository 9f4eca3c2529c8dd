/** A pool of connections to PostgreSQL by the package pg, which is no dependency. */
import { createRequire } from 'node:module';
import type { PgClient } from '../users/postgres.ts';

const require = createRequire(import.meta.url);

/** A database that does not answer keeps nobody waiting, nor does a statement go on that nobody waits for any more. */
const LIMITS = { connectionTimeoutMillis: 3_000, query_timeout: 3_000, statement_timeout: 3_000 };

/** As much of a pool of pg as is used. */
interface PgPool extends PgClient {
  on(event: 'error', listener: (error: unknown) => void): void;
  end(): Promise<void>;
}

/**
 * Loads pg from beside this package, and nothing of it unless it is asked for.
 * @param onError told of a connection that broke while nobody used it; the next query gets another one
 */
export function openPool(url: URL, onError: (error: unknown) => void): PgPool {
  const { Pool } = load();
  // Idle connections do not keep the process alive.
  const pool = new Pool({ allowExitOnIdle: true, ...LIMITS, connectionString: url.href });
  pool.on('error', onError);
  return pool;
}

function load(): { readonly Pool: new (options: object) => PgPool } {
  try {
    require.resolve('pg');
  } catch {
    throw new Error('--users: PostgreSQL takes the package pg, which is not there: npm install pg');
  }
  return require('pg');
}
