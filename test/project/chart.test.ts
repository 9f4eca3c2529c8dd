/** The chart of the front page shows the figures of the benchmarks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chartOf } from '../../bench/chart.ts';
import { linksIn, read } from '../support/documents.ts';

const CONTESTS = ['sign', 'verify', 'verify, cached', 'GET /hello', 'GET /hello, with a session'];
/** An output of the benchmark. bare is twice as fast as latchkey, and the other takes `times`. */
const outputOf = (other: string, times: number): string => {
  const rows = [...CONTESTS, 'sign-in'].flatMap((contest) => [
    `| ${contest} | bare | 5.00 µs | 4 to 6 | 1 | 1 |`,
    `| ${contest} | latchkey | 10.00 µs | 9 to 11 | 1 | 2 |`,
    `| ${contest} | latchkey, cache off | 20.00 µs | 19 to 21 | 1 | 4 |`,
    `| ${contest} | ${other} | ${times / 100} ms | 1 to 2 | 1 | 1 |`,
  ]);
  return ['Node v24.0.0, commit abc, 2026-11-30; 20 rounds', '', ...rows].join('\n');
};
const widthsIn = (svg: string) =>
  [...svg.matchAll(/width="([\d.]+)" height="14"/g)].map(([, width]) => Number(width));

test('the chart shows the figures that stand first in the results of npm run bench:peers', () => {
  const [, section = ''] = read('bench/RESULTS.md').split('## `npm run bench:peers`');
  assert.equal(read('bench/results.svg'), chartOf(section.split('\n## ')[0] ?? ''));
});

test('the front page shows the chart', () => {
  assert.ok(linksIn(read('README.md')).includes('bench/results.svg'));
});

test('a bar is as long as its time is a multiple of that of latchkey', () => {
  const [bare = 0, latchkey = 0, other = 0] = widthsIn(chartOf(outputOf('a peer', 3)));
  assert.deepEqual([bare, other], [latchkey / 2, latchkey * 3]);
});

test('a long bar is cut and shows its whole figure', () => {
  const [, latchkey = 0, bar = 0, gap] = widthsIn(chartOf(outputOf('a peer', 60)));
  assert.deepEqual([bar, gap], [latchkey * 8, 4]);
  assert.match(chartOf(outputOf('a peer', 60)), />60</);
  assert.match(chartOf(outputOf('a peer', 60)), /sign: bare 0\.5, latchkey 1\.0, a peer 60\./);
});

test('the first figures of a contest count, and the first line with a commit is quoted', () => {
  const both = `${outputOf('a peer', 3)}\n\n${outputOf('a peer', 5).replace('v24', 'v20')}`;
  assert.equal(chartOf(both), chartOf(outputOf('a peer', 3)));
  assert.match(chartOf(both), />Node v24\.0\.0, commit abc, 2026-11-30</);
});

test('an output that lacks a contest is refused', () => {
  const output = outputOf('a peer', 3);
  assert.ok(chartOf(output));
  const lacking = output.replaceAll('| sign-in |', '| another |');
  assert.throws(() => chartOf(lacking), /lacks the contest "sign-in"/);
});

test('the name of a contestant cannot add an element', () => {
  const svg = chartOf(outputOf('<script>&', 3));
  assert.ok(svg.includes('&lt;script&gt;&amp;') && !svg.includes('<script'));
});
