/** The graceful shutdown of a server: which connections it closes, and when. Real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { listen, Router, type ListenOptions } from '../../src/index.ts';
import { arrivalsOf } from '../support/arrivals.ts';
import { FIRST } from '../support/certificates.ts';
import {
  ask,
  clientOf,
  GET,
  GET_SLOW,
  IDLE_MS,
  IDLE_UNDER_LOAD_MS,
  isSettledSoon,
  KINDS,
  quick,
  repliesOf,
  stopClock,
  takeTurns,
  type Client,
} from '../support/shutdown-clients.ts';
import { deferred, slowHandler } from '../support/slow-handler.ts';

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
  test(`${scheme}: connections that have been idle for 50 ms are closed at once`, async (t) => {
    const pass = stopClock(t);
    const server = await listen(quick(), options);
    const [kept, unused] = [await clientOf(server), await clientOf(server)];
    await ask(kept);
    await takeTurns();
    pass(IDLE_MS);
    assert.ok(await isSettledSoon(server.close()));
    await Promise.all([kept.closed, unused.closed]);
    assert.deepEqual([kept.received.match(/HTTP/g)?.length, unused.received], [1, '']);
  });

  test(`${scheme}: connections that have been idle for less than 50 ms stay open`, async (t) => {
    const pass = stopClock(t);
    const server = await listen(quick(), options);
    const [kept, unused] = [await clientOf(server), await clientOf(server)];
    await ask(kept);
    await takeTurns();
    pass(IDLE_MS - 1);
    const closed = server.close();
    assert.equal(await isSettledSoon(closed), false);
    for (const { socket } of [kept, unused]) socket.write(GET);
    await Promise.all([closed, kept.closed, unused.closed]);
    assert.deepEqual([repliesOf(kept), repliesOf(unused)], [2, 1]);
  });

  test(`${scheme}: an unused connection is closed, and one with a handler at work not`, async (t) => {
    const pass = stopClock(t);
    const { slow, entered, release } = slowHandler();
    const server = await listen(quick().get('/slow', slow), options);
    const busy = await clientOf(server);
    busy.socket.write(GET_SLOW);
    await entered;
    const unused = await clientOf(server);
    await takeTurns();
    pass(IDLE_UNDER_LOAD_MS);
    const closed = server.close();
    await unused.closed;
    release();
    await Promise.all([closed, busy.closed]);
    assert.match(busy.received, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*"done"\n$/);
  });

  test(`${scheme}: a request that has arrived before close is answered`, async (t) => {
    const pass = stopClock(t);
    const server = await listen(quick(), options);
    const [kept, unused] = [await clientOf(server), await clientOf(server)];
    await ask(kept);
    await takeTurns();
    pass(IDLE_MS);
    // The event loop now handles input. If close only waited for the end of that, it would not read
    // the bytes, which lie in the kernel.
    await stat('.');
    for (const { socket } of [kept, unused]) socket.write(GET);
    await Promise.all([server.close(), kept.closed, unused.closed]);
    assert.deepEqual([repliesOf(kept), repliesOf(unused)], [2, 1]);
  });

  test(`${scheme}: a request of which a part has arrived is waited for`, async (t) => {
    const pass = stopClock(t);
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
    await takeTurns();
    pass(IDLE_MS);
    const closed = server.close();
    await idle.closed;
    for (const { socket } of clients) socket.write(GET.slice(7));
    await Promise.all([closed, ...clients.map((client) => client.closed)]);
    assert.deepEqual(clients.map(repliesOf), [1, 2, 2]);
  });
}

test('close answers requests in flight, accepts no more and ends idle connections', async (t) => {
  const pass = stopClock(t);
  const { slow, entered, release } = slowHandler();
  const server = await listen(quick().get('/slow', slow), { port: 0 });
  const [idle, busy] = [await clientOf(server), await clientOf(server)];
  await ask(idle);
  busy.socket.write(GET_SLOW);
  await entered;
  pass(IDLE_UNDER_LOAD_MS);
  const closed = server.close();
  await idle.closed;
  await assert.rejects(fetch(`${server.url}/quick`), 'the server still accepts');
  release();
  await Promise.all([closed, busy.closed]);
  assert.match(busy.received, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*"done"\n$/);
});

test('close does not wait for a client that disconnects in the middle of a request', async () => {
  const server = await listen(new Router().post('/', (request) => request.json()), { port: 0 });
  const client = await clientOf(server);
  const type = 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n';
  await ask(client, `POST / HTTP/1.1\r\nHost: x\r\n${type}Expect: 100-continue\r\n\r\n`);
  const closed = server.close();
  assert.equal(await isSettledSoon(closed), false);
  client.socket.end();
  assert.ok(await isSettledSoon(closed));
});

test('close answers every pipelined request', async (t) => {
  const arrivals = arrivalsOf(t);
  const [released, release] = deferred();
  const slow = async () => {
    await released;
    return 'quick';
  };
  const server = await listen(new Router().get('/slow', slow), { port: 0 });
  const client = await clientOf(server);
  client.socket.write(GET_SLOW.repeat(3));
  while (arrivals.length < 3) await nextTurn();
  const closed = server.close();
  release();
  await Promise.all([closed, client.closed]);
  assert.equal(repliesOf(client), 3);
});

test('a TCP connection without a handshake is closed like any that is idle', async (t) => {
  const pass = stopClock(t);
  const server = await listen(quick(), { port: 0, tls: FIRST });
  const silent = connect(server.port, '127.0.0.1');
  const silentClosed = once(silent, 'close');
  await once(silent, 'connect');
  // A reply: the server has accepted both connections.
  const idle = await clientOf(server);
  await ask(idle);
  await takeTurns();
  pass(IDLE_MS);
  assert.ok(await isSettledSoon(server.close()));
  await Promise.all([silentClosed, idle.closed]);
});

test('a TLS handshake whose first byte has arrived is waited for', async (t) => {
  const pass = stopClock(t);
  const server = await listen(quick(), { port: 0, tls: FIRST });
  const begun = connect(server.port, '127.0.0.1');
  begun.write(Uint8Array.of(22));
  const idle = await clientOf(server);
  await ask(idle);
  await takeTurns();
  pass(IDLE_MS);
  const closed = server.close();
  await idle.closed;
  assert.equal(await isSettledSoon(closed), false);
  begun.destroy();
  assert.ok(await isSettledSoon(closed));
});

test('close cuts off a request in flight before a CONNECT', { timeout: 30_000 }, async () => {
  const cutOff = async (options: ListenOptions) => {
    const { slow, entered } = slowHandler();
    const server = await listen(new Router().get('/slow', slow), options);
    const client = await clientOf(server);
    client.socket.write(`${GET_SLOW}CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n`);
    await entered;
    await takeTurns();
    await Promise.all([server.close(), client.closed]);
  };
  await Promise.all(Object.values(KINDS).map(cutOff));
});
