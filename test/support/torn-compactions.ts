/** Writes that are torn while the open file is replaced, on a simulated disk. */
import { openToCompact } from './compaction-lives.ts';
import { assertSound, atEveryByte, closed, cutAnywhere, type Work } from './power-cuts.ts';
import { PowerDisk, type Cuts } from './simulated-disk.ts';

const LONGEST_BATCH = 240;
const inTheMiddle: Cuts = (length) => [length >> 1];

/**
 * Asserts that no acknowledged write of this work is lost, wherever a write is torn.
 * @returns how many different contents the disk could have
 */
export async function assertNoneLost(work: Work): Promise<number> {
  // Batches are torn everywhere, or else the draft is. Both at once are too many disks.
  const isBatch = (length: number) => length <= LONGEST_BATCH;
  const batches: Cuts = (length) => isBatch(length) ? atEveryByte(length) : inTheMiddle(length);
  const drafts: Cuts = (length) => isBatch(length) ? inTheMiddle(length) : atEveryByte(length);
  let contents = 0;
  for (const cuts of [batches, drafts]) {
    const disk = new PowerDisk(closed.image);
    const left = await cutAnywhere(disk, closed.history, cuts, work, openToCompact);
    await assertSound(left, 500);
    contents += left.length;
  }
  return contents;
}
