/**
 * Measures the cost of the users file as it grows, against the bare calls of Node that every store
 * needs: `npm run bench:store`.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from './harness/child.ts';
import { quartilesOf, spreadOf, tableOf, whereAndWhen } from './harness/report.ts';
import { IN_FLIGHT, makeFile } from './store-files.ts';
import type { Measured } from './processes/store-process.ts';

const SIZES = [1e3, 1e4, 1e5, 1e6];
const ROUNDS = 7;

/** Medians for one size. */
interface Result {
  readonly users: number;
  readonly fileBytes: number;
  readonly store: Measured;
  readonly bare: Measured;
  /**
   * The time of an insert as a multiple of that into the smallest file in the same round: the
   * median, and the middle half.
   */
  readonly growth: string;
}

/** One measurement, on a copy that is synced to disk before it begins. */
async function measureOnce(way: 'store' | 'bare', path: string, users: number): Promise<Measured> {
  const copy = `${path}.copy`;
  for (const name of ['warm-up', 'bare']) rmSync(`${copy}.${name}`, { force: true });
  copyFileSync(path, copy);
  const file = await open(copy);
  await file.sync();
  await file.close();
  const child = fork(join(import.meta.dirname, 'processes/store-process.js'), [
    way,
    copy,
    String(users),
  ]);
  const measured = await messageOf<Measured>(child);
  if (child.exitCode === null) await once(child, 'exit');
  return measured;
}

function mediansOf(rounds: readonly Measured[]): Measured {
  const median = (name: keyof Measured) => quartilesOf(rounds.map((round) => round[name])).median;
  return {
    openMs: median('openMs'),
    peakBytes: median('peakBytes'),
    keptBytes: median('keptBytes'),
    insertUs: median('insertUs'),
    insertAloneUs: median('insertAloneUs'),
  };
}

async function measure(folder: string): Promise<Result[]> {
  const files = SIZES.map((users) => {
    return {
      users,
      path: join(folder, `${users}.jsonl`),
      store: [] as Measured[],
      bare: [] as Measured[],
    };
  });
  for (const { users, path } of files) await makeFile(path, users);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { users, path, store, bare } of round % 2 === 0 ? files : files.toReversed()) {
      store.push(await measureOnce('store', path, users));
      bare.push(await measureOnce('bare', path, users));
    }
  }
  const [smallest] = files;
  return files.map(({ users, path, store, bare }) => {
    const ratios = store.map(
      ({ insertUs }, round) => insertUs / Number(smallest?.store[round]?.insertUs),
    );
    const growth = spreadOf(quartilesOf(ratios), 2);
    return {
      users,
      fileBytes: statSync(path).size,
      store: mediansOf(store),
      bare: mediansOf(bare),
      growth,
    };
  });
}

function reportOf(where: string, results: readonly Result[]): string {
  const count = (value = NaN) => value.toLocaleString('en');
  const mb = (bytes: number) => (bytes / 1e6).toFixed(1);
  const opening = results.map(({ users, fileBytes, store, bare }) => [
    count(users),
    mb(fileBytes),
    store.openMs.toFixed(1),
    bare.openMs.toFixed(1),
    (store.openMs / bare.openMs).toFixed(2),
    mb(store.keptBytes),
    mb(store.peakBytes),
    mb(bare.peakBytes),
  ]);
  const inserting = results.map(({ users, store, bare, growth }) => [
    count(users),
    store.insertUs.toFixed(1),
    bare.insertUs.toFixed(1),
    growth,
    store.insertAloneUs.toFixed(0),
    bare.insertAloneUs.toFixed(0),
    (store.insertAloneUs / store.insertUs).toFixed(1),
  ]);
  const openingHeads = [
    'users',
    'file, MB',
    'open, ms',
    'bare, ms',
    'ratio',
    'kept, MB',
    'peak, MB',
    'peak of bare, MB',
  ];
  const insertingHeads = [
    'users',
    `${IN_FLIGHT} in flight, µs`,
    'bare, µs',
    `to ${count(results[0]?.users)} users`,
    'one at a time, µs',
    'bare, µs',
    'one at a time / in flight',
  ];
  return `${where}; medians of ${ROUNDS} rounds

Opening, against the baseline: a read of the whole file, split, JSON.parse and Map.set. "Kept" is
the memory of the users, and "peak" is the most memory while the file is read.

${tableOf([openingHeads, ...opening])}

A durable insert, ${IN_FLIGHT} in flight and one at a time, against the baseline: one write and one
fdatasync of as many lines.

${tableOf([insertingHeads, ...inserting])}`;
}

const { values } = parseArgs({ options: { json: { type: 'boolean' } } });
const where = whereAndWhen();
const folder = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
try {
  const results = await measure(folder);
  console.log(
    values.json ? JSON.stringify({ where, results }, null, 2) : reportOf(where, results),
  );
} finally {
  rmSync(folder, { recursive: true });
}
