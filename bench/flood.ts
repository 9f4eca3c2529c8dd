/**
 * Measures how a flood of logins slows other clients, with the queue and without it:
 * `npm run bench:flood`. It exits with 1 if the default server breaks one of the limits below. The
 * server, the flood and the measuring each have a process. Linux only.
 */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { defaultConcurrency } from '../src/accounts/work-queue.ts';
import { generateSecret } from '../src/jwt.ts';
import { DIST } from './harness/built.ts';
import { askChild, messageOf, printedUrl } from './harness/child.ts';
import type { Flood } from './processes/flood-load.ts';
import { percentileOf, tableOf, whereAndWhen } from './harness/report.ts';

const IN_FLIGHT = 200;
const QUIET_SECONDS = 5;
const FLOOD_SECONDS = 10;
/** A request that takes longer fails. */
const PATIENCE_MS = 300_000;
const MIB = 2 ** 20;

const COMMAND = [join(DIST, 'cli/main.js'), 'serve', '--users', 'memory', '--port', '0'];
const UNQUEUED = join(import.meta.dirname, 'processes/flood-unqueued.js');
const SERVERS = [
  { name: 'by default', words: COMMAND },
  { name: 'without the throttle', words: [...COMMAND, '--throttle', 'off'] },
  { name: 'without throttle and queue', words: [UNQUEUED] },
];

interface Answer {
  readonly status: number;
  readonly text: string;
  /** From sending to the last byte. */
  readonly ms: number;
}

interface Result extends Flood {
  readonly name: string;
  readonly quietMs: Percentiles;
  readonly floodMs: Percentiles;
  /** The same, each request over a new connection. */
  readonly quietFreshMs: Percentiles;
  readonly floodFreshMs: Percentiles;
  /** The slowest write to a file in the server. */
  readonly quietWriteMs: number;
  readonly floodWriteMs: number;
  readonly baseBytes: number;
  readonly peakBytes: number;
  /** A login in the middle of the flood, and one immediately after it. */
  readonly loginDuring: Answer;
  readonly loginAfter: Answer;
}

type Percentiles = { readonly p50: number; readonly p99: number };

/** How `/hello` is requested. */
interface Pace {
  readonly agent: Agent;
  readonly everyMs: number;
}

const KEEP_ALIVE: Pace = { agent: new Agent({ keepAlive: true }), everyMs: 5 };
/** A new connection for each request. */
const NEW_CONNECTIONS: Pace = { agent: new Agent({ keepAlive: false }), everyMs: 50 };

function ask(
  url: string,
  headers: Record<string, string>,
  body?: object,
  agent = KEEP_ALIVE.agent,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sentAt = performance.now();
    const method = body === undefined ? 'GET' : 'POST';
    const sent = request(
      url,
      { agent, method, headers, signal: AbortSignal.timeout(PATIENCE_MS) },
      (response) => {
        let text = '';
        response
          .setEncoding('utf8')
          .on('error', reject)
          .on('data', (chunk: string) => (text += chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text, ms: performance.now() - sentAt }),
        );
      },
    );
    sent.on('error', reject).end(body && JSON.stringify(body));
  });
}

const asJoe = (url: string, path: string): Promise<Answer> =>
  ask(
    `${url}${path}`,
    { 'Content-Type': 'application/json' },
    { username: 'joe', password: 'password of joe' },
  );

/** Requests /hello at an even pace, one after the other, until `end` settles. */
async function helloUntil(
  url: string,
  token: string,
  end: Promise<unknown>,
  pace: Pace,
): Promise<Percentiles> {
  const times: number[] = [];
  const headers = { Authorization: `JWT ${token}` };
  let isOver = false;
  void end.finally(() => (isOver = true));
  while (!isOver) {
    const pause = delay(pace.everyMs);
    const { status, text, ms } = await ask(`${url}/hello`, headers, undefined, pace.agent);
    assert.equal(status, 200, text);
    times.push(ms);
    await pause;
  }
  return { p50: percentileOf(times, 0.5), p99: percentileOf(times, 0.99) };
}

async function startServer([script = '', ...args]: readonly string[], folder: string) {
  const execArgv = ['--import', join(import.meta.dirname, 'processes/flood-disk.js')];
  const own = { LATCHKEY_SECRET: generateSecret(), BENCH_FILE: join(folder, 'file') };
  const env = { ...process.env, ...own };
  const server = fork(script, args, { execArgv, env, silent: true });
  server.stderr?.pipe(process.stderr);
  const { origin, port } = await printedUrl(server);
  return { server, url: origin, port };
}

const memoryOf = ({ pid }: ChildProcess, name: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) *
  1024;

async function measure(name: string, words: readonly string[], folder: string): Promise<Result> {
  const { server, url, port } = await startServer(words, folder);
  const loadArgs = [port, String(IN_FLIGHT), String(FLOOD_SECONDS)];
  const slowestWrite = () => askChild<number>(server);
  const load = fork(join(import.meta.dirname, 'processes/flood-load.js'), loadArgs);
  try {
    await messageOf(load);
    assert.equal((await asJoe(url, '/signup')).status, 200);
    const token: string = JSON.parse((await asJoe(url, '/auth')).text).access_token;
    const hellosUntil = (end: Promise<unknown>) =>
      Promise.all([
        helloUntil(url, token, end, KEEP_ALIVE),
        helloUntil(url, token, end, NEW_CONNECTIONS),
      ]);
    // Warm up.
    await hellosUntil(delay(2_000));
    const baseBytes = memoryOf(server, 'VmRSS');
    await slowestWrite();
    const [quietMs, quietFreshMs] = await hellosUntil(delay(QUIET_SECONDS * 1000));
    const quietWriteMs = await slowestWrite();

    const ended = messageOf<Flood>(load);
    load.send('begin');
    const during = delay(FLOOD_SECONDS * 500).then(() => asJoe(url, '/auth'));
    // A failure before it is awaited must not end this process, or the server would go on.
    during.catch(() => undefined);
    const [floodMs, floodFreshMs] = await hellosUntil(ended);
    const floodWriteMs = await slowestWrite();
    const loginAfter = await asJoe(url, '/auth');
    const peakBytes = memoryOf(server, 'VmHWM');
    const loginDuring = await during;
    const hellos = { quietMs, floodMs, quietFreshMs, floodFreshMs };
    const found = { quietWriteMs, floodWriteMs, baseBytes, peakBytes, loginDuring, loginAfter };
    return { name, ...(await ended), ...hellos, ...found };
  } finally {
    for (const child of [server, load]) child.kill('SIGKILL');
  }
}

const ms = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));
const mib = (bytes: number) => (bytes / MIB).toFixed(0);
const p50AndP99 = ({ p50, p99 }: Percentiles) => `${ms(p50)} / ${ms(p99)}`;
const outcome = ({ status, ms: took }: Answer) => `${status} in ${ms(took)}`;

function tableFor(results: readonly Result[]): string {
  const row = (head: string, cell: (result: Result) => string) => [head, ...results.map(cell)];
  return tableOf([
    row('', ({ name }) => name),
    row('`/hello` when it is quiet, p50 / p99, ms', ({ quietMs }) => p50AndP99(quietMs)),
    row('`/hello` in the flood, p50 / p99, ms', ({ floodMs }) => p50AndP99(floodMs)),
    row('over new connections, quiet, p50 / p99, ms', ({ quietFreshMs }) =>
      p50AndP99(quietFreshMs),
    ),
    row('over new connections, in the flood, p50 / p99, ms', ({ floodFreshMs }) =>
      p50AndP99(floodFreshMs),
    ),
    row('answers to the flood', ({ answers }) => {
      return Object.entries(answers)
        .map(([status, count]) => `${status}: ${count.toLocaleString('en')}`)
        .join(', ');
    }),
    row('refusals, p50 / p99 / slowest, ms', ({ refusalMs }) => {
      return refusalMs === null ? 'none' : `${p50AndP99(refusalMs)} / ${ms(refusalMs.max)}`;
    }),
    row('slowest write to a file, quiet / in the flood, ms', ({ quietWriteMs, floodWriteMs }) => {
      return `${ms(quietWriteMs)} / ${ms(floodWriteMs)}`;
    }),
    row(
      'memory before / most, MiB',
      ({ baseBytes, peakBytes }) => `${mib(baseBytes)} / ${mib(peakBytes)}`,
    ),
    row('login of joe during the flood, ms', ({ loginDuring }) => outcome(loginDuring)),
    row('login of joe right after it, ms', ({ loginAfter }) => outcome(loginAfter)),
  ]);
}

/** @returns the limits, and whether each one holds */
function judge(result: Result): [limit: string, holds: boolean][] {
  const { quietMs, floodMs, answers, refusalMs, baseBytes, peakBytes, loginAfter } = result;
  const mostMs = Math.max(3 * quietMs.p99, 50);
  const mostBytes = baseBytes + (defaultConcurrency() * 128 + 100) * MIB;
  const slowestMs = refusalMs?.max ?? 0;
  const isExpected = Object.keys(answers).every((status) => ['401', '429', '503'].includes(status));
  return [
    [
      `p99 of \`/hello\` in the flood within ${ms(mostMs)} ms: ${ms(floodMs.p99)}`,
      floodMs.p99 <= mostMs,
    ],
    [`every refusal within 100 ms: ${ms(slowestMs)}`, slowestMs <= 100],
    [`memory under ${mib(mostBytes)} MiB: ${mib(peakBytes)}`, peakBytes < mostBytes],
    [`no answer but 401, 429 and 503: ${Object.keys(answers).join(', ')}`, isExpected],
    [`a login right afterwards works: ${outcome(loginAfter)} ms`, loginAfter.status === 200],
  ];
}

const { values } = parseArgs({ options: { json: { type: 'boolean' } } });
const where = whereAndWhen();
const folder = mkdtempSync(join(tmpdir(), 'latchkey-bench-'));
try {
  const results: Result[] = [];
  for (const { name, words } of SERVERS) results.push(await measure(name, words, folder));
  const limits = results.slice(0, 1).flatMap(judge);
  const flood = `${IN_FLIGHT} logins in flight for ${FLOOD_SECONDS} seconds`;
  const what = `${flood}, ${defaultConcurrency()} at once at 2^17`;
  const list = limits.map(([limit, holds]) => `- ${holds ? 'yes' : 'no'}: ${limit}`).join('\n');
  const report = `${where}; ${what}

${tableFor(results)}

Limits for the default server:

${list}`;
  console.log(
    values.json ? JSON.stringify({ where, results, limits }, null, 2) : report,
  );
  if (!limits.every(([, holds]) => holds)) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
KEEP_ALIVE.agent.destroy();
