/**
 * Counts in PostgreSQL, which any number of servers share, so that the limits hold for all of them
 * together, and across restarts. The caller brings the client. The clock is that of the database.
 * Promise: of any number of tries at once, over all servers, no more begin than each limit allows.
 * Promise: a flood of tries leaves connections for other statements. One object sends at most six
 * statements at a time, two of them to read known networks. It does not ask the database to begin a
 * try that it can refuse itself: its own tries in flight have reached a limit, or ended tries had
 * reached it when it last looked.
 * Promise: the tables hold hashes, numbers and random ids. They hold no username, address or
 * password. The hashes have no secret, so a person who can read the tables can test guesses.
 * Accepted: a try whose end was not stored counts as one in flight, until one window after it
 * began. The reasons are a server that was killed, or stopped while the database failed, and a
 * database that failed for most of a minute.
 * Clients that such tries keep waiting are told to come back in a second.
 * Accepted: if the answer of the database to an end was lost, the end is stored again. A wrong
 * password may then count twice.
 * Accepted: a check that takes longer than a window stops counting at other servers one window
 * after it began. If the password was wrong, it counts again from its end on.
 * Accepted: if the clock of the database is set back, tries count for up to one window more. Tries
 * that were forgotten may count again: a refused try does not change the row, so they may still be
 * in it. If the clock is set forward, tries are forgotten early.
 * Accepted: only time bounds the number of rows. Each try leaves up to three rows. They are removed
 * within about a minute after the last of their tries is forgotten, if tries begin then. A try that
 * does not count is forgotten at its end.
 */
import { isAuthError } from '../errors.ts';
import { readOptions } from '../options.ts';
import type { PgClient, Row } from '../postgres/client.ts';
import { Database, wrongRow } from '../postgres/database.ts';
import { GatheredReads } from '../postgres/gathered-reads.ts';
import { StatementQueue } from '../postgres/statement-queue.ts';
import { quoted, tableBeside, tableCheck } from '../postgres/table.ts';
import { parsedJson } from '../postgres/text.ts';
import { CertainRefusals } from './certain-refusals.ts';
import { KNOWN_NETWORKS_PER_ACCOUNT, type Limit, type LimitCounts, type Try } from './counts.ts';
import { MemoryCounts } from './memory.ts';
import {
  addNetwork,
  NETWORKS_COLUMN_TYPES,
  removeStale,
  selectNetworks,
  STALE_ROWS_PER_STATEMENT,
  TRIES_COLUMN_TYPES,
} from './postgres-statements.ts';
import { PostgresTries, type Run } from './postgres-tries.ts';

/** Where the counts are in the database. */
export interface PostgresLimitCountsOptions {
  /**
   * The table: letters, digits and underscores, with or without a schema and a dot before it.
   * Default `latchkey_limits`. Known networks are in a table beside it, with `_networks` at the end
   * of its name. Programs whose users are different people need tables of their own.
   */
  readonly table?: string;
}

/** How often an object removes stale rows, if tries begin. */
const CLEANING_SECONDS = 60;

/** A pool of pg has ten connections, which users and sessions may share. */
const MAX_STATEMENTS = 4;

/**
 * Counts tries in a table, which other servers may use at the same time.
 * @example
 * const counts = new PostgresLimitCounts(pool);
 * await counts.createTable();
 * const accounts = new Accounts({ users, limits: { counts } });
 */
export class PostgresLimitCounts implements LimitCounts {
  readonly #database: Database;
  /** The names as they are given, for messages. */
  readonly #names: { readonly tries: string; readonly networks: string };
  /** The names as they are quoted for a statement. */
  readonly #triesTable: string;
  readonly #networksTable: string;
  readonly #tries: PostgresTries;
  readonly #reads: GatheredReads;
  readonly #queue = new StatementQueue(MAX_STATEMENTS);
  readonly #refusals = new CertainRefusals();
  /** The tries of this object in flight. None counts after its end, so no clock is needed. */
  readonly #inFlight = new MemoryCounts(() => 0);
  #cleanedAt = -Infinity;

  /**
   * Makes counts over a pool of `pg`, or another client with `query`.
   * @example
   * new PostgresLimitCounts(pool, { table: 'auth.limits' });
   * @param client this object never ends it; that is up to the caller
   * @throws TypeError if the client has no `query`, an option is unknown or `table` is not a table
   *   name. Every method throws a TypeError if `query` resolves to anything but rows.
   */
  constructor(client: PgClient, options: PostgresLimitCountsOptions = {}) {
    this.#database = new Database(client);
    const { table = 'latchkey_limits' } = readOptions(options, { table: tableCheck });
    this.#names = { tries: table, networks: tableBeside(table, '_networks') };
    this.#triesTable = quoted(table);
    this.#networksTable = quoted(this.#names.networks);
    this.#tries = new PostgresTries(this.#run, this.#triesTable);
    this.#reads = new GatheredReads('account', (accounts) => {
      return this.#database.run(selectNetworks(this.#networksTable, accounts.length), accounts);
    });
  }

  /**
   * Creates the two tables unless they exist. Several servers may do so at the same time.
   * @throws AuthError ERR_STORE if a table does not exist afterwards, lacks a column, has one whose
   *   type the statements cannot use, or does not keep its keys unique. Also if this role lacks one
   *   of the rights SELECT, INSERT, UPDATE and DELETE on it. The cause names the table.
   */
  async createTable(): Promise<void> {
    await this.#database.create(this.#names.tries, TRIES_COLUMN_TYPES, async () => {
      await this.#tries.probe();
      await this.#run(removeStale(this.#triesTable, 'key'), []);
    });
    await this.#database.create(this.#names.networks, NETWORKS_COLUMN_TYPES, async () => {
      await this.#addNetwork('', '');
      await this.#run(removeStale(this.#networksTable, 'account'), []);
    });
  }

  /**
   * Begins a try, which counts under each of the limits until it ends.
   * @param limits as `Throttle` makes them
   * @returns the try if it has begun, otherwise the seconds to wait. Its `end` does not reject if
   *   the database fails.
   * @throws AuthError ERR_STORE if the database does not answer. The try may then count, until one
   *   window later.
   */
  async begin(limits: readonly Limit[]): Promise<Try | number> {
    const begun = await this.#begin(limits);
    this.#removeStaleRows();
    return begun;
  }

  async #begin(limits: readonly Limit[]): Promise<Try | number> {
    const certainSeconds = this.#refusals.waitSeconds(limits);
    if (certainSeconds > 0) return certainSeconds;
    const place = this.#inFlight.begin(limits);
    if (typeof place === 'number') return place;
    let hasBegun = false;
    try {
      const begun = await this.#tries.begin(limits);
      if (!('end' in begun)) {
        for (const { limit, seconds, isCertain } of begun) {
          if (isCertain) this.#refusals.add(limit, seconds);
        }
        return Math.max(1, ...begun.map(({ seconds }) => seconds));
      }
      hasBegun = true;
      return {
        end: async (isCounted) => {
          try {
            await begun.end(isCounted);
          } finally {
            await place.end(false);
          }
        },
      };
    } finally {
      if (!hasBegun) await place.end(false);
    }
  }

  /**
   * @returns the keys of the networks where this account logged in last, newest first
   * @throws AuthError ERR_STORE if the database does not answer
   */
  async networksOf(accountKey: string): Promise<readonly string[]> {
    const row = await this.#reads.read(accountKey);
    return row === undefined ? [] : networksIn(row, accountKey);
  }

  /** Remembers the network of a login, unless the database fails: the login has succeeded. */
  async addNetwork(accountKey: string, networkKey: string): Promise<void> {
    await ignoreStoreError(this.#addNetwork(accountKey, networkKey));
  }

  #addNetwork(accountKey: string, networkKey: string): Promise<readonly Row[]> {
    const text = addNetwork(this.#networksTable, KNOWN_NETWORKS_PER_ACCOUNT);
    return this.#run(text, [accountKey, networkKey]);
  }

  readonly #run: Run = (text, values) => {
    return this.#queue.run(() => this.#database.run(text, values));
  };

  /** Runs in the background, so that no login waits. What fails is tried again later. */
  #removeStaleRows(): void {
    const now = performance.now() / 1000;
    if (now - this.#cleanedAt < CLEANING_SECONDS) return;
    this.#cleanedAt = now;
    this.#removeAll().catch(() => undefined);
  }

  async #removeAll(): Promise<void> {
    const ofTries = removeStale(this.#triesTable, 'key');
    const ofNetworks = removeStale(this.#networksTable, 'account');
    for (const text of [ofTries, ofNetworks]) {
      let removed: readonly Row[];
      do {
        removed = await this.#run(text, []);
      } while (removed.length === STALE_ROWS_PER_STATEMENT);
    }
  }
}

/** Waits for a statement. Ignores a refusal of the store, and no other error. */
async function ignoreStoreError(statement: Promise<unknown>): Promise<void> {
  await statement.catch((error: unknown) => {
    if (!isAuthError(error)) throw error;
  });
}

function networksIn(row: Row, accountKey: string): readonly string[] {
  const networks = parsedJson(row['networks']);
  const isList = Array.isArray(networks) && networks.every((one) => typeof one === 'string');
  if (isList && row['account'] === accountKey) return networks;
  throw wrongRow('the table of networks has a row that is not a list of texts');
}
