/** What a server of version 0.1 does with its users in PostgreSQL. */
import type { PgClient, User } from '../../src/index.ts';

/** The statements of version 0.1, word for word. */
const CREATION_0_1 = [
  'id text PRIMARY KEY',
  'username text NOT NULL',
  'password_hash text NOT NULL',
  'created_at text NOT NULL',
].join(', ');
const COLUMNS_0_1 = 'id, username, password_hash, created_at';
const INSERTION_0_1 = 'VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING RETURNING id';
const CHANGE_0_1 = 'username = $2, password_hash = $3, created_at = $4';

const valuesOf = (user: User) => [user.id, user.username, user.passwordHash, user.createdAt];

export class OldServer {
  readonly #client: PgClient;
  readonly #table: string;

  constructor(client: PgClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async createTable(): Promise<void> {
    await this.#rowsOf(`CREATE TABLE IF NOT EXISTS "${this.#table}" (${CREATION_0_1})`, []);
  }

  async find(id: string): Promise<unknown> {
    const text = `SELECT ${COLUMNS_0_1} FROM "${this.#table}" WHERE id = $1`;
    const [row] = await this.#rowsOf(text, [id]);
    return row;
  }

  async insert(user: User): Promise<boolean> {
    const text = `INSERT INTO "${this.#table}" (${COLUMNS_0_1}) ${INSERTION_0_1}`;
    return (await this.#rowsOf(text, valuesOf(user))).length > 0;
  }

  async update(user: User): Promise<boolean> {
    const text = `UPDATE "${this.#table}" SET ${CHANGE_0_1} WHERE id = $1 RETURNING id`;
    return (await this.#rowsOf(text, valuesOf(user))).length > 0;
  }

  async #rowsOf(text: string, values: string[]): Promise<readonly object[]> {
    const result = await this.#client.query(text, values);
    return 'rows' in result ? result.rows : result;
  }
}
