/** The chart of the front page shows the figures of the benchmarks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chartOf } from '../../bench/harness/chart.ts';
import { filled } from '../../bench/harness/figures.ts';
import { recorded } from '../../bench/harness/results.ts';
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

/** @returns the widths of the bars */
const widthsIn = (svg: string) =>
  [...svg.matchAll(/width="([\d.]+)" height="14"/g)].map(([, width]) => Number(width));

test('the front page shows the chart', () => {
  assert.ok(linksIn(read('README.md')).includes('bench/results.svg'));
});

test('a bar is as long as its time is a multiple of that of latchkey', () => {
  const [bare = 0, latchkey = 0, uncached, other] = widthsIn(chartOf(outputOf('a peer', 3)));
  assert.deepEqual([bare, uncached, other], [latchkey / 2, latchkey * 2, latchkey * 3]);
});

/** @returns the contrast between two colours, such as `#ffffff`, as WCAG 2.2 defines it */
function contrastOf(...colours: readonly [string, string]): number {
  const [dark = 0, light = 0] = colours
    .map((colour) => {
      const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((start) => {
        const share = Number.parseInt(colour.slice(start, start + 2), 16) / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    })
    .sort((one, other) => one - other);
  return (light + 0.05) / (dark + 0.05);
}

test('every bar stands out from the card, in the light scheme and in the dark one', () => {
  const svg = chartOf(outputOf('a peer', 3));
  const rules = [...svg.matchAll(/\.(\w+)\{fill:(#\w{6})\}/g)];
  const dark = new Map(rules.map(([, name, fill]) => [name, fill]));
  const bars = [...svg.matchAll(/height="14" class="(\w+)" fill="(#\w{6})"/g)];
  assert.deepEqual(new Set(bars.map(([, name]) => name)), new Set(['muted', 'latchkey', 'peer']));
  for (const [, name = '', fill = ''] of bars) {
    // WCAG 2.2, 1.4.11 asks for 3 to 1.
    assert.ok(contrastOf(fill, '#ffffff') >= 3, `${name}, light`);
    assert.ok(contrastOf(dark.get(name) ?? '', dark.get('card') ?? '') >= 3, `${name}, dark`);
  }
});

test('the chart tells at which cost a sign-in is compared', () => {
  for (const element of ['text', 'desc']) {
    const pattern = new RegExp(`<${element}[^>]*>[^<]*scrypt cost of better-auth’s default[^<]*<`);
    assert.match(chartOf(outputOf('a peer', 3)), pattern);
  }
});

test('a long bar is cut and shows its whole figure', () => {
  const [, latchkey = 0, , bar = 0, gap] = widthsIn(chartOf(outputOf('a peer', 60)));
  assert.deepEqual([bar, gap], [latchkey * 8, 4]);
  assert.match(chartOf(outputOf('a peer', 60)), />60</);
  const described = 'sign: bare 0.5, latchkey 1.0, latchkey, cache off 2.0, a peer 60.';
  assert.ok(chartOf(outputOf('a peer', 60)).includes(described));
});

test('the chart shows the newest Node that has run, with its machine, commit and rounds', () => {
  const chartIn = (results: string) => filled('bench/results.svg', '', results);
  const first = outputOf('a peer', 3).replace('v24', 'v20');
  const oldest = recorded('# Results\n', 'bench:peers', '20', first);
  assert.equal(chartIn(oldest), chartOf(first));
  const both = recorded(oldest, 'bench:peers', '24', outputOf('a peer', 5));
  assert.equal(chartIn(both), chartOf(outputOf('a peer', 5)));
  assert.match(chartIn(both), />Node v24\.0\.0, commit abc, 2026-11-30; 20 rounds</);
});

test('a contest that no run has measured has no panel, and an output without any throws', () => {
  const output = outputOf('a peer', 3);
  assert.match(chartOf(output), />sign-in</);
  const lacking = chartOf(output.replaceAll('| sign-in |', '| another |'));
  assert.doesNotMatch(lacking, />sign-in</);
  assert.match(lacking, />GET \/hello</);
  assert.throws(() => chartOf('Node v24, commit abc'), /no contest of the chart/);
});

test('the name of a contestant cannot add an element', () => {
  const svg = chartOf(outputOf('<script>&', 3));
  assert.ok(svg.includes('&lt;script&gt;&amp;') && !svg.includes('<script'));
});
