/**
 * Kills a process that writes users, again and again, and looks each time whether what it answered is there.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { fileWith, newPath, outputOf, start, withStore } from './store-support.ts';

/** What ten rounds have shown. */
export interface CrashReport {
  /** Writes that were answered. */
  readonly answers: number;
  /** Rounds whose process died while it compacted the file. */
  readonly compactions: number;
}

/** Ten processes, one after the other on one file, each killed with 32 writes in flight. */
export async function tenRounds(random: () => number): Promise<CrashReport> {
  const path = newPath();
  const versions = new Map<string, number>();
  let answers = 0;
  let compactions = 0;
  // All at once, because a process takes longer to start than it lives.
  const children = await Promise.all(Array.from({ length: 10 }, (_, round) => start('crash-child', path, `${round}`)));
  for (const [round, child] of children.entries()) {
    const output = outputOf(child);
    child.send('go');
    // Every other one dies while it compacts the file, if it does.
    const isCompacting = () => round % 2 === 1 && existsSync(`${path}.compact`);
    const end = performance.now() + (round % 2 === 1 ? 100 : random() * 100);
    while (performance.now() < end && !isCompacting()) await setImmediate();
    if (isCompacting()) await delay(random() * 5);
    child.kill('SIGKILL');
    for (const answer of (await output).split('\n').slice(0, -1)) {
      const [id = '', version] = answer.split(' ');
      versions.set(id, Number(version));
      answers += 1;
    }
    if (existsSync(`${path}.compact`)) compactions += 1;
    // Whoever could not open the file, because of the lock or the leavings of the one before, has ended by itself.
    assert.equal(child.signalCode, 'SIGKILL');
    if (!existsSync(path)) continue;
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
  assert.ok(answers > 0, 'at least one process lived long enough to answer');
  return { answers, compactions };
}
