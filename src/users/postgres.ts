/**
 * Users in PostgreSQL, CockroachDB or YugabyteDB, which any number of servers may share. Plain SQL, each statement on
 * its own, so that the database alone decides who comes first. Needs a client and imports none.
 */
import { AuthError, describe, having, matching, readOptions } from '../errors.ts';
import type { User, UserStore } from './store.ts';

/** As much of a client as is used: a `Pool` of the package pg has it, and so has whatever is shaped like one. */
export interface PgClient {
  query(text: string, values: string[]): Promise<{ readonly rows: readonly object[] }>;
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

/** Keeps users in a table that other servers may use at the same time. */
export class PostgresUserStore implements UserStore {
  readonly #client: PgClient;
  readonly #table: string;

  /**
   * @param client stays its owner's, who ends it
   * @throws TypeError if the client has no `query` or an option is unknown or no table name
   */
  constructor(client: PgClient, options: PostgresUserStoreOptions = {}) {
    having('query')('client', client);
    const { table = 'latchkey_users' } = readOptions(options, { table: tableCheck });
    this.#client = client;
    this.#table = table.split('.').map((name) => `"${name}"`).join('.');
  }

  /**
   * Makes the table unless it is there; several servers may do so at once.
   * @throws AuthError ERR_STORE if it is not there afterwards, or has other columns
   */
  async createTable(): Promise<void> {
    const columns = 'username text NOT NULL, password_hash text NOT NULL, created_at text NOT NULL';
    const create = this.#query(`CREATE TABLE IF NOT EXISTS ${this.#table} (id text PRIMARY KEY, ${columns})`);
    // That may fail although all is well: another server was faster, or this one may use the table but not make it.
    const failure = await create.then(() => undefined, (error: unknown) => error);
    await this.find('').catch((error: unknown) => {
      throw failure ?? error;
    });
  }

  /** @throws AuthError ERR_STORE if the database does not answer, or not with a user; `cause` has the reason */
  async find(id: string): Promise<User | undefined> {
    if (!isStorable(id)) return undefined;
    const columns = 'id, username, password_hash AS "passwordHash", created_at AS "createdAt"';
    const [row] = await this.#query(`SELECT ${columns} FROM ${this.#table} WHERE id = $1`, [id]);
    return row === undefined ? undefined : userOf(row);
  }

  /**
   * @returns once the database has committed it
   * @throws AuthError ERR_STORE if the database does not answer: whether the user is there is then not known
   */
  async insert(user: User): Promise<boolean> {
    const columns = 'id, username, password_hash, created_at';
    const values = `VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING id`;
    return (await this.#query(`INSERT INTO ${this.#table} (${columns}) ${values}`, valuesOf(user))).length > 0;
  }

  /** As insert. */
  async update(user: User): Promise<boolean> {
    const change = 'SET username = $2, password_hash = $3, created_at = $4 WHERE id = $1 RETURNING id';
    return (await this.#query(`UPDATE ${this.#table} ${change}`, valuesOf(user))).length > 0;
  }

  async #query(text: string, values: string[] = []): Promise<readonly object[]> {
    try {
      return (await this.#client.query(text, values)).rows;
    } catch (cause) {
      throw new AuthError('ERR_STORE', { cause });
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

/** A table that somebody else made may hold anything. */
function userOf({ id, username, passwordHash, createdAt }: { [Name in keyof User]?: unknown }): User {
  if (isStorable(id) && isStorable(username) && isStorable(passwordHash) && isStorable(createdAt)) {
    return { id, username, passwordHash, createdAt };
  }
  throw new AuthError('ERR_STORE', { cause: new TypeError('the table of users has a column that is no text') });
}
