/** What a store tells the journal about its records. */

/** An object that was read from a line, of which nothing is known yet. */
export type UnknownRecord = Readonly<Record<string, unknown>>;

/** A record: one line of a journal. `op` says what it does to its entry, such as `insert`. */
export type JournalRecord = UnknownRecord & { readonly op: string };

/**
 * One kind of journal: what its records are, and what they do to its entries. Each store that keeps
 * its entries in a journal has one.
 */
export interface RecordFormat<Entry> {
  /** The first line of a file names the format and its version. */
  readonly name: string;
  readonly version: number;
  /**
   * Applies a record to the entries: one that was read from a file, or one that was just written.
   * It replaces an entry and never changes one, because a caller may hold it.
   * @returns what is wrong with the record, such as "is not a user", after which the entries must
   *   be unchanged
   */
  apply(record: UnknownRecord, entries: Map<string, Entry>): string | undefined;
  /**
   * @returns the one record that makes this entry in an empty journal: compaction writes it. JSON
   *   must keep each of its members as it is.
   */
  recordOf(entry: Entry, key: string): JournalRecord;
}
