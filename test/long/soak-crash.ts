/** Runs a given number of crash rounds: `npm run soak:crash -- --rounds 500`. */
import assert from 'node:assert/strict';
import { tenRounds } from '../support/crash-rounds.ts';
import { longRun } from './options.ts';
import { randomFrom } from '../support/random.ts';

async function check(rounds: number, seed: number): Promise<void> {
  const random = randomFrom(seed);
  let answers = 0;
  let compactions = 0;
  for (let round = 10; round - 10 < rounds; round += 10) {
    const report = await tenRounds(random);
    answers += report.acknowledgedWrites;
    compactions += report.compactions;
    console.log(
      `${round} rounds, ${compactions} deaths in a compaction: all ${answers} answers are kept`,
    );
  }
  assert.ok(answers > 0, 'at least one process lived long enough to answer');
}

const meaning = 'how many processes to kill, rounded up to tens';
await longRun({ name: 'soak:crash', flag: 'rounds', meaning, usual: 500, check });
