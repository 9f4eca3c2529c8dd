/** Asserts the replies of a program of the pages that has the users of `auth.mts`. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { Jwt } from '../../src/index.ts';
import { send, sendRaw } from './app.ts';
import { SECRET } from './tokens.ts';

const CHALLENGES = 'JWT realm="Login Required", Bearer realm="Login Required"';
const EXPIRED = `${CHALLENGES}, error="invalid_token", error_description="Signature has expired"`;

/** Asserts the replies of a guarded path to good and bad tokens. */
export async function assertGuarded(url: string, path = '/hello'): Promise<void> {
  const jwt = new Jwt<{ identity: unknown; exp?: number }>({ secret: SECRET });
  const good = jwt.sign({ identity: 1 });
  const refused = async (
    authorization: string,
    challenges: string,
    error: string,
    description: string,
  ) => {
    const answer = await hello(authorization);
    const expected = [401, { status_code: 401, error, description }];
    assert.deepEqual([answer.status, answer.body], expected, authorization);
    // The challenges are separate header lines. fetch joins them, with or without a space.
    const sent = answer.headers.get('WWW-Authenticate')?.replace(',Bearer', ', Bearer');
    assert.equal(sent, challenges);
    assert.match(answer.headers.get('Content-Type') ?? '', /^application\/json/);
  };
  const hello = (authorization: string) => {
    const headers = authorization === '' ? {} : { Authorization: authorization };
    return send(url + path, 'GET', undefined, headers);
  };
  for (const authorization of [`JWT ${good}`, `bearer ${good}`]) {
    const { status, body } = await hello(authorization);
    assert.deepEqual([status, body], [200, { hello: 'joe' }]);
  }
  const missing = 'Request does not contain an access token';
  await refused('', CHALLENGES, 'Authorization Required', missing);
  const unsupported = 'Unsupported authorization type';
  await refused(`Basic ${good}`, CHALLENGES, 'Invalid JWT header', unsupported);
  const line = `Authorization: JWT ${good}`;
  const lines = [`GET ${path} HTTP/1.1`, 'Host: x', 'Connection: close', line, line, '', ''];
  const twice = await sendRaw(Number(new URL(url).port), lines.join('\r\n'));
  assert.match(twice, /^HTTP\/1\.1 401 .*Token contains spaces/s);
  const expired = jwt.sign({ identity: 1, exp: Math.floor(Date.now() / 1000) - 60 });
  await refused(`JWT ${expired}`, EXPIRED, 'Invalid token', 'Signature has expired');
  for (const identity of [3, '1', 'joe', null]) {
    const unknown = EXPIRED.replace('Signature has expired', 'User does not exist');
    await refused(`JWT ${jwt.sign({ identity })}`, unknown, 'Invalid JWT', 'User does not exist');
  }
}

/** Asserts that a program guards `GET /hello` and logs in at `POST /auth`. */
export async function assertServes(url: string): Promise<void> {
  await assertGuarded(url);
  await assertLogsIn(url);
}

async function assertLogsIn(url: string): Promise<void> {
  const login = (body: unknown) => send(`${url}/auth`, 'POST', body);
  const right = await login({ username: 'joe', password: 'correct horse' });
  const { access_token: token } = right.body as { access_token: string };
  const headers = { Authorization: `JWT ${token}` };
  const { body: greeting } = await send(`${url}/hello`, 'GET', undefined, headers);
  assert.deepEqual(greeting, { hello: 'joe' });
  const error = 'Bad Request';
  const wrong = { status_code: 401, error, description: 'Invalid credentials' };
  const notAnObject = { status_code: 400, error, description: 'The body is not a JSON object' };
  const BODIES: readonly (readonly [body: unknown, answer: object])[] = [
    [{ username: 'joe', password: 'battery staple' }, wrong],
    [{ username: 'ann', password: 'correct horse' }, wrong],
    [{ username: 'joe', password: 'x'.repeat(2_000) }, wrong],
    [{ username: 'joe', password: 'correct\0horse' }, wrong],
    [{ username: 'joe' }, wrong],
    [[], notAnObject],
  ];
  for (const [body, expected] of BODIES) {
    const answer = await login(body);
    assert.deepEqual(answer.body, expected, JSON.stringify(body));
    assert.equal(answer.status, Reflect.get(expected, 'status_code'));
    assert.equal(answer.headers.has('WWW-Authenticate'), expected === wrong);
  }
  const head = [
    'POST /auth HTTP/1.1',
    'Host: x',
    'Content-Type: application/json',
    'Content-Length: 99999999',
    'Connection: close',
    '',
    '',
  ];
  const tooLarge = await sendRaw(Number(new URL(url).port), head.join('\r\n'));
  assert.match(tooLarge, /^HTTP\/1\.1 413 /);
  const malformed = await login('{"username":"joe","password":correct horse}');
  assert.equal(malformed.status, 400);
  assert.doesNotMatch(JSON.stringify(malformed.body), /correct|horse/);
}

/** Asserts that wrong passwords lock out the network of the guesser, and not the owner. */
export async function assertLimitsGuesses(url: string): Promise<void> {
  for (let tries = 0; tries < 10; tries += 1) {
    assert.equal(await loginStatus(url, 'battery staple', '127.0.0.2'), 401);
  }
  assert.equal(await loginStatus(url, 'correct horse', '127.0.0.2'), 429);
  assert.equal(await loginStatus(url, 'correct horse', '127.0.0.1'), 200);
}

/** Logs joe in from an address of this machine. fetch cannot choose one. */
function loginStatus(url: string, password: string, localAddress: string): Promise<number> {
  const headers = { 'Content-Type': 'application/json', 'Connection': 'close' };
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/auth`, { method: 'POST', headers, localAddress }, (reply) => {
      reply.resume().once('end', () => resolve(reply.statusCode ?? 0));
    });
    sent.once('error', reject).end(JSON.stringify({ username: 'joe', password }));
  });
}
