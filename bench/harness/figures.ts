/** The figures of the pages. Each is a copy of a cell of a table in `bench/RESULTS.md`. */
import { chartOf } from './chart.ts';
import { tableOf } from './report.ts';
import { NODES, outputIn } from './results.ts';

/** Stands for a figure that no run has measured. */
const MISSING = '–';

type Row = readonly string[];

/** The rows of a table of Markdown, without the line below its heads. */
const TABLE = /(?:^\|.*\n?)+/gm;

function tablesIn(text: string): Row[][] {
  return [...text.matchAll(TABLE)].map(([table]) => {
    const lines = table.trim().split('\n').filter((line) => !line.startsWith('| ---'));
    return lines.map((line) => line.slice(1, -1).split('|').map((cell) => cell.trim()));
  });
}

/** @returns the goals of a benchmark, with what each version of Node has measured */
function goalsOf(name: string, results: string): Row[] {
  const tables = NODES.map((node) => {
    const all = tablesIn(outputIn(results, name, node));
    return all.find(([heads]) => heads?.includes('goal'))?.slice(1) ?? [];
  });
  const rows = tables.find((table) => table.length > 0) ?? [];
  const heads = NODES.flatMap((node) => [`Node ${node}`, 'met']);
  return [
    ['contest', 'compared', 'goal', ...heads],
    ...rows.map(([contest = '', compared = '', , goal = '']) => {
      const cells = tables.flatMap((table) => {
        const own = table.find((row) => row[0] === contest && row[1] === compared) ?? [];
        const [, , measured = MISSING, , met = MISSING] = own;
        return [measured, met];
      });
      return [contest, compared, goal, ...cells];
    }),
  ];
}

/** One cell of the results. */
interface Figure {
  readonly what: string;
  readonly benchmark: string;
  /** The first cells of its row. */
  readonly row: Row;
  readonly column: string;
}

function cellsOf(figures: readonly Figure[], results: string): Row[] {
  const cellOn = (node: string, { benchmark, row, column }: Figure): string => {
    for (const [heads = [], ...rows] of tablesIn(outputIn(results, benchmark, node))) {
      const own = rows.find((cells) => row.every((cell, index) => cells[index] === cell));
      const cell = own?.[heads.indexOf(column)];
      if (cell !== undefined) return cell;
    }
    return MISSING;
  };
  return [
    ['what', ...NODES.map((node) => `Node ${node}`)],
    ...figures.map((figure) => [figure.what, ...NODES.map((node) => cellOn(node, figure))]),
  ];
}

const figure = (what: string, benchmark: string, row: Row, column: string): Figure => {
  return { what, benchmark, row, column };
};

const SPEEDS: readonly Figure[] = [
  figure('sign a token', 'bench', ['sign', 'latchkey'], 'median'),
  figure('verify a token', 'bench', ['verify', 'latchkey'], 'median'),
  figure('verify a cached token', 'bench', ['verify, cached', 'latchkey'], 'median'),
  figure('`GET /hello`, per second', 'bench', ['GET /hello', 'latchkey'], 'per second'),
  figure(
    '`GET /hello` with `cacheSize: 0`, per second',
    'bench',
    ['GET /hello', 'latchkey, cache off'],
    'per second',
  ),
  figure('import `latchkey/jwt`', 'bench', ['import', 'latchkey/jwt'], 'median'),
  figure('a cached token', 'bench', ['a cached token and its claims, heap'], 'memory'),
  figure('a user in `MemoryUserStore`', 'bench', ['a user in `MemoryUserStore`, heap'], 'memory'),
  figure('an idle server', 'bench', ['a server without a request, resident'], 'memory'),
  figure(
    'verify 8,192 bytes of payload / 100 bytes',
    'bench',
    ['verify, by bytes of payload', '8,192'],
    'cost ratio',
  ),
  figure(
    'identify a request, 1,000,000 users / 100 users',
    'bench',
    ['identify a request, by users', '1,000,000'],
    'cost ratio',
  ),
];

const MILLION: Row = ['1,000,000'];
const USERS_FILE: readonly Figure[] = [
  figure('size of the file, MB', 'bench:store', MILLION, 'file, MB'),
  figure('memory of the users, MB', 'bench:store', MILLION, 'kept, MB'),
  figure('open the file, ms', 'bench:store', MILLION, 'open, ms'),
  figure('open the file / bare', 'bench:store', MILLION, 'ratio'),
  figure('insert a user / with 1,000 users', 'bench:store', MILLION, 'to 1,000 users'),
];

/**
 * @returns the sizes of servers, on the newest version of Node that has been measured
 * @throws Error if no run has measured them
 */
function sizesIn(results: string): Row[] {
  const tables = NODES.flatMap((node) => tablesIn(outputIn(results, 'bench', node)));
  const sizes = tables.find(([heads]) => heads?.includes('logins a second'));
  if (sizes === undefined) throw new Error('no run has measured the sizes of servers');
  return sizes;
}

/** A table of a page: the only one between its heading and the next heading. */
interface PageTable {
  readonly page: string;
  readonly heading: string;
  readonly rows: (results: string) => Row[];
}

const TABLES: readonly PageTable[] = [
  {
    page: 'bench/README.md',
    heading: '### Compared with bare calls of Node',
    rows: (results) => goalsOf('bench', results),
  },
  {
    page: 'bench/README.md',
    heading: '### Compared with other packages',
    rows: (results) => goalsOf('bench:peers', results),
  },
  {
    page: 'bench/README.md',
    heading: '### PostgreSQL',
    rows: (results) => goalsOf('bench:postgres', results),
  },
  {
    page: 'bench/README.md',
    heading: '## Absolute figures',
    rows: (results) => cellsOf(SPEEDS, results),
  },
  {
    page: 'bench/README.md',
    heading: '### The users file',
    rows: (results) => cellsOf(USERS_FILE, results),
  },
  {
    page: 'src/cli/deployment.md',
    heading: '## Sizing',
    rows: sizesIn,
  },
];

const CHART = 'bench/results.svg';

/** The pages that have figures, and the chart of the front page. */
export const PAGES: readonly string[] = [...new Set(TABLES.map(({ page }) => page)), CHART];

/** @throws Error unless the page has such a section, with one table before the next heading */
function withTable(text: string, heading: string, rows: readonly Row[]): string {
  const isFilled = (section: string) => section.startsWith(`${heading}\n`);
  const sections = text.split(/^(?=#+ )/m);
  const [old, second] = sections.find(isFilled)?.match(TABLE) ?? [];
  if (old === undefined) throw new Error(`a page has no table below "${heading}"`);
  if (second !== undefined) throw new Error(`a page has two tables below "${heading}"`);
  const filledOne = (section: string) => section.replace(old, () => `${tableOf(rows)}\n`);
  return sections.map((section) => (isFilled(section) ? filledOne(section) : section)).join('');
}

/** @returns the chart of the newest version of Node that has been measured */
function chartIn(results: string): string {
  const outputs = NODES.map((node) => outputIn(results, 'bench:peers', node));
  return chartOf(outputs.find((output) => output !== '') ?? '');
}

/** @returns the text of a page with the figures of RESULTS.md in its tables */
export function filled(page: string, text: string, results: string): string {
  if (page === CHART) return chartIn(results);
  const tables = TABLES.filter((table) => table.page === page);
  return tables.reduce((filling, { heading, rows }) => {
    return withTable(filling, heading, rows(results));
  }, text);
}
