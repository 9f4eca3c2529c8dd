/** Acknowledged writes survive kill -9, also during a compaction. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { tenRounds } from '../support/crash-rounds.ts';
import { randomFrom } from '../support/random.ts';

test('writes acknowledged before kill -9 survive, and no user is there twice', async (t) => {
  const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const random = randomFrom(seed);
  let acknowledged = 0;
  let compactions = 0;
  let openCompactions = 0;
  // On a busy machine ten processes may be killed before one of them acknowledges a write or
  // compacts the file.
  const isDone = () => acknowledged > 0 && compactions > 0 && openCompactions > 0;
  for (let turn = 0; turn < 5 && !isDone(); turn += 1) {
    const report = await tenRounds(random);
    acknowledged += report.acknowledgedWrites;
    compactions += report.compactions;
    openCompactions += report.openCompactions;
  }
  const kills = `${compactions} kills in a compaction, ${openCompactions} in one of an open file`;
  t.diagnostic(`${acknowledged} acknowledged writes, ${kills}`);
  assert.ok(acknowledged > 0, 'at least one process acknowledged a write before it was killed');
  assert.ok(compactions > 0, 'at least one process was killed while it compacted the file');
  assert.ok(openCompactions > 0, 'at least one was killed while it compacted the open file');
});
