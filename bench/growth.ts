/** Measures how the cost of a call grows with the size of its input or of the data behind it. */
import { createHash } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Jwt, latchkey } from './harness/built.ts';
import { takeTurns } from './harness/contest.ts';
import { quartilesOf, tableOf, type Quartiles } from './harness/report.ts';
import { SECRET } from './harness/secret.ts';

const { Accounts, AuthError, MemoryUserStore, Router } = latchkey;

/** One row: a size, and the time of one call at that size. */
interface Growth {
  readonly what: string;
  readonly size: number;
  readonly microseconds: Quartiles;
}

/** One call. `n` is a different number each time. */
type Call = (n: number) => unknown;

/** Calls in each turn: enough that V8 has compiled the code before the counted turns. */
const CALLS = 1000;

async function measure(
  what: string,
  sizes: readonly number[],
  make: (size: number) => Call,
  rounds: number,
) {
  let n = 0;
  const measureOnce = async ({ call }: { call: Call }) => {
    const begin = performance.now();
    for (let count = 0; count < CALLS; count += 1) {
      n += 1;
      const result = call(n);
      if (result instanceof Promise) await result;
    }
    return ((performance.now() - begin) * 1000) / CALLS;
  };
  // One round is for a quick look, and large sizes take long to make.
  const measured = rounds === 1 ? sizes.slice(0, 2) : sizes;
  const turns = await takeTurns(
    measured.map((size) => ({ size, call: make(size) })),
    rounds,
    measureOnce,
  );
  return turns.map(({ entry: { size }, measured: times }): Growth => ({
    what,
    size,
    microseconds: quartilesOf(times),
  }));
}

/** Numbers below `size`, spread evenly, the same in each run. */
const scattered = (n: number, size: number) =>
  createHash('sha256').update(String(n)).digest().readUInt32BE() % size;

function verifying(bytes: number): Call {
  const jwt = new Jwt({ secret: SECRET, cacheSize: 0, maxTokenLength: 1_048_576 });
  const token = jwt.sign({ data: 'x'.repeat(bytes) });
  return () => jwt.verify(token);
}

function routing(routes: number): Call {
  const router = new Router();
  for (let n = 0; n < routes; n += 1) router.get(`/route-${n}`, () => ({ n }));
  return (n) => {
    const message = new IncomingMessage(new Socket());
    message.method = 'GET';
    message.url = `/route-${n % routes}`;
    router.handle(message, new ServerResponse(message));
  };
}

/** The guard with the token cache off, for users spread over the whole store. */
function identifying(count: number): Call {
  const users = new MemoryUserStore();
  for (let n = 0; n < count; n += 1) {
    users.insert({ id: `user-${n}`, username: `user-${n}`, passwordHash: 'none', createdAt: '' });
  }
  const accounts = new Accounts({ users });
  const auth = new latchkey.JwtAuth({ secret: SECRET, cacheSize: 0, ...accounts.handlers });
  const jwt = new Jwt({ secret: SECRET });
  const tokenOf = (identity: string) => `JWT ${jwt.sign({ identity })}`;
  const tokens = Array.from({ length: CALLS }, (_, n) => tokenOf(`user-${scattered(n, count)}`));
  return (n) => auth.authorize(tokens[n % CALLS]);
}

/** A wrong password from one of `addresses` known addresses, without the cost of hashing. */
function throttling(addresses: number): Call {
  const passwords = { hash: async () => '', verify: async () => false, needsRehash: () => false };
  const limits = { triesPerAddress: 1_000_000 };
  const accounts = new Accounts({ users: new MemoryUserStore(), passwords, limits, now: () => 0 });
  const tryFrom = (n: number) => {
    const address = `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
    return accounts.authenticate(`unknown-${n}`, 'wrong', { address }).catch((error: unknown) => {
      if (!(error instanceof AuthError)) throw error;
    });
  };
  const known = Array.from({ length: addresses }, (_, n) => tryFrom(n));
  return async (n) => {
    await Promise.all(known.splice(0));
    await tryFrom(scattered(n, addresses));
  };
}

/** @returns a row for each size of each measurement */
export async function growths(rounds: number): Promise<Growth[]> {
  return [
    ...(await measure(
      'verify, by bytes of payload',
      [100, 512, 1024, 2048, 4096, 8192],
      verifying,
      rounds,
    )),
    ...(await measure('route a request, by routes', [1, 10, 100, 1000, 10_000], routing, rounds)),
    ...(await measure(
      'identify a request, by users',
      [100, 1000, 10_000, 100_000, 1_000_000],
      identifying,
      rounds,
    )),
    ...(await measure(
      'throttle a login, by addresses',
      [100, 1000, 10_000, 100_000],
      throttling,
      rounds,
    )),
  ];
}

/** @returns a table. The ratios are to the smallest size of the same measurement. */
export function growthTable(rows: readonly Growth[]): string {
  const cells = rows.map(({ what, size, microseconds }) => {
    const smallest = rows.find((row) => row.what === what);
    const ratio = microseconds.median / Number(smallest?.microseconds.median);
    const times = size / Number(smallest?.size);
    const [sizeText, timesText] = [size, times].map((number) => number.toLocaleString('en'));
    return [
      what,
      String(sizeText),
      microseconds.median.toFixed(2),
      String(timesText),
      ratio.toFixed(2),
    ];
  });
  return tableOf([['what', 'size', 'median, µs', 'size ratio', 'cost ratio'], ...cells]);
}
