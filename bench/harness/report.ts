/** What the benchmarks share: percentiles, where they ran, and a table. */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';

/** The number below which that share of some numbers lies: 0.5 for the median, 1 for the greatest. */
export function percentileOf(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.round(share * (values.length - 1))] ?? NaN;
}

/** The middle of some numbers, and the ends of their middle half. */
export function quartilesOf(values: readonly number[]): {
  low: number;
  median: number;
  high: number;
} {
  return {
    low: percentileOf(values, 0.25),
    median: percentileOf(values, 0.5),
    high: percentileOf(values, 0.75),
  };
}

/** One line: Node, processor, commit, day. */
export function whereAndWhen(): string {
  const [{ model = 'unknown' } = {}, ...others] = cpus();
  const here = { cwd: import.meta.dirname, encoding: 'utf8' } as const;
  const commit = execFileSync('git', ['describe', '--always', '--dirty'], here);
  const day = new Date().toISOString().slice(0, 10);
  return `Node ${process.version}, ${others.length + 1} x ${model.trim()}, commit ${commit.trim()}, ${day}`;
}

/** A table as the README has it, its first row the heads. */
export function tableOf(rows: readonly (readonly (string | number)[])[]): string {
  const [heads = [], ...others] = rows;
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...others.map(line)].join('\n');
}

/** Reads `--rounds`, a number that is larger the longer and the finer a benchmark measures, and `--json`. */
export function readRounds(): { rounds: number; isJson: boolean } {
  const { values } = parseArgs({
    options: { json: { type: 'boolean' }, rounds: { type: 'string', default: '20' } },
  });
  const rounds = Number(values.rounds);
  const isCount = Number.isSafeInteger(rounds) && rounds >= 1;
  if (!isCount) throw new RangeError('"--rounds" expected a whole number of at least 1');
  return { rounds, isJson: values.json === true };
}
