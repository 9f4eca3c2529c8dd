/**
 * Keeps logins in flight, each on a connection of its own, in a process of its own:
 * `flood-load.ts <port> <how many> <seconds>`. It sends a message once it is ready, begins when it
 * receives one, and sends the result once every connection is closed.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { percentileOf } from '../harness/report.ts';

/** The result of one flood. */
export interface Flood {
  /** How many answers of each status, and how many connections were closed without one. */
  readonly answers: Readonly<Record<string, number>>;
  /** Milliseconds until a 429 or a 503, as this busy process sees it; null if there was none. */
  readonly refusalMs: { readonly p50: number; readonly p99: number; readonly max: number } | null;
}

const [port = 0, inFlight = 0, seconds = 0] = process.argv.slice(2).map(Number);
const answers: Record<string, number> = {};
const refusals: number[] = [];
const open = new Set<Socket>();
let isOver = false;
let count = 0;

/** Half of them try unknown users from the address of joe. Half try joe from another address. */
function connectOne(index: number): Socket {
  const localAddress = index % 2 === 0 ? '127.0.0.1' : '127.0.0.2';
  return connect({ port, host: '127.0.0.1', localAddress, noDelay: true }).setEncoding('latin1');
}

/** One login after the other. A connection that the server ends is counted and replaced. */
function tryPasswords(socket: Socket, index: number): void {
  let sentAt = 0;
  let text = '';
  const send = () => {
    count += 1;
    const username = index % 2 === 0 ? `unknown${count}` : 'joe';
    const body = JSON.stringify({ username, password: `wrong${count}` });
    const head = 'POST /auth HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n';
    sentAt = performance.now();
    socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
  };
  socket.on('data', (chunk: string) => {
    text += chunk;
    if (!text.endsWith('}\n')) return;
    const status = text.slice(9, 12);
    note(status);
    if (status === '429' || status === '503') refusals.push(performance.now() - sentAt);
    text = '';
    send();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    open.delete(socket);
    if (isOver) return;
    note('cut off');
    const next = connectOne(index);
    next.once('connect', () => tryPasswords(next, index));
  });
  open.add(socket);
  send();
}

const note = (answer: string) => (answers[answer] = (answers[answer] ?? 0) + 1);

process.send?.('ready');
await once(process, 'message');
const sockets = Array.from({ length: inFlight }, (_, index) => connectOne(index));
await Promise.all(sockets.map((socket) => once(socket, 'connect')));
// Waits until the server has accepted them. Each takes a turn of its event loop.
await delay(200);
sockets.forEach(tryPasswords);
await delay(seconds * 1000);
isOver = true;
await Promise.all([...open].map((socket) => once(socket.destroy(), 'close')));
const [p50 = NaN, p99 = NaN, max = NaN] = [0.5, 0.99, 1].map((share) =>
  percentileOf(refusals, share),
);
process.send?.({
  answers,
  refusalMs: refusals.length === 0 ? null : { p50, p99, max },
} satisfies Flood);
process.disconnect();
