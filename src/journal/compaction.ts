/**
 * The compaction of a journal that is open. Phase 1: a snapshot of the entries is written to a
 * draft, while writes go on. Phase 2: writes wait, the draft gets the records since the snapshot,
 * and replaces the file.
 *
 * The records since the snapshot are copied from the file, so they take no memory.
 */
import { Draft } from './draft.ts';
import type { RecordFormat } from './record-format.ts';
import type { SyncedFile } from './synced-file.ts';
import { ignoreFailure } from './system-errors.ts';

/** With fewer superseded bytes, a compaction costs more than it saves. */
export const COMPACT_FROM_SUPERSEDED_BYTES: number = 8 << 20;

/** A copy of the entries, taken between two batches. A draft begins with them. */
export interface Snapshot<Entry> {
  readonly entries: Iterable<readonly [string, Entry]>;
  /** The offset in the file behind the record that was applied last. */
  readonly recordsEnd: number;
  readonly format: RecordFormat<Entry>;
  /** The version that the header of the draft names. */
  readonly version: number;
}

/** Entries are never changed, so a copy of the references is enough. */
export function copyOfEntries<Entry>(
  entries: ReadonlyMap<string, Entry>,
): Iterable<readonly [string, Entry]> {
  // Two arrays are made several times as fast as one of pairs, and writes wait meanwhile.
  const keys = [...entries.keys()];
  const values = [...entries.values()];
  return {
    *[Symbol.iterator]() {
      for (const [index, value] of values.entries()) yield [keys[index] ?? '', value];
    },
  };
}

/** A draft that has all records of the file up to an offset. */
interface Drafted {
  readonly draft: Draft;
  readonly copiedTo: number;
  /** The bytes of the header and of the entries in the snapshot. */
  readonly entryBytes: number;
}

export class Compaction<Entry> {
  readonly #file: SyncedFile;
  readonly #drafted: Promise<Drafted>;
  #isAbandoned = false;

  /** Begins the first phase. */
  constructor(file: SyncedFile, snapshot: Snapshot<Entry>) {
    this.#file = file;
    this.#drafted = writeDraft(file, snapshot, () => {
      if (this.#isAbandoned) throw new Error('the compaction was abandoned');
    });
  }

  /** Resolves once the first phase has succeeded or failed. It never rejects. */
  async drafted(): Promise<void> {
    await this.#drafted.then(ignoreFailure, ignoreFailure);
  }

  /**
   * The second phase, for which the caller must hold back all writes.
   * @returns the bytes of the header and of the entries in the snapshot
   * @throws FileLostError if the file or the lock is lost
   * @throws Error of the disk, as `SyncedFile.replaceWith` does
   */
  async finish(): Promise<number> {
    const { draft, copiedTo, entryBytes } = await this.#drafted;
    await this.#file.replaceWith(draft, copiedTo);
    return entryBytes;
  }

  /** Ends the first phase and removes the draft. Must not be called during the second phase. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    await this.#drafted.then(({ draft }) => draft.discard(), ignoreFailure);
  }
}

/** @param assertWanted throws once the draft is not wanted any more */
async function writeDraft<Entry>(
  file: SyncedFile,
  snapshot: Snapshot<Entry>,
  assertWanted: () => void,
): Promise<Drafted> {
  const draft = await Draft.create(file.openFile, true);
  return draft.orDiscard(fill(draft, file, snapshot, assertWanted));
}

async function fill<Entry>(
  draft: Draft,
  file: SyncedFile,
  { entries, recordsEnd, format, version }: Snapshot<Entry>,
  assertWanted: () => void,
): Promise<Drafted> {
  await draft.writeEntries(entries, format, version, assertWanted);
  const entryBytes = draft.size;
  await draft.sync();
  // Most of the records since the snapshot are copied here, so that the second phase is short.
  const copiedTo = file.recordsEnd;
  await draft.copy({ start: recordsEnd, end: copiedTo });
  await draft.sync();
  return { draft, copiedTo, entryBytes };
}
