/** The records of a journal, as a store defines them. */

/** The JSON object of a line, before any of its members is checked. */
export type RawRecord = Readonly<Record<string, unknown>>;

/** One line of a journal. `op` names what the record does to its entry, such as `insert`. */
export type JournalRecord = RawRecord & { readonly op: string };

/**
 * One kind of journal: which records it has, and how they change its entries. Each store that keeps
 * its entries in a journal defines one.
 */
export interface RecordFormat<Entry> {
  /** The first line of a file holds the name and the version of its format. */
  readonly name: string;
  /** The newest version of the format, a whole number. */
  readonly version: number;
  /** If absent, files of other versions are refused. */
  readonly olderVersions?: OlderVersions;
  /** Whether all values of a record are strings. If so, a torn record holds no other values. */
  readonly hasOnlyStrings: boolean;
  /**
   * Applies a record to the entries. The record was read from a file or has just been written. The
   * method may replace an entry, but must not change the entry object, because a caller may hold
   * it.
   * @returns undefined, or the reason why the record is refused, such as "has an unknown op". After
   *   a refusal the entries must be unchanged.
   */
  apply(record: RawRecord, entries: Map<string, Entry>): string | undefined;
  /**
   * A compaction, and a copy of a file that is not trusted, write this record for each entry.
   * `JSON.stringify` must keep each member as it is. The record must not need a newer version than
   * the records that made the entry.
   * @returns the record that creates the entry in an empty journal
   */
  recordOf(entry: Entry, key: string): JournalRecord;
}

/**
 * The older versions of a format whose files can still be opened. A file keeps its version, also
 * through a compaction, until a record is written that needs a newer one. The journal then first
 * replaces the file with one that names that version. So a release that knows only the older
 * versions can open every file that never needed more.
 */
export interface OlderVersions {
  /** The oldest version that can be opened. A new file begins with it. */
  readonly oldest: number;
  /**
   * Called for each record that is written, and for each record that `apply` accepts from a file.
   * A file in which a record needs a newer version than the header names is refused as damaged.
   * @returns the lowest version that has the record, from `oldest` to the format's `version`
   */
  versionOf(record: RawRecord): number;
}

/** The part of a format that has to do with versions. */
export type FormatVersions = Pick<RecordFormat<unknown>, 'name' | 'version' | 'olderVersions'>;

export function oldestVersionOf({ version, olderVersions }: FormatVersions): number {
  return olderVersions?.oldest ?? version;
}

/** @returns the lowest version that has this record */
export function versionNeededBy(
  record: RawRecord,
  { version, olderVersions }: FormatVersions,
): number {
  return olderVersions?.versionOf(record) ?? version;
}
