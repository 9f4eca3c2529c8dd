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
  helpFor,
  optionsOf,
} from './harness/benchmarks.ts';
import { missingDatabase } from './harness/database.ts';
import { filled, NODES, PAGES, recorded } from './harness/figures.ts';
import { installNode, nodePackage } from './harness/node-release.ts';
import { prepare } from './harness/preparation.ts';
import { roundsOf } from './harness/report.ts';

const ROOT = join(import.meta.dirname, '..');
const RESULTS = 'bench/RESULTS.md';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const write = (path: string, text: string): void => writeFileSync(join(ROOT, path), text);

/** The values of the command line, by the name of the option. */
type Values = Readonly<Record<string, unknown>>;

/** @throws TypeError or RangeError if the options are invalid */
function readOptions(name: string, args: string[]): Values {
  const { values } = parseArgs({ args, options: optionsOf(name) });
  const { node, record, json, rounds } = values;
  if (rounds !== undefined) roundsOf(String(rounds));
  if (node !== undefined) nodePackage(String(node));
  if (record !== true) return values;
  const isShown = node === undefined || NODES.some((shown) => shown === node);
  if (!isShown) throw new RangeError(`"--record" expected --node ${NODES.join(' or ')}`);
  if (json === true) throw new RangeError('"--record" and "--json" exclude each other');
  return values;
}

/** @returns what the benchmark itself reads: `--json`, and its own options */
function argumentsFor(name: string, values: Values): string[] {
  const options = ['json', ...benchmarkNamed(name).options];
  const given = options.filter((option) => values[option] !== undefined);
  return given.flatMap((option) => {
    const value = values[option];
    return value === true ? [`--${option}`] : [`--${option}`, String(value)];
  });
}

/** @param node the installed one if it is left out. @returns the exit code */
function run(name: string, values: Values, node?: string): number {
  const { file, hasPeers, needsDatabase } = benchmarkNamed(name);
  const missing = needsDatabase ? missingDatabase() : undefined;
  if (missing !== undefined) {
    console.log(missing);
    return 0;
  }
  const program = node === undefined ? process.execPath : installNode(node);
  const script = ['--expose-gc', '--', join(prepare(hasPeers), file)];
  const { status, stdout } = spawnSync(program, [...script, ...argumentsFor(name, values)], {
    cwd: ROOT,
    env: { ...process.env, PATH: [dirname(program), process.env['PATH']].join(delimiter) },
    stdio: ['ignore', values['record'] === true ? 'pipe' : 'inherit', 'inherit'],
    encoding: 'utf8',
  });
  if (values['record'] === true) record(name, String(node), stdout);
  return status ?? 1;
}

/** Keeps the output of a benchmark. One that fails, or that lacks what it needs, has no results. */
function record(name: string, node: string, output: string): void {
  console.log(output.trimEnd());
  if (!output.startsWith('Node v')) return console.error(`${name} has no results to record`);
  write(RESULTS, recorded(read(RESULTS), name, node, output));
  fillPages();
}

function fillPages(): void {
  for (const page of PAGES) write(page, filled(page, read(page), read(RESULTS)));
}

/** @returns the greatest exit code */
function runAll(name: string, values: Values): number {
  const { node, record: isRecorded } = values;
  const nodes = node === undefined && isRecorded === true ? NODES : [node];
  const names = name === ALL ? Object.keys(BENCHMARKS) : [name];
  const codes = names.flatMap((each) => {
    return nodes.map((on) => {
      try {
        return run(each, values, on === undefined ? on : String(on));
      } catch (error) {
        // The other benchmarks run all the same.
        console.error(`${each}: ${messageOf(error)}`);
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
    console.error(`${name}: ${messageOf(error)} (see --help)`);
    return 2;
  }
  if (values['help'] === true) {
    console.log(helpFor(name));
    return 0;
  }
  if (name !== FIGURES) return runAll(name, values);
  fillPages();
  return 0;
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

process.exitCode = main(process.argv.slice(2));
