/**
 * Holds the file of users to its promise: what was answered survives kill -9, also while the file is being compacted.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { fileWith, newPath, outputOf, start, withStore } from './store-support.ts';
import { randomFrom } from './support.ts';

test('what was answered before kill -9 is there afterwards, and nothing is there twice', async (t) => {
  const seed = Date.now() % 2 ** 32;
  t.diagnostic(`seed ${seed}`);
  const random = randomFrom(seed);
  const path = newPath();
  const versions = new Map<string, number>();
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
    }
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
  assert.ok(versions.size > 0, 'at least one process lived long enough to answer');
});
