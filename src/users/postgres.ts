/**
 * Users in PostgreSQL, CockroachDB or YugabyteDB, which any number of servers may share. Each
 * method is one statement of plain SQL, so the database alone decides which of two writes is first.
 * The caller brings the client.
 */
import { AuthError } from '../errors.ts';
import { matching, objectWith, readOptions } from '../options.ts';
import { describe } from '../values.ts';
import { withoutValues } from './pg-error.ts';
import { USER_FIELDS, type User, type UserStore } from './store.ts';

type Row = Readonly<Record<string, unknown>>;

/** The part of a client that the store uses. A `Pool` of the package pg has it. */
export interface PgClient {
  /** Runs one statement; `values` are its parameters $1, $2 and so on. */
  query(text: string, values: string[]): Promise<{ readonly rows: readonly Row[] }>;
}

/** Where the users are in the database. */
export interface PostgresUserStoreOptions {
  /**
   * The table: letters, digits and underscores, with or without a schema and a dot before it.
   * Default `latchkey_users`.
   */
  readonly table?: string;
}

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
const UNLESS_TAKEN = 'ON CONFLICT (id) DO NOTHING';

/** Keeps users in a table that other servers may use at the same time. */
export class PostgresUserStore implements UserStore {
  readonly #client: PgClient;
  readonly #table: string;

  /**
   * @param client the caller keeps it and ends it
   * @throws TypeError if the client has no `query`, an option is unknown or `table` is not a table
   *   name
   */
  constructor(client: PgClient, options: PostgresUserStoreOptions = {}) {
    objectWith('query')('client', client);
    const { table = 'latchkey_users' } = readOptions(options, { table: tableCheck });
    this.#client = client;
    this.#table = table.split('.').map((name) => `"${name}"`).join('.');
  }

  /**
   * Makes the table unless it exists. Several servers may do so at once.
   * @throws AuthError ERR_STORE if the table does not exist afterwards, may not be used, has other
   *   columns, or does not keep ids unique
   */
  async createTable(): Promise<void> {
    let failure: unknown;
    try {
      await this.#query(`CREATE TABLE IF NOT EXISTS ${this.#table} (${COLUMN_TYPES})`);
    } catch (error) {
      // Perhaps another server was faster, or this role may use the table but not make it.
      failure = error;
    }
    try {
      await this.#probe();
    } catch (error) {
      const { code } = Object(Object(error).cause) as { readonly code?: unknown };
      throw code === UNDEFINED_TABLE && failure !== undefined ? failure : error;
    }
  }

  /**
   * @throws AuthError ERR_STORE if the database does not answer, or its answer is not a user with
   *   this id; `cause` has the reason and its code
   */
  async find(id: string): Promise<User | undefined> {
    if (!isStorable(id)) return undefined;
    const text = `SELECT ${COLUMNS} FROM ${this.#table} WHERE id = $1`;
    const [row] = await this.#query(text, [id]);
    return row === undefined ? undefined : userOf(row, id);
  }

  /**
   * @returns once the database has committed it
   * @throws AuthError ERR_STORE if the database does not answer. The user may then be stored, or be
   *   stored later, when the database resumes the statement.
   * @throws TypeError if a member is not Unicode text without NUL
   */
  async insert(user: User): Promise<boolean> {
    const values = `VALUES ($1, $2, $3, $4) ${UNLESS_TAKEN} RETURNING id`;
    const text = `INSERT INTO ${this.#table} (${COLUMNS}) ${values}`;
    return (await this.#query(text, valuesOf(user))).length > 0;
  }

  /** As insert. */
  async update(user: User, expectedHash?: string): Promise<boolean> {
    const values = valuesOf(user);
    // The driver would change such a text on its way, perhaps to the one that is stored.
    if (expectedHash !== undefined && !isStorable(expectedHash)) return false;
    // Compared as text: a column of another type may compare differently, as citext ignores case.
    const isExpected = 'AND CAST(password_hash AS text) = $5';
    const where = `WHERE id = $1 ${expectedHash === undefined ? '' : isExpected} RETURNING id`;
    const change = 'SET username = $2, password_hash = $3, created_at = $4';
    if (expectedHash !== undefined) values.push(expectedHash);
    const text = `UPDATE ${this.#table} ${change} ${where}`;
    return (await this.#query(text, values)).length > 0;
  }

  /** Runs statements that need the same columns and rights as those above, and change nothing. */
  async #probe(): Promise<void> {
    const emptyTexts = USER_FIELDS.map(() => "CAST('' AS text)").join(', ');
    const noRows = `SELECT ${emptyTexts} WHERE false`;
    await this.find('');
    await this.#query(`INSERT INTO ${this.#table} (${COLUMNS}) ${noRows} ${UNLESS_TAKEN}`);
    await this.#query(`UPDATE ${this.#table} SET username = username WHERE false`);
  }

  async #query(text: string, values: string[] = []): Promise<readonly Row[]> {
    try {
      return (await this.#client.query(text, values)).rows;
    } catch (error) {
      throw new AuthError('ERR_STORE', { cause: withoutValues(error, values) });
    }
  }
}

/** PostgreSQL refuses NUL, and the driver changes lone surrogates. */
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

/** Checks the row: the columns may have any type, and some types take one id for another. */
function userOf(row: Row, id: string): User {
  const { username, password_hash: passwordHash, created_at: createdAt } = row;
  const isRight = row['id'] === id && isStorable(username);
  if (isRight && isStorable(passwordHash) && isStorable(createdAt)) {
    return { id, username, passwordHash, createdAt };
  }
  const cause = new TypeError('the columns of the table of users are not all of the type text');
  throw new AuthError('ERR_STORE', { cause });
}
