/**
 * A table that version 0.1 did not have. A role may not be allowed to create it, and a program may
 * never call `createTable`. The store then works without the table, as version 0.1 does.
 * Promise: once the table was found, its absence is an error. Otherwise a table that was dropped by
 * mistake would be taken for one without rows.
 */
import { codeOf, UNDEFINED_TABLE } from './database.ts';

/** For how long the table counts as missing, until a statement looks for it again. */
const MISSING_SECONDS = 60;

export class OptionalTable {
  readonly #now: () => number;
  #isFound = false;
  #missingUntil = -Infinity;

  /** @param now a monotonic clock, in seconds */
  constructor(now: () => number = () => performance.now() / 1000) {
    this.#now = now;
  }

  /** The caller calls this once a statement has used the table. */
  setFound(): void {
    this.#isFound = true;
  }

  /**
   * @param withTable runs a statement that uses the table
   * @param withoutTable runs one that does not, if the table is missing
   */
  async run<Result>(
    withTable: () => Promise<Result>,
    withoutTable: () => Promise<Result>,
  ): Promise<Result> {
    if (!this.#isFound && this.#now() < this.#missingUntil) return withoutTable();
    try {
      const result = await withTable();
      this.setFound();
      return result;
    } catch (error) {
      if (this.#isFound || codeOf(error) !== UNDEFINED_TABLE) throw error;
    }
    // This fails if another table of the statement is the one that is missing.
    const result = await withoutTable();
    this.#missingUntil = this.#now() + MISSING_SECONDS;
    return result;
  }
}
