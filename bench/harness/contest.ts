/**
 * A contest: the same work done in several ways, which first have to agree. They take turns in one process, and each
 * turn is judged beside that of the floor in the same round, so that a noisy machine is noisy for all.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { quartilesOf, tableOf } from './report.ts';

/** One way to do the work. It is called with each input of a turn. */
export type Way = (input: string) => unknown;

/** What is measured. */
export interface Contest {
  readonly name: string;
  /** New inputs for each turn, so that nothing is known from the turn before. */
  readonly inputs: () => readonly string[];
  /** The first is the floor. */
  readonly ways: Readonly<Record<string, Way>>;
  /** Throws unless all that the ways answered to one input, in their order, means the same. */
  readonly agree: (answers: readonly unknown[], input: string) => unknown;
  readonly rounds: number;
  /** How many calls of a way run at once; default one after the other. */
  readonly inFlight?: number;
}

/** One row. Times are for one call. */
export interface Result {
  readonly contest: string;
  readonly way: string;
  readonly microseconds: ReturnType<typeof quartilesOf>;
  /** The time beside that of the floor in the same round. */
  readonly toFloor: ReturnType<typeof quartilesOf>;
}

async function turn(way: Way, inputs: readonly string[], inFlight: number): Promise<number> {
  const start = performance.now();
  if (inFlight > 1) {
    const left = inputs.values();
    // Each takes the next one as soon as it is done.
    const runs = Array.from({ length: inFlight }, async () => {
      for (const input of left) await way(input);
    });
    await Promise.all(runs);
  } else {
    for (const input of inputs) {
      const answer = way(input);
      if (answer instanceof Promise) await answer;
    }
  }
  return ((performance.now() - start) * 1000) / inputs.length;
}

/** Measures each entry once a round, after some rounds that do not count. Nobody is always first. */
export async function takeTurns<Entry>(
  entries: readonly Entry[],
  rounds: number,
  measure: (entry: Entry) => number | Promise<number>,
): Promise<{ readonly entry: Entry; readonly measured: number[] }[]> {
  const turns = entries.map((entry) => ({ entry, measured: [] as number[] }));
  for (let round = -Math.max(2, Math.ceil(rounds / 4)); round < rounds; round += 1) {
    for (const { entry, measured } of round % 2 === 0 ? turns : turns.toReversed()) {
      const value = await measure(entry);
      if (round >= 0) measured.push(value);
      // What a turn left for later must not be paid by the next.
      await delay(0);
    }
  }
  return turns;
}

/** The microseconds of each turn of a way. */
interface Times {
  readonly way: string;
  readonly times: readonly number[];
}

/** @param turns the first is the floor */
export function resultsOf(contest: string, turns: readonly Times[]): Result[] {
  return turns.map(({ way, times }) => {
    const ratios = times.map((time, round) => time / Number(turns[0]?.times[round]));
    return { contest, way, microseconds: quartilesOf(times), toFloor: quartilesOf(ratios) };
  });
}

/** Runs a contest. @throws what `agree` throws */
export async function run(contest: Contest): Promise<Result[]> {
  const { name, inputs, agree, rounds, inFlight = 1 } = contest;
  const ways = Object.entries(contest.ways);
  const [input] = inputs();
  if (input === undefined) throw new Error(`${name} has no inputs`);
  const answers = [];
  for (const [, does] of ways) answers.push(await does(input));
  await agree(answers, input);
  const turns = await takeTurns(ways, rounds, ([, does]) => turn(does, inputs(), inFlight));
  return resultsOf(
    name,
    turns.map(({ entry: [way], measured }) => ({ way, times: measured })),
  );
}

/** A claim about two rows: what one takes is at most so many times what the other takes. */
export interface Goal {
  readonly contest: string;
  readonly way: string;
  readonly other: string;
  readonly atMost: number;
}

/** @returns a table of the goals, of which each may be out of reach */
export function verdictsOf(results: readonly Result[], goals: readonly Goal[]): string {
  const median = (contest: string, way: string) =>
    results.find((result) => result.contest === contest && result.way === way)?.microseconds
      .median ?? NaN;
  const rows = goals.map(({ contest, way, other, atMost }) => {
    const ratio = median(contest, way) / median(contest, other);
    return [
      contest,
      `${way} beside ${other}`,
      ratio.toFixed(3),
      `at most ${atMost}`,
      ratio <= atMost ? 'yes' : 'no',
    ];
  });
  return tableOf([['contest', 'who', 'takes', 'wanted', 'holds'], ...rows]);
}

const inUnits = (microseconds: number) =>
  microseconds < 1000 ? `${microseconds.toFixed(2)} µs` : `${(microseconds / 1000).toFixed(1)} ms`;

/** @returns a table of the results */
export function resultsTable(results: readonly Result[]): string {
  const rows = results.map(({ contest, way, microseconds, toFloor }) => [
    contest,
    way,
    inUnits(microseconds.median),
    `${inUnits(microseconds.low)} to ${inUnits(microseconds.high)}`,
    Math.round(1e6 / microseconds.median).toLocaleString('en'),
    `${toFloor.median.toFixed(2)} (${toFloor.low.toFixed(2)} to ${toFloor.high.toFixed(2)})`,
  ]);
  return tableOf([
    ['contest', 'way', 'median', 'middle half', 'a second', 'to the floor'],
    ...rows,
  ]);
}
