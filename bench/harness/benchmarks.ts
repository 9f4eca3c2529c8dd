/** The benchmarks, their options and their help texts. */
import { NODES } from './figures.ts';

/** What npm does before a benchmark. */
export const PREPARATIONS = {
  /** Compiles the package into `dist`, because benchmarks measure what users install. */
  build: ['run', 'build', '--silent'],
  /** Installs the packages of other authors. */
  packages: ['ci', '--prefix', 'bench', '--silent'],
} as const;

export interface Benchmark {
  /** In the folder `bench`. */
  readonly file: string;
  /** One sentence. */
  readonly purpose: string;
  /** With the usual number of rounds, on one version of Node. */
  readonly minutes: number;
  readonly preparations: readonly (keyof typeof PREPARATIONS)[];
  /** Options of its own, beside those that every benchmark has. */
  readonly options: readonly (keyof typeof OWN_OPTIONS)[];
}

/** For parseArgs, and for the help text. */
interface Option {
  readonly type: 'string' | 'boolean';
  readonly usage: string;
  readonly meaning: string;
}

/** Options that only some benchmarks have. */
const OWN_OPTIONS = {
  rounds: {
    type: 'string',
    usage: '--rounds <n>',
    meaning: 'Measures n rounds (default 20). With 1 it is quick and rough.',
  },
} as const;

/** Options of every benchmark. */
const SHARED_OPTIONS = {
  node: {
    type: 'string',
    usage: '--node <version>',
    meaning:
      'Runs on this version of Node, such as 24 or 24.11.1, which it installs from npm. ' +
      'Without it, the benchmark runs on the installed Node.',
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
      'It replaces the results in bench/RESULTS.md, the figures of the pages, and the chart.',
  },
  help: {
    type: 'boolean',
    usage: '--help',
    meaning: 'Prints this text.',
  },
} as const;

/** By the name of the script in package.json. */
export const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  'bench': {
    file: 'bench.ts',
    purpose:
      'Compares tokens, passwords, the users file, GET /hello and the start with bare calls of ' +
      'Node, and measures growth and memory.',
    minutes: 7,
    preparations: ['build'],
    options: ['rounds'],
  },
  'bench:peers': {
    file: 'peers.ts',
    purpose: 'Compares tokens, GET /hello and sign-in with other packages.',
    minutes: 4,
    preparations: ['build', 'packages'],
    options: ['rounds'],
  },
  'bench:postgres': {
    file: 'postgres.ts',
    purpose:
      'Compares GET /hello over PostgreSQL: with gathered reads, with one query for each read, ' +
      'and with Fastify. It needs the URL of a server in TEST_POSTGRES_URL.',
    minutes: 5,
    preparations: ['build', 'packages'],
    options: ['rounds'],
  },
  'bench:store': {
    file: 'store.ts',
    purpose: 'Measures the users file with 1,000 to 1,000,000 users.',
    minutes: 5,
    preparations: [],
    options: [],
  },
  'bench:flood': {
    file: 'flood.ts',
    purpose: 'Measures how a flood of logins slows other clients. It needs Linux.',
    minutes: 2,
    preparations: [],
    options: [],
  },
  'bench:queue': {
    file: 'queue.ts',
    purpose: 'Measures whether an attacker who fills the queue locks a user out. It needs Linux.',
    minutes: 2,
    preparations: [],
    options: [],
  },
  'bench:timing': {
    file: 'timing.ts',
    purpose: 'Measures whether the time of a refused login tells that an account exists.',
    minutes: 3,
    preparations: [],
    options: [],
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

/** @returns the options of a benchmark, or of all of them together, for parseArgs */
export function optionsOf(name: string): Record<string, Option> {
  const options = name === ALL ? (['rounds'] as const) : benchmarkNamed(name).options;
  const own = options.map((option) => [option, OWN_OPTIONS[option]] as const);
  return { ...Object.fromEntries(own), ...SHARED_OPTIONS };
}

/** @returns the text of `--help` */
export function helpFor(name: string): string {
  const { purpose, minutes } = name === ALL ? EVERYTHING : benchmarkNamed(name);
  const options = Object.values(optionsOf(name)).map(({ usage, meaning }) => {
    return `  ${usage.padEnd(INDENT - 2)}${wrapped(meaning, INDENT)}`;
  });
  return `Usage: npm run ${name} -- [options]

${wrapped(`${purpose} It takes about ${minutes} minutes for each version of Node.`, 0)}

${options.join('\n')}

The exit code is 0 if the benchmark ends and all its limits hold, 2 if the options are invalid, and
1 otherwise. A goal that is missed does not change it.`;
}
