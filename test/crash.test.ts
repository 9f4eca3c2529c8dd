/**
 * Holds the file of users to its promise: what was answered survives kill -9, also while the file is being compacted.
 */
import { test } from 'node:test';
import { tenRounds } from './crash-rounds.ts';
import { randomFrom } from './support.ts';

test('what was answered before kill -9 is there afterwards, and nothing is there twice', async (t) => {
  const seed = Date.now() % 2 ** 32;
  const { answers, compactions } = await tenRounds(randomFrom(seed));
  t.diagnostic(`seed ${seed}: ${answers} answers, ${compactions} deaths in a compaction`);
});
