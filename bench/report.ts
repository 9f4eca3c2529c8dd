/** What the benchmarks share: quartiles, where they ran, and a table. */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';

/** The middle of some numbers, and the ends of their middle half. */
export function quartilesOf(values: readonly number[]): { low: number; median: number; high: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? NaN;
  return { low: at(0.25), median: at(0.5), high: at(0.75) };
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
