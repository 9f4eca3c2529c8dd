/** The command line of checks that run for as long as one likes: how much, and where to begin. */
import { randomInt } from 'node:crypto';
import { inspect, parseArgs } from 'node:util';

/** A check as `npm run <name> -- --<flag> <amount> --seed <n>` runs it. */
interface LongRun {
  readonly name: string;
  readonly flag: string;
  /** What the flag says, with its unit. */
  readonly meaning: string;
  readonly usual: number;
  readonly check: (amount: number, seed: number) => Promise<void>;
}

/** Exit codes: 0 all holds, 1 something does not, 2 the options are not understood. */
export async function longRun({ name, flag, meaning, usual, check }: LongRun): Promise<void> {
  const help = `Usage: npm run ${name} -- [options]

  --${flag} <n>    ${meaning}, above 0 (default ${usual})
  --seed <n>       where to begin, 0 to 4294967295 (default a random one, which is printed)

The exit code is 0 if all holds, 1 if something does not, 2 if the options are not understood.`;
  let amount: number;
  let seed: number;
  try {
    const options = {
      [flag]: { type: 'string' },
      seed: { type: 'string' },
      help: { type: 'boolean' },
    } as const;
    const { values } = parseArgs({ options });
    if (values['help']) return console.log(help);
    amount = Number(values[flag] ?? usual);
    seed = Number(values['seed'] ?? randomInt(2 ** 32));
    if (!(amount > 0)) throw new Error(`--${flag} expected a number above 0`);
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32)
      throw new Error('--seed expected 0 to 4294967295');
  } catch (error) {
    console.error(`${name}: ${error instanceof Error ? error.message : error} (see --help)`);
    process.exitCode = 2;
    return;
  }
  console.log(`seed ${seed}`);
  await check(amount, seed).catch((error: unknown) => {
    console.error(inspect(error));
    process.exitCode = 1;
  });
}
