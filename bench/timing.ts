/**
 * Whether the time of a refused login tells who has an account: `npm run bench:timing`, or with `-- --json`.
 * Exits with 1 if an unknown user or a damaged hash takes 5 % more or less than a wrong password.
 */
import assert from 'node:assert/strict';
import { randomInt, scryptSync } from 'node:crypto';
import { parseArgs } from 'node:util';
import {
  Accounts,
  createApp,
  generateSecret,
  listen,
  MemoryUserStore,
  PasswordHasher,
} from '../src/index.ts';
import { quartilesOf, tableOf, whereAndWhen } from './harness/report.ts';

/** Rounds for each cost, as log2 N: some 45 and 30 seconds. */
const ROUNDS = [
  { logN: 17, rounds: 16 },
  { logN: 14, rounds: 60 },
];
const WARM_UP = 2;
const MOST_APART = 0.05;
const PASSWORD = 'a wrong password';

/** Who is tried. The first is what the others are judged by. Flask's is told alone: its cost is not the configured. */
const NAMES = {
  someone: 'wrong password',
  nobody: 'unknown user',
  damaged: 'malformed hash',
  flask: 'hash of Werkzeug',
};
type Name = keyof typeof NAMES;
const EVERYBODY = Object.keys(NAMES) as Name[];

interface Result {
  readonly logN: number;
  readonly way: string;
  readonly name: Name;
  readonly ms: ReturnType<typeof quartilesOf>;
  /** The median beside that of a wrong password. */
  readonly ratio: number;
  /** The middle half of the ratios within a round, of what was measured at the same time. */
  readonly pairs: ReturnType<typeof quartilesOf>;
}

/** As Werkzeug 3 makes it: the salt is text, the key has 64 bytes. */
function flaskHash(password: string): string {
  const salt = 'a1B2c3D4e5F6g7H8';
  const key = scryptSync(password, salt, 64, { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 });
  return `scrypt:32768:8:1$${salt}$${key.toString('hex')}`;
}

function shuffled<T>(values: readonly T[]): T[] {
  const left = [...values];
  return values.flatMap(() => left.splice(randomInt(left.length), 1));
}

/** Two ways to be refused, over the same users. Each tells that it was. */
async function openWays(logN: number) {
  const passwords = new PasswordHasher({ logN });
  const users = new MemoryUserStore();
  const someone = await passwords.hash('another');
  const hashes = { someone, damaged: '$scrypt$ln=17,r=8', flask: flaskHash('another') };
  for (const [id, passwordHash] of Object.entries(hashes)) {
    users.insert({ id, username: id, passwordHash, createdAt: new Date().toISOString() });
  }
  const options = { users, passwords, limits: false } as const;
  const accounts = new Accounts(options);
  const server = await listen(createApp({ ...options, secret: generateSecret() }), { port: 0 });
  const headers = { 'Content-Type': 'application/json' };
  const ways = {
    'authenticate': async (username: Name) =>
      (await accounts.authenticate(username, PASSWORD)) === undefined,
    'POST /auth': async (username: Name) => {
      const body = JSON.stringify({ username, password: PASSWORD });
      const response = await fetch(`${server.url}/auth`, { method: 'POST', headers, body });
      return (await response.text()) !== '' && response.status === 401;
    },
  };
  return { ways, close: () => server.close() };
}

async function measure(logN: number, rounds: number): Promise<Result[]> {
  const { ways, close } = await openWays(logN);
  const contests = Object.entries(ways).map(([way, refuses]) => {
    return { way, refuses, times: new Map(EVERYBODY.map((name) => [name, [] as number[]])) };
  });
  // Everybody once in a round, in any order.
  const turns = contests.flatMap((contest) => EVERYBODY.map((name) => ({ ...contest, name })));
  for (let round = -WARM_UP; round < rounds; round += 1) {
    for (const { refuses, times, name } of shuffled(turns)) {
      const start = performance.now();
      assert.equal(await refuses(name), true);
      if (round >= 0) times.get(name)?.push(performance.now() - start);
    }
  }
  await close();
  return contests.flatMap(({ way, times }) => {
    const of = (name: Name) => times.get(name) ?? [];
    const wrong = of('someone');
    return EVERYBODY.map((name) => {
      const pairs = quartilesOf(of(name).map((time, round) => time / Number(wrong[round])));
      const ms = quartilesOf(of(name));
      return { logN, way, name, ms, ratio: ms.median / quartilesOf(wrong).median, pairs };
    });
  });
}

const isJudged = ({ name }: Result) => name === 'nobody' || name === 'damaged';
const holds = ({ ratio }: Result) => Math.abs(ratio - 1) <= MOST_APART;

function reportOf(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { logN, way, name, ms, ratio, pairs } = result;
    const verdict = holds(result) ? 'yes' : 'no';
    return [
      `2^${logN}`,
      `\`${way}\``,
      NAMES[name],
      ms.median.toFixed(1),
      `${ms.low.toFixed(1)} to ${ms.high.toFixed(1)}`,
      name === 'someone' ? '' : ratio.toFixed(3),
      name === 'someone'
        ? ''
        : `${pairs.median.toFixed(3)} (${pairs.low.toFixed(3)} to ${pairs.high.toFixed(3)})`,
      isJudged(result) ? verdict : '',
    ];
  });
  const heads = [
    'N',
    'over',
    'refused for',
    'median, ms',
    'middle half',
    'to a wrong one',
    'in pairs',
    'within 5 %',
  ];
  const counts = ROUNDS.map(({ logN, rounds }) => `${rounds} rounds at 2^${logN}`).join(', ');
  return `${whereAndWhen()}; ${counts}\n\n${tableOf([heads, ...rows])}`;
}

const { values } = parseArgs({ options: { json: { type: 'boolean' } } });
const results: Result[] = [];
for (const { logN, rounds } of ROUNDS) results.push(...(await measure(logN, rounds)));
console.log(
  values.json ? JSON.stringify({ where: whereAndWhen(), results }, null, 2) : reportOf(results),
);
if (!results.filter(isJudged).every(holds)) process.exitCode = 1;
