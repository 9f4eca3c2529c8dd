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
 * Creates the tables of the counts. A role that served version 0.1 may not be allowed to: the
 * server then starts all the same, warns, and counts in its own memory.
 * @returns undefined if this role may not create or use the tables
 * @throws AuthError ERR_STORE for any other error
 */
export async function openCounts(client: PgClient, log: Log): Promise<LimitCounts | undefined> {
  const counts = new PostgresLimitCounts(client);
  try {
    await counts.createTable();
    return counts;
  } catch (error) {
    const cause = propertyOf(error, 'cause');
    if (propertyOf(cause, 'code') !== INSUFFICIENT_PRIVILEGE) throw error;
    const problem = `rate limits count for this server alone (${reasonOf(cause)})`;
    const tables = 'create latchkey_limits and latchkey_limits_networks';
    const rights = 'grant this role SELECT, INSERT, UPDATE and DELETE on both';
    log('warning', `--users: ${problem}: ${tables}, and ${rights}`);
    return undefined;
  }
}
