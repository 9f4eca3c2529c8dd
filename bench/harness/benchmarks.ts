/** The benchmarks, their options and their help texts. */
import { NODES } from './results.ts';

interface Benchmark {
  /** In the folder of the compiled benchmarks. */
  readonly file: string;
  /** One sentence. */
  readonly purpose: string;
  /** With the usual number of rounds, on one version of Node. */
  readonly minutes: number;
  /** Whether it compares packages of other authors, which are installed first. */
  readonly hasPeers: boolean;
  readonly needsDatabase: boolean;
  /** Whether it reads `--rounds`. */
  readonly hasRounds: boolean;
}

/** For parseArgs, and for the help text. */
interface Option {
  readonly type: 'string' | 'boolean';
  readonly usage: string;
  readonly meaning: string;
}

/** The options of every benchmark, and `rounds`, which some lack. */
export const OPTIONS = {
  rounds: {
    type: 'string',
    usage: '--rounds <n>',
    meaning: 'Measures n rounds (default 10). With 1 it is quick and rough, without large sizes.',
  },
  node: {
    type: 'string',
    usage: '--node <version>',
    meaning:
      'Runs on this version of Node, such as 24 or 24.11.1, which it installs from npm, or on ' +
      'the binary at this path, such as ./node. Without it, the benchmark runs on the installed ' +
      'Node.',
  },
  json: {
    type: 'boolean',
    usage: '--json',
    meaning: 'Prints JSON instead of tables.',
  },
  record: {
    type: 'boolean',
    usage: '--record',
    meaning:
      `Runs on Node ${NODES.join(' and on Node ')}, or on the one that --node names. ` +
      'It replaces the results in bench/RESULTS.md, the figures of the pages, and the chart. It ' +
      'needs committed code and at least 10 rounds.',
  },
  help: {
    type: 'boolean',
    usage: '--help',
    meaning: 'Prints this text.',
  },
} as const satisfies Readonly<Record<string, Option>>;

/** By the name of the script in package.json. */
export const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  'bench': {
    file: 'bench.js',
    purpose:
      'Compares tokens, passwords, the users file, GET /hello and the start with bare calls of ' +
      'Node, and measures growth and memory.',
    minutes: 4,
    hasPeers: false,
    needsDatabase: false,
    hasRounds: true,
  },
  'bench:peers': {
    file: 'peers.js',
    purpose: 'Compares tokens, GET /hello and sign-in with other packages.',
    minutes: 3,
    hasPeers: true,
    needsDatabase: false,
    hasRounds: true,
  },
  'bench:postgres': {
    file: 'postgres.js',
    purpose:
      'Compares GET /hello over PostgreSQL: with gathered reads, with one query for each read, ' +
      'and with Fastify. It needs the URL of a server in TEST_POSTGRES_URL.',
    minutes: 2,
    hasPeers: true,
    needsDatabase: true,
    hasRounds: true,
  },
  'bench:store': {
    file: 'store.js',
    purpose: 'Measures the users file with 1,000 to 1,000,000 users.',
    minutes: 3,
    hasPeers: false,
    needsDatabase: false,
    hasRounds: false,
  },
  'bench:flood': {
    file: 'flood.js',
    purpose: 'Measures how a flood of logins slows other clients. It needs Linux.',
    minutes: 2,
    hasPeers: false,
    needsDatabase: false,
    hasRounds: false,
  },
  'bench:queue': {
    file: 'queue.js',
    purpose: 'Measures whether an attacker who fills the queue locks a user out. It needs Linux.',
    minutes: 2,
    hasPeers: false,
    needsDatabase: false,
    hasRounds: false,
  },
  'bench:timing': {
    file: 'timing.js',
    purpose: 'Measures whether the time of a refused login tells that an account exists.',
    minutes: 2,
    hasPeers: false,
    needsDatabase: false,
    hasRounds: false,
  },
};

/** Stands for all benchmarks, one after the other. */
export const ALL = 'bench:all';

/** Copies the figures of RESULTS.md into the pages, and runs no benchmark. */
export const FIGURES = 'bench:figures';

const EVERYTHING = {
  purpose: 'Runs all benchmarks, one after the other.',
  minutes: Object.values(BENCHMARKS).reduce((sum, { minutes }) => sum + minutes, 0),
};

const COLUMNS = 100;
const INDENT = 22;

/** @returns the words in lines of at most COLUMNS, all but the first with an indentation */
function wrapped(words: string, indent: number): string {
  const lines = [''];
  for (const word of words.split(' ')) {
    const line = `${lines.at(-1)} ${word}`.trimStart();
    if (indent + line.length > COLUMNS) lines.push(word);
    else lines[lines.length - 1] = line;
  }
  return lines.join(`\n${' '.repeat(indent)}`);
}

/** @throws RangeError for a name that is not in BENCHMARKS */
export function benchmarkNamed(name: string): Benchmark {
  const benchmark = BENCHMARKS[name];
  if (benchmark === undefined) throw new RangeError(`there is no benchmark "${name}"`);
  return benchmark;
}

/** @returns whether a benchmark, or one of all of them, reads `--rounds` */
export function hasRounds(name: string): boolean {
  if (name === FIGURES) return false;
  return name === ALL || benchmarkNamed(name).hasRounds;
}

/** @returns the options of a command */
export function optionsOf(name: string): readonly Option[] {
  if (name === FIGURES) return [OPTIONS.help];
  const { rounds, ...shared } = OPTIONS;
  return hasRounds(name) ? [rounds, ...Object.values(shared)] : Object.values(shared);
}

/** @returns what a command does */
function descriptionOf(name: string): string {
  if (name === FIGURES) return 'Copies the figures of bench/RESULTS.md to the pages and the chart.';
  const { purpose, minutes } = name === ALL ? EVERYTHING : benchmarkNamed(name);
  return `${purpose} It takes about ${minutes} minutes for each version of Node.`;
}

/** @returns the text of `--help` */
export function helpFor(name: string): string {
  const options = optionsOf(name).map(({ usage, meaning }) => {
    return `  ${usage.padEnd(INDENT - 2)}${wrapped(meaning, INDENT)}`;
  });
  return `Usage: npm run ${name} -- [options]

${wrapped(descriptionOf(name), 0)}

${options.join('\n')}

The exit code is 0 if all succeeds and every limit of a benchmark holds, 2 if the options are
invalid, and 1 otherwise. A goal that is missed does not change it.`;
}
