/**
 * The contest for `GET /hello` with a token. Each server has a process of its own. This process
 * asks them in turn over keep-alive connections, with one request at a time on each connection.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Jwt } from './harness/built.ts';
import { askChild, messageOf } from './harness/child.ts';
import { resultsOf, takeTurns, type Result } from './harness/contest.ts';
import { SECRET } from './harness/secret.ts';
import {
  answerTo,
  bearer,
  type HelloUser,
  type Listening,
  type Usage,
} from './processes/hello-child.ts';

const CONNECTIONS = 32;
const TURN_MS = 250;

/** How much `askMany` asks. Without a time and a number of answers, it never ends. */
interface Load {
  readonly ms?: number;
  readonly maxAnswers?: number;
  readonly connections?: number;
}

/** A server, and the script and arguments that start it. */
export interface Contestant {
  readonly way: string;
  readonly script: string;
  readonly args: readonly string[];
}

export const OWN: readonly Contestant[] = [
  { way: 'bare', script: 'processes/hello-server.js', args: ['bare'] },
  { way: 'latchkey', script: 'processes/hello-server.js', args: ['latchkey'] },
  { way: 'latchkey, cache off', script: 'processes/hello-server.js', args: ['uncached'] },
];

/** The contestants for the cost of sessions, with the users and the sessions in one place. */
export function withSessions(place: 'memory' | 'file'): readonly Contestant[] {
  return ['off', 'on'].map((sessions) => {
    const script = 'processes/session-server.js';
    return { way: `sessions ${sessions}`, script, args: [place, sessions] };
  });
}

/** A server that listens. */
interface HelloServer {
  readonly port: number;
  /** The users who ask, in turns, each on connections of its own. */
  readonly users: readonly HelloUser[];
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

/** What a request needs to know of a server. */
type Asked = Pick<HelloServer, 'port' | 'users'>;

export async function start({ script, args }: Omit<Contestant, 'way'>): Promise<HelloServer> {
  const env = { ...process.env, NODE_ENV: 'production' };
  const child = fork(join(import.meta.dirname, script), args, { env });
  const { port, users = [joe()] } = await messageOf<Listening>(child);
  return {
    port,
    users,
    usage: () => askChild<Usage>(child),
    stop: async () => {
      const isOver = once(child, 'exit');
      child.disconnect();
      await isOver;
    },
  };
}

/** @returns the user joe, with a token without a session */
function joe(): HelloUser {
  const token = new Jwt({ secret: SECRET, lifetimeSeconds: 3600 }).sign({ identity: 'joe' });
  return { name: 'joe', proof: bearer(token) };
}

/** A request as a client would send it. */
function helloRequest(port: number, proof: string): string {
  const headers = [
    `Host: 127.0.0.1:${port}`,
    'User-Agent: bench',
    'Accept: */*',
    'Accept-Encoding: gzip, deflate',
  ];
  return ['GET /hello HTTP/1.1', ...headers, proof, '', ''].join('\r\n');
}

/** Asks once and checks the answer. @returns the length of the answer */
async function askOnce(port: number, { name, proof }: HelloUser): Promise<number> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  socket.write(helloRequest(port, proof));
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    const [head = '', body = ''] = text.split('\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    if (body.length < length) continue;
    assert.match(head, /^HTTP\/1\.1 200 /);
    assert.deepEqual(JSON.parse(body), answerTo(name));
    break;
  }
  return text.length;
}

/** Asks once for each user and checks the answers. @returns the length of every answer */
async function askForEach({ port, users }: Asked): Promise<number> {
  const [length = 0, ...others] = await Promise.all(users.map((user) => askOnce(port, user)));
  // The load finds the end of an answer by its length alone.
  for (const other of others) assert.equal(other, length);
  return length;
}

/** A connection, and the request that it sends again and again. */
interface Connection {
  readonly socket: Socket;
  readonly request: Buffer;
}

/** Opens a connection, which asks for one user. */
async function openConnection(port: number, proof: string): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return { socket, request: Buffer.from(helloRequest(port, proof)) };
}

/**
 * Sends requests on all connections, one at a time on each, until the time or the answers are over.
 * @returns requests per second
 */
export async function askMany(asked: Asked, load: Load): Promise<number> {
  const { ms = Infinity, maxAnswers = Infinity, connections = CONNECTIONS } = load;
  const { port, users } = asked;
  const answerLength = await askForEach(asked);
  const opened = await Promise.all(
    Array.from({ length: connections }, (_, index) => {
      return openConnection(port, users[index % users.length]?.proof ?? '');
    }),
  );
  let answers = 0;
  const begin = performance.now();
  const askUntilTheEnd = ({ socket, request }: Connection) =>
    new Promise<void>((resolve, reject) => {
      let received = 0;
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the server closed a connection')));
      socket.on('data', (chunk) => {
        received += chunk.length;
        if (received < answerLength) return;
        received -= answerLength;
        answers += 1;
        if (performance.now() - begin < ms && answers < maxAnswers) socket.write(request);
        else resolve();
      });
      socket.write(request);
    });
  await Promise.all(opened.map(askUntilTheEnd));
  const seconds = (performance.now() - begin) / 1000;
  for (const { socket } of opened) socket.destroy();
  // A server that has failed meanwhile has sent other answers, which are not told apart above.
  assert.equal(await askForEach(asked), answerLength);
  return answers / seconds;
}

/** A server, under the name of its contestant. */
interface Entry {
  readonly way: string;
  readonly server: HelloServer;
}

export function startAll(contestants: readonly Contestant[]): Promise<Entry[]> {
  return Promise.all(
    contestants.map(async (contestant) => {
      return { way: contestant.way, server: await start(contestant) };
    }),
  );
}

export async function stopAll(entries: readonly Entry[]): Promise<void> {
  for (const { server } of entries) await server.stop();
}

/** @param entries the first is the baseline */
export async function askInTurns(
  name: string,
  entries: readonly Entry[],
  rounds: number,
  connections: number = CONNECTIONS,
): Promise<Result[]> {
  const turns = await takeTurns(
    entries,
    rounds,
    async ({ server }) => 1e6 / (await askMany(server, { ms: TURN_MS, connections })),
  );
  return resultsOf(
    name,
    turns.map(({ entry: { way }, measured }) => ({ way, times: measured })),
  );
}

/** @param contestants the first is the baseline */
export async function helloContest(
  name: string,
  contestants: readonly Contestant[],
  rounds: number,
): Promise<Result[]> {
  const entries = await startAll(contestants);
  const results = await askInTurns(name, entries, rounds);
  await stopAll(entries);
  return results;
}
