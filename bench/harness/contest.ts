/**
 * A contest: the same work done by several contestants, which must first agree on the result. They
 * take turns in one process. Each turn is compared with the baseline's turn in the same round, so
 * that noise of the machine affects both of them.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { quartilesOf, spreadOf, tableOf, type Quartiles } from './report.ts';

/** One way to do the work. A turn calls it once with each input. */
export type Way = (input: string) => unknown;

export interface Contest {
  readonly name: string;
  /** Makes new inputs for each turn, so that no cache knows them from the turn before. */
  readonly inputs: () => readonly string[];
  /** By the name of the contestant. The first is the baseline. */
  readonly ways: Readonly<Record<string, Way>>;
  /** Throws unless the answers of all contestants to one input, in their order, mean the same. */
  readonly agree: (answers: readonly unknown[], input: string) => unknown;
  readonly rounds: number;
  /**
   * How many calls of a contestant that returns promises run at once, as in a server. Default 1.
   * Calls that return no promise run one after the other.
   */
  readonly inFlight?: number;
}

/** Inputs for a contest that needs a new name in each call. */
export function uniqueNames(count: number): string[] {
  return Array.from({ length: count }, () => `u${randomUUID()}`);
}

/** One row. Times are per call. */
export interface Result {
  readonly contest: string;
  readonly way: string;
  readonly microseconds: Quartiles;
  /** The microseconds of each turn, in the order of the rounds. */
  readonly times: readonly number[];
  /** The time as a multiple of the baseline's time in the same round. */
  readonly ofBaseline: Quartiles;
}

async function turn(way: Way, inputs: readonly string[], inFlight: number): Promise<number> {
  const start = performance.now();
  if (inFlight > 1) {
    const left = inputs.values();
    // Each run takes the next input as soon as it has finished one.
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

/** Measures each entry once per round, after a quarter as many to warm up. The order alternates. */
export async function takeTurns<Entry>(
  entries: readonly Entry[],
  rounds: number,
  measure: (entry: Entry) => number | Promise<number>,
): Promise<{ readonly entry: Entry; readonly measured: number[] }[]> {
  const turns = entries.map((entry) => ({ entry, measured: [] as number[] }));
  for (let round = -Math.ceil(rounds / 4); round < rounds; round += 1) {
    for (const { entry, measured } of round % 2 === 0 ? turns : turns.toReversed()) {
      const value = await measure(entry);
      if (round >= 0) measured.push(value);
      // Work that a turn leaves for later must not count for the next turn.
      await delay(0);
    }
  }
  return turns;
}

/** The microseconds of each turn of one contestant. */
interface Times {
  readonly way: string;
  readonly times: readonly number[];
}

const ratiosOf = (times: readonly number[], others: readonly number[] = []): number[] =>
  times.map((time, round) => time / Number(others[round]));

/** @param turns the first is the baseline */
export function resultsOf(contest: string, turns: readonly Times[]): Result[] {
  return turns.map(({ way, times }) => {
    const ratios = ratiosOf(times, turns[0]?.times);
    const [microseconds, ofBaseline] = [quartilesOf(times), quartilesOf(ratios)];
    return { contest, way, times, microseconds, ofBaseline };
  });
}

/** Runs a contest. @throws what `agree` throws */
export async function run(contest: Contest): Promise<Result[]> {
  const { name, inputs, agree, rounds, inFlight = 1 } = contest;
  const [input] = inputs();
  if (input === undefined) throw new Error(`the contest "${name}" has no inputs`);
  const entries = [];
  const answers = [];
  for (const [name, way] of Object.entries(contest.ways)) {
    const answer = way(input);
    entries.push({ name, way, atOnce: answer instanceof Promise ? inFlight : 1 });
    answers.push(await answer);
  }
  await agree(answers, input);
  const turns = await takeTurns(entries, rounds, ({ way, atOnce }) => turn(way, inputs(), atOnce));
  return resultsOf(
    name,
    turns.map(({ entry, measured }) => ({ way: entry.name, times: measured })),
  );
}

/** The time of `way` should be at most `atMost` times the time of `other`. */
export interface Goal {
  readonly contest: string;
  readonly way: string;
  readonly other: string;
  readonly atMost: number;
}

/** @returns a table of the goals and whether each is met */
export function goalsTable(results: readonly Result[], goals: readonly Goal[]): string {
  const timesOf = (contest: string, way: string) =>
    results.find((result) => result.contest === contest && result.way === way)?.times ?? [];
  const rows = goals.map(({ contest, way, other, atMost }) => {
    const ratios = ratiosOf(timesOf(contest, way), timesOf(contest, other));
    const ratio = quartilesOf(ratios).median;
    return [
      contest,
      `${way} / ${other}`,
      ratio.toFixed(3),
      `at most ${atMost}`,
      ratio <= atMost ? 'yes' : 'no',
    ];
  });
  return tableOf([['contest', 'compared', 'measured', 'goal', 'met'], ...rows]);
}

/** @returns what a benchmark that has only contests prints */
export function reportOf(
  where: string,
  results: readonly Result[],
  goals: readonly Goal[],
  isJson: boolean,
): string {
  if (isJson) return JSON.stringify({ where, results }, null, 2);
  return [where, resultsTable(results), goalsTable(results, goals)].join('\n\n');
}

const inUnits = (microseconds: number) =>
  microseconds < 1000 ? `${microseconds.toFixed(2)} µs` : `${(microseconds / 1000).toFixed(1)} ms`;

/** @returns a table of the results */
export function resultsTable(results: readonly Result[]): string {
  const rows = results.map(({ contest, way, microseconds, ofBaseline }) => [
    contest,
    way,
    inUnits(microseconds.median),
    `${inUnits(microseconds.low)} to ${inUnits(microseconds.high)}`,
    Math.round(1e6 / microseconds.median).toLocaleString('en'),
    spreadOf(ofBaseline, 2),
  ]);
  return tableOf([
    ['contest', 'contestant', 'median', 'middle half', 'per second', 'to the baseline'],
    ...rows,
  ]);
}
