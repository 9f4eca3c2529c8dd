/** Runs a given number of crash rounds: `npm run soak:crash -- --rounds 500`. */
import assert from 'node:assert/strict';
import { tenRounds } from '../support/crash-rounds.ts';
import { longRun } from './options.ts';
import { randomFrom } from '../support/random.ts';

async function check(rounds: number, seed: number): Promise<void> {
  const random = randomFrom(seed);
  let writes = 0;
  let compactions = 0;
  let openCompactions = 0;
  for (let round = 10; round - 10 < rounds; round += 10) {
    const report = await tenRounds(random);
    writes += report.acknowledgedWrites;
    compactions += report.compactions;
    openCompactions += report.openCompactions;
    const kills = `${compactions} kills in a compaction, ${openCompactions} in one of an open file`;
    console.log(`${round} rounds, ${kills}: all ${writes} acknowledged writes survive`);
  }
  assert.ok(writes > 0, 'at least one process acknowledged a write before it was killed');
}

const meaning = 'how many processes to kill, rounded up to tens';
await longRun({ name: 'soak:crash', flag: 'rounds', meaning, usual: 500, check });
