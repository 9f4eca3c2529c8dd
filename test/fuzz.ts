/** Runs the properties of generators.ts in turns, for as long as one likes: `npm run fuzz -- --seconds 60 --seed 1`. */
import { randomInt } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { inspect, parseArgs } from 'node:util';
import { PROPERTIES, runCase } from './generators.ts';

const HELP = `Usage: npm run fuzz -- [options]

  --seconds <n>    how long, above 0 (default 60); Ctrl-C ends it before
  --seed <n>       where to begin, 0 to 4294967295 (default a random one, which is printed)

The exit code is 0 if every case holds, 1 if one does not, 2 if the options are not understood.`;

/** Cases of one property before it is the turn of the next. */
const TURN = 50;

interface Settings {
  readonly seconds: number;
  readonly seed: number;
}

function settings(): Settings | undefined {
  const options = { seconds: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } } as const;
  const { values } = parseArgs({ options });
  if (values.help) return undefined;
  const seconds = Number(values.seconds ?? 60);
  const seed = Number(values.seed ?? randomInt(2 ** 32));
  if (!(seconds > 0)) throw new Error('--seconds expected a number above 0');
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) throw new Error('--seed expected 0 to 4294967295');
  return { seconds, seed };
}

async function fuzz({ seconds, seed }: Settings): Promise<void> {
  let isStopped = false;
  process.once('SIGINT', () => (isStopped = true));
  console.log(`seed ${seed}`);
  const runs = PROPERTIES.map((property) => ({ property, counts: new Map<string, number>() }));
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  for (let index = 0; !isStopped && elapsed() < seconds; index += TURN) {
    for (const { property, counts } of runs) {
      for (let turn = 0; turn < TURN; turn += 1) {
        const outcome = await runCase(property, seed + index + turn);
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      }
    }
    // Lets a signal in.
    await setImmediate();
  }
  let total = 0;
  for (const { property, counts } of runs) {
    for (const count of counts.values()) total += count;
    const told = [...counts].map(([outcome, count]) => `${count.toLocaleString('en')} ${outcome}`);
    console.log(`${told.join(', ')}: ${property.name}`);
  }
  const time = elapsed();
  const rate = Math.round(total / time).toLocaleString('en');
  console.log(`${total.toLocaleString('en')} cases in ${time.toFixed(1)} s, ${rate} a second, all of them hold`);
}

try {
  const chosen = settings();
  if (chosen === undefined) console.log(HELP);
  else await fuzz(chosen).catch((error: unknown) => {
    console.error(inspect(error));
    process.exitCode = 1;
  });
} catch (error) {
  console.error(`fuzz: ${error instanceof Error ? error.message : error} (see --help)`);
  process.exitCode = 2;
}
