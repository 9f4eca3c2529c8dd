/** The command line of the long checks: an amount of work, and a seed. */
import { randomInt } from 'node:crypto';
import { inspect, parseArgs } from 'node:util';

/** A check as `npm run <name> -- --<flag> <amount> --seed <n>` runs it. */
interface LongRun {
  readonly name: string;
  readonly flag: string;
  /** The help text of the flag, with its unit. */
  readonly meaning: string;
  readonly usual: number;
  readonly check: (amount: number, seed: number) => Promise<void>;
}

/** Exit codes: 0 the check passes, 1 it fails, 2 the options are invalid. */
export async function longRun({ name, flag, meaning, usual, check }: LongRun): Promise<void> {
  const help = `Usage: npm run ${name} -- [options]

  ${`--${flag} <n>`.padEnd(16)} ${meaning}, above 0 (default ${usual})
  --seed <n>       seed of the random numbers, 0 to 4294967295 (default: random, printed)

The exit code is 0 if the check passes, 1 if it fails, 2 if the options are invalid.`;
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
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
      throw new Error('--seed expected 0 to 4294967295');
    }
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
