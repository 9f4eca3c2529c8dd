/**
 * Reads of rows by id, several in one statement. While no statement is under way, a read is sent at
 * once. While one is, the reads of one turn of the event loop share a second one. While two are,
 * further reads wait until one of them ends.
 * Promise: the statement that answers a read was sent after the read was asked for, so it sees each
 * write that was acknowledged before. An id that the database refuses fails no read of another id.
 * Accepted: a statement that never settles holds one of the two places. Give the client a time
 * limit.
 */
import { setImmediate } from 'node:timers';
import { changedRefusal, isAuthError } from '../errors.ts';
import type { Row } from './client.ts';
import { codeOf, MAX_WAIT_MS } from './database.ts';

/** While the database answers one, the next is on its way. Other connections are for writes. */
const MAX_STATEMENTS = 2;
/** More ids in one statement save little, and all its reads wait longer. */
const MAX_IDS = 256;

/** SQLSTATE class 22: the database refuses a value, such as a letter that its encoding lacks. */
const REFUSED_VALUE = /^22\w{3}$/;

/** Runs one statement for the rows of these ids. */
type Select = (ids: string[]) => Promise<readonly Row[]>;

/** An id that waits, or whose statement is under way. Several callers may wait for its row. */
interface Read {
  readonly id: string;
  /** By `performance.now()`. */
  readonly askedAt: number;
  readonly row: Promise<Row | undefined>;
  readonly resolve: (row: Row | undefined) => void;
  readonly reject: (error: unknown) => void;
}

export class GatheredReads {
  readonly #idColumn: string;
  readonly #select: Select;
  readonly #waiting = new Map<string, Read>();
  #statements = 0;

  /**
   * @param idColumn the member of each row that holds its id
   * @param select gets 1, 2, 4 and so on up to 256 ids, so that there are few different statements.
   *   To make up the number, the last id is repeated.
   */
  constructor(idColumn: string, select: Select) {
    this.#idColumn = idColumn;
    this.#select = select;
  }

  /**
   * @returns the row of this id, or undefined. The caller must check the id: for a column that
   *   ignores case, it may be the row of another id.
   * @throws as `select`. Each caller gets an AuthError of its own, because programs change it.
   */
  async read(id: string): Promise<Row | undefined> {
    try {
      return await this.#waitingRead(id).row;
    } catch (error) {
      throw isAuthError(error) ? changedRefusal(error, {}) : error;
    }
  }

  #waitingRead(id: string): Read {
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) return waiting;
    const read = newRead(id);
    this.#waiting.set(id, read);
    if (this.#statements === 0) this.#send();
    else if (this.#waiting.size === 1) setImmediate(() => this.#send());
    return read;
  }

  #send(): void {
    while (this.#statements < MAX_STATEMENTS && this.#waiting.size > 0) {
      const reads = [...this.#waiting.values()].slice(0, MAX_IDS);
      for (const { id } of reads) this.#waiting.delete(id);
      this.#statements += 1;
      void this.#settle(reads).finally(() => {
        this.#statements -= 1;
        this.#send();
      });
    }
  }

  /** Settles these reads by one statement, or by several if one of the ids spoils it. */
  async #settle(reads: readonly Read[]): Promise<void> {
    const isAlone = reads.length === 1;
    let rows: Map<unknown, Row>;
    try {
      rows = rowsById(await this.#select(padded(reads)), this.#idColumn);
    } catch (error) {
      const isRefused = REFUSED_VALUE.test(String(codeOf(error)));
      if (!isAlone && isRefused) return this.#settleHalves(reads);
      const overdue = isRefused ? [] : this.#takeOverdue();
      for (const read of [...reads, ...overdue]) read.reject(error);
      return;
    }
    const unanswered = reads.filter(({ id }) => !rows.has(id));
    for (const { id, resolve } of reads) {
      const row = rows.get(id);
      if (row !== undefined) resolve(row);
      rows.delete(id);
    }
    // A row under another id, as from a column that ignores case. Only smaller statements show
    // which of the ids it is for. A read that is alone gets the row, and its caller checks the id.
    const [stray] = rows.values();
    if (!isAlone && stray !== undefined) return this.#settleHalves(unanswered);
    for (const read of unanswered) read.resolve(stray);
  }

  async #settleHalves(reads: readonly Read[]): Promise<void> {
    const middle = Math.floor(reads.length / 2);
    for (const half of [reads.slice(0, middle), reads.slice(middle)]) {
      if (half.length > 0) await this.#settle(half);
    }
  }

  /** Takes the reads that have waited too long out of the queue. */
  #takeOverdue(): Read[] {
    const latest = performance.now() - MAX_WAIT_MS;
    const overdue = [...this.#waiting.values()].filter(({ askedAt }) => askedAt <= latest);
    for (const { id } of overdue) this.#waiting.delete(id);
    return overdue;
  }
}

function newRead(id: string): Read {
  let resolve: Read['resolve'] = () => undefined;
  let reject: Read['reject'] = () => undefined;
  const row = new Promise<Row | undefined>((onRow, onError) => {
    resolve = onRow;
    reject = onError;
  });
  return { id, askedAt: performance.now(), row, resolve, reject };
}

/** @returns the ids of the reads, and the last one again up to the next power of two */
function padded(reads: readonly Read[]): string[] {
  const ids = reads.map(({ id }) => id);
  const length = 2 ** Math.ceil(Math.log2(ids.length));
  return [...ids, ...Array<string>(length - ids.length).fill(ids.at(-1) ?? '')];
}

/** @returns the first row of each id, as `find` of one id takes the first row */
function rowsById(rows: readonly Row[], idColumn: string): Map<unknown, Row> {
  const byId = new Map<unknown, Row>();
  for (const row of rows) {
    if (!byId.has(row[idColumn])) byId.set(row[idColumn], row);
  }
  return byId;
}
