/**
 * Users in PostgreSQL, CockroachDB or YugabyteDB, which any number of servers may share. `find`,
 * `insert`, `update`, `remove` and `list` each run one statement of plain SQL, so the database
 * alone decides which of two writes is first. The caller brings the client.
 *
 * Removed names are in a second table, because servers of version 0.1 may use the first one at the
 * same time: they write all its columns, and take every row for a user.
 */
import { readOptions } from '../options.ts';
import { checkMembers, type PgClient, type Row } from '../postgres/client.ts';
import { Database, wrongRow } from '../postgres/database.ts';
import { quoted, tableBeside, tableCheck } from '../postgres/table.ts';
import { isStorable, startAfter, storableText } from '../postgres/text.ts';
import {
  checkPage,
  DEFAULT_PAGE_USERS,
  systemSecond,
  USER_FIELDS,
  wholeSecond,
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

/** The columns in the order of USER_FIELDS. */
const COLUMNS = 'id, username, password_hash, created_at';
const COLUMN_TYPES = [
  'id text PRIMARY KEY',
  'username text NOT NULL',
  'password_hash text NOT NULL',
  'created_at text NOT NULL',
].join(', ');
/** `removed_at` is in seconds since 1970. */
const REMOVED_COLUMN_TYPES = 'id text PRIMARY KEY, removed_at bigint NOT NULL';
/** Makes an insert of a taken id return no row. It needs a unique index on the ids. */
const UNLESS_TAKEN = 'ON CONFLICT (id) DO NOTHING';
/** A second that is stored never moves back. */
const OR_LATER = [
  'ON CONFLICT (id) DO UPDATE',
  'SET removed_at = GREATEST(stored.removed_at, excluded.removed_at)',
].join(' ');

/** The members of a row that `find` and `list` read. */
const ROW_MEMBERS = [...COLUMNS.split(', '), 'valid_after'];
const SELECTED = [
  'users.id, users.username, users.password_hash, users.created_at',
  'CAST(removed.removed_at AS text) AS valid_after',
].join(', ');
/** Code point order, which is that of the bytes of UTF-8. The database may sort in another way. */
const ORDERED_ID = 'CAST(users.id AS text) COLLATE "C"';

/** What the cast of a second to text returns. */
const SECONDS_TEXT = /^\d{1,12}$/;

/** Keeps users in a table, which other servers may use at the same time. */
export class PostgresUserStore implements UserStore {
  readonly #database: Database;
  /** Both names are quoted for a statement. */
  readonly #table: string;
  readonly #removedTable: string;

  /**
   * @param client the store never ends it; that is up to the caller
   * @throws TypeError if the client has no `query`, an option is unknown or `table` is not a table
   *   name. Every method throws a TypeError if `query` resolves to anything but rows.
   */
  constructor(client: PgClient, options: PostgresUserStoreOptions = {}) {
    this.#database = new Database(client);
    const { table = 'latchkey_users' } = readOptions(options, { table: tableCheck });
    this.#table = quoted(table);
    this.#removedTable = quoted(tableBeside(table, '_removed'));
  }

  /**
   * Creates the two tables unless they exist. Several servers may do so at the same time, also
   * beside servers of version 0.1, which use the first table alone.
   * @throws AuthError ERR_STORE if a table does not exist afterwards, this role may not use it, it
   *   lacks a column or has one that text cannot be assigned to, or it does not keep ids unique.
   *   Columns of types other than text can pass this check; `find` then refuses their values.
   */
  createTable(): Promise<void> {
    const statements = [
      `CREATE TABLE IF NOT EXISTS ${this.#table} (${COLUMN_TYPES})`,
      `CREATE TABLE IF NOT EXISTS ${this.#removedTable} (${REMOVED_COLUMN_TYPES})`,
    ];
    return this.#database.create(statements, () => this.#probe());
  }

  /**
   * @returns the user with exactly this id, or undefined
   * @throws AuthError ERR_STORE if the database does not answer, or returns a row that is not a
   *   user with this id; `cause` has the reason and its code
   */
  async find(id: string): Promise<User | undefined> {
    if (!isStorable(id)) return undefined;
    // Each table is searched with a parameter of its own, so that neither the type nor the
    // collation of one column matters to the other.
    const tables = `${this.#table} AS users LEFT JOIN ${this.#removedTable} AS removed`;
    const text = `SELECT ${SELECTED} FROM ${tables} ON removed.id = $2 WHERE users.id = $1`;
    const [row] = await this.#database.run(text, [id, id]);
    return row === undefined ? undefined : userOf(row, id);
  }

  /**
   * @returns true once the database has committed it; false if the id is taken
   * @throws AuthError ERR_STORE if the database does not answer. The user may then be stored, or be
   *   stored later, when the database resumes the statement.
   * @throws TypeError if a member is not Unicode text without NUL
   * @throws TypeError or RangeError if `validAfter` is not a second from 1970 to the year 9999
   */
  async insert(user: User): Promise<boolean> {
    const values = valuesOf(user);
    const row = `VALUES ($1, $2, $3, $4) ${UNLESS_TAKEN} RETURNING id`;
    let text = `INSERT INTO ${this.#table} (${COLUMNS}) ${row}`;
    if (user.validAfter !== undefined) {
      // The user comes from another store, which has seen a removal of this name.
      wholeSecond('validAfter', user.validAfter);
      text = this.#andKeepNames(text, '$5');
      values.push(String(user.validAfter));
    }
    return (await this.#database.run(text, values)).length > 0;
  }

  /**
   * @returns true once the database has committed it; false if the user does not exist or has
   *   another hash
   * @throws AuthError and TypeError as `insert` does
   */
  async update(user: User, expectedHash?: string): Promise<boolean> {
    const values = valuesOf(user);
    let condition = 'id = $1';
    if (expectedHash !== undefined) {
      // A text with NUL or a lone surrogate is never a stored hash. The driver would turn it into
      // another text, which might be one.
      if (!isStorable(expectedHash)) return false;
      // Compared as text, because another type may compare differently: citext ignores case.
      condition += ' AND CAST(password_hash AS text) = $5';
      values.push(expectedHash);
    }
    const change = 'username = $2, password_hash = $3, created_at = $4';
    const text = `UPDATE ${this.#table} SET ${change} WHERE ${condition} RETURNING id`;
    return (await this.#database.run(text, values)).length > 0;
  }

  /**
   * Removes a user and keeps the name, so that a later user of this name gets `removedAt` as
   * `validAfter`. Of several removals of one name the latest second counts.
   * @param removedAt whole seconds since 1970; default the clock of the system
   * @returns true once the database has committed it; false if there is no such user
   * @throws AuthError ERR_STORE if the database does not answer. The user may then be removed, now
   *   or later.
   * @throws TypeError or RangeError if `removedAt` is not a second from 1970 to the year 9999
   */
  async remove(id: string, removedAt: number = systemSecond()): Promise<boolean> {
    wholeSecond('removedAt', removedAt);
    if (!isStorable(id)) return false;
    const text = this.#andKeepNames(`DELETE FROM ${this.#table} WHERE id = $1 RETURNING id`, '$2');
    return (await this.#database.run(text, [id, String(removedAt)])).length > 0;
  }

  /**
   * @param after an id, which need not be stored; default: from the first user on
   * @param limit 1 to 1000, default 100
   * @returns the users whose ids come after `after`, sorted by id in code point order
   * @throws AuthError ERR_STORE as `find` does
   * @throws TypeError or RangeError if `after` is not a string, or `limit` not from 1 to 1000
   */
  async list(after?: string, limit: number = DEFAULT_PAGE_USERS): Promise<readonly User[]> {
    checkPage(after, limit);
    const { operator, text: start } = startAfter(after);
    const condition = `${ORDERED_ID} ${operator} $1`;
    // Without a collation of its own, the join fails if the two columns have different ones.
    const tables = `${this.#table} AS users LEFT JOIN ${this.#removedTable} AS removed`;
    const rows = await this.#database.run(
      `SELECT ${SELECTED} FROM ${tables} ON removed.id = ${ORDERED_ID}
      WHERE ${condition} ORDER BY ${ORDERED_ID} LIMIT ${limit}`,
      [start],
    );
    return rows.map((row) => userOf(row, row['id']));
  }

  /**
   * Reads from both tables, and makes a change that affects no row.
   * @throws AuthError ERR_STORE if the database does not answer, this role may not use a table, or
   *   the database accepts no writes now
   */
  async check(): Promise<void> {
    await this.find('');
    await this.#updateNone();
  }

  /**
   * Changes nothing, and needs the columns, the rights and the unique indexes that all methods
   * need.
   */
  async #probe(): Promise<void> {
    const emptyTexts = USER_FIELDS.map(() => "CAST('' AS text)").join(', ');
    const noRows = `SELECT ${emptyTexts} WHERE false`;
    await this.find('');
    await this.#database.run(`INSERT INTO ${this.#table} (${COLUMNS}) ${noRows} ${UNLESS_TAKEN}`);
    await this.#updateNone();
    const removal = `DELETE FROM ${this.#table} WHERE false RETURNING id`;
    await this.#database.run(this.#andKeepNames(removal, "'0'"));
  }

  async #updateNone(): Promise<void> {
    const noChange = 'username = username, password_hash = password_hash, created_at = created_at';
    await this.#database.run(`UPDATE ${this.#table} SET ${noChange} WHERE false`);
  }

  /**
   * Makes one statement, so that no user is removed without a trace, and none is found before its
   * `validAfter`.
   * @param write returns the ids of the users that it inserts or deletes
   * @param seconds a parameter or a literal: the second that is kept with these ids, unless a later
   *   one is kept already
   */
  #andKeepNames(write: string, seconds: string): string {
    return `WITH written AS (${write})
      INSERT INTO ${this.#removedTable} AS stored (id, removed_at)
      SELECT id, CAST(${seconds} AS bigint) FROM written ${OR_LATER} RETURNING id`;
  }
}

/** @returns the members in the order of COLUMNS */
function valuesOf(user: User): string[] {
  return USER_FIELDS.map((name) => storableText(name, user[name]));
}

/**
 * Checks the row, because the columns may have any type. In a column of another type, such as
 * char(9), the database may find a row for an id that differs from the stored one.
 * @param id what the row must have as id
 */
function userOf(row: Row, id: unknown): User {
  checkMembers(row, ROW_MEMBERS);
  const { username, password_hash: passwordHash, created_at: createdAt } = row;
  const isSameId = row['id'] === id && isStorable(id);
  if (isSameId && isStorable(username) && isStorable(passwordHash) && isStorable(createdAt)) {
    const user = { id, username, passwordHash, createdAt };
    const { valid_after: validAfter } = row;
    return validAfter === null ? user : { ...user, validAfter: secondsOf(validAfter) };
  }
  throw wrongRow('the columns of the users table are not all of the type text and not null');
}

/** @throws AuthError ERR_STORE: without the second, tokens of a removed user would be valid */
function secondsOf(value: unknown): number {
  if (typeof value === 'string' && SECONDS_TEXT.test(value)) return Number(value);
  throw wrongRow('the table of removed names has a "removed_at" that is not a second since 1970');
}
