/**
 * Power cuts on a disk that cannot sync a folder. What is lost there are names: after a cut the
 * path may have the file that it had before the last rename, which an opening or a compaction made,
 * or no file if it had none. Then the writes since that rename are lost, and no others.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPACTION_LIVES } from '../support/compaction-lives.ts';
import {
  assertSound,
  atEveryByte,
  atSomeBytes,
  closed,
  cutAnywhere,
  History,
  type Left,
  LIVES,
  nothing,
  oneMore,
  PATH,
  threeBatches,
  worn,
  wornAndClosed,
} from '../support/power-cuts.ts';
import { PowerDisk, type Image } from '../support/simulated-disk.ts';

const KIND = 'calls that a file system does not have:';

/** @param hasNameInFileSync whether a sync of a file makes its name durable as well */
function diskOf(image: Image, hasNameInFileSync: boolean): PowerDisk {
  return Object.assign(new PowerDisk(image), { hasFolderSync: false, hasNameInFileSync });
}

test(`${KIND} without a sync of folders no write to a closed file is lost`, async () => {
  const { image, history } = closed;
  const left = await cutAnywhere(diskOf(image, false), history, atEveryByte, oneMore);
  await assertSound(left, 50);
});

test(`${KIND} without a sync of folders no write before the opening is lost`, async () => {
  for (const { image, history: before } of [closed, worn, wornAndClosed]) {
    const left = await cutAnywhere(diskOf(image, false), before, atSomeBytes, threeBatches);
    // Only the writes before the opening are expected, and those since then may be found.
    const expected = left.map(({ image: files, history }): Left => {
      const kept = new History(before);
      for (const [id, version] of history.requested) kept.requested.set(id, version);
      return { image: files, history: kept };
    });
    await assertSound(expected, 50);
  }
});

test(`${KIND} without a sync of folders the writes since the opening may be lost`, async () => {
  for (const { image, history } of [nothing, worn]) {
    const left = await cutAnywhere(diskOf(image, false), history, atSomeBytes, oneMore);
    await assert.rejects(assertSound(left, 1), /late is lost/);
    const acknowledged = left.filter((one) => one.history.acknowledged.has('late'));
    const hasOldFile = ({ image: files }: Left) => {
      return files.get(PATH)?.toString() === image.get(PATH)?.toString();
    };
    assert.ok(acknowledged.some(hasOldFile), 'the path has what it had before the opening');
  }
});

test(`${KIND} no write is lost where a sync of a file writes its name too`, async () => {
  for (const [{ image, history }, work, open] of [...LIVES, ...COMPACTION_LIVES]) {
    await assertSound(await cutAnywhere(diskOf(image, true), history, atSomeBytes, work, open), 10);
  }
});
