/** The page on deployment agrees with itself, with the package and with the benchmarks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blocks, read, rowsOf } from '../support/documents.ts';

const page = read('src/cli/deployment.md');
const [unit = ''] = blocks('ini');
const [dockerfile = ''] = blocks('dockerfile');

/** @returns the number behind the words, which must be in the text once */
function secondsIn(text: string, words: RegExp): number {
  const found = [...text.matchAll(words)];
  assert.equal(found.length, 1, `${words} in ${text}`);
  return Number(found[0]?.[1]);
}

test('the server keeps a connection longer open than each proxy', () => {
  const server = secondsIn(unit, /--keep-alive (\d+)/g);
  assert.equal(secondsIn(dockerfile, /"--keep-alive", "(\d+)"/g), server);
  const nginx = secondsIn(blocks('nginx').join(), /^ *keepalive_timeout (\d+)s;$/gm);
  const caddy = secondsIn(blocks('caddyfile').join(), /^ *keepalive (\d+)s$/gm);
  assert.ok(server > nginx && server > caddy, String([server, nginx, caddy]));
});

test('every name of the package on the page has its version', () => {
  const { version } = JSON.parse(read('package.json'));
  const named = [...page.matchAll(/latchkey[-:](\d[\w.-]*?)(?:\.tgz|$)/gm)];
  assert.ok(named.length >= 4);
  for (const [name, given] of named) assert.equal(given, version, name);
});

test('every figure of the table of sizes is one of the benchmarks', () => {
  const results = read('bench/RESULTS.md').split('\n');
  const rows = rowsOf('## Sizing').map((cells) => `| ${cells.join(' | ')} |`);
  assert.ok(rows.length >= 6);
  for (const row of rows) assert.ok(results.includes(row), row);
});
