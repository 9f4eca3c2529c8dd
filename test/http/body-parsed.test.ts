/** Bodies that another parser has read, and streams of adapters and tests. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { json, text } from 'node:stream/consumers';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { AuthError, HttpRequest } from '../../src/index.ts';
import { send } from '../support/app.ts';
import { withNodeServer } from '../support/guard.ts';

const KIND = "a request object that is not Node's own";
const LOGIN = { username: 'joe', password: 'right' };
const TEXT = JSON.stringify(LOGIN);
const HEADERS = { 'content-type': 'application/json' };

/** @param members override those of a JSON request; what a program without types may pass */
const read = (members: object): Promise<unknown> =>
  new HttpRequest({ headers: HEADERS, ...members } as IncomingMessage).json();

/** A stream that has ended, as a body parser leaves it. */
async function endedStream(body?: unknown): Promise<object> {
  const stream = Readable.from([TEXT]);
  await text(stream);
  return Object.assign(stream, { headers: HEADERS }, body === undefined ? {} : { body });
}
const readEnded = async (body?: unknown): Promise<unknown> =>
  new HttpRequest((await endedStream(body)) as IncomingMessage).json();

test(`${KIND}: a body that was parsed already is the body`, { timeout: 10_000 }, async () => {
  assert.equal(await read({ body: LOGIN }), LOGIN);
  assert.equal(await readEnded(LOGIN), LOGIN);
  for (const body of [{}, [], [LOGIN], null, 0, false, Object.create(null)]) {
    assert.equal(await read({ body }), body);
    assert.equal(await readEnded(body), body);
  }
  assert.equal(await read({ body: LOGIN, complete: true, socket: {}, on: () => 1 }), LOGIN);
  assert.equal(await read(Object.assign(new EventEmitter(), { body: LOGIN })), LOGIN);
});

test(`${KIND}: a body as text or bytes gets the checks of a body that is read`, async () => {
  const NOT_UTF8 = Buffer.from('{"username":"jo\xff"}', 'latin1');
  const ofRealm: unknown = runInNewContext(`Uint8Array.from([${[...Buffer.from(TEXT)].join()}])`);
  const padded = TEXT.padEnd(16_384);
  const part = Buffer.from(`x${TEXT}x`).subarray(1, -1);
  const { buffer } = Uint8Array.from(Buffer.from(TEXT));
  const BODIES = [TEXT, Buffer.from(TEXT), ofRealm, buffer, padded, Buffer.from(padded), part];
  for (const body of BODIES) {
    assert.deepEqual(await read({ body }), LOGIN);
    assert.deepEqual(await readEnded(body), LOGIN);
  }
  const REFUSED = [
    [`${padded} `, 'ERR_BODY_TOO_LARGE'],
    [Buffer.from(`${padded} `), 'ERR_BODY_TOO_LARGE'],
    ['é'.repeat(8_193), 'ERR_BODY_TOO_LARGE'],
    ['', 'ERR_BODY'],
    [TEXT.slice(1), 'ERR_BODY'],
    [NOT_UTF8, 'ERR_BODY'],
    ['{"username":"jo\ud83d"}', 'ERR_BODY'],
  ] as const;
  for (const [body, code] of REFUSED) {
    await assert.rejects(read({ body }), new AuthError(code), code);
    await assert.rejects(readEnded(body), new AuthError(code), code);
  }
});

test(`${KIND}: of a parsed body the type is checked, and the parser has undone the rest`, async () => {
  const readWith = (headers: object) =>
    read({ headers: { 'content-type': 'application/json', ...headers }, body: LOGIN });
  assert.equal(await read({ headers: new Headers(HEADERS), body: LOGIN }), LOGIN);
  const listed = { 'Content-Type': ['application/json'] };
  assert.equal(await read({ headers: listed, body: LOGIN }), LOGIN);
  const TAKEN = [
    { 'content-length': Buffer.byteLength(TEXT) },
    { 'content-length': 16_385 },
    { 'Content-Encoding': 'gzip' },
    { 'Transfer-Encoding': ['gzip', 'chunked'] },
  ];
  for (const headers of TAKEN) assert.equal(await readWith(headers), LOGIN);
  const REFUSED = [
    { 'content-type': 'text/plain' },
    { 'content-type': undefined },
    { 'content-type': undefined, 'Content-Type': 'application/x-www-form-urlencoded' },
  ];
  for (const headers of REFUSED) {
    const code = 'ERR_CONTENT_TYPE';
    await assert.rejects(readWith(headers), { name: 'AuthError', code }, JSON.stringify(headers));
  }
});

test(`${KIND}: the body of a function of Vercel is a getter that refuses malformed JSON`, async () => {
  const readThrowing = (error: unknown) => {
    const message = {
      headers: HEADERS,
      get body(): unknown {
        throw error;
      },
    };
    return new HttpRequest(message as unknown as IncomingMessage).json();
  };
  const refused = Object.assign(new Error('Invalid JSON'), { statusCode: 400 });
  await assert.rejects(readThrowing(refused), { name: 'AuthError', code: 'ERR_BODY' });
  const failed = Object.assign(new Error('broken'), { statusCode: 500 });
  await assert.rejects(readThrowing(failed), failed);
});

test(`${KIND}: without a stream and a body it is a TypeError`, { timeout: 10_000 }, async () => {
  const remedy =
    'let latchkey come before the parser, or pass { json: () => parsedBody } to login in place ' +
    'of the request, or parsedBody to signup';
  const wholly = '"message" expected a stream that can be read, or a parsed "body"';
  for (const [members, got] of [
    [{}, 'undefined'],
    [new EventEmitter(), 'undefined'],
    [{ readable: false, complete: true, on: () => 1 }, 'undefined'],
    [{ body: new ReadableStream() }, 'an instance of a class'],
    [{ body: Readable.from([TEXT]) }, 'an instance of a class'],
    [{ body: new Map(Object.entries(LOGIN)) }, 'an object of type Map'],
    [{ body: new FormData() }, 'an instance of a class'],
    [{ body: new URLSearchParams(LOGIN) }, 'an instance of a class'],
    [{ body: new Blob([TEXT]) }, 'an instance of a class'],
  ] as const) {
    const message = `${wholly}, got ${got} as "body": ${remedy}`;
    const refused = read(Object.assign(members, { headers: HEADERS }));
    await assert.rejects(refused, new TypeError(message));
  }
  const before = 'the body was read before latchkey got the request';
  await assert.rejects(readEnded(), new TypeError(`${before}: ${remedy}`));
  const aborted = Object.assign(Readable.from([TEXT]).destroy(), { headers: HEADERS });
  const request = new HttpRequest(aborted as unknown as IncomingMessage);
  await assert.rejects(request.json(), new AuthError('ERR_ABORTED'));
});

test(`${KIND}: a stream may give text, bytes of any kind, or nothing of use`, async () => {
  const readChunks = (chunks: unknown[]) =>
    new HttpRequest(Object.assign(Readable.from(chunks), { headers: HEADERS }) as never).json();
  const bytes = new TextEncoder().encode(TEXT);
  const empty = Buffer.alloc(0);
  for (const chunks of [[TEXT], [...TEXT], [bytes], [Buffer.from(bytes)], [TEXT, empty]]) {
    assert.deepEqual(await readChunks(chunks), LOGIN);
  }
  await assert.rejects(readChunks([TEXT, ' '.repeat(16_384)]), new AuthError('ERR_BODY_TOO_LARGE'));
  await assert.rejects(readChunks(['"\ud83d', '\ude00"']), new AuthError('ERR_BODY'));
  const message = '"message" expected a stream of bytes, got an object';
  await assert.rejects(readChunks([LOGIN]), new TypeError(message));
  const refused = readChunks([TEXT.slice(1)]);
  await assert.rejects(refused, new AuthError('ERR_BODY'));
});

test(`${KIND}: a message over a socket without a connection has its body`, async () => {
  for (const socket of [new Socket(), {}, null]) {
    const message = new IncomingMessage(socket as Socket);
    Object.assign(message.headers, HEADERS);
    assert.equal(await new HttpRequest(Object.assign(message, { body: LOGIN })).json(), LOGIN);
  }
  const pushed = new IncomingMessage(new Socket());
  Object.assign(pushed.headers, HEADERS);
  pushed.push(TEXT);
  pushed.push(null);
  assert.deepEqual(await new HttpRequest(pushed).json(), LOGIN);
});

test('on a socket the bytes count, until a parser has read them', async () => {
  const answers: unknown[] = [];
  await withNodeServer(
    async (req, res) => {
      if (req.url === '/parsed') Object.assign(req, { body: { parsed: await json(req) } });
      else Object.assign(req, { body: { unread: true } });
      if (req.url === '/text') req.setEncoding('utf8');
      answers.push(await new HttpRequest(req).json().catch((error: unknown) => error));
      res.end();
    },
    async (_port, url) => {
      for (const path of ['/unread', '/parsed', '/text']) await send(url + path, 'POST', LOGIN);
    },
  );
  assert.deepEqual(answers, [LOGIN, { parsed: LOGIN }, LOGIN]);
});
