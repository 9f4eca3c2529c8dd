/**
 * Bad bodies over a real socket. Each gets the right status and the JSON shape of an error, changes
 * no user, and leaves the server able to answer the next request.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test as testOnce } from 'node:test';
import type { User } from '../../src/index.ts';
import { INHERITED_NAMES, NOT_STRINGS, NOT_USERNAMES } from '../support/hostile.ts';
import { collectGarbage } from '../support/garbage.ts';
import { send, sendRaw, withApp } from '../support/app.ts';
import { WatchedStore } from '../support/doubles.ts';
import { testInEachMode as test } from '../support/session-modes.ts';

const JOE = { username: 'joe', password: 'pass' };
const KIB = 1024;
const brokenUtf8 = Buffer.concat([
  Buffer.from('{"username":"jo'),
  Buffer.from([0xff, 0xc0, 0x80]),
  Buffer.from('e"}'),
]);

/** Memory in use after a garbage collection, inside and outside the heap. */
async function bytesInUse(): Promise<number> {
  await collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test('a body that is not a JSON object gets 400, at signup in the shape of a signup', async (mode) => {
  const broken = 'The body is not valid JSON in UTF-8';
  const notObject = 'The body is not a JSON object';
  const noCredentials = 'Expected a JSON object with the strings "username" and "password"';
  const rows: readonly [body: string | Uint8Array, login: string, signup: string][] = [
    ['', broken, broken],
    ['{', broken, broken],
    ['{"username":"joe","password":"pass"', broken, broken],
    ['{"username":"joe","password":"pass"}}', broken, broken],
    ["{'username':'joe','password':'pass'}", broken, broken],
    ['{"username":"joe","password":"pa\0ss"}', broken, broken],
    ['username=joe&password=pass', broken, broken],
    ['\ufeff\ufeff{"username":"joe","password":"pass"}', broken, broken],
    [brokenUtf8, broken, broken],
    ['['.repeat(8000), broken, broken],
    ['null', notObject, noCredentials],
    ['true', notObject, noCredentials],
    ['1e400', notObject, noCredentials],
    ['"joe"', notObject, noCredentials],
    ['[]', notObject, noCredentials],
    ['[{"username":"joe","password":"pass"}]', notObject, noCredentials],
  ];
  const users = new WatchedStore();
  await withApp({ users, ...mode.options() }, async ({ url }) => {
    for (const [body, login, signup] of rows) {
      const atLogin = await send(`${url}/auth`, 'POST', body);
      const refused = { status_code: 400, error: 'Bad Request', description: login };
      assert.deepEqual([atLogin.status, atLogin.body], [400, refused]);
      const atSignup = await send(`${url}/signup`, 'POST', body);
      assert.deepEqual(
        [atSignup.status, atSignup.body],
        [400, { Status: 'Error', result: signup }],
      );
    }
    assert.deepEqual(users.written, []);
    // RFC 8259 §8.1: a parser may ignore one byte order mark.
    const marks = ['', '\ufeff'] as const;
    for (const [index, mark] of marks.entries()) {
      const username = `joe${index}`;
      const body = `${mark}{"username":"${username}","password":"pass"}`;
      assert.equal((await send(`${url}/signup`, 'POST', body)).status, 200, username);
    }
  });
});

test('a signup without a valid username and password gets 400 and creates no user', async (mode) => {
  const isJson = (value: unknown) => !['bigint', 'symbol', 'function'].includes(typeof value);
  const isText = (value: unknown) => value instanceof String || value instanceof Date;
  const wrongKinds = NOT_STRINGS.filter((value) => isJson(value) && !isText(value));
  const bodies: object[] = [
    {},
    { username: 'joe' },
    { password: 'pass' },
    ...wrongKinds.flatMap((value) => [
      { username: value, password: 'pass' },
      { username: 'joe', password: value },
    ]),
    ...NOT_USERNAMES.map((username) => ({ username, password: 'pass' })),
    ...['', 'pas', 'pass\ud800', 'pass\0', 'x'.repeat(257)].map((password) => ({
      ...JOE,
      password,
    })),
    { ...JOE, password: 'x'.repeat(10_000) },
    { username: 'josephine', password: 'Josephine' },
  ];
  const users = new WatchedStore();
  await withApp({ users, ...mode.options() }, async ({ url }) => {
    for (const body of bodies) {
      const answer = await send(`${url}/signup`, 'POST', body);
      const { Status, result, ...others } = answer.body as Record<string, unknown>;
      const seen = [answer.status, Status, typeof result, others];
      assert.deepEqual(seen, [400, 'Error', 'string', {}], JSON.stringify(body));
    }
    assert.deepEqual(users.written, []);
    assert.equal((await send(`${url}/signup`, 'POST', JOE)).status, 200);
  });
});

test('only username and password are read from a body, and other members are ignored', async (mode) => {
  const users = new WatchedStore();
  await withApp({ users, ...mode.options() }, async ({ url }) => {
    const body =
      '{"id":"root","__proto__":{"admin":true},"constructor":1,"passwordHash":"x",' +
      '"createdAt":"then","username":"joe","password":"pass","role":"admin"}';
    assert.equal((await send(`${url}/signup`, 'POST', body)).status, 200);
    const inherited = '{"__proto__":{"username":"ann","password":"pass"}}';
    assert.equal((await send(`${url}/signup`, 'POST', inherited)).status, 400);
    assert.equal((await send(`${url}/auth`, 'POST', inherited)).status, 401);
  });
  assert.equal(users.written.length, 1);
  const [{ id, username, passwordHash, createdAt, ...others }] = users.written as [User];
  assert.deepEqual([id, username, others], ['joe', 'joe', {}]);
  assert.match(passwordHash, /^\$scrypt\$ln=1,r=8,p=1\$/);
  assert.ok(Math.abs(Date.parse(createdAt) - Date.now()) < 30_000);
});

test('names that every object inherits are ordinary usernames', async (mode) => {
  await withApp(mode.options(), async ({ url }) => {
    for (const username of INHERITED_NAMES) {
      const body = { username, password: 'a password' };
      assert.equal((await send(`${url}/auth`, 'POST', body)).status, 401, username);
      assert.equal((await send(`${url}/signup`, 'POST', body)).status, 200, username);
      const { access_token: token } = (await send(`${url}/auth`, 'POST', body)).body as {
        access_token: string;
      };
      const hello = await send(`${url}/hello`, 'GET', undefined, { Authorization: `JWT ${token}` });
      assert.deepEqual(hello.body, { Status: 'Success', result: `Hello ${username}` });
    }
  });
});

test('a body of another content type, charset or encoding gets 415', async (mode) => {
  const type = 'The body must be application/json in UTF-8';
  const malformed = 'The Content-Type header is malformed or repeated';
  const charset = 'The charset of the body must be UTF-8';
  const coding = 'The body must have no content coding, such as gzip';
  const refused: readonly [headers: Record<string, string>, description: string][] = [
    [{ 'Content-Type': 'text/plain' }, type],
    [{ 'Content-Type': 'application/x-www-form-urlencoded' }, type],
    [{ 'Content-Type': 'multipart/form-data; boundary=x' }, type],
    [{ 'Content-Type': 'application/jsonp' }, type],
    [{ 'Content-Type': 'text/application/json' }, malformed],
    [{ 'Content-Type': 'application/json; charset=latin1' }, charset],
    [{ 'Content-Type': 'application/json; charset=utf-16' }, charset],
    [{ 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' }, coding],
  ];
  const accepted = [
    'application/json',
    'APPLICATION/JSON ; Charset="UTF-8"',
    'application/json;charset=utf8',
  ];
  await withApp(mode.options(), async ({ url }) => {
    for (const [headers, description] of refused) {
      for (const path of ['/signup', '/auth']) {
        const { status, body } = await send(`${url}${path}`, 'POST', JOE, headers);
        const expected = { status_code: 415, error: 'Unsupported Media Type', description };
        assert.deepEqual([status, body], [415, expected], JSON.stringify(headers));
      }
    }
    for (const type of accepted) {
      assert.equal(
        (await send(`${url}/auth`, 'POST', JOE, { 'Content-Type': type })).status,
        401,
        type,
      );
    }
    const untyped = await fetch(`${url}/auth`, {
      method: 'POST',
      body: Buffer.from(JSON.stringify(JOE)),
    });
    assert.equal(untyped.status, 415);
  });
});

test('a body of 16 KiB is read, a larger one gets 413, by Content-Length or by count', async (mode) => {
  const padded = (bytes: number) => `{"username":"joe","password":"pass"${' '.repeat(bytes - 36)}}`;
  const chunked = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
  await withApp(mode.options(), async ({ url, port }) => {
    assert.equal(padded(16 * KIB).length, 16 * KIB);
    assert.equal((await send(`${url}/auth`, 'POST', padded(16 * KIB))).status, 401);
    const tooLarge = {
      status_code: 413,
      error: 'Content Too Large',
      description: 'The body is too large',
    };
    for (const bytes of [16 * KIB + 1, 100 * KIB, 1024 * KIB]) {
      const { status, body } = await send(`${url}/auth`, 'POST', padded(bytes));
      assert.deepEqual([status, body], [413, tooLarge]);
    }
    const head = 'POST /auth HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    // Content-Length alone is enough: the client sends none of the body.
    assert.match(await sendRaw(port, `${head}Content-Length: 1000000\r\n\r\n`), /^HTTP\/1\.1 413 /);
    for (const [bytes, status] of [
      [16 * KIB, 401],
      [16 * KIB + 1, 413],
      [100 * KIB, 413],
    ] as const) {
      const headers = 'Transfer-Encoding: chunked\r\nConnection: close';
      const request = `${head}${headers}\r\n\r\n${chunked(padded(bytes))}`;
      assert.match(await sendRaw(port, request), new RegExp(`^HTTP/1\\.1 ${status} `));
    }
  });
});

testOnce('a body in chunks of one byte takes no more memory than a body in one piece', async () => {
  await withApp({}, async ({ port }) => {
    const type = 'Content-Type: application/json\r\nTransfer-Encoding: chunked';
    const head = `POST /auth HTTP/1.1\r\nHost: x\r\n${type}\r\n\r\n`;
    const before = await bytesInUse();
    const sockets = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'));
    for (const socket of sockets) {
      await new Promise<void>((resolve) =>
        socket.write(head + '1\r\na\r\n'.repeat(16_000), () => resolve()),
      );
    }
    // The server has read them once it has answered a request that came after them.
    assert.match(
      await sendRaw(port, `${head.replace('chunked', 'chunked\r\nConnection: close')}0\r\n\r\n`),
      /400/,
    );
    const grown = (await bytesInUse()) - before;
    for (const socket of sockets) socket.destroy();
    assert.ok(grown < 30e6, `${grown} bytes`);
  });
});
