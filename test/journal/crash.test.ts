/** Acknowledged writes survive kill -9, also during a compaction. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { tenRounds } from '../support/crash-rounds.ts';
import { randomFrom } from '../support/random.ts';

test('what was answered before kill -9 is there afterwards, and nothing is there twice', async (t) => {
  const seed = Number(process.env['SEED'] ?? randomInt(2 ** 31));
  t.diagnostic(`SEED=${seed}`);
  const random = randomFrom(seed);
  let answers = 0;
  let compactions = 0;
  // On a busy machine ten processes may die before one answers, or before one compacts the file.
  for (let turn = 0; turn < 5 && (answers === 0 || compactions === 0); turn += 1) {
    const report = await tenRounds(random);
    answers += report.answers;
    compactions += report.compactions;
  }
  t.diagnostic(`${answers} answers, ${compactions} deaths in a compaction`);
  assert.ok(answers > 0, 'at least one process lived long enough to answer');
  assert.ok(compactions > 0, 'at least one process died while it compacted the file');
});
