/** Percentiles, the description of the machine, tables and options, for all benchmarks. */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';

/**
 * @param share 0.5 for the median, 1 for the greatest
 * @returns a value, or what lies between two of them: the median of two is their mean
 */
export function percentileOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const low = sorted[Math.floor(place)] ?? NaN;
  const high = sorted[Math.ceil(place)] ?? NaN;
  return low + (high - low) * (place % 1);
}

/** The median, and the ends of the middle half. */
export interface Quartiles {
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

export function quartilesOf(values: readonly number[]): Quartiles {
  return {
    low: percentileOf(values, 0.25),
    median: percentileOf(values, 0.5),
    high: percentileOf(values, 0.75),
  };
}

/** @returns `median (low to high)`, each with `digits` digits after the point */
export function spreadOf({ low, median, high }: Quartiles, digits: number): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}

const git = (...args: string[]): string =>
  execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).trimEnd();

/** Files that can change the figures. */
const MEASURED = [':/src', ':/bench', ':/package-lock.json', ':/package.json', ':/tsconfig.json'];
/** A page or a chart does not count as a change, because the run before may have recorded it. */
const RECORDED = /\.(?:md|svg)$/;

/** @returns whether a file that could change the figures differs from the commit */
export function hasChanges(): boolean {
  const changed = git('status', '--porcelain', '--', ...MEASURED).split('\n');
  return changed.some((name) => name !== '' && !RECORDED.test(name));
}

/** @returns the commit, with `-dirty` if it is not what runs */
const commitNow = (): string => `${git('describe', '--always')}${hasChanges() ? '-dirty' : ''}`;

/** @returns one line with the version of Node, the processor, the commit and the day */
export function whereAndWhen(): string {
  const [{ model = 'unknown' } = {}, ...others] = cpus();
  const day = new Date().toISOString().slice(0, 10);
  const { lts } = process.release;
  const release = lts === undefined ? process.version : `${process.version} (LTS ${lts})`;
  const machine = `Node ${release}, ${others.length + 1} x ${model.trim()}`;
  return `${machine}, commit ${commitNow()}, ${day}`;
}

/** @returns a table in Markdown. The first row holds the headings. */
export function tableOf(rows: readonly (readonly (string | number)[])[]): string {
  const [heads = [], ...others] = rows;
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...others.map(line)].join('\n');
}

/** @throws RangeError if the value of `--rounds` is not a whole number of at least 1 */
export function roundsOf(text: string): number {
  const rounds = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(rounds) && rounds >= 1) return rounds;
  throw new RangeError(`"--rounds" expected a whole number of at least 1, got "${text}"`);
}

/** Reads `--json` and `--rounds`. More rounds take longer and measure more precisely. */
export function readRounds(): { rounds: number; isJson: boolean } {
  const { values } = parseArgs({
    options: { json: { type: 'boolean' }, rounds: { type: 'string', default: '10' } },
  });
  return { rounds: roundsOf(values.rounds), isJson: values.json === true };
}
