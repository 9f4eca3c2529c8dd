/** Crash rounds for as long as one likes: `npm run soak:crash -- --rounds 500`. */
import { randomInt } from 'node:crypto';
import { inspect, parseArgs } from 'node:util';
import { tenRounds } from './crash-rounds.ts';
import { randomFrom } from './support.ts';

const HELP = `Usage: npm run soak:crash -- [options]

  --rounds <n>    how many processes to kill, 1 or more, in tens (default 500)
  --seed <n>      where to begin, 0 to 4294967295 (default a random one, which is printed)

The exit code is 0 if nothing is missing, 1 if something is, 2 if the options are not understood.`;

interface Settings {
  readonly rounds: number;
  readonly seed: number;
}

function settings(): Settings | undefined {
  const options = { rounds: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } } as const;
  const { values } = parseArgs({ options });
  if (values.help) return undefined;
  const rounds = Number(values.rounds ?? 500);
  const seed = Number(values.seed ?? randomInt(2 ** 32));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds expected a whole number above 0');
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) throw new Error('--seed expected 0 to 4294967295');
  return { rounds, seed };
}

async function soak({ rounds, seed }: Settings): Promise<void> {
  console.log(`seed ${seed}`);
  const random = randomFrom(seed);
  let answers = 0;
  let compactions = 0;
  for (let round = 10; round - 10 < rounds; round += 10) {
    const report = await tenRounds(random);
    answers += report.answers;
    compactions += report.compactions;
    console.log(`${round} rounds, ${compactions} deaths in a compaction: all ${answers} answers are kept`);
  }
}

try {
  const chosen = settings();
  if (chosen === undefined) console.log(HELP);
  else await soak(chosen).catch((error: unknown) => {
    console.error(inspect(error));
    process.exitCode = 1;
  });
} catch (error) {
  console.error(`soak:crash: ${error instanceof Error ? error.message : error} (see --help)`);
  process.exitCode = 2;
}
