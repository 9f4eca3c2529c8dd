/** The clients of PostgreSQL that the stores accept, and the rows that they return. */
import { expecting, type Check } from '../options.ts';
import { describe, isObject, propertyOf } from '../values.ts';

/** A row of a table, whose columns may have any type. */
export type Row = Readonly<Record<string, unknown>>;

/**
 * The part of a client that a store uses. A `Pool` of pg has it, and so have a database of
 * pg-promise and the HTTP driver of Neon.
 */
export interface PgClient {
  /**
   * Runs one statement; `values` are its parameters $1, $2 and so on. Each row is an object with a
   * member for each column, under the name of the column. One statement may read for several
   * requests, so `query` must not choose the database by the request, as with AsyncLocalStorage. A
   * statement that never settles can hold up all later reads: set a time limit.
   */
  query(
    text: string,
    values: string[],
  ): PromiseLike<{ readonly rows: readonly Row[] } | readonly Row[]>;
}

/** A client may be a function: the driver of Neon is one, with a method `query`. */
export const clientCheck: Check = expecting('a client with the method query', (client) => {
  return Object(client) === client && typeof propertyOf(client, 'query') === 'function';
});

/**
 * @param result what the client resolved to: `{ rows }`, or the rows themselves
 * @throws TypeError for another result or another form of rows: the client is of another kind, or
 *   its settings change the rows
 */
export function rowsOf(result: unknown): readonly Row[] {
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
 * Checks that a row has these members. Some clients rename columns, such as password_hash to
 * passwordHash.
 * @throws TypeError if one is missing
 */
export function checkMembers(row: Row, names: readonly string[]): void {
  if (names.every((name) => row[name] !== undefined)) return;
  const expected = `rows with the members ${names.join(', ')}`;
  throw new TypeError(`"client" expected ${expected}, got other names`);
}
