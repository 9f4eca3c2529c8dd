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
  optionsOf,
} from './harness/benchmarks.ts';
import { missingDatabase } from './harness/database.ts';
import { filled, PAGES } from './harness/figures.ts';
import { checkNode, installNode } from './harness/node-release.ts';
import { prepare } from './harness/preparation.ts';
import { hasChanges, roundsOf } from './harness/report.ts';
import { NODES, recorded } from './harness/results.ts';

const ROOT = join(import.meta.dirname, '..');
const RESULTS = 'bench/RESULTS.md';
/** Fewer are too rough for a page. */
const MIN_RECORDED_ROUNDS = 10;

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const write = (path: string, text: string): void => writeFileSync(join(ROOT, path), text);

/** The values of the command line. */
type Values = ReturnType<typeof readOptions>;

/** @throws TypeError or RangeError if the options are invalid */
function readOptions(name: string, args: string[]) {
  const { values } = parseArgs({ args, options: OPTIONS });
  const { rounds, node, record, json } = values;
  const usages = optionsOf(name).map(({ usage }) => usage.split(' ')[0]);
  for (const option of Object.keys(values)) {
    if (!usages.includes(`--${option}`)) throw new RangeError(`${name} has no "--${option}"`);
  }
  if (rounds !== undefined) roundsOf(rounds);
  if (node !== undefined) checkNode(node);
  if (record !== true) return values;
  const isShown = node === undefined || NODES.includes(node);
  if (!isShown) throw new RangeError(`"--record" expected --node ${NODES.join(' or ')}`);
  if (json === true) throw new RangeError('"--record" and "--json" exclude each other');
  if (rounds !== undefined && roundsOf(rounds) < MIN_RECORDED_ROUNDS) {
    throw new RangeError(`"--record" expected at least ${MIN_RECORDED_ROUNDS} rounds`);
  }
  return values;
}

/**
 * Runs a benchmark. With `--record`, it also keeps the output.
 * @param node undefined for the installed version, and then nothing is kept
 * @returns the exit code
 */
function run(name: string, { rounds, json, record }: Values, node: string | undefined): number {
  const { file, hasPeers, needsDatabase } = benchmarkNamed(name);
  const missing = needsDatabase ? missingDatabase() : undefined;
  if (missing !== undefined) {
    console.log(missing);
    // A recording without one of the benchmarks is not complete.
    return record === true ? 1 : 0;
  }
  const program = node === undefined ? process.execPath : installNode(node);
  const script = ['--expose-gc', '--', join(prepare(hasPeers), file)];
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
  if (record === true && hasChanges()) {
    console.error(`${name}: commit the changes first, because "--record" names the commit`);
    return 1;
  }
  const nodes = node === undefined && record === true ? NODES : [node];
  const names = name === ALL ? Object.keys(BENCHMARKS) : [name];
  const codes = names.flatMap((each) => {
    return nodes.map((on) => {
      try {
        return run(each, values, on);
      } catch (error) {
        // The other benchmarks run all the same.
        console.error(`${each}: ${reasonOf(error)}`);
        return 1;
      }
    });
  });
  return Math.max(...codes);
}

function main([name = '', ...args]: readonly string[]): number {
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
  if (name !== FIGURES) return runNamed(name, values);
  fillPages();
  return 0;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

process.exitCode = main(process.argv.slice(2));
