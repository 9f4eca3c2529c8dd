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
import { messageOf } from './harness/child.ts';
import { resultsOf, takeTurns, type Result } from './harness/contest.ts';
import { ANSWER, type Listening, type Usage } from './processes/hello-child.ts';
import { SECRET } from './harness/secret.ts';

const CONNECTIONS = 32;
const TURN_MS = 250;

/** A server, and the script and arguments that start it. */
export interface Contestant {
  readonly way: string;
  readonly script: string;
  readonly args: readonly string[];
}

export const OWN: readonly Contestant[] = [
  { way: 'bare', script: 'processes/hello-server.ts', args: ['bare'] },
  { way: 'latchkey', script: 'processes/hello-server.ts', args: ['latchkey'] },
  { way: 'latchkey, cache off', script: 'processes/hello-server.ts', args: ['uncached'] },
];

/** The contestants for the cost of sessions, with the users and the sessions in one place. */
export function withSessions(place: 'memory' | 'file'): readonly Contestant[] {
  return ['off', 'on'].map((sessions) => {
    const script = 'processes/session-server.ts';
    return { way: `sessions ${sessions}`, script, args: [place, sessions] };
  });
}

/** A server that listens. */
interface HelloServer {
  readonly port: number;
  /** Of the user joe. */
  readonly token: string;
  /** The session of joe, sent in place of the token. */
  readonly cookie?: string | undefined;
  usage(): Promise<Usage>;
  stop(): Promise<void>;
}

/** What a request needs to know of a server. */
type Asked = Pick<HelloServer, 'port' | 'token' | 'cookie'>;

export async function start({ script, args }: Omit<Contestant, 'way'>): Promise<HelloServer> {
  const env = { ...process.env, NODE_ENV: 'production' };
  const child = fork(join(import.meta.dirname, script), args, { env });
  const { port, token = ownToken(), cookie } = await messageOf<Listening>(child);
  return {
    port,
    token,
    cookie,
    usage: () => {
      child.send('usage');
      return messageOf<Usage>(child);
    },
    stop: async () => {
      const isOver = once(child, 'exit');
      child.disconnect();
      await isOver;
    },
  };
}

/** @returns a token of the user joe, without a session */
function ownToken(): string {
  return new Jwt({ secret: SECRET, lifetimeSeconds: 3600 }).sign({ identity: 'joe' });
}

/** A request as a client would send it. */
function helloRequest({ port, token, cookie }: Asked): string {
  const proof = cookie === undefined ? `Authorization: Bearer ${token}` : `Cookie: ${cookie}`;
  const headers = [
    `Host: 127.0.0.1:${port}`,
    'User-Agent: bench',
    'Accept: */*',
    'Accept-Encoding: gzip, deflate',
  ];
  return ['GET /hello HTTP/1.1', ...headers, proof, '', ''].join('\r\n');
}

/** Asks once and checks the answer. @returns the length of the answer */
async function askOnce(asked: Asked): Promise<number> {
  const socket = connect(asked.port, '127.0.0.1').setEncoding('latin1');
  socket.write(helloRequest(asked));
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    const [head = '', body = ''] = text.split('\r\n\r\n');
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
    if (body.length < length) continue;
    assert.match(head, /^HTTP\/1\.1 200 /);
    assert.deepEqual(JSON.parse(body), ANSWER);
    break;
  }
  return text.length;
}

/**
 * Sends requests on all connections for `ms` milliseconds, or until there are `maxAnswers` answers.
 * @returns requests per second
 */
export async function askMany(asked: Asked, ms: number, maxAnswers = Infinity): Promise<number> {
  const { port } = asked;
  const answerLength = await askOnce(asked);
  const request = Buffer.from(helloRequest(asked));
  const sockets = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      await once(socket, 'connect');
      return socket;
    }),
  );
  let answers = 0;
  const begin = performance.now();
  const askUntilTheEnd = (socket: Socket) =>
    new Promise<void>((resolve, reject) => {
      let received = 0;
      socket.on('error', reject);
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
  await Promise.all(sockets.map(askUntilTheEnd));
  const seconds = (performance.now() - begin) / 1000;
  for (const socket of sockets) socket.destroy();
  return answers / seconds;
}

/** @param contestants the first is the baseline */
export async function helloContest(
  name: string,
  contestants: readonly Contestant[],
  rounds: number,
): Promise<Result[]> {
  const servers = await Promise.all(
    contestants.map(async (contestant) => {
      return { way: contestant.way, server: await start(contestant) };
    }),
  );
  const turns = await takeTurns(
    servers,
    rounds,
    async ({ server }) => 1e6 / (await askMany(server, TURN_MS)),
  );
  for (const { server } of servers) await server.stop();
  return resultsOf(
    name,
    turns.map(({ entry: { way }, measured }) => ({ way, times: measured })),
  );
}
