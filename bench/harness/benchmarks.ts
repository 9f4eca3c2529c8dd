/** The benchmarks, their options and their help texts. */
import { NODES } from './figures.ts';

export interface Benchmark {
  /** In the folder of the compiled benchmarks. */
  readonly file: string;
  /** One sentence. */
  readonly purpose: string;
  /** With the usual number of rounds, on one version of Node. */
  readonly minutes: number;
  /** Whether it compares packages of other authors, which are installed first. */
  readonly hasPeers: boolean;
  readonly needsDatabase: boolean;
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
    file: 'bench.js',
    purpose:
      'Compares tokens, passwords, the users file, GET /hello and the start with bare Node.',
    minutes: 7,
    hasPeers: false,
    needsDatabase: false,
    options: ['rounds'],
  },
  'bench:peers': {
    file: 'peers.js',
    purpose: 'Compares tokens, GET /hello and sign-in with other packages.',
    minutes: 4,
    hasPeers: true,
    needsDatabase: false,
    options: ['rounds'],
  },
  'bench:postgres': {
    file: 'postgres.js',
    purpose: 'Compares GET /hello over PostgreSQL with one query a request and with Fastify.',
    minutes: 3,
    hasPeers: true,
    needsDatabase: true,
    options: ['rounds'],
  },
  'bench:store': {
    file: 'store.js',
    purpose: 'Measures the users file with 1,000 to 1,000,000 users.',
    minutes: 5,
    hasPeers: false,
    needsDatabase: false,
    options: [],
  },
  'bench:flood': {
    file: 'flood.js',
    purpose: 'Measures how a flood of logins slows other clients. It needs Linux.',
    minutes: 2,
    hasPeers: false,
    needsDatabase: false,
    options: [],
  },
  'bench:queue': {
    file: 'queue.js',
    purpose: 'Measures whether an attacker who fills the queue locks a user out. It needs Linux.',
    minutes: 2,
    hasPeers: false,
    needsDatabase: false,
    options: [],
  },
  'bench:timing': {
    file: 'timing.js',
    purpose: 'Measures whether the time of a refused login tells that an account exists.',
    minutes: 3,
    hasPeers: false,
    needsDatabase: false,
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

/** @returns the options of a command, for parseArgs */
export function optionsOf(name: string): Record<string, Option> {
  if (name === FIGURES) return { help: SHARED_OPTIONS.help };
  const options = name === ALL ? (['rounds'] as const) : benchmarkNamed(name).options;
  const own = options.map((option) => [option, OWN_OPTIONS[option]] as const);
  return { ...Object.fromEntries(own), ...SHARED_OPTIONS };
}

/** What a command does, for its help text. */
function descriptionOf(name: string): string {
  if (name === FIGURES) return 'Copies the figures of bench/RESULTS.md to the pages and the chart.';
  const { purpose, minutes } = name === ALL ? EVERYTHING : benchmarkNamed(name);
  return `${purpose} It takes about ${minutes} minutes on each version of Node.`;
}

/** @returns the text of `--help` */
export function helpFor(name: string): string {
  const options = Object.values(optionsOf(name)).map(({ usage, meaning }) => {
    return `  ${usage.padEnd(INDENT - 2)}${wrapped(meaning, INDENT)}`;
  });
  return `Usage: npm run ${name} -- [options]

${wrapped(descriptionOf(name), 0)}

${options.join('\n')}

The exit code is 0 if all succeeds and every limit of a benchmark holds, 2 if the options are
invalid, and 1 otherwise.`;
}
