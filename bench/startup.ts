/** Measures the start: the time to the first answer of the command, and the time of an import. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DIST } from './harness/built.ts';
import { resultsOf, takeTurns, type Result } from './harness/contest.ts';
import { portOf } from './processes/hello-child.ts';
import { SECRET } from './harness/secret.ts';

const BARE = `
  require('node:http')
    .createServer((message, response) => response.end('{}'))
    .listen(process.argv[1])`;
/** What every server of tokens needs: node:crypto, and an address to listen on. */
const BARE_WITH_CRYPTO = `
  require('node:crypto');
  require('node:http')
    .createServer((message, response) => response.end('{}'))
    .listen(process.argv[1], '127.0.0.1')`;
const IMPORT = `
  const begin = performance.now();
  await import(process.argv[1]);
  console.log(performance.now() - begin)`;

const isAnswered = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const asking = request(
      { port, host: '127.0.0.1', path: '/hello', agent: false },
      (response) => {
        response.resume().on('end', () => resolve(true));
      },
    );
    asking.on('error', () => resolve(false)).end();
  });

/** Milliseconds from the start of a process to the end of its first answer. */
async function untilAnswered(args: (port: number) => string[]): Promise<number> {
  const port = await freePort();
  const begin = performance.now();
  const env = { PATH: process.env['PATH'], LATCHKEY_SECRET: SECRET };
  const child = spawn(process.execPath, args(port), { stdio: 'ignore', env });
  while (!(await isAnswered(port))) {
    if (child.exitCode !== null) throw new Error('the server ended before it answered');
    await delay(1);
  }
  const ms = performance.now() - begin;
  child.kill();
  await once(child, 'exit');
  return ms;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

/** Milliseconds that an import takes in a process that already runs. */
async function importing(path: string): Promise<number> {
  const args = ['--input-type=module', '--eval', IMPORT, path];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const chunk of child.stdout) text += String(chunk);
  return Number(text);
}

export async function startContests(rounds: number): Promise<Result[]> {
  const cli = join(DIST, 'cli/main.js');
  const ways = [
    {
      contest: 'first answer',
      way: 'bare',
      measure: () => untilAnswered((port) => ['-e', BARE, String(port)]),
    },
    {
      contest: 'first answer',
      way: 'bare, with node:crypto',
      measure: () => untilAnswered((port) => ['-e', BARE_WITH_CRYPTO, String(port)]),
    },
    {
      contest: 'first answer',
      way: 'latchkey serve',
      measure: () =>
        untilAnswered((port) => [cli, 'serve', '--users', 'memory', '--port', String(port)]),
    },
    { contest: 'import', way: 'node:crypto', measure: () => importing('node:crypto') },
    { contest: 'import', way: 'latchkey/jwt', measure: () => importing(join(DIST, 'jwt.js')) },
    { contest: 'import', way: 'latchkey', measure: () => importing(join(DIST, 'index.js')) },
    {
      contest: 'import',
      way: 'latchkey/express',
      measure: () => importing(join(DIST, 'express.js')),
    },
  ];
  const turns = await takeTurns(ways, rounds, async ({ measure }) => (await measure()) * 1000);
  const all = turns.map(({ entry: { contest, way }, measured }) => ({
    contest,
    way,
    times: measured,
  }));
  return ['first answer', 'import'].flatMap((name) =>
    resultsOf(
      name,
      all.filter(({ contest }) => contest === name),
    ),
  );
}
