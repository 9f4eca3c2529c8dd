/** AuthError: the closed list of codes, the shape of a refusal, and `Retry-After` on the wire. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { ERRORS } from '../src/error-codes.ts';
import { isAuthError, isImpossiblePasswordError, reasonOf } from '../src/errors.ts';
import { AuthError, JwtAuth, Router, type AuthErrorCode } from '../src/index.ts';
import { fromOtherRealm, OtherAuthError } from './support/copies.ts';
import { INHERITED_NAMES, NOT_STRINGS, UNREADABLE } from './support/hostile.ts';
import { send, sendRaw, withApp, withServer } from './support/app.ts';
import { withNodeServer } from './support/guard.ts';
import { SECRET } from './support/tokens.ts';

const { stackTraceLimit } = Error;

test('every code has an error status, a title and a description, and AuthError takes them', () => {
  const codes = Object.keys(ERRORS) as AuthErrorCode[];
  for (const code of codes) {
    assert.match(code, /^ERR_[A-Z_]+$/);
    const [status, title, text] = ERRORS[code];
    assert.ok(Number.isInteger(status) && status >= 400 && status <= 599, code);
    // Titles and descriptions are one line of plain text.
    for (const line of [title, text]) assert.match(line, /^[A-Z][ -~]+$/, code);
    const error = new AuthError(code);
    const { name, message, error: shown, description, headers, body } = error;
    assert.deepEqual([name, error.code, error.status], ['AuthError', code, status]);
    const retry = status === 503 ? { 'Retry-After': '5' } : {};
    assert.deepEqual(headers, { 'Error-Code': code, ...retry }, code);
    assert.deepEqual([message, description, shown], [text, text, title]);
    const signup = { Status: 'Error', result: text };
    const other = { status_code: status, error: title, description: text };
    assert.deepEqual(body, title === 'Signup refused' ? signup : other);
    assert.ok(error instanceof AuthError && error instanceof Error);
    // An AuthError shows nothing of the program: no stack frames and no cause.
    assert.equal(error.stack, `AuthError: ${text}`);
    assert.equal(Object.hasOwn(error, 'cause'), false);
  }
  assert.ok(codes.length > 30);
});

test('an option of a refusal replaces the default of its code, and undefined does not', () => {
  const cause = new Error('a disk');
  const options = {
    status: 429,
    error: 'Slow down',
    description: 'Later',
    headers: { 'Retry-After': '9' },
    cause,
  };
  const error = new AuthError('ERR_BUSY', options);
  assert.deepEqual(error.body, { status_code: 429, error: 'Slow down', description: 'Later' });
  const { code, message, headers } = error;
  assert.deepEqual(
    [code, message, headers, error.cause],
    ['ERR_BUSY', 'Later', { 'Retry-After': '9', 'Error-Code': 'ERR_BUSY' }, cause],
  );
  const { detail } = new AuthError('ERR_BUSY', { detail: 'why' });
  assert.deepEqual([detail, error.detail], ['why', undefined]);
  for (const body of [null, 0, '', false, { x: 1 }]) {
    assert.equal(new AuthError('ERR_BUSY', { body }).body, body);
  }
  const absent = Object.fromEntries(Object.keys(options).map((name) => [name, undefined]));
  assert.deepEqual(new AuthError('ERR_BUSY', absent).body, new AuthError('ERR_BUSY').body);
});

test('an unknown code and a status that is not an error are refused, and stack traces stay on', () => {
  const make = (options: object, code = 'ERR_BUSY') =>
    new AuthError(code as AuthErrorCode, options);
  for (const status of [0, 200, 204, 301, 399, 400.5, 600, NaN, Infinity, '401', null, true]) {
    assert.throws(
      () => make({ status }),
      /^(Type|Range)Error: "status" expected a whole number from 400 to 599, got /,
    );
  }
  for (const code of ['ERR_NO_SUCH_CODE', 'err_busy', '', ...INHERITED_NAMES, ['ERR_BUSY']]) {
    assert.throws(() => make({}, code as string), TypeError, String(code));
  }
  for (const status of [400, 599]) assert.equal(make({ status }).status, status);
  assert.equal(Error.stackTraceLimit, stackTraceLimit);
});

test('the code of a refused signup decides the shape of its body, and its title does not', () => {
  const titled = new AuthError('ERR_USERNAME', { error: 'Bad name', description: 'Too long' });
  assert.deepEqual(titled.body, { Status: 'Error', result: 'Too long' });
  const other = new AuthError('ERR_BODY', { error: 'Signup refused', description: 'Not JSON' });
  const expected = { status_code: 400, error: 'Signup refused', description: 'Not JSON' };
  assert.deepEqual(other.body, expected);
});

/** The headers with their names in lower case. */
const lowerCase = (headers: AuthError['headers']) =>
  Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);

test('every 503 has Retry-After: 5 unless its headers say otherwise, and no other status has it', () => {
  const codes = Object.keys(ERRORS) as AuthErrorCode[];
  for (const code of codes) {
    const isGiven = Object.hasOwn(new AuthError(code).headers, 'Retry-After');
    assert.equal(isGiven, ERRORS[code][0] === 503, code);
  }
  // A hook may give a refusal the status 503, or replace that status.
  assert.deepEqual(new AuthError('ERR_CREDENTIALS', { status: 503 }).headers, {
    'Error-Code': 'ERR_CREDENTIALS',
    'Retry-After': '5',
  });
  const code = { 'Error-Code': 'ERR_STORE' };
  assert.deepEqual(new AuthError('ERR_STORE', { status: 500 }).headers, code);
  const kept = new AuthError('ERR_STORE', { headers: { 'X-Reason': 'disk' } });
  assert.deepEqual(kept.headers, { 'X-Reason': 'disk', ...code, 'Retry-After': '5' });
  for (const name of ['Retry-After', 'retry-after', 'RETRY-AFTER']) {
    const { headers } = new AuthError('ERR_STORE', { headers: { [name]: '60' } });
    const expected = [['retry-after', '60'], ['error-code', 'ERR_STORE']];
    assert.deepEqual(lowerCase(headers), expected, name);
  }
});

test('every refusal has its code in Error-Code, unless its headers say otherwise', () => {
  const allowed = { Allow: 'GET' };
  const refused = new AuthError('ERR_METHOD', { headers: allowed });
  assert.deepEqual(refused.headers, { Allow: 'GET', 'Error-Code': 'ERR_METHOD' });
  assert.deepEqual(allowed, { Allow: 'GET' }, 'the headers of the program stay as they are');
  for (const name of ['Error-Code', 'error-code', 'ERROR-CODE']) {
    const { headers } = new AuthError('ERR_METHOD', { headers: { [name]: 'OWN' } });
    assert.deepEqual(lowerCase(headers), [['error-code', 'OWN']], name);
  }
});

test('Error-Code is sent by the router, by the server itself and by auth.middleware()', async () => {
  const unsendable = () =>
    Promise.reject(new AuthError('ERR_METHOD', { headers: { 'X-Broken': 'a\nb' } }));
  const router = new Router({ onError: () => undefined })
    .get('/broken', () => Promise.reject(new Error('unexpected')))
    .get('/unsendable', unsendable);
  await withServer(router, async ({ url, port }) => {
    for (const [path, code] of [
      ['/nowhere', 'ERR_NOT_FOUND'],
      ['/broken', 'ERR_INTERNAL'],
      ['/unsendable', 'ERR_INTERNAL'],
    ]) {
      const { headers } = await send(`${url}${path}`, 'GET');
      assert.equal(headers.get('error-code'), code, path);
    }
    // Neither of these reaches the router.
    assert.match(await sendRaw(port, 'no HTTP\r\n\r\n'), /\r\nError-Code: ERR_BAD_REQUEST\r\n/);
    const noHost = 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n';
    assert.match(await sendRaw(port, noHost), /\r\nError-Code: ERR_BAD_REQUEST\r\n/);
  });
  const hook = (): unknown => 1;
  const guard = new JwtAuth({ secret: SECRET, authenticate: hook, identity: hook }).middleware();
  await withNodeServer((req, res) => guard(req, res, () => res.end()), async (_port, url) => {
    const { status, headers } = await send(url, 'GET');
    assert.deepEqual([status, headers.get('error-code')], [401, 'ERR_AUTHORIZATION_MISSING']);
  });
});

test('Retry-After of a 503 is sent by the router, by the application and by auth.middleware()', async () => {
  const away = () => Promise.reject(new AuthError('ERR_STORE'));
  const assertRetry = async (url: string, method: string, seconds: string, body?: object) => {
    const answer = await send(url, method, body);
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, seconds], url);
  };
  const later = () =>
    Promise.reject(new AuthError('ERR_BUSY', { headers: { 'retry-after': '60' } }));
  const router = new Router().get('/away', away).get('/later', later);
  await withServer(router, async ({ url }) => {
    await assertRetry(`${url}/away`, 'GET', '5');
    await assertRetry(`${url}/later`, 'GET', '60');
  });
  const users = { find: away, insert: away, update: away };
  await withApp({ users }, async ({ url }) => {
    const joe = { username: 'joe', password: 'correct horse' };
    await assertRetry(`${url}/auth`, 'POST', '5', joe);
    await assertRetry(`${url}/signup`, 'POST', '5', joe);
  });
  const auth = new JwtAuth({ secret: SECRET, authenticate: away, identity: away, tokenFrom: away });
  const guard = auth.middleware();
  const server = createServer((request, response) => guard(request, response, () => undefined));
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    await assertRetry(`http://127.0.0.1:${port}/`, 'GET', '5');
  } finally {
    server.close();
  }
});

test('what another copy made: its AuthError is one, by isAuthError and by instanceof', () => {
  class Own extends AuthError {
    override readonly name = 'Teapot';
  }
  class Other extends OtherAuthError {
    override readonly name = 'Teapot';
  }
  const refusals = [AuthError, OtherAuthError, Own, Other].map((Kind) => new Kind('ERR_BUSY'));
  for (const refusal of refusals) {
    assert.ok(isAuthError(refusal) && refusal instanceof AuthError);
    assert.ok(refusal instanceof OtherAuthError);
  }
  const ofSubclass = refusals.map((refusal) => refusal instanceof Own);
  assert.deepEqual(ofSubclass, [false, false, true, false]);
  assert.ok(isImpossiblePasswordError(new OtherAuthError('ERR_PASSWORD_TOO_LONG')));
});

test('what another copy made: an error with the members of an AuthError is not one', () => {
  const refusal = new OtherAuthError('ERR_BUSY');
  const { message, code, status, error, description, headers } = refusal;
  // As an error is made of the JSON of another service, which must not choose status and headers.
  const members = { name: 'AuthError', message, code, status, error, description, headers };
  const others = [
    Object.assign(new Error('x'), members),
    Object.assign(fromOtherRealm<Error>('new Error()'), members),
    structuredClone(refusal),
    members,
    ...NOT_STRINGS,
    'AuthError',
    ...UNREADABLE,
  ];
  for (const value of others) {
    assert.equal(isAuthError(value), false);
    assert.equal(value instanceof (AuthError as Function), false);
  }
});

test('what another realm made: the reason is its message, and of an AggregateError those of its errors', () => {
  assert.equal(reasonOf(fromOtherRealm('new RangeError("too far")')), 'too far');
  const aggregate = 'new AggregateError([new Error("one"), "a secret", new TypeError("two")])';
  assert.equal(reasonOf(fromOtherRealm(aggregate)), 'one, a string, two');
  assert.equal(reasonOf({ message: 'a secret' }), 'an object');
});
