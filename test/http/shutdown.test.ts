/** The graceful shutdown of a server. Real sockets. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { listen, Reply, Router, type ListenOptions, type Server } from '../../src/index.ts';
import { sendRaw } from '../support/app.ts';
import { FIRST } from '../support/certificates.ts';
import { deferred, slowHandler } from '../support/slow-handler.ts';

const GET = 'GET /quick HTTP/1.1\r\nHost: x\r\n\r\n';
const quick = (): Router => new Router().get('/quick', () => 'quick');

/** The milliseconds without a request after which the documents call a connection idle. */
const IDLE_MS = 50;

/** Each kind of server, by its scheme. */
const KINDS: Readonly<Record<string, ListenOptions>> = {
  http: { port: 0 },
  https: { port: 0, tls: FIRST },
};

/** A connection of a client, with all that it has received. */
interface Client {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  received: string;
}

/** Connects a client. Where the server has TLS, it has accepted the handshake. */
async function clientOf({ url, port }: Server): Promise<Client> {
  const isSecure = url.startsWith('https:');
  const socket = isSecure
    ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : connect(port, '127.0.0.1');
  const closed = new Promise((resolve) => socket.on('close', resolve));
  const client = { socket, closed, received: '' };
  socket.setEncoding('latin1').on('error', () => undefined);
  socket.on('data', (text) => (client.received += text));
  await once(socket, isSecure ? 'secureConnect' : 'connect');
  return client;
}

/** Sends a request, and waits for its reply. */
async function ask({ socket }: Client, request = GET): Promise<void> {
  socket.write(request);
  await once(socket, 'data');
}

/** @returns the number of replies, after each has been checked and the last says that it is one */
function repliesOf({ received }: Client): number {
  const replies = received.split(/(?=HTTP\/1\.1 )/).filter((reply) => reply !== '');
  for (const reply of replies) assert.match(reply, /^HTTP\/1\.1 200 OK\r\n[^]*"quick"\n$/);
  assert.match(replies.at(-1) ?? '', /\r\nConnection: close\r\n/);
  return replies.length;
}

/** Far fewer turns of the event loop than there are in 50 ms, and more than a close needs. */
const FEW_TURNS = 500;

/** Waits for a promise for some turns of the event loop, which a slow machine does not shorten. */
async function isSettledSoon(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  void promise.then(() => (isSettled = true));
  for (let count = 0; count < FEW_TURNS && !isSettled; count += 1) await turn();
  return isSettled;
}

test('close without a connection waits for nothing, and further calls change nothing', async () => {
  for (const options of Object.values(KINDS)) {
    const server = await listen(quick(), options);
    const closed = Promise.all([server.close(), server.close(), server[Symbol.asyncDispose]()]);
    assert.ok(await isSettledSoon(closed));
    assert.ok(await isSettledSoon(server.close()));
  }
});

test('await using closes a server at the end of its block', async () => {
  let url = '';
  {
    await using server = await listen(quick(), { port: 0 });
    url = `${server.url}/quick`;
    assert.equal((await fetch(url, { headers: { Connection: 'close' } })).status, 200);
  }
  await assert.rejects(fetch(url));
});

for (const [scheme, options] of Object.entries(KINDS)) {
  test(`${scheme}: connections that have been idle for 50 ms are closed at once`, async () => {
    const server = await listen(quick(), options);
    const [kept, unused] = [await clientOf(server), await clientOf(server)];
    await ask(kept);
    await delay(IDLE_MS + 20);
    assert.ok(await isSettledSoon(server.close()));
    await Promise.all([kept.closed, unused.closed]);
    assert.deepEqual([kept.received.match(/HTTP/g)?.length, unused.received], [1, '']);
  });

  test(`${scheme}: a connection that has just opened is closed, and one with a handler not`, async () => {
    const { slow, entered, release } = slowHandler();
    const server = await listen(quick().get('/slow', slow), options);
    const busy = await clientOf(server);
    busy.socket.write(GET.replace('quick', 'slow'));
    await entered;
    const unused = await clientOf(server);
    const closed = server.close();
    await unused.closed;
    release();
    await Promise.all([closed, busy.closed]);
    assert.match(busy.received, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*"done"\n$/);
  });

  test(`${scheme}: a request that has arrived before close is answered`, async () => {
    const server = await listen(quick(), options);
    const [kept, unused] = [await clientOf(server), await clientOf(server)];
    await ask(kept);
    await delay(IDLE_MS + 20);
    // The event loop now handles input. If close only waited for the end of that, it would not read
    // the bytes, which lie in the kernel.
    await stat('.');
    for (const { socket } of [kept, unused]) socket.write(GET);
    await Promise.all([server.close(), kept.closed, unused.closed]);
    assert.deepEqual([repliesOf(kept), repliesOf(unused)], [2, 1]);
  });

  test(`${scheme}: a request that follows a reply within 50 ms of close is answered`, async () => {
    for (let isTooLate = true; isTooLate;) {
      const server = await listen(quick(), options);
      const kept = await clientOf(server);
      await ask(kept);
      const repliedAt = performance.now();
      const closed = server.close();
      for (let count = 0; count < 10; count += 1) await turn();
      kept.socket.write(GET);
      // On a busy machine the turns can have taken too long. Then this round proves nothing.
      isTooLate = performance.now() - repliedAt > IDLE_MS / 2;
      await Promise.all([closed, kept.closed]);
      if (!isTooLate) assert.equal(repliesOf(kept), 2);
    }
  });

  test(`${scheme}: a request of which a part has arrived is waited for`, async () => {
    const server = await listen(quick(), options);
    const idle = await clientOf(server);
    const clients = await Promise.all([1, 2, 3].map(() => clientOf(server)));
    const [first, second, tail] = clients as [Client, Client, Client];
    const part = GET.slice(0, 7);
    first.socket.write(part);
    await ask(second);
    second.socket.write(part);
    await ask(tail, GET + part);
    // A reply on a new connection: the server has read what the others have sent before.
    await ask(idle);
    const closed = server.close();
    await idle.closed;
    for (const { socket } of clients) socket.write(GET.slice(7));
    await Promise.all([closed, ...clients.map((client) => client.closed)]);
    assert.deepEqual(clients.map(repliesOf), [1, 2, 2]);
  });
}

test('close waits longer for connections while clients are at work', async () => {
  for (let isTooLate = true; isTooLate;) {
    const { slow, entered, release } = slowHandler();
    const server = await listen(quick().get('/slow', slow), { port: 0 });
    const [kept, busy] = [await clientOf(server), await clientOf(server)];
    busy.socket.write(GET.replace('quick', 'slow'));
    await entered;
    await ask(kept);
    const repliedAt = performance.now();
    const closed = server.close();
    release();
    await busy.closed;
    // Far longer than an idle server waits, and far shorter than one under load.
    await delay(2 * IDLE_MS);
    kept.socket.write(GET);
    // On a busy machine this can have taken too long. Then this round proves nothing.
    isTooLate = performance.now() - repliedAt > 6 * IDLE_MS;
    await Promise.all([closed, kept.closed]);
    if (!isTooLate) assert.equal(repliesOf(kept), 2);
  }
});

test('a TLS handshake that ends after close has begun does not hold the server up', async () => {
  const server = await listen(quick(), { port: 0, tls: FIRST });
  const busy = await clientOf(server);
  busy.socket.write(GET.slice(0, 7));
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  // A reply: the server has accepted both connections.
  const idle = await clientOf(server);
  await ask(idle);
  const closed = server.close();
  await idle.closed;
  const late = connectTls({ socket, rejectUnauthorized: false });
  const lateClosed = once(late, 'close');
  await once(late, 'secureConnect');
  await lateClosed;
  busy.socket.write(GET.slice(7));
  await Promise.all([closed, busy.closed]);
  assert.equal(repliesOf(busy), 1);
});

test('close does not cut off a reply that a client reads slowly', async () => {
  const body = new Uint8Array(16 * 1024 * 1024);
  const server = await listen(
    quick().get('/big', () => new Reply(200, body)),
    { port: 0 },
  );
  const reader = await clientOf(server);
  const idle = await clientOf(server);
  await ask(reader, GET.replace('quick', 'big'));
  reader.socket.pause();
  const closed = server.close();
  await delay(IDLE_MS + 50);
  reader.socket.resume();
  const ended = Promise.all([closed, reader.closed, idle.closed]).then(() => 'ended');
  // Without close, the server would close the connection after 5 seconds.
  assert.equal(await Promise.race([ended, delay(3_000, 'too late', { ref: false })]), 'ended');
  assert.ok(reader.received.length > body.length, String(reader.received.length));
});

const CLIENTS = fileURLToPath(
  new URL('../support/children/closed-loop-clients.ts', import.meta.url),
);

/** Closes a server amid 40 clients that think for up to 20 ms. @returns what the clients count */
async function closeAmidClients(): Promise<Record<string, number>> {
  const server = await listen(quick(), { port: 0 });
  const args = ['--import', 'tsx', CLIENTS, String(server.port), '40', '20'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const [ready] = await once(lines, 'line');
  assert.equal(ready, 'ready');
  const outcome = once(lines, 'line');
  await server.close();
  const [counts] = await outcome;
  return JSON.parse(counts) as Record<string, number>;
}

test('close amid clients in a closed loop loses no request', { timeout: 60_000 }, async () => {
  let lost = 1;
  // On a busy machine a client can be halted for over 50 ms, and go on in the very instant in which
  // its connection is closed. That does not happen three times.
  for (let round = 0; round < 3 && lost > 0; round += 1) {
    const counts = await closeAmidClients();
    lost = Number(counts['lost']);
    const ended = Number(counts['last']) + Number(counts['closed']) + lost;
    assert.equal(ended, 40, JSON.stringify(counts));
  }
  assert.equal(lost, 0);
});

test('close answers requests in flight, accepts no more and ends idle connections', async () => {
  const { slow, entered, release } = slowHandler();
  const server = await listen(
    quick().get('/slow', slow),
    { port: 0 },
  );
  const idle = connect(server.port, '127.0.0.1');
  idle.write('GET /quick HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => idle.once('data', resolve));
  const idleEnded = new Promise((resolve) => idle.once('close', resolve));
  const answer = sendRaw(server.port, 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
  await entered;
  const closed = server.close();
  await idleEnded;
  await assert.rejects(fetch(`${server.url}/quick`), 'the server still accepts');
  release();
  assert.match(await answer, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*"done"\n$/);
  await closed;
});

test('close does not wait for a client that disconnects in the middle of a request', async () => {
  const server = await listen(
    new Router().post('/', (request) => request.json()),
    { port: 0 },
  );
  const socket = connect(server.port, '127.0.0.1');
  const type = 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n';
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\n${type}Expect: 100-continue\r\n\r\n`);
  await once(socket, 'data');
  const closed = server.close().then(() => 'closed');
  socket.end();
  const tooLong = new Promise((resolve) => setTimeout(resolve, 8_000, 'too long').unref());
  assert.equal(await Promise.race([closed, tooLong]), 'closed');
});

test('close answers every pipelined request', async () => {
  const [entered, enter] = deferred();
  const [released, release] = deferred();
  let count = 0;
  const slow = async () => {
    count += 1;
    if (count === 3) enter();
    await released;
  };
  const server = await listen(new Router().get('/slow', slow), { port: 0 });
  const answer = sendRaw(server.port, 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3));
  await entered;
  const closed = server.close();
  release();
  assert.equal((await answer).match(/HTTP\/1\.1 200 OK/g)?.length, 3);
  await closed;
});
