/**
 * How a store runs its statements.
 * Promise: an error of the database is ERR_STORE, and its cause holds none of the values that were
 * sent.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError } from '../errors.ts';
import { propertyOf } from '../values.ts';
import { clientCheck, rowsOf, type PgClient, type Row } from './client.ts';
import { withoutValues } from './pg-error.ts';
import { quoted } from './table.ts';

/** SQLSTATE codes, from appendix A of the manual of PostgreSQL. */
export const UNDEFINED_TABLE = '42P01';
const SERIALIZATION_FAILURE = '40001';
const FAILED_TRANSACTION = '25P02';
/** The classes of errors in a statement, a name, a right, a schema or a type. */
const ABOUT_A_TABLE = /^(?:22|3F|42)\w{3}$/;

/**
 * How many times a statement that fails with SERIALIZATION_FAILURE is tried. If the default
 * isolation level is above READ COMMITTED, of concurrent writes of one row only one succeeds.
 */
const MAX_TRIES = 30;

/**
 * If a statement fails, those that have waited for this long fail with it. Otherwise, while the
 * database hangs, each of them would wait for the time-outs of all statements before its own.
 */
export const MAX_WAIT_MS = 1000;

/** Runs statements over the client of the program. */
export class Database {
  readonly #client: PgClient;

  /** @throws TypeError if the client has no `query` */
  constructor(client: PgClient) {
    clientCheck('client', client);
    this.#client = client;
  }

  /**
   * Runs one statement. If the database aborted it because of a conflict with a concurrent one, the
   * statement is tried again.
   * @throws AuthError ERR_STORE if the database refuses the statement or does not answer
   * @throws TypeError if the client resolves to anything but rows
   */
  async run(text: string, values: string[] = []): Promise<readonly Row[]> {
    let failure: unknown;
    for (let tries = 1; tries <= MAX_TRIES; tries += 1) {
      try {
        return rowsOf(await this.#query(text, values));
      } catch (error) {
        const code = codeOf(error);
        // In a transaction of the caller every retry fails. The caller gets the first error.
        if (failure === undefined || code !== FAILED_TRANSACTION) failure = error;
        if (code !== SERIALIZATION_FAILURE) break;
      }
      // A random delay, so that statements that conflicted do not conflict again.
      await delay(Math.random() * tries);
    }
    throw failure;
  }

  async #query(text: string, values: string[]): Promise<unknown> {
    try {
      return await this.#client.query(text, values);
    } catch (error) {
      throw new AuthError('ERR_STORE', { cause: withoutValues(error, values) });
    }
  }

  /**
   * Creates a table unless it exists. Several servers may do so at the same time.
   * @param table its name, for messages
   * @param columns their names and types
   * @param probe uses the table as the store does, and changes nothing. It decides whether this
   *   method succeeds.
   * @throws AuthError ERR_STORE if the table is missing and could not be created, or as `probe`
   *   does. The cause names the table if the error is about one.
   */
  async create(table: string, columns: string, probe: () => Promise<void>): Promise<void> {
    let creationError: unknown;
    // The table may exist all the same: another server was faster, or this role may use the table
    // but not create it.
    await this.run(`CREATE TABLE IF NOT EXISTS ${quoted(table)} (${columns})`).catch(
      (error: unknown) => (creationError = error),
    );
    try {
      await probe();
    } catch (error) {
      const reason = codeOf(error) === UNDEFINED_TABLE ? creationError ?? error : error;
      throw reworded(reason, ABOUT_A_TABLE, (message) => `table ${table}: ${message}`);
    }
  }
}

/** @returns the SQLSTATE, or another code of the error that the client threw */
export function codeOf(error: unknown): unknown {
  return propertyOf(propertyOf(error, 'cause'), 'code');
}

/**
 * @param codes the errors that get another message, by their code
 * @param reword gets the message of the database, and must add no value
 * @returns the same error, or a copy with that message in its cause
 */
export function reworded(
  error: unknown,
  codes: RegExp,
  reword: (message: string) => string,
): unknown {
  const cause = propertyOf(error, 'cause');
  if (!(cause instanceof Error) || !codes.test(String(codeOf(error)))) return error;
  const { name, message } = cause;
  const thrown = { name, message: reword(message), code: codeOf(error) };
  return new AuthError('ERR_STORE', { cause: withoutValues(thrown, []) });
}

/**
 * @param problem what is wrong with the table, without any of its values
 * @returns an error for a row that the store did not write
 */
export function wrongRow(problem: string): AuthError {
  return new AuthError('ERR_STORE', { cause: new TypeError(problem) });
}
