/**
 * How a store runs its statements.
 * Promise: an error of the database is ERR_STORE, and its cause holds none of the values that were
 * sent.
 */
import { AuthError } from '../errors.ts';
import { propertyOf } from '../values.ts';
import { clientCheck, rowsOf, type PgClient, type Row } from './client.ts';
import { withoutValues } from './pg-error.ts';

const UNDEFINED_TABLE = '42P01';

/** Runs statements over the client of the program. */
export class Database {
  readonly #client: PgClient;

  /** @throws TypeError if the client has no `query` */
  constructor(client: PgClient) {
    clientCheck('client', client);
    this.#client = client;
  }

  /**
   * Runs one statement.
   * @throws AuthError ERR_STORE if the database refuses the statement or does not answer
   * @throws TypeError if the client resolves to anything but rows
   */
  async run(text: string, values: string[] = []): Promise<readonly Row[]> {
    let result: unknown;
    try {
      result = await this.#client.query(text, values);
    } catch (error) {
      throw new AuthError('ERR_STORE', { cause: withoutValues(error, values) });
    }
    return rowsOf(result);
  }

  /**
   * Creates tables unless they exist. Several servers may do so at the same time.
   * @param statements each is a CREATE TABLE IF NOT EXISTS
   * @param probe uses all tables as the store does, and changes nothing. It decides whether this
   *   method succeeds.
   * @throws AuthError ERR_STORE if a table is missing and could not be created, or as `probe` does
   */
  async create(statements: readonly string[], probe: () => Promise<void>): Promise<void> {
    const creationErrors: unknown[] = [];
    for (const statement of statements) {
      // The table may exist all the same: another server was faster, or this role may use the table
      // but not create it.
      await this.run(statement).catch((error: unknown) => creationErrors.push(error));
    }
    try {
      await probe();
    } catch (error) {
      const [creationError] = creationErrors;
      const isMissing = propertyOf(propertyOf(error, 'cause'), 'code') === UNDEFINED_TABLE;
      throw isMissing && creationError !== undefined ? creationError : error;
    }
  }
}

/**
 * @param problem what is wrong with the table, without any of its values
 * @returns an error for a row that the store did not write
 */
export function wrongRow(problem: string): AuthError {
  return new AuthError('ERR_STORE', { cause: new TypeError(problem) });
}
