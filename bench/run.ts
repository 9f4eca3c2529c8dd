/**
 * Runs a benchmark on a chosen version of Node. The scripts of package.json call it:
 * `npm run bench:store -- --node 24` is `bench/run.ts bench:store --node 24`. `bench:all` runs all
 * benchmarks, and `bench:figures` copies the figures of RESULTS.md into the pages.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  ALL,
  benchmarkNamed,
  BENCHMARKS,
  FIGURES,
  hasRounds,
  helpFor,
  OPTIONS,
} from './harness/benchmarks.ts';
import { filled, PAGES } from './harness/figures.ts';
import { installNode, nodePackage } from './harness/node-release.ts';
import { NODES, recorded } from './harness/results.ts';

const ROOT = join(import.meta.dirname, '..');
const RESULTS = 'bench/RESULTS.md';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const write = (path: string, text: string): void => writeFileSync(join(ROOT, path), text);

/** The values of the command line. */
type Values = ReturnType<typeof readOptions>;

/** @throws TypeError or RangeError if the options are invalid */
function readOptions(name: string, args: string[]) {
  const { values } = parseArgs({ args, options: OPTIONS });
  const { rounds, node, record, json } = values;
  if (!hasRounds(name) && rounds !== undefined) {
    throw new RangeError('this benchmark has no "--rounds"');
  }
  // Only for its errors.
  if (node !== undefined) nodePackage(node);
  if (record !== true) return values;
  const isShown = node === undefined || NODES.includes(node);
  if (!isShown) throw new RangeError(`"--record" expected --node ${NODES.join(' or ')}`);
  if (json === true) throw new RangeError('"--record" and "--json" exclude each other');
  return values;
}

/** Runs npm. Its output goes to stderr, so that stdout holds nothing but results. */
function runNpm(args: readonly string[]): void {
  const { status } = spawnSync('npm', args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`"npm ${args.join(' ')}" failed`);
}

/**
 * Runs a benchmark. With `--record`, it also keeps the output.
 * @param node undefined for the installed version, and then nothing is kept
 * @returns the exit code
 */
function run(name: string, { rounds, json, record }: Values, node: string | undefined): number {
  const { file, preparations } = benchmarkNamed(name);
  for (const args of preparations) runNpm(args);
  const program = node === undefined ? process.execPath : installNode(node);
  const script = ['--expose-gc', '--import', 'tsx', '--', join('bench', file)];
  if (json === true) script.push('--json');
  if (rounds !== undefined && hasRounds(name)) script.push('--rounds', rounds);
  const { status, stdout } = spawnSync(program, script, {
    cwd: ROOT,
    env: { ...process.env, PATH: [dirname(program), process.env['PATH']].join(delimiter) },
    stdio: ['ignore', record === true ? 'pipe' : 'inherit', 'inherit'],
    encoding: 'utf8',
  });
  if (record === true && node !== undefined) keep(name, node, stdout);
  return status ?? 1;
}

/** Prints the output of a benchmark, and puts it into RESULTS.md and the pages. */
function keep(name: string, node: string, output: string): void {
  console.log(output.trimEnd());
  // A benchmark that throws, or that lacks what it needs, prints no such line.
  if (!output.startsWith('Node v')) {
    console.error(`${name} has no results to record`);
    return;
  }
  write(RESULTS, recorded(read(RESULTS), name, node, output));
  fillPages();
}

function fillPages(): void {
  for (const page of PAGES) write(page, filled(page, read(page), read(RESULTS)));
}

/** Runs one benchmark, or all of them. @returns the greatest exit code */
function runNamed(name: string, values: Values): number {
  const { node, record } = values;
  const nodes = node === undefined && record === true ? NODES : [node];
  const names = name === ALL ? Object.keys(BENCHMARKS) : [name];
  return Math.max(...names.flatMap((each) => nodes.map((on) => run(each, values, on))));
}

function main([name = '', ...args]: readonly string[]): number {
  if (name === FIGURES) {
    fillPages();
    return 0;
  }
  let values: Values;
  try {
    values = readOptions(name, args);
  } catch (error) {
    console.error(`${name}: ${reasonOf(error)} (see --help)`);
    return 2;
  }
  if (values.help === true) {
    console.log(helpFor(name));
    return 0;
  }
  try {
    return runNamed(name, values);
  } catch (error) {
    console.error(`${name}: ${reasonOf(error)}`);
    return 1;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

process.exitCode = main(process.argv.slice(2));
