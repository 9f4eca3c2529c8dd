/**
 * Sessions in PostgreSQL, CockroachDB or YugabyteDB, which any number of servers may share. `find`
 * and `put` each run one statement of plain SQL, so the database alone decides which of two writes
 * is first. The caller brings the client.
 */
import { readOptions } from '../options.ts';
import { checkMembers, type PgClient, type Row } from '../postgres/client.ts';
import { Database, wrongRow } from '../postgres/database.ts';
import { GatheredReads } from '../postgres/gathered-reads.ts';
import { parameters, quoted, tableCheck } from '../postgres/table.ts';
import { isStorable, parsedJson, storableText } from '../postgres/text.ts';
import { readRecord } from './record-check.ts';
import type { SessionRecord, SessionStore } from './store.ts';

/** Where the sessions are in the database. */
export interface PostgresSessionStoreOptions {
  /**
   * The table: letters, digits and underscores, with or without a schema and a dot before it.
   * Default `latchkey_sessions`.
   */
  readonly table?: string;
}

/** The record is JSON text. Its version is in a column as well, for the compare-and-set. */
const COLUMN_TYPES = [
  'user_id text PRIMARY KEY',
  'version bigint NOT NULL',
  'record text NOT NULL',
].join(', ');
const ROW_MEMBERS = ['user_id', 'version', 'record'];

/**
 * Keeps sessions in a table, which other servers may use at the same time.
 * @example
 * const store = new PostgresSessionStore(pool);
 * await store.createTable();
 * const sessions = new Sessions({ store });
 */
export class PostgresSessionStore implements SessionStore {
  readonly #database: Database;
  readonly #reads = new GatheredReads('user_id', (userIds) => this.#select(userIds));
  /** The name as it is given, for messages. */
  readonly #name: string;
  /** The name as it is quoted for a statement. */
  readonly #table: string;

  /**
   * Makes a store over a pool of `pg`, or another client with `query`.
   * @example
   * new PostgresSessionStore(pool, { table: 'auth.sessions' });
   * @param client the store never ends it; that is up to the caller
   * @throws TypeError if the client has no `query`, an option is unknown or `table` is not a table
   *   name. Every method throws a TypeError if `query` resolves to anything but rows.
   */
  constructor(client: PgClient, options: PostgresSessionStoreOptions = {}) {
    this.#database = new Database(client);
    const { table = 'latchkey_sessions' } = readOptions(options, { table: tableCheck });
    this.#name = table;
    this.#table = quoted(table);
  }

  /**
   * Creates the table unless it exists. Several servers may do so at the same time.
   * @throws AuthError ERR_STORE if the table does not exist afterwards, this role may not use it,
   *   it lacks a column or has one that cannot take the values of this store, or it does not keep
   *   user ids unique. The cause names the table.
   */
  createTable(): Promise<void> {
    return this.#database.create(this.#name, COLUMN_TYPES, () => this.#probe());
  }

  /**
   * Finds the sessions of a user.
   * @returns the record of exactly this user, deeply frozen, or undefined
   * @throws AuthError ERR_STORE if the database does not answer, or returns a row that is not a
   *   record of this user; `cause` has the reason and its code
   */
  async find(userId: string): Promise<SessionRecord | undefined> {
    if (!isStorable(userId)) return undefined;
    const row = await this.#reads.read(userId);
    return row === undefined ? undefined : recordIn(row, userId);
  }

  /**
   * @returns true once the database has committed it; false if another version is stored
   * @throws AuthError ERR_STORE if the database does not answer. The record may then be stored, or
   *   be stored later, when the database resumes the statement.
   * @throws TypeError if the user id is not Unicode text without NUL, or `find` would refuse the
   *   record, such as one with another member
   */
  async put(userId: string, record: SessionRecord): Promise<boolean> {
    storableText('userId', userId);
    const checked = readRecord(record);
    if (typeof checked === 'string') {
      throw new TypeError(`"record" expected a session record, got one that ${checked}`);
    }
    const text = checked.version === 1 ? this.#insertion() : this.#replacement();
    const values = [userId, String(checked.version), JSON.stringify(checked)];
    return (await this.#database.run(text, values)).length > 0;
  }

  /**
   * Reads from the table, and makes a change that affects no row.
   * @throws AuthError ERR_STORE if the database does not answer, this role may not use the table,
   *   or the database accepts no writes now
   */
  async check(): Promise<void> {
    await this.#select(['']);
    await this.#updateNone();
  }

  #select(userIds: string[]): Promise<readonly Row[]> {
    const columns = 'user_id, CAST(version AS text) AS version, record';
    const condition = `WHERE user_id IN (${parameters(userIds.length)})`;
    return this.#database.run(`SELECT ${columns} FROM ${this.#table} ${condition}`, userIds);
  }

  #insertion(): string {
    return `INSERT INTO ${this.#table} (user_id, version, record)
      VALUES ($1, CAST($2 AS bigint), $3) ON CONFLICT (user_id) DO NOTHING RETURNING user_id`;
  }

  #replacement(): string {
    return `UPDATE ${this.#table} SET version = CAST($2 AS bigint), record = $3
      WHERE user_id = $1 AND version = CAST($2 AS bigint) - 1 RETURNING user_id`;
  }

  /** Changes nothing, and needs the columns, rights and unique index of `find` and `put`. */
  async #probe(): Promise<void> {
    await this.#select(['']);
    const noRows = "SELECT CAST('' AS text), CAST('1' AS bigint), CAST('' AS text) WHERE false";
    await this.#database.run(
      `INSERT INTO ${this.#table} (user_id, version, record) ${noRows}
      ON CONFLICT (user_id) DO NOTHING`,
    );
    await this.#updateNone();
  }

  async #updateNone(): Promise<void> {
    const noChange = 'version = version, record = record';
    await this.#database.run(`UPDATE ${this.#table} SET ${noChange} WHERE false`);
  }
}

/**
 * Checks the row, because another program may have written it, and the columns may have any type.
 * In a column of another type, such as char(9), the database may find the row of another id.
 */
function recordIn(row: Row, userId: string): SessionRecord {
  checkMembers(row, ROW_MEMBERS);
  if (row['user_id'] !== userId) throw wrongRow('the sessions table returned another user id');
  const record = readRecord(parsedJson(row['record']));
  if (typeof record === 'string') throw wrongRow(`the sessions table has a record that ${record}`);
  if (String(record.version) === row['version']) return record;
  throw wrongRow('the sessions table has a record whose version differs from its column');
}
