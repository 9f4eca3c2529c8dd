/**
 * Users in PostgreSQL, CockroachDB or YugabyteDB, which any number of servers may share. `find`,
 * `insert` and `update` each run one statement of plain SQL, so the database alone decides which of
 * two writes is first. The caller brings the client.
 */
import { AuthError } from '../errors.ts';
import { expecting, matching, readOptions } from '../options.ts';
import { describe, isObject, propertyOf } from '../values.ts';
import { withoutValues } from './pg-error.ts';
import { USER_FIELDS, type User, type UserStore } from './store.ts';

type Row = Readonly<Record<string, unknown>>;

/**
 * The part of a client that the store uses. A `Pool` of pg has it, and so have a database of
 * pg-promise and the HTTP driver of Neon.
 */
export interface PgClient {
  /**
   * Runs one statement; `values` are its parameters $1, $2 and so on. Each row is an object with a
   * member for each column, under the name of the column.
   */
  query(
    text: string,
    values: string[],
  ): PromiseLike<{ readonly rows: readonly Row[] } | readonly Row[]>;
}

/** Where the users are in the database. */
export interface PostgresUserStoreOptions {
  /**
   * The table: letters, digits and underscores, with or without a schema and a dot before it.
   * Default `latchkey_users`.
   */
  readonly table?: string;
}

/** The driver of Neon is a function with the method. */
const clientCheck = expecting('a client with the method query', (client) => {
  return Object(client) === client && typeof propertyOf(client, 'query') === 'function';
});

const tableCheck = matching(
  'a table name such as latchkey_users or auth.users',
  /^(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}$/i,
);

/** The columns in the order of USER_FIELDS. */
const COLUMNS = 'id, username, password_hash, created_at';
const COLUMN_TYPES = [
  'id text PRIMARY KEY',
  'username text NOT NULL',
  'password_hash text NOT NULL',
  'created_at text NOT NULL',
].join(', ');
const UNDEFINED_TABLE = '42P01';
/** Makes an insert of a taken id return no row. It needs a unique index on the ids. */
const UNLESS_TAKEN = 'ON CONFLICT (id) DO NOTHING';

/** Keeps users in a table, which other servers may use at the same time. */
export class PostgresUserStore implements UserStore {
  readonly #client: PgClient;
  readonly #table: string;

  /**
   * @param client the store never ends it; that is up to the caller
   * @throws TypeError if the client has no `query`, an option is unknown or `table` is not a table
   *   name. Every method throws a TypeError if `query` resolves to anything but rows.
   */
  constructor(client: PgClient, options: PostgresUserStoreOptions = {}) {
    clientCheck('client', client);
    const { table = 'latchkey_users' } = readOptions(options, { table: tableCheck });
    this.#client = client;
    this.#table = table.split('.').map((name) => `"${name}"`).join('.');
  }

  /**
   * Creates the table unless it exists. Several servers may do so at the same time.
   * @throws AuthError ERR_STORE if the table does not exist afterwards, this role may not use it,
   *   it lacks a column or has one that text cannot be assigned to, or it does not keep ids unique.
   *   Columns of types other than text can pass this check; `find` then refuses their values.
   */
  async createTable(): Promise<void> {
    let creationError: unknown;
    try {
      await this.#query(`CREATE TABLE IF NOT EXISTS ${this.#table} (${COLUMN_TYPES})`);
    } catch (error) {
      // The table may exist all the same: another server was faster, or this role may use the table
      // but not create it.
      creationError = error;
    }
    try {
      await this.#probe();
    } catch (error) {
      const code = propertyOf(propertyOf(error, 'cause'), 'code');
      const isMissing = code === UNDEFINED_TABLE;
      throw isMissing && creationError !== undefined ? creationError : error;
    }
  }

  /**
   * @returns the user with exactly this id, or undefined
   * @throws AuthError ERR_STORE if the database does not answer, or returns a row that is not a
   *   user with this id; `cause` has the reason and its code
   */
  async find(id: string): Promise<User | undefined> {
    if (!isStorable(id)) return undefined;
    const text = `SELECT ${COLUMNS} FROM ${this.#table} WHERE id = $1`;
    const [row] = await this.#query(text, [id]);
    return row === undefined ? undefined : userOf(row, id);
  }

  /**
   * @returns true once the database has committed it; false if the id is taken
   * @throws AuthError ERR_STORE if the database does not answer. The user may then be stored, or be
   *   stored later, when the database resumes the statement.
   * @throws TypeError if a member is not Unicode text without NUL
   */
  async insert(user: User): Promise<boolean> {
    const row = `VALUES ($1, $2, $3, $4) ${UNLESS_TAKEN} RETURNING id`;
    const text = `INSERT INTO ${this.#table} (${COLUMNS}) ${row}`;
    return (await this.#query(text, valuesOf(user))).length > 0;
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
    return (await this.#query(text, values)).length > 0;
  }

  /**
   * Changes nothing, and needs the columns, the rights and the unique index that `find`, `insert`
   * and `update` need.
   */
  async #probe(): Promise<void> {
    const emptyTexts = USER_FIELDS.map(() => "CAST('' AS text)").join(', ');
    const noRows = `SELECT ${emptyTexts} WHERE false`;
    const noChange = 'username = username, password_hash = password_hash, created_at = created_at';
    await this.find('');
    await this.#query(`INSERT INTO ${this.#table} (${COLUMNS}) ${noRows} ${UNLESS_TAKEN}`);
    await this.#query(`UPDATE ${this.#table} SET ${noChange} WHERE false`);
  }

  async #query(text: string, values: string[] = []): Promise<readonly Row[]> {
    let result: unknown;
    try {
      result = await this.#client.query(text, values);
    } catch (error) {
      throw new AuthError('ERR_STORE', { cause: withoutValues(error, values) });
    }
    return rowsOf(result);
  }
}

/**
 * @param result what the client resolved to: `{ rows }`, or the rows themselves
 * @throws TypeError for another result or another form of rows: the client is of another kind, or
 *   its settings change the rows
 */
function rowsOf(result: unknown): readonly Row[] {
  const rows: unknown = Array.isArray(result) ? result : propertyOf(result, 'rows');
  if (!Array.isArray(rows)) {
    const expected = 'a query that resolves to { rows } or to an array of rows';
    throw new TypeError(`"client" expected ${expected}, got ${describe(result)}`);
  }
  const wrong = rows.findIndex((row) => !isObject(row));
  if (wrong !== -1) {
    const expected = 'rows that are objects with a member for each column';
    throw new TypeError(`"client" expected ${expected}, got ${describe(rows[wrong])}`);
  }
  return rows;
}

/**
 * @returns false for text with NUL, which PostgreSQL refuses, or lone surrogates, which pg changes
 */
function isStorable(text: unknown): text is string {
  return typeof text === 'string' && text.isWellFormed() && !text.includes('\0');
}

/** @returns the members in the order of COLUMNS */
function valuesOf(user: User): string[] {
  return USER_FIELDS.map((name) => {
    const value = user[name];
    if (isStorable(value)) return value;
    throw new TypeError(`"${name}" expected Unicode text without NUL, got ${describe(value)}`);
  });
}

/**
 * Checks the row, because the columns may have any type. In a column of another type, such as
 * char(9), the database may find a row for an id that differs from the stored one.
 */
function userOf(row: Row, id: string): User {
  const { username, password_hash: passwordHash, created_at: createdAt } = row;
  const isSameId = row['id'] === id;
  if ([row['id'], username, passwordHash, createdAt].includes(undefined)) {
    // Some clients rename columns, such as password_hash to passwordHash.
    throw new TypeError(`"client" expected rows with the members ${COLUMNS}, got other names`);
  }
  if (isSameId && isStorable(username) && isStorable(passwordHash) && isStorable(createdAt)) {
    return { id, username, passwordHash, createdAt };
  }
  const problem = 'the columns of the users table are not all of the type text and not null';
  throw new AuthError('ERR_STORE', { cause: new TypeError(problem) });
}
