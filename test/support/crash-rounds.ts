/** Kills processes that write users. After each kill, every acknowledged write must exist. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { fileWith, newPath, outputOf, start, userNamed, withStore } from './user-files.ts';

/** The result of ten rounds. */
interface CrashReport {
  readonly acknowledgedWrites: number;
  /** Rounds whose process was killed while it compacted the file at the opening. */
  readonly compactions: number;
  /** Rounds whose process was killed while it compacted the open file. */
  readonly openCompactions: number;
}

/** Runs ten processes on one file, one after the other, and kills each with 32 writes in flight. */
export async function tenRounds(random: () => number): Promise<CrashReport> {
  const path = newPath();
  // With this many superseded lines the first process compacts the file, however slow the disk.
  await withStore(path, async (store) => {
    const users = Array.from({ length: 20 }, (_, index) => userNamed(`joe${index}`));
    await Promise.all(users.map((user) => store.insert(user)));
    // Writes of one id wait for each other. Writes of different ids share a sync.
    for (let round = 0; round < 50; round += 1)
      await Promise.all(users.map((user) => store.update(user)));
  });
  const versions = new Map<string, number>();
  let acknowledgedWrites = 0;
  let compactions = 0;
  let openCompactions = 0;
  const compactedAt = () => {
    const draft = readdirSync(dirname(path)).find((name) =>
      name.startsWith(`${basename(path)}.compact`),
    );
    return draft && statSync(join(dirname(path), draft), { throwIfNoEntry: false })?.mtimeMs;
  };
  // All start together, because a process takes longer to start than it then runs.
  const children = await Promise.all(
    Array.from({ length: 10 }, (_, round) => start('crash', path, `${round}`)),
  );
  for (const [round, child] of children.entries()) {
    const output = outputOf(child);
    let isOpen = false;
    child.stdout?.once('data', () => (isOpen = true));
    // An earlier process may have left a draft too. A new draft may have the same inode.
    const left = compactedAt();
    const isCompacting = () => ![undefined, left].includes(compactedAt());
    // Of three processes one is killed while it opens the file, and one while it compacts the open
    // file, if they come so far.
    const [isKilledAtOpening, isKilledLater] = [round % 3 === 0, round % 3 === 1];
    const isDue = () => (isKilledAtOpening || (isKilledLater && isOpen)) && isCompacting();
    child.send('go');
    const end = performance.now() + (isKilledAtOpening || isKilledLater ? 200 : random() * 100);
    while (performance.now() < end && !isDue()) await setImmediate();
    if (isDue() && random() < 0.5) await delay(random() * 5);
    child.kill('SIGKILL');
    const answers = (await output).split('\n').slice(0, -1);
    for (const answer of answers) {
      const [id = '', version] = answer.split(' ');
      versions.set(id, Number(version));
      acknowledgedWrites += 1;
    }
    if (isCompacting() && answers.length === 0) compactions += 1;
    if (isCompacting() && answers.length > 0) openCompactions += 1;
    // A process that cannot open the file after the last kill ends by itself.
    assert.equal(child.signalCode, 'SIGKILL');
    // Opens a copy, so that the next process finds the lock, torn lines and drafts of this one.
    const bytes = readFileSync(path);
    const inserted = bytes.toString().match(/(?<="op":"insert","id":)"[^"]*"(?=.*\n)/g) ?? [];
    assert.equal(new Set(inserted).size, inserted.length);
    await withStore(fileWith(bytes), (store) => {
      // A write that was not acknowledged yet may exist too.
      const isMissing = ([id, version]: [string, number]) =>
        !(Number(store.find(id)?.passwordHash) >= version);
      assert.deepEqual([...versions].filter(isMissing), []);
    });
  }
  return { acknowledgedWrites, compactions, openCompactions };
}
