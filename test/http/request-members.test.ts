/** HttpRequest over objects that lack some members of a message of node:http. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { createSecureServer, connect as connectHttp2 } from 'node:http2';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AuthError, HttpRequest, Router } from '../../src/index.ts';
import { FIRST } from '../support/certificates.ts';
import { NOT_STRINGS } from '../support/hostile.ts';

const KIND = "a request object that is not Node's own";

/** What a program without types may pass. */
const requestOver = (members: object, proxies = 0): HttpRequest =>
  new HttpRequest(members as IncomingMessage, proxies);

test(`${KIND}: any object is accepted, and its missing members are absent`, async () => {
  const socket = { address: () => ({}), destroy: () => undefined };
  const headers = { 'x-forwarded-for': '192.0.2.1' };
  for (const members of [{}, Object.create(null), { headers }, { socket }, { socket: null }]) {
    for (const proxies of [0, 1]) {
      const request = requestOver(members, proxies);
      const isForwarded = proxies === 1 && 'headers' in members;
      assert.equal(request.address, isForwarded ? '192.0.2.1' : 'unknown');
      assert.equal(request.path, '/');
      assert.equal(request.header('authorization'), undefined);
      assert.equal(request.signal.aborted, false);
      assert.equal(request.signal, request.signal);
      await assert.rejects(request.json(), new AuthError('ERR_CONTENT_TYPE'));
    }
  }
  const whole = requestOver({ url: '/a?b', socket: { remoteAddress: '192.0.2.2' }, headers });
  assert.deepEqual([whole.path, whole.address], ['/a', '192.0.2.2']);
});

test(`${KIND}: its signal follows the socket if the socket has events`, () => {
  const socket = new EventEmitter();
  const { signal } = requestOver({ socket });
  assert.equal(signal.aborted, false);
  assert.equal(requestOver({ socket }).signal, signal);
  socket.emit('close');
  assert.equal(signal.aborted, true);
  assert.equal(requestOver({ socket: { destroyed: true } }).signal.aborted, true);
  assert.equal(requestOver({ socket: { destroyed: false } }).signal.aborted, false);
  assert.notEqual(requestOver({}).signal, requestOver({}).signal);
});

test('a value that is not an object is not a request', () => {
  const NOT_OBJECTS = [undefined, ...NOT_STRINGS, 'GET / HTTP/1.1', () => undefined];
  for (const value of NOT_OBJECTS.filter((any) => typeof any !== 'object' || any === null)) {
    assert.throws(() => requestOver(value as object), {
      name: 'TypeError',
      message: /^"message" expected a request of node:http, got (?!.*GET)/,
    });
  }
  assert.throws(() => requestOver([]), { message: /got an empty array$/ });
  assert.equal(requestOver({}).path, '/');
});

test(`${KIND}: a router answers a request and a response with the fewest members`, async () => {
  const router = new Router().get('/', () => 'home').post('/', () => 'posted');
  const answerOf = (message: object) =>
    new Promise((resolve) => {
      let head: unknown;
      const writeHead = (status: number) => (head = status);
      const response = { writeHead, end: (body: string) => resolve([head, JSON.parse(body)]) };
      Reflect.apply(router.handle, undefined, [message, response]);
    });
  assert.deepEqual(await answerOf({ method: 'GET', url: '/' }), [200, 'home']);
  assert.deepEqual(await answerOf({ method: 'POST', url: '/' }), [200, 'posted']);
  const others = [[{ method: 'GET', url: '/other' }, 404], [{}, 405]] as const;
  for (const [message, status] of others) {
    assert.equal(Object(await answerOf(message))[0], status);
  }
});

test(`${KIND}: a router serves HTTP/2, also after the client has gone`, async () => {
  const router = new Router().post('/', async (request) => {
    const { address, signal } = request;
    return [await request.json(), address, signal.aborted, request.header('cookie')];
  });
  const server = createSecureServer({ ...FIRST }, (message, response) => {
    Reflect.apply(router.handle, undefined, [message, response]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: FIRST.cert });
  const gone = new Promise<HttpRequest>((resolve) => router.get('/gone', async (request) => {
    session.destroy();
    await new Promise((closed) => request.message.once('close', closed));
    resolve(request);
  }));
  try {
    const type = { 'content-type': 'application/json', 'cookie': ['a=1', 'b=2'] };
    const stream = session.request({ ':method': 'POST', ':path': '/', ...type });
    stream.end('{"a":1}');
    assert.deepEqual(JSON.parse(await text(stream)), [{ a: 1 }, '127.0.0.1', false, 'a=1; b=2']);
    session.request({ ':path': '/gone' }).on('error', () => undefined);
    const { address, signal } = await gone;
    assert.equal(typeof address, 'string');
    assert.equal(typeof signal.aborted, 'boolean');
  } finally {
    session.destroy();
    server.close();
  }
});

test(`${KIND}: a response that cannot be written ends no process`, async () => {
  const router = new Router({ onError: () => undefined })
    .get('/', () => 'home')
    .post('/', async () => 'posted');
  const setHeader = () => undefined;
  const writeHead = () => {
    throw new RangeError('Invalid status code: 0');
  };
  for (const method of ['GET', 'POST', 'PUT']) {
    for (const response of [{ setHeader, writeHead }, { writeHead }, {}]) {
      await Reflect.apply(router.handle, undefined, [{ method, url: '/', headers: {} }, response]);
      // A rejection that nothing handles would fail the test in this turn of the event loop.
      await nextTurn();
    }
  }
});

test(`${KIND}: a framework can wait for the reply, and reads its status`, async () => {
  const router = new Router().get('/', () => 'home').post('/', async () => 'posted');
  const answerOf = (method: string) => {
    const response = { statusCode: 0, writeHead: () => undefined, end: () => undefined };
    const sent: unknown = Reflect.apply(router.handle, undefined, [{ method, url: '/' }, response]);
    return { response, sent };
  };
  const direct = answerOf('GET');
  assert.deepEqual([direct.sent, direct.response.statusCode], [undefined, 200]);
  const later = answerOf('POST');
  assert.equal(later.response.statusCode, 0);
  assert.equal(await later.sent, undefined);
  assert.equal(later.response.statusCode, 200);
  const refused = answerOf('PUT');
  await refused.sent;
  assert.equal(refused.response.statusCode, 405);
});
