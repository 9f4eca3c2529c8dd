/**
 * Users in PostgreSQL, CockroachDB or YugabyteDB, which any number of servers may share. Plain SQL, each statement on
 * its own, so that the database alone decides who comes first. Needs a client and imports none.
 */
import { AuthError } from '../errors.ts';
import { describe, objectWith, matching, readOptions } from '../options.ts';
import { withoutValues } from './pg-error.ts';
import type { User, UserStore } from './store.ts';

type Row = Readonly<Record<string, unknown>>;

/** As much of a client as is used: a `Pool` of the package pg has it, and so has whatever is shaped like one. */
export interface PgClient {
  /** Runs one statement; `values` are its parameters $1, $2 and so on. */
  query(text: string, values: string[]): Promise<{ readonly rows: readonly Row[] }>;
}

/** Where the users are. */
export interface PostgresUserStoreOptions {
  /** Letters, digits and underscores, after the name of a schema and a dot if need be; default `latchkey_users`. */
  readonly table?: string;
}

const tableCheck = matching(
  'a table name such as latchkey_users or auth.users',
  /^(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}$/i,
);

const COLUMNS = 'id, username, password_hash, created_at';
const UNLESS_TAKEN = 'ON CONFLICT (id) DO NOTHING';

/** Keeps users in a table that other servers may use at the same time. */
export class PostgresUserStore implements UserStore {
  readonly #client: PgClient;
  readonly #table: string;

  /**
   * @param client stays its owner's, who ends it
   * @throws TypeError if the client has no `query` or an option is unknown or no table name
   */
  constructor(client: PgClient, options: PostgresUserStoreOptions = {}) {
    objectWith('query')('client', client);
    const { table = 'latchkey_users' } = readOptions(options, { table: tableCheck });
    this.#client = client;
    this.#table = table.split('.').map((name) => `"${name}"`).join('.');
  }

  /**
   * Makes the table unless it is there; several servers may do so at once.
   * @throws AuthError ERR_STORE if it is not there afterwards, may not be used, has other columns, or ids that need not
   *   be unique
   */
  async createTable(): Promise<void> {
    const columns = 'username text NOT NULL, password_hash text NOT NULL, created_at text NOT NULL';
    const create = this.#query(`CREATE TABLE IF NOT EXISTS ${this.#table} (id text PRIMARY KEY, ${columns})`);
    // That may fail although all is well: another server was faster, or this one may use the table but not make it.
    const failure = await create.then(() => undefined, (error: unknown) => error);
    await this.#probe().catch((error: AuthError) => {
      const isMissing = Object(error.cause).code === '42P01'; // undefined_table
      throw isMissing && failure !== undefined ? failure : error;
    });
  }

  /** @throws AuthError ERR_STORE if the database does not answer, or not with such a user; `cause` has the reason */
  async find(id: string): Promise<User | undefined> {
    if (!isStorable(id)) return undefined;
    const [row] = await this.#query(`SELECT ${COLUMNS} FROM ${this.#table} WHERE id = $1`, [id]);
    return row === undefined ? undefined : userOf(row, id);
  }

  /**
   * @returns once the database has committed it
   * @throws AuthError ERR_STORE if the database does not answer: it is then not known whether the user is there, or
   *   will be, once the database goes on; TypeError if a member is no Unicode text without NUL
   */
  async insert(user: User): Promise<boolean> {
    const values = `VALUES ($1, $2, $3, $4) ${UNLESS_TAKEN} RETURNING id`;
    return (await this.#query(`INSERT INTO ${this.#table} (${COLUMNS}) ${values}`, valuesOf(user))).length > 0;
  }

  /** As insert. */
  async update(user: User, expectedHash?: string): Promise<boolean> {
    const values = valuesOf(user);
    // The driver would send another text, which could be the stored one.
    if (expectedHash !== undefined && !isStorable(expectedHash)) return false;
    // As text, since a column of another type may compare otherwise: citext ignores case.
    const isExpected = 'AND CAST(password_hash AS text) = $5';
    const where = `WHERE id = $1 ${expectedHash === undefined ? '' : isExpected} RETURNING id`;
    const change = 'SET username = $2, password_hash = $3, created_at = $4';
    if (expectedHash !== undefined) values.push(expectedHash);
    return (await this.#query(`UPDATE ${this.#table} ${change} ${where}`, values)).length > 0;
  }

  /** Asks for all that the statements above need, and changes nothing. */
  async #probe(): Promise<void> {
    const nobody = `SELECT ${Array(4).fill("CAST('' AS text)")} WHERE false`;
    await this.find('');
    await this.#query(`INSERT INTO ${this.#table} (${COLUMNS}) ${nobody} ${UNLESS_TAKEN}`);
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

/** Text as PostgreSQL has it: of other strings it would refuse some and change others. */
const isStorable = (text: unknown): text is string =>
  typeof text === 'string' && text.isWellFormed() && !text.includes('\0');

function valuesOf({ id, username, passwordHash, createdAt }: User): string[] {
  for (const [name, value] of Object.entries({ id, username, passwordHash, createdAt })) {
    if (!isStorable(value)) throw new TypeError(`"${name}" expected Unicode text without NUL, got ${describe(value)}`);
  }
  return [id, username, passwordHash, createdAt];
}

/** A table that somebody else made may hold anything, and may take one id for another. */
function userOf(row: Row, id: string): User {
  const { username, password_hash: passwordHash, created_at: createdAt } = row;
  if (row['id'] === id && isStorable(username) && isStorable(passwordHash) && isStorable(createdAt)) {
    return { id, username, passwordHash, createdAt };
  }
  const cause = new TypeError('the columns of the table of users are not all of the type text');
  throw new AuthError('ERR_STORE', { cause });
}
