/**
 * Kills a process that writes users, again and again, and looks each time whether what it answered is there.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { fileWith, newPath, outputOf, start, userNamed, withStore } from './user-files.ts';

/** What ten rounds have shown. */
interface CrashReport {
  /** Writes that were answered. */
  readonly answers: number;
  /** Rounds whose process died while it compacted the file. */
  readonly compactions: number;
}

/** Ten processes, one after the other on one file, each killed with 32 writes in flight. */
export async function tenRounds(random: () => number): Promise<CrashReport> {
  const path = newPath();
  // So worn that the first process has to compact it, however slow the disk.
  await withStore(path, async (store) => {
    const users = Array.from({ length: 20 }, (_, index) => userNamed(`joe${index}`));
    await Promise.all(users.map((user) => store.insert(user)));
    // Writes of one id wait for each other, those of several share a sync.
    for (let round = 0; round < 50; round += 1) await Promise.all(users.map((user) => store.update(user)));
  });
  const versions = new Map<string, number>();
  let answers = 0;
  let compactions = 0;
  const compactedAt = () => {
    const draft = readdirSync(dirname(path)).find((name) => name.startsWith(`${basename(path)}.compact`));
    return draft && statSync(join(dirname(path), draft), { throwIfNoEntry: false })?.mtimeMs;
  };
  // All at once, because a process takes longer to start than it lives.
  const children = await Promise.all(Array.from({ length: 10 }, (_, round) => start('crash', path, `${round}`)));
  for (const [round, child] of children.entries()) {
    const output = outputOf(child);
    // One before it may have left such a file too. Its inode would not tell: that may serve the next one again.
    const left = compactedAt();
    const isCompacting = () => ![undefined, left].includes(compactedAt());
    // Every other one dies while it compacts the file, if it does.
    const isDue = () => round % 2 === 0 && isCompacting();
    child.send('go');
    const end = performance.now() + (round % 2 === 0 ? 100 : random() * 100);
    while (performance.now() < end && !isDue()) await setImmediate();
    if (isDue() && random() < 0.5) await delay(random() * 5);
    child.kill('SIGKILL');
    for (const answer of (await output).split('\n').slice(0, -1)) {
      const [id = '', version] = answer.split(' ');
      versions.set(id, Number(version));
      answers += 1;
    }
    if (isCompacting()) compactions += 1;
    // Whoever could not open the file, because of the lock or the leavings of the one before, has ended by itself.
    assert.equal(child.signalCode, 'SIGKILL');
    // A copy, so that the next process finds what the dead one left: its lock, a torn line, half a compaction.
    const bytes = readFileSync(path);
    const inserted = bytes.toString().match(/(?<="op":"insert","id":)"[^"]*"(?=.*\n)/g) ?? [];
    assert.equal(new Set(inserted).size, inserted.length);
    await withStore(fileWith(bytes), (store) => {
      // One that was on its way, and not yet answered for, may be there too.
      const isMissing = ([id, version]: [string, number]) => !(Number(store.find(id)?.passwordHash) >= version);
      assert.deepEqual([...versions].filter(isMissing), []);
    });
  }
  return { answers, compactions };
}
