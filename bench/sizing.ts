/** Logins a second and memory of a server, by the cores that hash and by the cost of scrypt. */
import { availableParallelism } from 'node:os';
import { logIn, signUp, startCommand } from './command.ts';
import { quartilesOf, tableOf } from './harness/report.ts';

/** log2 of N: a quarter of the default cost, half of it, and the default. */
const COSTS: readonly number[] = [15, 16, 17];

/** For each core. */
const LOGINS_IN_A_TURN = 2;

export interface Size {
  readonly cores: number;
  /** log2 of scrypt's N. */
  readonly cost: number;
  /** The median of all turns. */
  readonly loginsPerSecond: number;
  /** The peak of resident memory. */
  readonly peakBytes: number;
}

/** From 1 to the cores of this machine, and at most 3: libuv's pool of 4 leaves no more to hash. */
function coreCounts(): number[] {
  const most = Math.min(availableParallelism(), 3);
  return Array.from({ length: most }, (_, index) => index + 1);
}

/** Lets every core answer a few logins. @returns logins a second */
async function takeTurn(port: number, cores: number): Promise<number> {
  const total = LOGINS_IN_A_TURN * cores;
  let begun = 0;
  const begin = performance.now();
  // One login more than there are cores is under way at every moment, so that no core idles.
  const clients = Array.from({ length: cores + 1 }, async () => {
    while (begun < total) {
      begun += 1;
      await logIn(port);
    }
  });
  await Promise.all(clients);
  return (1000 * total) / (performance.now() - begin);
}

async function measure(cores: number, cost: number, rounds: number): Promise<Size> {
  // Of libuv's threads, one is left for the files.
  const threads = { UV_THREADPOOL_SIZE: String(cores + 1) };
  const flags = ['--scrypt-cost', String(cost), '--throttle', 'off'];
  const server = await startCommand(flags, threads);
  await signUp(server.port);
  await logIn(server.port);
  const rates: number[] = [];
  for (let round = 0; round < rounds; round += 1) rates.push(await takeTurn(server.port, cores));
  const { peakRss } = await server.usage();
  await server.stop();
  return { cores, cost, loginsPerSecond: quartilesOf(rates).median, peakBytes: peakRss };
}

/** Measures every number of cores of this machine at every cost, or one of each in one round. */
export async function measureSizes(rounds: number): Promise<Size[]> {
  const sizes: Size[] = [];
  const most = rounds === 1 ? 1 : Infinity;
  for (const cores of coreCounts().slice(0, most)) {
    for (const cost of COSTS.slice(0, most)) sizes.push(await measure(cores, cost, rounds));
  }
  return sizes;
}

export function sizesTable(sizes: readonly Size[]): string {
  const rows = sizes.map(({ cores, cost, loginsPerSecond, peakBytes }) => [
    cores,
    cost,
    loginsPerSecond.toFixed(1),
    `${(peakBytes / 2 ** 20).toFixed(0)} MiB`,
  ]);
  return tableOf([['cores that hash', '`--scrypt-cost`', 'logins a second', 'memory'], ...rows]);
}
