/**
 * The promise of the journal on a simulated disk, while the file is compacted, moved to a newer
 * version of its format, or probed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Journal } from '../../src/journal/journal.ts';
import type { User } from '../../src/users/store.ts';
import { COMPACTION_LIVES, manyUpdates, probes, upgrade } from '../support/compaction-lives.ts';
import { LONG, someOf } from '../support/long.ts';
import {
  assertExact,
  assertSound,
  atSomeBytes,
  cutAfterOpen,
  cutAnywhere,
  failAnywhere,
  History,
  live,
  oneMore,
  PATH,
  type Work,
} from '../support/power-cuts.ts';
import { PowerDisk } from '../support/simulated-disk.ts';
import { assertNoneLost } from '../support/torn-compactions.ts';

/** The work, and then a clean stop. */
const andClose =
  (work: Work): Work =>
  async (journal, history) => {
    const isAcknowledged = await work(journal, history);
    await journal.close();
    return isAcknowledged;
  };

const inodeOf = async (disk: PowerDisk) => (await disk.stat(PATH)).ino;

test('each of these lives replaces the open file, or only probes it', async () => {
  for (const [{ image, history }, work, open] of COMPACTION_LIVES) {
    const disk = new PowerDisk(image);
    const inodes: bigint[] = [];
    const noting: Work = async (journal, past) => {
      inodes.push(await inodeOf(disk));
      return work(journal, past);
    };
    await cutAnywhere(disk, history, atSomeBytes, noting, open);
    const isProbed = work === probes && open === undefined;
    assert.equal(inodes[0] === (await inodeOf(disk)), isProbed, work.name);
  }
});

test('acknowledged writes survive a power cut while the open file is replaced', async () => {
  for (const [{ image, history }, work, open] of COMPACTION_LIVES) {
    for (const whole of [work, andClose(work)]) {
      const left = await cutAnywhere(new PowerDisk(image), history, atSomeBytes, whole, open);
      await assertSound(left, 50);
    }
  }
});

test('acknowledged writes survive writes that are torn anywhere while it is replaced', LONG, async () => {
  await assertNoneLost(upgrade);
  await assertNoneLost(manyUpdates);
});

test('after any failure while it is replaced exactly the acknowledged writes stay', async () => {
  for (const [life, work, open] of COMPACTION_LIVES) {
    const check = async (disk: PowerDisk, history: History, journal?: Journal<User>) => {
      if (journal !== undefined) await assertExact(disk, history);
    };
    await failAnywhere(life, work, 1, check, open);
    for (const failures of someOf([1, 2, 4])) {
      for (const end of [oneMore, (journal: Journal<User>) => journal.close()]) {
        const endAndCheck: typeof check = async (disk, history, journal) => {
          if (journal === undefined) return;
          await end(journal, history);
          await assertExact(disk, history);
        };
        await failAnywhere(life, work, failures, endAndCheck, open);
      }
    }
  }
});

test('what a failed replacement left in the page cache is synced before it is used', LONG, async () => {
  for (const [life, work, open] of COMPACTION_LIVES) {
    for (const failures of [1, Infinity]) {
      for (const lastWork of [work, andClose(work)]) {
        const restart = async (disk: PowerDisk, history: History) => {
          await assertSound(await cutAfterOpen(disk, history), 1);
        };
        await failAnywhere(life, lastWork, failures, restart, open);
      }
    }
  }
});

test('after failures in two runs the writes of a third run survive a power cut', LONG, async () => {
  const [[{ image, history: before }, work, open] = assert.fail()] = COMPACTION_LIVES;
  for (let first = 1, isPast = false; !isPast; first += 1) {
    for (let second = 1, isSecondPast = false; !isSecondPast; second += 1) {
      const disk = new PowerDisk(image);
      const history = new History(before);
      ({ isPast } = await live(disk, history, work, { first, failures: 1 }, open));
      const life = await live(disk, history, andClose(oneMore), { first: second, failures: 1 });
      isSecondPast = life.isPast;
      await assertSound(await cutAfterOpen(disk, history), 1);
    }
  }
});
