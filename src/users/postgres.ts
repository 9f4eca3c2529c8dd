/**
 * Users in PostgreSQL, CockroachDB or YugabyteDB, which any number of servers may share. Each read
 * and each write is one statement of plain SQL, so the database alone decides which of two writes
 * is first. The caller brings the client. Removed names are in a second table.
 */
import { readOptions } from '../options.ts';
import type { PgClient } from '../postgres/client.ts';
import { Database } from '../postgres/database.ts';
import { GatheredReads } from '../postgres/gathered-reads.ts';
import { quoted, tableCheck } from '../postgres/table.ts';
import { isStorable } from '../postgres/text.ts';
import {
  COLUMN_TYPES,
  COLUMNS,
  SELECTED,
  userOf,
  valuesOf,
} from './postgres-rows.ts';
import { RemovedNames } from './postgres-removed-names.ts';
import {
  checkPage,
  DEFAULT_PAGE_USERS,
  systemSeconds,
  USER_FIELDS,
  timeCheck,
  type RemovedName,
  type User,
  type UserStore,
} from './store.ts';

/** Where the users are in the database. */
export interface PostgresUserStoreOptions {
  /**
   * The table: letters, digits and underscores, with or without a schema and a dot before it.
   * Default `latchkey_users`. Removed names are in a table beside it, with `_removed` at the end of
   * its name.
   */
  readonly table?: string;
}

/** Makes an insert of a taken id return no row. It needs a unique index on the ids. */
const UNLESS_TAKEN = 'ON CONFLICT (id) DO NOTHING';
/**
 * The condition on an expected hash; its parameter follows. The column is compared as text, because
 * another type may compare differently: citext ignores case. A text with NUL or a lone surrogate is
 * never sent: it is not a stored hash, but the driver would turn it into a text that might be one.
 */
const HASH_IS = 'CAST(password_hash AS text) =';

/**
 * Keeps users in a table, which other servers may use at the same time.
 * @example
 * const users = new PostgresUserStore(pool);
 * await users.createTable();
 */
export class PostgresUserStore implements UserStore {
  readonly #database: Database;
  readonly #removedNames: RemovedNames;
  readonly #reads: GatheredReads;
  /** The name as it is given, for messages. */
  readonly #name: string;
  /** The name as it is quoted for a statement. */
  readonly #table: string;

  /**
   * Makes a store over a pool of `pg`, or another client with `query`.
   * @example
   * new PostgresUserStore(pool, { table: 'auth.users' });
   * @param client the store never ends it; that is up to the caller
   * @throws TypeError if the client has no `query`, an option is unknown or `table` is not a table
   *   name. Every method throws a TypeError if `query` resolves to anything but rows.
   */
  constructor(client: PgClient, options: PostgresUserStoreOptions = {}) {
    this.#database = new Database(client);
    const { table = 'latchkey_users' } = readOptions(options, { table: tableCheck });
    this.#removedNames = new RemovedNames(this.#database, table);
    this.#reads = new GatheredReads('id', (ids) => this.#removedNames.selectUsers(ids));
    this.#name = table;
    this.#table = quoted(table);
  }

  /**
   * Creates the two tables unless they exist. Several servers may do so at the same time, also
   * beside servers of version 0.1, which use the first table alone. The rights that version 0.1
   * needed are enough: without the second table, and without the rights that `remove` needs, all
   * other methods work, except an `insert` of a user with `validAfter`.
   * @throws AuthError ERR_STORE if the first table does not exist afterwards, this role may not use
   *   it, or may not read the second one though that exists. Also if a table lacks a column, has
   *   one that text cannot be assigned to, or does not keep ids unique. The cause names the table.
   *   Columns of types other than text can pass this check; `find` then refuses their values.
   */
  async createTable(): Promise<void> {
    await this.#database.create(this.#name, COLUMN_TYPES, () => this.#probeUsers());
    await this.#removedNames.create(() => this.#removedNames.selectUsers(['']));
  }

  /**
   * Finds a user.
   * @returns the user with exactly this id, or undefined
   * @throws AuthError ERR_STORE if the database does not answer, or returns a row that is not a
   *   user with this id; `cause` has the reason and its code
   */
  async find(id: string): Promise<User | undefined> {
    if (!isStorable(id)) return undefined;
    const row = await this.#reads.read(id);
    return row === undefined ? undefined : userOf(row, id);
  }

  /**
   * @returns true once the database has committed it; false if the id is taken
   * @throws AuthError ERR_STORE if the database does not answer. The user may then be stored, or be
   *   stored later, when the database resumes the statement.
   * @throws TypeError if a member is not Unicode text without NUL
   * @throws TypeError or RangeError if `validAfter` is not a time from 1970 to the year 9999
   */
  async insert(user: User): Promise<boolean> {
    const values = valuesOf(user);
    const row = `VALUES ($1, $2, $3, $4) ${UNLESS_TAKEN} RETURNING id`;
    const text = `INSERT INTO ${this.#table} (${COLUMNS}) ${row}`;
    if (user.validAfter === undefined) return (await this.#database.run(text, values)).length > 0;
    // The user comes from another store, which has seen a removal of this name.
    timeCheck('validAfter', user.validAfter);
    return this.#removedNames.write(text, '$5', [...values, String(user.validAfter)]);
  }

  /**
   * @returns true once the database has committed it; false if the user does not exist or has
   *   another hash
   * @throws AuthError ERR_STORE, and TypeError if a member is not Unicode text without NUL
   */
  async update(user: User, expectedHash?: string): Promise<boolean> {
    const values = valuesOf(user);
    const change = 'username = $2, password_hash = $3, created_at = $4';
    let text = `UPDATE ${this.#table} SET ${change} WHERE id = $1`;
    if (expectedHash !== undefined) {
      if (!isStorable(expectedHash)) return false;
      text += ` AND ${HASH_IS} $5`;
      values.push(expectedHash);
    }
    return (await this.#database.run(`${text} RETURNING id`, values)).length > 0;
  }

  /**
   * Removes a user and keeps the name, so that a later user of this name gets `removedAt` as
   * `validAfter`. Of several removals of one name the latest time counts.
   * @param removedAt whole seconds since 1970; default the clock of the system
   * @param expectedHash the hash that must be stored; undefined allows every hash
   * @returns true once the database has committed it; false if there is no such user, or the user
   *   has another hash
   * @throws AuthError ERR_STORE if the database does not answer. The user may then be removed, now
   *   or later. Also if the table of removed names is missing, or this role may not use it or
   *   delete users. Then no user is removed, and the cause says what is needed.
   * @throws TypeError or RangeError if `removedAt` is not a time from 1970 to the year 9999
   */
  async remove(
    id: string,
    removedAt: number = systemSeconds(),
    expectedHash?: string,
  ): Promise<boolean> {
    timeCheck('removedAt', removedAt);
    if (!isStorable(id)) return false;
    const values = [id, String(removedAt)];
    let text = `DELETE FROM ${this.#table} WHERE id = $1`;
    if (expectedHash !== undefined) {
      if (!isStorable(expectedHash)) return false;
      text += ` AND ${HASH_IS} $3`;
      values.push(expectedHash);
    }
    return this.#removedNames.write(`${text} RETURNING id`, '$2', values);
  }

  /**
   * Lists one page of the users.
   * @param after an id, which need not be stored; default: from the first user on
   * @param limit 1 to 1000, default 100
   * @returns the users whose ids come after `after`, sorted by id in code point order
   * @throws AuthError ERR_STORE as `find` does
   * @throws TypeError or RangeError if `after` is not a string, or `limit` not from 1 to 1000
   */
  async list(after?: string, limit: number = DEFAULT_PAGE_USERS): Promise<readonly User[]> {
    checkPage(after, limit);
    const rows = await this.#removedNames.selectPage(after, limit);
    return rows.map((row) => userOf(row, row['id']));
  }

  /**
   * Lists one page of the removed names that no user has now. Without the table of removed names
   * there are none.
   * @param after as `list`
   * @param limit as `list`
   * @returns the names that come after `after`, sorted as by `list`
   * @throws AuthError ERR_STORE as `find` does
   * @throws TypeError or RangeError as `list`
   */
  async listRemoved(
    after?: string,
    limit: number = DEFAULT_PAGE_USERS,
  ): Promise<readonly RemovedName[]> {
    checkPage(after, limit);
    return this.#removedNames.page(after, limit);
  }

  /**
   * Reads from both tables, and makes a change that affects no row.
   * @throws AuthError ERR_STORE if the database does not answer, this role may not use a table, or
   *   the database accepts no writes now
   */
  async check(): Promise<void> {
    await this.#removedNames.selectUsers(['']);
    await this.#updateNone();
  }

  /**
   * Changes nothing, and needs the columns, the rights and the unique index that `find`, `insert`
   * and `update` need.
   */
  async #probeUsers(): Promise<void> {
    const emptyTexts = USER_FIELDS.map(() => "CAST('' AS text)").join(', ');
    const noRows = `SELECT ${emptyTexts} WHERE false`;
    await this.#database.run(`SELECT ${SELECTED} FROM ${this.#table} AS users WHERE users.id = ''`);
    await this.#database.run(`INSERT INTO ${this.#table} (${COLUMNS}) ${noRows} ${UNLESS_TAKEN}`);
    await this.#updateNone();
  }

  async #updateNone(): Promise<void> {
    const noChange = 'username = username, password_hash = password_hash, created_at = created_at';
    await this.#database.run(`UPDATE ${this.#table} SET ${noChange} WHERE false`);
  }
}
