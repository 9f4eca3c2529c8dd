/** Counts in a real PostgreSQL, for the tests of limits. */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Limit, LimitCounts, PgClient, Try } from '../../src/index.ts';

/** A client of a database whose clock a test moves by hand. */
export class ClockedClient implements PgClient {
  readonly #client: PgClient;
  readonly #now: () => number;
  #running = 0;

  /** @param now seconds since 1970 */
  constructor(client: PgClient, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  query: PgClient['query'] = async (text, values) => {
    this.#running += 1;
    try {
      const time = `to_timestamp(${this.#now()})`;
      return await this.#client.query(text.replaceAll('clock_timestamp()', time), values);
    } finally {
      this.#running -= 1;
    }
  };

  /** Waits until no statement runs, and no answer causes another one. */
  async settle(): Promise<void> {
    do {
      await nextTurn();
    } while (this.#running > 0);
  }
}

/** A client that remembers its statements. */
export class CountingClient implements PgClient {
  readonly texts: string[] = [];
  mostRunning = 0;
  readonly #client: PgClient;
  #running = 0;

  constructor(client: PgClient) {
    this.#client = client;
  }

  query: PgClient['query'] = async (text, values) => {
    this.texts.push(text);
    this.#running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.#running);
    try {
      return await this.#client.query(text, values);
    } finally {
      this.#running -= 1;
    }
  };
}

export const limitOf = (key: string, maxTries = 3, windowSeconds = 3600): Limit => {
  return { kind: 'account', key, maxTries, windowSeconds };
};

/** Begins a try that the limits allow. */
export async function begin(counts: LimitCounts, ...limits: readonly Limit[]): Promise<Try> {
  const begun = await counts.begin(limits);
  assert.ok(typeof begun !== 'number', 'the try has begun');
  return begun;
}
