/**
 * Measures user enumeration by timing: whether the time of a refused login tells that an account
 * exists: `npm run bench:timing`. It exits with 1 if the time for an unknown user or a malformed
 * hash differs from that for a wrong password by more than 5 %.
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
import { quartilesOf, spreadOf, tableOf, whereAndWhen, type Quartiles } from './harness/report.ts';

/** Rounds at each cost. They take about 45 and 30 seconds. */
const ROUNDS = [
  { logN: 17, rounds: 16 },
  { logN: 14, rounds: 60 },
];
const WARM_UP = 2;
const MOST_APART = 0.05;
const PASSWORD = 'a wrong password';

/**
 * The kinds of login. The first is the baseline. `werkzeug` is measured but not judged, because its
 * hash has a cost of its own.
 */
const KINDS = {
  wrong: 'wrong password',
  unknown: 'unknown user',
  malformed: 'malformed hash',
  werkzeug: 'hash of Werkzeug',
};
type Kind = keyof typeof KINDS;
const ALL_KINDS = Object.keys(KINDS) as Kind[];

interface Result {
  readonly logN: number;
  readonly way: string;
  readonly kind: Kind;
  readonly ms: Quartiles;
  /** The median as a multiple of that of a wrong password. */
  readonly ratio: number;
  /** The same ratio within each round: the median, and the middle half. */
  readonly pairs: Quartiles;
}

/** A hash as Werkzeug 3 makes it: the salt is text, the key has 64 bytes. */
function werkzeugHash(password: string): string {
  const salt = 'a1B2c3D4e5F6g7H8';
  const key = scryptSync(password, salt, 64, { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 });
  return `scrypt:32768:8:1$${salt}$${key.toString('hex')}`;
}

function shuffled<T>(values: readonly T[]): T[] {
  const left = [...values];
  return values.flatMap(() => left.splice(randomInt(left.length), 1));
}

/** Two ways to log in, over the same users. Each returns whether the login was refused. */
async function openWays(logN: number) {
  const passwords = new PasswordHasher({ logN });
  const users = new MemoryUserStore();
  const wrong = await passwords.hash('another');
  const hashes = { wrong, malformed: '$scrypt$ln=17,r=8', werkzeug: werkzeugHash('another') };
  for (const [id, passwordHash] of Object.entries(hashes)) {
    users.insert({ id, username: id, passwordHash, createdAt: new Date().toISOString() });
  }
  const options = { users, passwords, limits: false } as const;
  const accounts = new Accounts(options);
  const server = await listen(createApp({ ...options, secret: generateSecret() }), { port: 0 });
  const headers = { 'Content-Type': 'application/json' };
  const ways = {
    'authenticate': async (username: Kind) =>
      (await accounts.authenticate(username, PASSWORD)) === undefined,
    'POST /auth': async (username: Kind) => {
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
    return { way, refuses, times: new Map(ALL_KINDS.map((kind) => [kind, [] as number[]])) };
  });
  // Each kind once in each round, in random order.
  const turns = contests.flatMap((contest) => ALL_KINDS.map((kind) => ({ ...contest, kind })));
  for (let round = -WARM_UP; round < rounds; round += 1) {
    for (const { refuses, times, kind } of shuffled(turns)) {
      const start = performance.now();
      assert.equal(await refuses(kind), true);
      if (round >= 0) times.get(kind)?.push(performance.now() - start);
    }
  }
  await close();
  return contests.flatMap(({ way, times }) => {
    const timesOf = (kind: Kind) => times.get(kind) ?? [];
    const wrong = timesOf('wrong');
    return ALL_KINDS.map((kind) => {
      const pairs = quartilesOf(timesOf(kind).map((time, round) => time / Number(wrong[round])));
      const ms = quartilesOf(timesOf(kind));
      return { logN, way, kind, ms, ratio: ms.median / quartilesOf(wrong).median, pairs };
    });
  });
}

const isJudged = ({ kind }: Result) => kind === 'unknown' || kind === 'malformed';
const holds = ({ ratio }: Result) => Math.abs(ratio - 1) <= MOST_APART;

function reportOf(where: string, results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { logN, way, kind, ms, ratio, pairs } = result;
    const verdict = holds(result) ? 'yes' : 'no';
    const isBaseline = kind === 'wrong';
    return [
      `2^${logN}`,
      `\`${way}\``,
      KINDS[kind],
      ms.median.toFixed(1),
      `${ms.low.toFixed(1)} to ${ms.high.toFixed(1)}`,
      isBaseline ? '' : ratio.toFixed(3),
      isBaseline ? '' : spreadOf(pairs, 3),
      isJudged(result) ? verdict : '',
    ];
  });
  const heads = [
    'N',
    'through',
    'kind of login',
    'median, ms',
    'middle half',
    'to a wrong password',
    'within rounds',
    'within 5 %',
  ];
  const counts = ROUNDS.map(({ logN, rounds }) => `${rounds} rounds at 2^${logN}`).join(', ');
  return `${where}; ${counts}\n\n${tableOf([heads, ...rows])}`;
}

const { values } = parseArgs({ options: { json: { type: 'boolean' } } });
const where = whereAndWhen();
const results: Result[] = [];
for (const { logN, rounds } of ROUNDS) results.push(...(await measure(logN, rounds)));
console.log(
  values.json ? JSON.stringify({ where, results }, null, 2) : reportOf(where, results),
);
if (!results.filter(isJudged).every(holds)) process.exitCode = 1;
