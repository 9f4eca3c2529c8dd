/**
 * Runs random cases of the properties in test/support/properties.ts, session-properties.ts and
 * route-properties.ts for a given time: `npm run fuzz -- --seconds 60 --seed 1`.
 */
import { setImmediate } from 'node:timers/promises';
import { PROPERTIES, runCase } from '../support/properties.ts';
import { ROUTE_PROPERTIES } from '../support/route-properties.ts';
import { SESSION_PROPERTIES } from '../support/session-properties.ts';
import { longRun } from './options.ts';

/** How many cases of one property run before the next property. */
const CASES_PER_TURN = 50;

async function check(seconds: number, seed: number): Promise<void> {
  let isStopped = false;
  process.once('SIGINT', () => (isStopped = true));
  const all = [...PROPERTIES, ...SESSION_PROPERTIES, ...ROUTE_PROPERTIES];
  const runs = all.map((property) => ({ property, counts: new Map<string, number>() }));
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  for (let index = 0; !isStopped && elapsed() < seconds; index += CASES_PER_TURN) {
    for (const { property, counts } of runs) {
      for (let turn = 0; turn < CASES_PER_TURN; turn += 1) {
        const outcome = await runCase(property, seed + index + turn);
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      }
    }
    // Lets the process handle a signal.
    await setImmediate();
  }
  let total = 0;
  for (const { property, counts } of runs) {
    for (const count of counts.values()) total += count;
    const outcomes = [...counts].map(
      ([outcome, count]) => `${count.toLocaleString('en')} ${outcome}`,
    );
    console.log(`${outcomes.join(', ')}: ${property.name}`);
  }
  const time = elapsed();
  const rate = Math.round(total / time).toLocaleString('en');
  const cases = total.toLocaleString('en');
  console.log(`${cases} cases in ${time.toFixed(1)} s, ${rate} a second, all of them hold`);
}

const meaning = 'how long it runs';
await longRun({ name: 'fuzz', flag: 'seconds', meaning, usual: 60, check });
