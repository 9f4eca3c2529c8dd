/**
 * Measures whether an attacker with right passwords can keep a victim from logging in by filling
 * every place of the queue: `npm run bench:queue`. It exits with 1 if a login of the victim fails.
 * Linux only, where every address of 127.0.0.0/8 is this machine.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { generateSecret } from '../src/jwt.ts';
import { DIST } from './harness/built.ts';
import { printedUrl } from './harness/child.ts';
import { percentileOf, tableOf, whereAndWhen } from './harness/report.ts';

const VICTIM_LOGINS = 30;
const VICTIM_PAUSE_MS = 200;
const VICTIM_ADDRESS = '127.0.0.1';
const ATTACKER_ADDRESS = '127.0.0.2';

/** An attacker that fills every place of the queue, with accounts of its own. */
interface Attack {
  readonly name: string;
  /** UV_THREADPOOL_SIZE of the server. */
  readonly threads: string;
  readonly accounts: number;
  readonly inFlight: number;
}

const ATTACKS: readonly Attack[] = [
  { name: 'two threads, one account', threads: '2', accounts: 1, inFlight: 9 },
  { name: 'four threads, two accounts', threads: '4', accounts: 2, inFlight: 18 },
];

interface Login {
  readonly status: number;
  readonly ms: number;
}

interface Result extends Attack {
  readonly alone: readonly Login[];
  readonly attacked: readonly Login[];
  readonly attackerAnswers: Readonly<Record<string, number>>;
}

function post(
  port: number,
  path: string,
  username: string,
  localAddress: string,
  agent: Agent,
): Promise<Login> {
  const body = JSON.stringify({ username, password: 'correct horse' });
  const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length };
  const sentAt = performance.now();
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', localAddress, method: 'POST', path, headers, agent };
    const sent = request(options, (response) => {
      response.resume();
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, ms: performance.now() - sentAt }),
      );
    });
    sent.on('error', reject).end(body);
  });
}

async function startServer(threads: string): Promise<{ server: ChildProcess; port: number }> {
  const env = { ...process.env, UV_THREADPOOL_SIZE: threads, LATCHKEY_SECRET: generateSecret() };
  const words = ['serve', '--users', 'memory', '--port', '0'];
  const server = fork(join(DIST, 'cli/main.js'), words, {
    env,
    silent: true,
  });
  server.stderr?.pipe(process.stderr);
  const { port } = await printedUrl(server);
  return { server, port: Number(port) };
}

async function victimLogins(port: number): Promise<Login[]> {
  const agent = new Agent();
  const logins: Login[] = [];
  for (let index = 0; index < VICTIM_LOGINS; index += 1) {
    logins.push(await post(port, '/auth', 'victim', VICTIM_ADDRESS, agent));
    await delay(VICTIM_PAUSE_MS);
  }
  return logins;
}

async function measure(attack: Attack): Promise<Result> {
  const { server, port } = await startServer(attack.threads);
  const agent = new Agent({ keepAlive: true, maxSockets: attack.inFlight });
  try {
    await post(port, '/signup', 'victim', VICTIM_ADDRESS, agent);
    for (let index = 0; index < attack.accounts; index += 1) {
      await post(port, '/signup', `attacker${index}`, ATTACKER_ADDRESS, agent);
    }
    const alone = await victimLogins(port);
    const attackerAnswers: Record<string, number> = {};
    let isOver = false;
    const keepOneInFlight = async (index: number): Promise<void> => {
      while (!isOver) {
        const { status } = await post(
          port,
          '/auth',
          `attacker${index % attack.accounts}`,
          ATTACKER_ADDRESS,
          agent,
        );
        attackerAnswers[status] = (attackerAnswers[status] ?? 0) + 1;
      }
    };
    const attackers = Array.from({ length: attack.inFlight }, (_, index) => keepOneInFlight(index));
    await delay(2_000);
    const attacked = await victimLogins(port);
    isOver = true;
    await Promise.all(attackers);
    return { ...attack, alone, attacked, attackerAnswers };
  } finally {
    agent.destroy();
    server.kill('SIGKILL');
  }
}

function timesOf(logins: readonly Login[]): string {
  const times = logins.map(({ ms }) => ms);
  return [0.5, 1].map((share) => percentileOf(times, share).toFixed(0)).join(' / ');
}

function statusesOf(logins: readonly Login[]): string {
  const succeeded = logins.filter(({ status }) => status === 200).length;
  return `${succeeded} of ${logins.length}`;
}

const { values } = parseArgs({ options: { json: { type: 'boolean' } } });
const where = whereAndWhen();
const results: Result[] = [];
for (const attack of ATTACKS) results.push(await measure(attack));
const heads = [
  'server and attacker',
  'answers to the attacker',
  'logins of the victim',
  'alone, p50 / slowest, ms',
];
const table = tableOf([
  [...heads, 'attacked, p50 / slowest, ms'],
  ...results.map(({ name, inFlight, attackerAnswers, alone, attacked }) => [
    `${name}, ${inFlight} logins in flight`,
    Object.entries(attackerAnswers)
      .map(([status, count]) => `${status}: ${count}`)
      .join(', '),
    statusesOf(attacked),
    timesOf(alone),
    timesOf(attacked),
  ]),
]);
console.log(values.json ? JSON.stringify({ where, results }, null, 2) : `${where}\n\n${table}`);
if (results.some(({ attacked }) => attacked.some(({ status }) => status !== 200))) {
  process.exitCode = 1;
}
