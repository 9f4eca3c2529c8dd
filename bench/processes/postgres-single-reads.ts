/** The stores of latchkey with one query for each `find`. They show what gathering is worth. */
import type { PgClient, SessionRecord, User } from '../../src/index.ts';
import { latchkey, readRecord } from '../harness/built.ts';
import type { Tables } from './postgres-tables.ts';

const { PostgresSessionStore, PostgresUserStore } = latchkey;

export class SingleReadUserStore extends PostgresUserStore {
  readonly #client: PgClient;
  readonly #text: string;

  constructor(client: PgClient, tables: Tables) {
    super(client, { table: tables.users });
    this.#client = client;
    const columns = 'users.id, users.username, users.password_hash, users.created_at';
    this.#text = `SELECT ${columns}, CAST(removed.removed_at AS text) AS valid_after
      FROM ${tables.users} AS users
      LEFT JOIN ${tables.removedNames} AS removed ON removed.id = $2
      WHERE users.id = $1`;
  }

  override async find(id: string): Promise<User | undefined> {
    const row = await firstRow(this.#client, this.#text, [id, id]);
    if (row === undefined) return undefined;
    const validAfter = row['valid_after'];
    return {
      id: String(row['id']),
      username: String(row['username']),
      passwordHash: String(row['password_hash']),
      createdAt: String(row['created_at']),
      ...(validAfter !== null && { validAfter: Number(validAfter) }),
    };
  }
}

export class SingleReadSessionStore extends PostgresSessionStore {
  readonly #client: PgClient;
  readonly #text: string;

  constructor(client: PgClient, tables: Tables) {
    super(client, { table: tables.sessions });
    this.#client = client;
    this.#text = `SELECT user_id, CAST(version AS text) AS version, record
      FROM ${tables.sessions} WHERE user_id = $1`;
  }

  override async find(userId: string): Promise<SessionRecord | undefined> {
    const row = await firstRow(this.#client, this.#text, [userId]);
    if (row === undefined) return undefined;
    const record = readRecord(JSON.parse(String(row['record'])));
    if (typeof record === 'string') throw new Error(`the table has a record that ${record}`);
    return record;
  }
}

async function firstRow(
  client: PgClient,
  text: string,
  values: string[],
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const result = await client.query(text, values);
  return 'rows' in result ? result.rows[0] : result[0];
}
