/**
 * Sends random rows of test/support/malformed-requests.ts to the real command:
 * `npm run soak -- --requests 100000`. Each row must get its answers, other clients must be
 * answered meanwhile, and the memory of the server must stay flat.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Jwt } from '../../src/index.ts';
import { longRun } from './options.ts';
import { rssOf, tryRow } from '../support/raw-client.ts';
import { rawRequests } from '../support/malformed-requests.ts';
import { MARK } from '../support/malformed-requests/rows.ts';
import { randomFrom } from '../support/random.ts';
import { SECRET } from '../support/tokens.ts';
import { send } from '../support/app.ts';

const COMMAND = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const CONNECTIONS = 50;
/** Rows before the counted ones, because every new process grows for a while. */
const WARM_UP = 20_000;
/** How much the median of the last tenth may exceed that of the second tenth. */
const MAX_GROWTH_MIB = 32;

async function check(requests: number, seed: number): Promise<void> {
  // Hashing is almost free here, and there are no rate limits.
  const words = [
    'serve',
    '--port',
    '0',
    '--users',
    'memory',
    '--scrypt-cost',
    '1',
    '--min-password-length',
    '4',
  ];
  const args = [
    '--import',
    import.meta.resolve('tsx'),
    '--',
    COMMAND,
    ...words,
    '--throttle',
    'off',
  ];
  const child = spawn(process.execPath, args, { env: { ...process.env, LATCHKEY_SECRET: SECRET } });
  let logged = '';
  child.stderr.setEncoding('utf8').on('data', (some: string) => (logged += some));
  try {
    const [first] = await once(child.stdout, 'data');
    const [, url = ''] = /listens on (http:\S+\d)\b/.exec(String(first)) ?? [];
    await soak(url, requests, randomFrom(seed), () => rssOf(child.pid));
    assert.match(
      logged,
      /^latchkey: --scrypt-cost 1 .*\nlatchkey: --throttle off .*\n$/,
      'the log holds only the warnings at the start',
    );
    assert.deepEqual([child.exitCode, child.signalCode], [null, null]);
  } finally {
    child.kill();
  }
}

async function soak(
  url: string,
  requests: number,
  random: () => number,
  rss: () => Promise<number>,
): Promise<void> {
  const port = Number(new URL(url).port);
  const signup = (username: string) =>
    send(`${url}/signup`, 'POST', { username, password: 'a password' });
  assert.equal((await signup('joe')).status, 200);
  const token = new Jwt<{ identity: string }>({ secret: SECRET }).sign({ identity: 'joe' });
  const rows = rawRequests(token);
  const samples: number[] = [];
  const start = performance.now();
  let begun = -WARM_UP;
  let done = -WARM_UP;
  const sendOne = async () => {
    const row = rows[Math.floor(random() * rows.length)];
    assert.ok(row);
    // A quarter of the rows come in two pieces, which must not change the answer.
    const splitAt = random() < 0.25 ? Math.floor(random() * row.bytes.length) : undefined;
    await tryRow(port, row, splitAt);
    done += 1;
    const count = done;
    if (count % 100 === 0) await greet(url, token);
    if (count > 0 && count % Math.ceil(requests / 100) === 0) samples.push(await rss());
    if (count <= 0 || count % Math.ceil(requests / 10) !== 0) return;
    const seconds = Math.round((performance.now() - start) / 1000);
    console.log(
      `${count} requests in ${seconds} s, RSS ${medianOf(samples.slice(-10)).toFixed(1)} MiB`,
    );
  };
  const sendMany = async () => {
    while (begun < requests) {
      begun += 1;
      await sendOne();
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, sendMany));
  assert.equal((await signup(MARK)).status, 200, 'no row has created a user');
  const [before, after] = [medianOf(samples.slice(10, 20)), medianOf(samples.slice(-10))];
  assert.ok(after - before <= MAX_GROWTH_MIB, `RSS grew from ${before} to ${after} MiB`);
  const growth = (after - before).toFixed(1);
  console.log(`${rows.length} kinds of row, all answered correctly; RSS grew by ${growth} MiB`);
}

async function greet(url: string, token: string): Promise<void> {
  const stranger = await send(`${url}/hello`, 'GET');
  const joe = await send(`${url}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` });
  assert.deepEqual([stranger.status, joe.body], [401, { Status: 'Success', result: 'Hello joe' }]);
}

const medianOf = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;

await longRun({
  name: 'soak',
  flag: 'requests',
  meaning: 'how many malformed requests to send',
  usual: 100_000,
  check,
});
