/**
 * Estimates how many bytes of a journal its entries need. A compaction drops the others, which are
 * superseded.
 *
 * A line that creates an entry counts. A line that replaces one is taken to be as long as the line
 * that it replaces. So the error of the estimate is how much entries have grown since the last
 * compaction. It needs no memory per entry.
 */
export class LiveBytes {
  #bytes: number;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Counts a record that was applied.
   * @param line its line, with or without the line feed
   * @param entriesBefore the number of entries before the record was applied
   */
  count(line: string, entriesBefore: number, entriesAfter: number): void {
    if (entriesAfter > entriesBefore) {
      this.#bytes += Buffer.byteLength(line) + (line.endsWith('\n') ? 0 : 1);
    }
    // The removed entry is taken to be of average length.
    if (entriesAfter < entriesBefore) this.#bytes *= entriesAfter / entriesBefore;
  }

  /** Corrects the estimate: a compaction found `exact` bytes when the estimate was `estimate`. */
  correct(exact: number, estimate: number): void {
    this.#bytes += exact - estimate;
  }
}
