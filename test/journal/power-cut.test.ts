/**
 * The journal keeps its promise on a disk whose power is cut at every point, and on one that fails
 * at every operation: acknowledged writes stay, refused ones do not, and the file can be opened.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Journal } from '../../src/journal/journal.ts';
import type { User } from '../../src/users/store.ts';
import { LONG, someOf } from '../support/long.ts';
import {
  assertExact,
  assertSound,
  atEveryByte,
  atSomeBytes,
  closed,
  cutAfterOpen,
  cutAnywhere,
  failAnywhere,
  History,
  type Left,
  live,
  LIVES,
  nothing,
  oneMore,
  PATH,
  threeBatches,
  type Work,
  worn,
  WORN_VERSIONS,
  wornAndClosed,
} from '../support/power-cuts.ts';
import { PowerDisk } from '../support/simulated-disk.ts';
import { openJournal } from '../support/user-files.ts';

test('acknowledged writes survive a power cut anywhere and a write torn anywhere', async () => {
  await assertSound(
    await cutAnywhere(new PowerDisk(), nothing.history, atEveryByte, threeBatches),
    1000,
  );
});

test('acknowledged writes survive a power cut during a compaction', async () => {
  for (const { image, history } of [worn, wornAndClosed]) {
    const left = await cutAnywhere(new PowerDisk(image), history, atEveryByte, oneMore);
    await assertSound(left, 500);
    assert.ok(
      left.some(({ image: files }) => files.size === 2),
      'the new file beside the old one',
    );
    const isAlone = ({ image: files }: Left) =>
      files.size === 1 && Number(files.get(PATH)?.length) < 1000;
    assert.ok(left.some(isAlone), 'the new file alone');
  }
});

test('acknowledged writes survive a second power cut during the recovery', LONG, async () => {
  for (const { image, history } of await cutAnywhere(
    new PowerDisk(),
    nothing.history,
    atSomeBytes,
    threeBatches,
  )) {
    await assertSound(await cutAnywhere(new PowerDisk(image), history, atSomeBytes, oneMore), 1);
  }
});

/** The work, and then a clean stop. */
const andClose =
  (work: Work): Work =>
  async (journal, history) => {
    await work(journal, history);
    await journal.close();
  };

test('what a killed process left in the page cache is synced before it is used', async () => {
  for (const [life, work] of someOf(LIVES)) {
    await failAnywhere(life, andClose(work), Infinity, async (disk, history) => {
      await assertSound(await cutAnywhere(disk, history, atSomeBytes, oneMore), 1);
    });
  }
});

test('acknowledged writes survive a failed sync, a restart and a power cut', async () => {
  const disk = new PowerDisk();
  const history = new History();
  const journal = await openJournal(PATH, disk);
  assert.equal(await history.write(journal, 'joe'), true);
  // The write succeeds. Its sync and the rollback fail.
  const writeToSync = 3;
  let step = 0;
  disk.before = () => {
    step += 1;
    if (step >= writeToSync) throw new Error('made by the test');
  };
  assert.equal(await history.write(journal, 'ann'), false);
  const restarted = await cutAnywhere(disk, history, atSomeBytes, threeBatches);
  await assertSound(restarted, 100);
  const inTheEnd = [...disk.images(atSomeBytes)];
  assert.ok(inTheEnd.length > 0);
  for (const image of inTheEnd) {
    const { entries: users } = await openJournal(PATH, new PowerDisk(image));
    assert.deepEqual([...users.keys()].sort(), ['ann', 'bob', 'eve', 'joe', 'ñandú']);
  }
});

test('after failed syncs in two runs the writes of a third run survive a power cut', LONG, async () => {
  for (const [{ image, history: before }, work] of LIVES.slice(0, 2)) {
    for (const failures of [1, Infinity]) {
      for (let first = 1, isPast = false; !isPast; first += 1) {
        for (let second = 1, isSecondPast = false; !isSecondPast; second += 1) {
          const disk = new PowerDisk(image);
          const history = new History(before);
          ({ isPast } = await live(disk, history, andClose(work), { first, failures }));
          const life = await live(disk, history, andClose(oneMore), { first: second, failures: 1 });
          isSecondPast = life.isPast;
          await assertSound(await cutAfterOpen(disk, history), 1);
        }
      }
    }
  }
});

test('a restored copy that was never synced is not trusted once its sync has failed', async () => {
  const [copy] = closed.image.values();
  assert.ok(copy !== undefined);
  for (const failures of [1, 2]) {
    for (let first = 1, isPast = false; !isPast; first += 1) {
      const disk = new PowerDisk();
      await (await disk.open(PATH, 'a+')).writeFile(copy);
      const history = new History(closed.history);
      ({ isPast } = await live(disk, history, async () => undefined, { first, failures }));
      await assertSound(await cutAfterOpen(disk, history), 1);
    }
  }
});

test('a file is opened as it is after a clean stop, and replaced after any other', async () => {
  const inoOf = async (disk: PowerDisk) => (await disk.stat(PATH)).ino;
  const disk = new PowerDisk(closed.image);
  const first = await inoOf(disk);
  const journal = await openJournal(PATH, disk);
  assert.equal(await inoOf(disk), first);
  await journal.close();
  await openJournal(PATH, disk);
  assert.equal(await inoOf(disk), first);
  // The last one was not closed.
  await (await openJournal(PATH, disk)).close();
  assert.notEqual(await inoOf(disk), first);
});

test('at any power cut discarded bytes are in the file or saved beside it', async () => {
  const tail = Buffer.from('{"op":"insert","id":"torn');
  const [bytes = Buffer.alloc(0)] = closed.image.values();
  const disk = new PowerDisk(new Map([[PATH, Buffer.concat([bytes, tail])]]));
  const left = await cutAnywhere(disk, closed.history, atSomeBytes, oneMore);
  await assertSound(left, 50);
  const isSaved = ({ image }: Left) => image.get(`${PATH}.cut-1`)?.equals(tail);
  assert.ok(left.some(isSaved));
  for (const one of left) assert.ok(isSaved(one) || one.image.get(PATH)?.includes(tail));
});

test('a file that was not closed is not opened while it cannot be copied', async () => {
  const steps: (string | undefined)[] = [];
  for (let first = 1, isPast = false; !isPast; first += 1) {
    const disk = new PowerDisk(worn.image);
    let step = 0;
    disk.before = () => {
      step += 1;
      if (step === first) throw new Error('made by the test');
    };
    const error = await openJournal(PATH, disk).then(() => undefined, String);
    steps.push(error);
    isPast = step < first;
    disk.before = () => undefined;
    const { entries: users } = await openJournal(PATH, disk);
    assert.equal(users.get('joe')?.passwordHash, String(WORN_VERSIONS));
  }
  // The other steps open the file and its folder. A failed chown is ignored.
  const copies = steps.filter((error) => error?.includes('The copy failed (made by the test)'));
  assert.ok(copies.length >= 5, steps.join('\n'));
  assert.deepEqual(steps.filter((error) => error === undefined).length, 1, steps.join('\n'));
});

test('after any failure a refused write leaves nothing and the next one stays', async () => {
  for (const [life, work] of LIVES) {
    await failAnywhere(life, work, 1, async (disk, history, journal) => {
      if (journal !== undefined) await assertExact(disk, history);
    });
    for (const failures of someOf([1, 2, 3, 4])) {
      for (const end of [oneMore, (journal: Journal<User>) => journal.close()]) {
        await failAnywhere(life, work, failures, async (disk, history, journal) => {
          await end(journal ?? (await openJournal(PATH, disk)), history);
          await assertExact(disk, history);
        });
      }
    }
  }
});
