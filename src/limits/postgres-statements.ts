/**
 * The statements of the counts in PostgreSQL. All times are seconds since 1970 by the clock of the
 * database. A row of tries has a list of slots: `expires_at` is the time when its tries are
 * forgotten, `ended` the number of those that have ended. A try in flight has a slot of its own,
 * with its `try_id` and `in_flight` 1. So an end that is stored twice cannot end another try.
 */
import { parameters } from '../postgres/table.ts';
import { SLOTS_PER_WINDOW } from './sliding-window.ts';

export const TRIES_COLUMN_TYPES: string = [
  'key text PRIMARY KEY',
  'slots jsonb NOT NULL',
  'expires_at bigint NOT NULL',
].join(', ');

export const NETWORKS_COLUMN_TYPES: string = [
  'account text PRIMARY KEY',
  'networks jsonb NOT NULL',
  'expires_at bigint NOT NULL',
].join(', ');

/** An account without a login for so long has no known networks any more. */
const NETWORKS_DAYS = 180;
/** How many stale rows one statement removes, so that none holds its locks for long. */
export const STALE_ROWS_PER_STATEMENT = 1000;

const NOW = 'CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS double precision)';
const SLOT_MEMBERS = '(expires_at bigint, in_flight bigint, ended bigint, try_id text)';

/** How many tries count in the row `stored`. */
const TRIES = `(
  SELECT COALESCE(SUM(slot.in_flight + slot.ended), 0)
  FROM jsonb_to_recordset(stored.slots) AS slot ${SLOT_MEMBERS}
  WHERE slot.expires_at > ${NOW})`;

/** A change of the tries under one key. The members have the names of the columns. */
export interface TriesChange {
  readonly key: string;
  readonly window_seconds: number;
  /** The statement changes the key only if fewer tries than this count under it; null: always. */
  readonly max_tries: number | null;
  /** The id of the try that begins; null for none. */
  readonly begun_id: string | null;
  /** The id of the try that ends; null for none. */
  readonly ended_id: string | null;
  /** The ended tries that the current slot gets. */
  readonly ended: number;
}

/**
 * Parameter $1 is a list of keys as JSON. Returns one row for each slot that counts, oldest first.
 * @param table a quoted name
 */
export function selectTries(table: string): string {
  return `SELECT tries.key, CAST(slot.ended AS text) AS ended,
      CAST(GREATEST(1, CEIL(slot.expires_at - ${NOW})) AS text) AS seconds_left
    FROM ${table} AS tries, jsonb_to_recordset(tries.slots) AS slot ${SLOT_MEMBERS}
    WHERE tries.key IN (SELECT jsonb_array_elements_text(CAST($1 AS jsonb)))
      AND slot.expires_at > ${NOW}
    ORDER BY slot.expires_at`;
}

/**
 * Parameter $1 is a list of {@link TriesChange} as JSON, of different keys. Returns the keys that
 * were changed.
 *
 * - If a row has its maximum of tries, no row is changed. Other statements may change rows after
 *   this one has begun. So each row is locked, and its newest version is compared once more with
 *   the maximum. Then some rows may be changed and others not.
 * - All statements lock rows in the order of their keys, so that no two of them deadlock.
 * - A slot that is more than one window ahead, because the clock was set back, is moved to one
 *   window ahead.
 *
 * @param table a quoted name
 */
export function changeTries(table: string): string {
  const slotSeconds = `change.window_seconds / ${SLOTS_PER_WINDOW}`;
  return `WITH asked AS (
      SELECT change.*,
        CAST(CEIL((FLOOR(${NOW} / (${slotSeconds})) + ${SLOTS_PER_WINDOW + 1}) * ${slotSeconds})
          AS bigint) AS expires_at
      FROM jsonb_to_recordset(CAST($1 AS jsonb)) AS change (key text,
        window_seconds double precision, max_tries bigint, begun_id text, ended_id text,
        ended bigint)
    ), changed AS (
      INSERT INTO ${table} AS stored (key, slots, expires_at)
      SELECT key, jsonb_build_array(jsonb_build_object('expires_at', expires_at,
        'in_flight', CASE WHEN begun_id IS NULL THEN 0 ELSE 1 END, 'ended', ended,
        'try_id', begun_id)), expires_at
      FROM asked
      WHERE NOT EXISTS (
        SELECT 1 FROM asked JOIN ${table} AS stored ON stored.key = asked.key
        WHERE asked.max_tries <= ${TRIES})
      ORDER BY key
      ON CONFLICT (key) DO UPDATE SET (slots, expires_at) = (
        SELECT
          COALESCE(jsonb_agg(jsonb_build_object('expires_at', expires_at,
            'in_flight', in_flight, 'ended', ended, 'try_id', try_id)), '[]'),
          COALESCE(MAX(expires_at), 0)
        FROM (
          SELECT
            LEAST(slot.expires_at, asked.expires_at + CAST(asked.window_seconds AS bigint))
              AS expires_at,
            slot.try_id, SUM(slot.in_flight) AS in_flight, SUM(slot.ended) AS ended
          FROM asked, jsonb_to_recordset(stored.slots || excluded.slots) AS slot ${SLOT_MEMBERS}
          WHERE asked.key = excluded.key AND slot.expires_at > ${NOW}
            AND NOT COALESCE(slot.try_id = asked.ended_id, false)
          GROUP BY 1, 2
        ) AS slots WHERE in_flight + ended > 0)
      WHERE NOT EXISTS (
        SELECT 1 FROM asked WHERE asked.key = excluded.key AND asked.max_tries <= ${TRIES})
      RETURNING key
    )
    SELECT key FROM changed`;
}

/**
 * The parameters are accounts. Returns a row for each account that is known: its networks are a
 * list as JSON, newest first.
 * @param table a quoted name
 * @param accountCount the number of accounts
 */
export function selectNetworks(table: string, accountCount: number): string {
  return `SELECT account, CAST(networks AS text) AS networks
    FROM ${table} WHERE account IN (${parameters(accountCount)})`;
}

/**
 * Parameters $1 and $2 are an account and a network. With an empty account, which is not a hash, it
 * changes nothing.
 * @param table a quoted name
 * @param maxNetworks how many are kept
 */
export function addNetwork(table: string, maxNetworks: number): string {
  const expiresAt = `CAST(${NOW} AS bigint) + ${NETWORKS_DAYS * 86_400}`;
  // For a list, "- text" removes an element that is this text, and "- number" the one at this
  // index.
  return `INSERT INTO ${table} AS stored (account, networks, expires_at)
    SELECT CAST($1 AS text), jsonb_build_array(CAST($2 AS text)), ${expiresAt}
    WHERE CAST($1 AS text) <> ''
    ON CONFLICT (account) DO UPDATE SET expires_at = excluded.expires_at,
      networks = (excluded.networks || (stored.networks - CAST($2 AS text))) - ${maxNetworks}`;
}

/**
 * Returns a row for each row that it removes.
 * @param table a quoted name
 * @param key the column of its primary key
 */
export function removeStale(table: string, key: string): string {
  return `WITH stale AS (
      SELECT ${key} FROM ${table} WHERE expires_at <= (SELECT ${NOW})
      LIMIT ${STALE_ROWS_PER_STATEMENT} FOR UPDATE SKIP LOCKED
    )
    DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM stale) RETURNING ${key}`;
}
