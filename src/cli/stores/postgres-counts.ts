/** Opens the counts of the rate limits in PostgreSQL, which all servers of a database share. */
import { reasonOf } from '../../errors.ts';
import type { LimitCounts } from '../../limits/counts.ts';
import { PostgresLimitCounts } from '../../limits/postgres.ts';
import type { PgClient } from '../../postgres/client.ts';
import { propertyOf } from '../../values.ts';
import type { Log } from '../log.ts';

/** The SQLSTATE code of a right that is missing. */
const INSUFFICIENT_PRIVILEGE = '42501';
/**
 * The codes of a feature, a function and a syntax that the database does not have. CockroachDB,
 * which version 0.1 could use, has another SQL than PostgreSQL.
 */
const NOT_IN_THIS_DATABASE = /^(?:0A000|42883|42601)$/;

/**
 * Creates the tables of the counts. A role or a database that was enough for version 0.1 may not
 * allow that. The server then starts all the same, warns, and counts in its own memory.
 * @returns undefined if this role may not create or use the tables, or this database cannot count
 * @throws AuthError ERR_STORE for any other error
 */
export async function openCounts(client: PgClient, log: Log): Promise<LimitCounts | undefined> {
  const counts = new PostgresLimitCounts(client);
  try {
    await counts.createTable();
    return counts;
  } catch (error) {
    const cause = propertyOf(error, 'cause');
    const remedy = remedyOf(String(propertyOf(cause, 'code')));
    if (remedy === undefined) throw error;
    const problem = `rate limits count for this server alone (${reasonOf(cause)})`;
    log('warning', `--users: ${problem}: ${remedy}`);
    return undefined;
  }
}

/** @returns undefined if the server must not start without the counts */
function remedyOf(code: string): string | undefined {
  if (code === INSUFFICIENT_PRIVILEGE) {
    const tables = 'create latchkey_limits and latchkey_limits_networks';
    return `${tables}, and grant this role SELECT, INSERT, UPDATE and DELETE on both`;
  }
  if (!NOT_IN_THIS_DATABASE.test(code)) return undefined;
  const tables = 'latchkey_limits and latchkey_limits_networks';
  const remedy = `use PostgreSQL, and rename ${tables} if they have other columns`;
  return `to count for all servers, ${remedy}`;
}
