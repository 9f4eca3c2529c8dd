/**
 * Measures one users file, with the store or with the baseline. It has a process of its own, so
 * that no measurement pays for the garbage of another:
 * `store-process.ts <store|bare> <path> <users>`.
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { JsonFileUserStore } from '../../src/users/json-file.ts';
import type { User } from '../../src/users/store.ts';
import { appendBare, IN_FLIGHT, openBare, userNamed } from '../store-files.ts';

const WARM_UP_BATCHES = 200;
const BATCHES = 80;
const ALONE = 20;

/** The measurements of one process. */
export interface Measured {
  readonly openMs: number;
  /** The most memory while the file was opened, less the memory before. */
  readonly peakBytes: number;
  /** The memory of the users once the file is open. */
  readonly keptBytes: number;
  /** For one durable insert, IN_FLIGHT of them at once. */
  readonly insertUs: number;
  /** For one durable insert, one at a time. */
  readonly insertAloneUs: number;
}

const [way, path = '', size] = process.argv.slice(2);
const users = Number(size);

async function timed<T>(job: () => T | Promise<T>): Promise<[ms: number, value: T]> {
  const start = performance.now();
  const value = await job();
  return [performance.now() - start, value];
}

globalThis.gc?.();
const before = process.memoryUsage();
const openIt = () => (way === 'bare' ? openBare(path) : JsonFileUserStore.open(path));
const [openMs, opened] = await timed<Map<string, User> | JsonFileUserStore>(openIt);
const peakBytes = process.resourceUsage().maxRSS * 1024 - before.rss;
const idOf = (index: number) =>
  (opened instanceof Map ? opened.get(`user${index}`) : opened.find(`user${index}`))?.id;
for (let index = 0; index < users; index += 1) assert.equal(idOf(index), `user${index}`);
globalThis.gc?.();
// The garbage collector still works in the background for a while.
await delay(300);
const keptBytes = process.memoryUsage().heapUsed - before.heapUsed;

let count = 0;
const insertInto = async (
  target: typeof opened,
  batches: number,
  inFlight: number,
): Promise<void> => {
  if (target instanceof Map) return appendBare(`${path}.bare`, batches, inFlight);
  let left = batches * inFlight;
  const insert = async () => {
    while (left-- > 0) assert.equal(await target.insert(userNamed(`new${(count += 1)}`)), true);
  };
  await Promise.all(Array.from({ length: inFlight }, insert));
};

// The same code warms up on another file, so that this one keeps its size.
const warmUp = opened instanceof Map ? opened : await JsonFileUserStore.open(`${path}.warm-up`);
await insertInto(warmUp, WARM_UP_BATCHES, IN_FLIGHT);
const [insertMs] = await timed(() => insertInto(opened, BATCHES, IN_FLIGHT));
const [insertAloneMs] = await timed(() => insertInto(opened, ALONE, 1));
for (const store of [warmUp, opened]) if (store instanceof JsonFileUserStore) await store.close();

const insertUs = (insertMs * 1000) / (BATCHES * IN_FLIGHT);
const insertAloneUs = (insertAloneMs * 1000) / ALONE;
process.send?.({ openMs, peakBytes, keptBytes, insertUs, insertAloneUs } satisfies Measured);
