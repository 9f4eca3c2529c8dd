/** Writes that are torn while the open file is replaced, on a simulated disk. */
import { openToCompact } from './compaction-lives.ts';
import { assertSound, closed, cutAnywhere, type Work } from './power-cuts.ts';
import { PowerDisk, type Cuts } from './simulated-disk.ts';

const LONGEST_BATCH = 240;
const inTheMiddle: Cuts = (length) => [length >> 1];

/**
 * Asserts that no acknowledged write of this work is lost, wherever a write is torn.
 * @param step 1 for a tear at every byte, 2 for every second one
 * @returns how many different contents the disk could have
 */
export async function assertNoneLost(work: Work, step: number): Promise<number> {
  const everywhere: Cuts = function* (length) {
    for (let at = 0; at < length; at += step) yield at;
  };
  // Batches are torn everywhere, or else the draft is. Both at once are too many disks.
  const isBatch = (length: number) => length <= LONGEST_BATCH;
  const batches: Cuts = (length) => isBatch(length) ? everywhere(length) : inTheMiddle(length);
  const drafts: Cuts = (length) => isBatch(length) ? inTheMiddle(length) : everywhere(length);
  let contents = 0;
  for (const cuts of [batches, drafts]) {
    const disk = new PowerDisk(closed.image);
    const left = await cutAnywhere(disk, closed.history, cuts, work, openToCompact);
    await assertSound(left, 500 / step);
    contents += left.length;
  }
  return contents;
}
