/** Kills processes that write users, and looks each time for every acknowledged write. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { fileWith, newPath, outputOf, start, userNamed, withStore } from './user-files.ts';

/** The result of ten rounds. */
interface CrashReport {
  /** Acknowledged writes. */
  readonly answers: number;
  /** Rounds whose process died while it compacted the file. */
  readonly compactions: number;
}

/** Ten processes, one after the other on one file, each killed with 32 writes in flight. */
export async function tenRounds(random: () => number): Promise<CrashReport> {
  const path = newPath();
  // Enough superseded lines that the first process compacts the file, however slow the disk.
  await withStore(path, async (store) => {
    const users = Array.from({ length: 20 }, (_, index) => userNamed(`joe${index}`));
    await Promise.all(users.map((user) => store.insert(user)));
    // Writes of one id wait for each other. Writes of different ids share a sync.
    for (let round = 0; round < 50; round += 1)
      await Promise.all(users.map((user) => store.update(user)));
  });
  const versions = new Map<string, number>();
  let answers = 0;
  let compactions = 0;
  const compactedAt = () => {
    const draft = readdirSync(dirname(path)).find((name) =>
      name.startsWith(`${basename(path)}.compact`),
    );
    return draft && statSync(join(dirname(path), draft), { throwIfNoEntry: false })?.mtimeMs;
  };
  // All start at once, because a process takes longer to start than it lives.
  const children = await Promise.all(
    Array.from({ length: 10 }, (_, round) => start('crash', path, `${round}`)),
  );
  for (const [round, child] of children.entries()) {
    const output = outputOf(child);
    // An earlier process may have left a draft too. A new draft may have the same inode.
    const left = compactedAt();
    const isCompacting = () => ![undefined, left].includes(compactedAt());
    // Every second process dies during its compaction, if it has one.
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
    // A process that could not open the file after the one before has ended by itself.
    assert.equal(child.signalCode, 'SIGKILL');
    // Opens a copy, so that the next process finds the lock, torn lines and drafts of the dead one.
    const bytes = readFileSync(path);
    const inserted = bytes.toString().match(/(?<="op":"insert","id":)"[^"]*"(?=.*\n)/g) ?? [];
    assert.equal(new Set(inserted).size, inserted.length);
    await withStore(fileWith(bytes), (store) => {
      // A write that was not acknowledged yet may be there too.
      const isMissing = ([id, version]: [string, number]) =>
        !(Number(store.find(id)?.passwordHash) >= version);
      assert.deepEqual([...versions].filter(isMissing), []);
    });
  }
  return { answers, compactions };
}
