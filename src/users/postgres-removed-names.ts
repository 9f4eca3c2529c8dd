/**
 * The table of removed names, beside the table of users in PostgreSQL. Servers of version 0.1 may
 * use the first table at the same time: they write all its columns, and take every row for a user.
 * Promise: a user and the removed name change in one statement. The table may be missing; then
 * only writes that must keep a name fail.
 */

import type { Row } from '../postgres/client.ts';
import { codeOf, reworded, UNDEFINED_TABLE, type Database } from '../postgres/database.ts';
import { OptionalTable } from '../postgres/optional-table.ts';
import { parameters, quoted, tableBeside } from '../postgres/table.ts';
import { startAfter } from '../postgres/text.ts';
import {
  REMOVED_COLUMN_TYPES,
  removedNameOf,
  SELECTED,
  SELECTED_REMOVED,
  VALID_AFTER,
} from './postgres-rows.ts';
import type { RemovedName } from './store.ts';

/** A time that is stored never moves back. */
const KEEP_LATER_TIME = [
  'ON CONFLICT (id) DO UPDATE',
  'SET removed_at = GREATEST(stored.removed_at, excluded.removed_at)',
].join(' ');

/** Code point order, which is that of the bytes of UTF-8. The database may sort in another way. */
const ORDERED_ID = 'CAST(removed.id AS text) COLLATE "C"';
const ORDERED_USER_ID = 'CAST(users.id AS text) COLLATE "C"';

/** Without an explicit collation, the join fails if the two id columns have different ones. */
const SAME_ID = `removed.id = ${ORDERED_USER_ID}`;

/** SQLSTATE codes: a table is missing, or this role lacks a right. */
const MISSING_OR_DENIED = /^42(?:P01|501)$/;

export class RemovedNames {
  readonly #database: Database;
  readonly #optionalTable = new OptionalTable();
  /** The names as they are given, for messages. */
  readonly #names: { readonly users: string; readonly removed: string };
  /** The names as they are quoted for a statement. */
  readonly #users: string;
  readonly #removed: string;

  /** @param users the name of the table of users, without quotation marks */
  constructor(database: Database, users: string) {
    this.#database = database;
    this.#names = { users, removed: tableBeside(users, '_removed') };
    this.#users = quoted(users);
    this.#removed = quoted(this.#names.removed);
  }

  /**
   * Creates the table unless it exists. The table, or a right of `remove`, may be missing
   * afterwards.
   * @param read runs a statement that reads the table if it exists, and must not fail
   * @throws AuthError ERR_STORE as `Database.create`
   */
  async create(read: () => Promise<unknown>): Promise<void> {
    await this.#database.create(this.#names.removed, REMOVED_COLUMN_TYPES, async () => {
      await read();
      const removal = `DELETE FROM ${this.#users} WHERE false RETURNING id`;
      await this.#database.run(this.#withNames(removal, "'0'")).catch((error: unknown) => {
        if (!MISSING_OR_DENIED.test(String(codeOf(error)))) throw error;
      });
    });
  }

  /**
   * Selects the users of these ids. Each has the time at which an earlier user of the name was
   * removed.
   */
  selectUsers(ids: string[]): Promise<readonly Row[]> {
    // Each table is searched with parameters of its own, so that neither the type nor the collation
    // of one column matters to the other.
    const removedIds = parameters(ids.length, ids.length + 1);
    const condition = `WHERE users.id IN (${parameters(ids.length)})`;
    const isRemoved = `removed.id IN (${removedIds})`;
    // For one id, the comparison of both ids would only cost time.
    const joinCondition = ids.length === 1 ? isRemoved : `${SAME_ID} AND ${isRemoved}`;
    return this.#select(joinCondition, condition, ids, ids);
  }

  /** As `selectUsers`, for one page of the users whose ids come after `after`. */
  selectPage(after: string | undefined, limit: number): Promise<readonly Row[]> {
    const { operator, text: start } = startAfter(after);
    const order = `ORDER BY ${ORDERED_USER_ID} LIMIT ${limit}`;
    const page = `WHERE ${ORDERED_USER_ID} ${operator} $1 ${order}`;
    return this.#select(SAME_ID, page, [start]);
  }

  /** @param removedValues the parameters of `joinCondition`, which come after `values` */
  #select(
    joinCondition: string,
    rest: string,
    values: string[],
    removedValues: string[] = [],
  ): Promise<readonly Row[]> {
    const select = `SELECT ${SELECTED}`;
    const users = `FROM ${this.#users} AS users`;
    const removed = `LEFT JOIN ${this.#removed} AS removed ON ${joinCondition}`;
    const text = `${select}, ${VALID_AFTER} ${users} ${removed} ${rest}`;
    return this.#optionalTable.run(
      () => this.#database.run(text, [...values, ...removedValues]),
      () => this.#database.run(`${select} ${users} ${rest}`, values),
    );
  }

  /** @returns one page of the names that no user has now, sorted in code point order */
  async page(after: string | undefined, limit: number): Promise<readonly RemovedName[]> {
    const { operator, text: start } = startAfter(after);
    const user = `SELECT 1 FROM ${this.#users} AS users`;
    const text = `SELECT ${SELECTED_REMOVED} FROM ${this.#removed} AS removed
      WHERE ${ORDERED_ID} ${operator} $1 AND NOT EXISTS (${user} WHERE users.id = ${ORDERED_ID})
      ORDER BY ${ORDERED_ID} LIMIT ${limit}`;
    const rows = await this.#optionalTable.run(
      () => this.#database.run(text, [start]),
      // Without the table no name is removed. This fails if the table of users is missing too.
      () => this.#database.run(`${user} WHERE false`),
    );
    return rows.map(removedNameOf);
  }

  /**
   * Runs a statement, and keeps the ids that it returns in the table of removed names.
   * @param statement returns the ids of the users that it inserts or deletes
   * @param seconds the parameter, such as `$5`, with the time that is kept with these ids
   * @returns whether the statement returned any id
   * @throws AuthError ERR_STORE with what this role needs, if a table or a right is missing
   */
  async write(statement: string, seconds: string, values: string[]): Promise<boolean> {
    try {
      const rows = await this.#database.run(this.#withNames(statement, seconds), values);
      this.#optionalTable.setFound();
      return rows.length > 0;
    } catch (error) {
      const { users, removed } = this.#names;
      const ofRemoved = `SELECT, INSERT and UPDATE on ${removed}`;
      const ofUsers = `DELETE on ${users}`;
      throw reworded(error, MISSING_OR_DENIED, (message) => {
        if (codeOf(error) === UNDEFINED_TABLE) {
          const creation = `create the table ${removed} (${REMOVED_COLUMN_TYPES})`;
          const grant = `grant this role ${ofRemoved}, and ${ofUsers}`;
          return `${message}. To keep removed names, ${creation}, and ${grant}`;
        }
        // The database names the first table on which a right is missing.
        const isAboutRemoved = message.includes(removed.split('.').at(-1) ?? removed);
        const rights = isAboutRemoved ? [ofRemoved, ofUsers] : [ofUsers, ofRemoved];
        return `${message}. Grant this role ${rights.join(', and ')}`;
      });
    }
  }

  /**
   * Extends a statement, so that the user and the removed name change together.
   * @param statement as for `write`
   * @param seconds a parameter or a literal: the time that is kept with these ids, unless a later
   *   one is kept already
   */
  #withNames(statement: string, seconds: string): string {
    return `WITH written AS (${statement})
      INSERT INTO ${this.#removed} AS stored (id, removed_at)
      SELECT id, CAST(${seconds} AS bigint) FROM written ${KEEP_LATER_TIME} RETURNING id`;
  }
}
