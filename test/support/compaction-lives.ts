/** Work on a simulated disk during which the file is replaced while it is open, or is probed. */
import { Journal } from '../../src/journal/journal.ts';
import {
  closed,
  type Left,
  nothing,
  type Open,
  PATH,
  TWO_VERSIONS,
  type Work,
} from './power-cuts.ts';

/** The journal compacts the file as soon as half of it is superseded. */
export const openToCompact: Open = (disk) => {
  return Journal.open(PATH, TWO_VERSIONS, { disk, compactFromBytes: 1 });
};

/** The first two batches begin a compaction. Some of the others come while it goes on. */
const UPDATES = [
  ['joe', 'ann', 'bob'],
  ['joe', 'eve'],
  ['ann'],
  ['joe'],
  ['bob'],
  ['ann'],
  ['late'],
];

/** Updates before, while and after the file is compacted. */
export const manyUpdates: Work = async (journal, history) => {
  let isAcknowledged = true;
  for (const ids of UPDATES) {
    isAcknowledged = (await history.write(journal, ...ids)) && isAcknowledged;
  }
  return isAcknowledged;
};

/** Like `manyUpdates`, with a probe after each batch. */
export const probes: Work = async (journal, history) => {
  let isAcknowledged = true;
  for (const id of ['joe', 'joe', 'ann', 'joe', 'late']) {
    const write = history.write(journal, id);
    const shared = journal.probe().then(() => true, () => false);
    isAcknowledged = (await write) && (await shared) && isAcknowledged;
    const alone = await journal.probe().then(() => true, () => false);
    isAcknowledged &&= alone;
  }
  return isAcknowledged;
};

/** While the file is compacted it is only probed, so that it ends in empty lines. */
const probesAlone: Work = async (journal, history) => {
  let isAcknowledged = true;
  for (const ids of [['joe', 'ann', 'bob'], ['joe', 'eve']]) {
    isAcknowledged = (await history.write(journal, ...ids)) && isAcknowledged;
  }
  for (let count = 0; count < 8; count += 1) {
    const isProbed = await journal.probe().then(() => true, () => false);
    isAcknowledged &&= isProbed;
  }
  return isAcknowledged;
};

/** The second batch needs version 2. */
export const upgrade: Work = async (journal, history) => {
  let isAcknowledged = true;
  for (const ids of [['joe'], ['new', 'joe'], ['ann', 'new']]) {
    isAcknowledged = (await history.write(journal, ...ids)) && isAcknowledged;
  }
  return isAcknowledged;
};

/** The compaction under way is abandoned for the upgrade. */
const upgradeOnTheWay: Work = async (journal, history) => {
  let isAcknowledged = true;
  for (const ids of [['joe', 'ann', 'bob'], ['joe', 'eve'], ['new'], ['joe', 'new']]) {
    isAcknowledged = (await history.write(journal, ...ids)) && isAcknowledged;
  }
  return isAcknowledged;
};

/** The file was created by the process, so the file that is compacted was a draft itself. */
const andAgain =
  (work: Work): Work =>
  async (journal, history) => {
    const isAcknowledged = await work(journal, history);
    return (await work(journal, history)) && isAcknowledged;
  };

/** Lives in which the file is replaced while it is open, or probed. */
export const COMPACTION_LIVES: readonly [Left, Work, Open?][] = [
  [closed, manyUpdates, openToCompact],
  [nothing, andAgain(manyUpdates), openToCompact],
  [closed, probes],
  [closed, probes, openToCompact],
  [closed, probesAlone, openToCompact],
  [nothing, upgrade],
  [closed, upgrade],
  [closed, upgradeOnTheWay, openToCompact],
];
