/** Measures latchkey against bare calls of Node, which are the baseline: `npm run bench`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resultsTable, run, goalsTable, type Goal, type Result } from './harness/contest.ts';
import { growths, growthTable } from './growth.ts';
import { helloContest, OWN, withSessions } from './hello.ts';
import { measureMemory, memoryTable } from './memory.ts';
import { readRounds, whereAndWhen } from './harness/report.ts';
import { measureSizes, sizesTable } from './sizing.ts';
import { startContests } from './startup.ts';
import { NAMES as TOKENS, tokenContests } from './tokens.ts';
import { NAMES as PASSWORDS, passwordContests } from './passwords.ts';
import { NAMES as STORES, storeContests } from './store-contests.ts';

/** Where users and sessions are kept. */
const PLACES = ['memory', 'file'] as const;
const OFF = 'sessions off';

const toBare = (contest: string, way: string, atMost: number): Goal => {
  return { contest, way, other: 'bare', atMost };
};

/** README.md gives the reason of each bound. */
const GOALS: readonly Goal[] = [
  toBare(TOKENS.sign, 'latchkey', 1.5),
  toBare(TOKENS.verify, 'latchkey', 1.5),
  toBare(TOKENS.foreign, 'latchkey', 1.5),
  toBare(TOKENS.cached, 'latchkey', 1.1),
  { contest: TOKENS.forged, way: 'latchkey', other: 'latchkey, valid token', atMost: 1 },
  toBare(PASSWORDS.login, 'latchkey', 1.03),
  toBare(STORES.insert, 'latchkey', 2),
  toBare(STORES.open, 'latchkey', 1.5),
  toBare('GET /hello', 'latchkey', 2),
  toBare('GET /hello, file', OFF, 2),
  ...PLACES.map((place) => {
    return { contest: `GET /hello, ${place}`, way: 'sessions on', other: OFF, atMost: 1.1 };
  }),
  toBare('first answer', 'latchkey serve', 1.8),
];

const { rounds, isJson } = readRounds();
const where = `${whereAndWhen()}; ${rounds} rounds`;
const folder = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
const results: Result[] = [];
try {
  const store = await storeContests(folder, 2 * rounds);
  const contests = [
    ...tokenContests({}, 10 * rounds),
    ...(await passwordContests(rounds)),
    ...store.contests,
  ];
  for (const contest of contests) results.push(...(await run(contest)));
  await store.close();
  results.push(...(await helloContest('GET /hello', OWN, 2 * rounds)));
  for (const place of PLACES) {
    const name = `GET /hello, ${place}`;
    const contestants = [...OWN.slice(0, 1), ...withSessions(place)];
    results.push(...(await helloContest(name, contestants, 4 * rounds)));
  }
  results.push(...(await startContests(rounds)));
} finally {
  rmSync(folder, { recursive: true });
}
const growth = await growths(rounds);
const memory = await measureMemory(50_000 * rounds);
const sizes = await measureSizes(rounds);
if (isJson) {
  console.log(JSON.stringify({ where, results, growth, memory, sizes }, null, 2));
} else {
  const tables = [
    resultsTable(results),
    goalsTable(results, GOALS),
    growthTable(growth),
    memoryTable(memory),
    sizesTable(sizes),
  ];
  console.log([where, ...tables].join('\n\n'));
}
