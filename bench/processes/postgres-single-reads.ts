/**
 * The stores of latchkey as they were before they gathered their reads, in commit 5064fc7: one
 * query for each `find`, and the same checks. They show what gathering is worth.
 */
import type { PgClient, SessionRecord, User } from '../../src/index.ts';
import {
  Database,
  isStorable,
  latchkey,
  readRecord,
  RemovedNames,
  userOf,
} from '../harness/built.ts';
import type { Tables } from './postgres-tables.ts';

const { PostgresSessionStore, PostgresUserStore } = latchkey;

export class SingleReadUserStore extends PostgresUserStore {
  readonly #removedNames: InstanceType<typeof RemovedNames>;

  constructor(client: PgClient, tables: Tables) {
    super(client, { table: tables.users });
    this.#removedNames = new RemovedNames(new Database(client), tables.users);
  }

  override async find(id: string): Promise<User | undefined> {
    if (!isStorable(id)) return undefined;
    const [row] = await this.#removedNames.selectUsers([id]);
    return row === undefined ? undefined : userOf(row, id);
  }
}

export class SingleReadSessionStore extends PostgresSessionStore {
  readonly #database: InstanceType<typeof Database>;
  readonly #text: string;

  constructor(client: PgClient, tables: Tables) {
    super(client, { table: tables.sessions });
    this.#database = new Database(client);
    this.#text = `SELECT user_id, CAST(version AS text) AS version, record
      FROM ${tables.sessions} WHERE user_id = $1`;
  }

  override async find(userId: string): Promise<SessionRecord | undefined> {
    if (!isStorable(userId)) return undefined;
    const [row] = await this.#database.run(this.#text, [userId]);
    if (row === undefined) return undefined;
    const record = readRecord(JSON.parse(String(row['record'])));
    const isOwn = row['user_id'] === userId;
    const isChecked = typeof record !== 'string' && row['version'] === String(record.version);
    if (isOwn && isChecked) return record;
    throw new Error('the table has a row that is not a record of this user');
  }
}
