/**
 * Counts in PostgreSQL, which any number of servers share, so that the limits hold for all of them
 * together, and across restarts. The caller brings the client. The clock is that of the database.
 * Promise: of any number of tries at once, over all servers, no more begin than each limit allows.
 * The database alone decides, by one statement that counts a try under a lock on its rows.
 * Promise: the tables hold hashes and numbers. They hold no username, address or password.
 * Accepted: a try whose end was not stored counts as one in flight, until one window after it
 * began. The reasons are a server that was killed, and a database that failed. Clients that such
 * tries keep waiting are told to come back in a second.
 * Accepted: a check that takes longer than a window does not count between one window after it
 * began and its end.
 * Accepted: if the clock of the database is set back, tries count for up to one window more. Those
 * that were forgotten may count again, because a refusal leaves them in the row. If the clock is
 * set forward, tries are forgotten early.
 */
import { isAuthError } from '../errors.ts';
import { readOptions } from '../options.ts';
import type { PgClient, Row } from '../postgres/client.ts';
import { Database, wrongRow } from '../postgres/database.ts';
import { quoted, tableBeside, tableCheck } from '../postgres/table.ts';
import { KNOWN_NETWORKS_PER_ACCOUNT, type Limit, type LimitCounts, type Try } from './counts.ts';
import {
  addNetwork,
  changeTries,
  NETWORKS_COLUMN_TYPES,
  removeStale,
  selectNetworks,
  selectTries,
  STALE_ROWS_PER_STATEMENT,
  TRIES_COLUMN_TYPES,
  type TriesChange,
} from './postgres-statements.ts';
import { SLOTS_PER_WINDOW, waitSeconds, type EndedTries } from './sliding-window.ts';

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
const CLEANING_SECONDS = 300;

/** A slot of the tries under one key. */
interface Slot extends EndedTries {
  readonly key: string;
  readonly inFlight: number;
}

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
  readonly #tries: string;
  readonly #networks: string;
  #cleanedAt = -Infinity;

  /**
   * Makes counts over a pool of `pg`, or another client with `query`.
   * @example
   * new PostgresLimitCounts(pool, { table: 'auth.limits' });
   * @param client it is never ended here; that is up to the caller
   * @throws TypeError if the client has no `query`, an option is unknown or `table` is not a table
   *   name. Every method throws a TypeError if `query` resolves to anything but rows.
   */
  constructor(client: PgClient, options: PostgresLimitCountsOptions = {}) {
    this.#database = new Database(client);
    const { table = 'latchkey_limits' } = readOptions(options, { table: tableCheck });
    this.#names = { tries: table, networks: tableBeside(table, '_networks') };
    this.#tries = quoted(table);
    this.#networks = quoted(this.#names.networks);
  }

  /**
   * Creates the two tables unless they exist. Several servers may do so at the same time.
   * @throws AuthError ERR_STORE if a table does not exist afterwards, lacks a column or has one of
   *   another type, or this role lacks one of the rights SELECT, INSERT, UPDATE and DELETE on it.
   *   The cause names the table.
   */
  async createTable(): Promise<void> {
    await this.#database.create(this.#names.tries, TRIES_COLUMN_TYPES, async () => {
      await this.#slotsOf([]);
      await this.#change([]);
      await this.#database.run(removeStale(this.#tries, 'key'));
    });
    await this.#database.create(this.#names.networks, NETWORKS_COLUMN_TYPES, async () => {
      await this.networksOf('');
      await this.#addNetwork('', '');
      await this.#database.run(removeStale(this.#networks, 'account'));
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
    const changes = limits.map((limit) => {
      return { ...noChange(limit), max_tries: limit.maxTries, in_flight: 1 };
    });
    const slots = await this.#change(changes);
    if (slots.size === limits.length) {
      return { end: (isCounted) => this.#end(limits, slots, isCounted) };
    }
    if (slots.size === 0) return this.#wait(limits);
    // Other tries were faster while this statement ran. They may end soon.
    await this.#end(limits.filter(({ key }) => slots.has(key)), slots, false);
    return 1;
  }

  /**
   * @returns the keys of the networks where this account logged in last, newest first
   * @throws AuthError ERR_STORE if the database does not answer
   */
  async networksOf(accountKey: string): Promise<readonly string[]> {
    const rows = await this.#database.run(selectNetworks(this.#networks), [accountKey]);
    return rows.map(({ network }) => {
      if (typeof network === 'string') return network;
      throw wrongRow('the table of networks has one that is not text');
    });
  }

  /** Remembers the network of a login, unless the database fails: the login has succeeded. */
  async addNetwork(accountKey: string, networkKey: string): Promise<void> {
    await ignoreStoreError(this.#addNetwork(accountKey, networkKey));
  }

  #addNetwork(accountKey: string, networkKey: string): Promise<readonly Row[]> {
    const text = addNetwork(this.#networks, KNOWN_NETWORKS_PER_ACCOUNT);
    return this.#database.run(text, [accountKey, networkKey]);
  }

  /** @returns the seconds to wait, at least 1 */
  async #wait(limits: readonly Limit[]): Promise<number> {
    let slots = await this.#slotsOf(limits);
    if (limits.some((limit) => hasSlotFarAhead(limit, slots))) {
      // The clock was set back. This moves such slots.
      await this.#change(limits.map(noChange));
      slots = await this.#slotsOf(limits);
    }
    const waits = limits.map(({ key, maxTries }) => {
      const ofKey = slots.filter((slot) => slot.key === key);
      const inFlight = ofKey.reduce((sum, slot) => sum + slot.inFlight, 0);
      return waitSeconds(maxTries, inFlight, ofKey);
    });
    return Math.max(1, ...waits);
  }

  /** @returns the slots of all keys, oldest first */
  async #slotsOf(limits: readonly Limit[]): Promise<readonly Slot[]> {
    const keys = JSON.stringify(limits.map(({ key }) => key));
    const rows = await this.#database.run(selectTries(this.#tries), [keys]);
    return rows.map((row) => ({
      key: textIn(row, 'key'),
      inFlight: numberIn(row, 'in_flight'),
      tries: numberIn(row, 'ended'),
      secondsLeft: numberIn(row, 'seconds_left'),
    }));
  }

  /** @returns the current slot of each key that was changed */
  async #change(changes: readonly TriesChange[]): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#database.run(changeTries(this.#tries), [JSON.stringify(changes)]);
    return new Map(rows.map((row) => [textIn(row, 'key'), numberIn(row, 'slot')]));
  }

  async #end(
    limits: readonly Limit[],
    slots: ReadonlyMap<string, number>,
    isCounted: boolean,
  ): Promise<void> {
    const ended = isCounted ? 1 : 0;
    const changes = limits.map((limit) => {
      return { ...noChange(limit), ended, left_slot: slots.get(limit.key) ?? null };
    });
    await ignoreStoreError(this.#change(changes));
  }

  /** Goes on in the background, so that no login waits. What fails is tried again later. */
  #removeStaleRows(): void {
    const now = performance.now() / 1000;
    if (now - this.#cleanedAt < CLEANING_SECONDS) return;
    this.#cleanedAt = now;
    this.#removeAll().catch(() => undefined);
  }

  async #removeAll(): Promise<void> {
    for (const text of [removeStale(this.#tries, 'key'), removeStale(this.#networks, 'account')]) {
      let removed: readonly Row[];
      do {
        removed = await this.#database.run(text);
      } while (removed.length === STALE_ROWS_PER_STATEMENT);
    }
  }
}

function noChange({ key, windowSeconds }: Limit): TriesChange {
  return {
    key,
    window_seconds: windowSeconds,
    max_tries: null,
    in_flight: 0,
    ended: 0,
    left_slot: null,
  };
}

/** @returns whether a slot of this limit is more than one window ahead of the current slot */
function hasSlotFarAhead({ key, windowSeconds }: Limit, slots: readonly Slot[]): boolean {
  const maxSeconds = (2 * SLOTS_PER_WINDOW + 1) * (windowSeconds / SLOTS_PER_WINDOW);
  return slots.some((slot) => slot.key === key && slot.secondsLeft > maxSeconds);
}

/** Waits for a statement. Ignores a refusal of the store, and no other error. */
async function ignoreStoreError(statement: Promise<unknown>): Promise<void> {
  await statement.catch((error: unknown) => {
    if (!isAuthError(error)) throw error;
  });
}

const WHOLE_NUMBER = /^\d{1,15}$/;

function numberIn(row: Row, name: string): number {
  const text = row[name];
  if (typeof text === 'string' && WHOLE_NUMBER.test(text)) return Number(text);
  throw wrongRow(`the table of limits returned a "${name}" that is not a number`);
}

function textIn(row: Row, name: string): string {
  const text = row[name];
  if (typeof text === 'string') return text;
  throw wrongRow(`the table of limits returned a "${name}" that is not text`);
}
