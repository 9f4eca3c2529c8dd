/**
 * Holds errors to their closed list, and every public class to one way of reading options: what is unknown is refused,
 * and what is inherited is not read.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERRORS } from '../src/errors.ts';
import {
  Accounts, AuthError, createApp, Jwt, JwtAuth, listen, MemoryUserStore, PasswordHasher, Router, type AuthErrorCode,
} from '../src/index.ts';
import { withPolluted } from './support/spies.ts';
import { INHERITED_NAMES, NOT_OPTIONS } from './support/hostile.ts';
import { SECRET } from './support/tokens.ts';

const { stackTraceLimit } = Error;

test('every code has a status of an error, a title and a description, and makes an AuthError of them', () => {
  const codes = Object.keys(ERRORS) as AuthErrorCode[];
  for (const code of codes) {
    assert.match(code, /^ERR_[A-Z_]+$/);
    const [status, title, text] = ERRORS[code];
    assert.ok(Number.isInteger(status) && status >= 400 && status <= 599, code);
    // What goes over the wire is one line of plain text.
    for (const line of [title, text]) assert.match(line, /^[A-Z][ -~]+$/, code);
    const error = new AuthError(code);
    const { name, message, error: shown, description, headers, body } = error;
    assert.deepEqual([name, error.code, error.status, headers], ['AuthError', code, status, {}]);
    assert.deepEqual([message, description, shown], [text, text, title]);
    const signup = { Status: 'Error', result: text };
    const other = { status_code: status, error: title, description: text };
    assert.deepEqual(body, title === 'Signup refused' ? signup : other);
    assert.ok(error instanceof AuthError && error instanceof Error);
    // Nothing of the program: no stack frames, no cause.
    assert.equal(error.stack, `AuthError: ${text}`);
    assert.equal(Object.hasOwn(error, 'cause'), false);
  }
  assert.ok(codes.length > 30);
});

test('a refusal may differ from its code in all but the code, and falls back on it for what is undefined', () => {
  const cause = new Error('a disk');
  const options = { status: 429, error: 'Slow down', description: 'Later', headers: { 'Retry-After': '9' }, cause };
  const error = new AuthError('ERR_BUSY', options);
  assert.deepEqual(error.body, { status_code: 429, error: 'Slow down', description: 'Later' });
  const { code, message, headers } = error;
  assert.deepEqual([code, message, headers, error.cause], ['ERR_BUSY', 'Later', { 'Retry-After': '9' }, cause]);
  for (const body of [null, 0, '', false, { x: 1 }]) assert.equal(new AuthError('ERR_BUSY', { body }).body, body);
  const absent = Object.fromEntries(Object.keys(options).map((name) => [name, undefined]));
  assert.deepEqual(new AuthError('ERR_BUSY', absent).body, new AuthError('ERR_BUSY').body);
});

test('a program that makes an AuthError of what is none is told so, and keeps its stack traces', () => {
  const make = (options: object, code = 'ERR_BUSY') => new AuthError(code as AuthErrorCode, options);
  for (const status of [0, 200, 204, 301, 399, 400.5, 600, NaN, Infinity, '401', null, true]) {
    assert.throws(() => make({ status }), /^(Type|Range)Error: "status" expected a whole number from 400 to 599, got /);
  }
  for (const code of ['ERR_NO_SUCH_CODE', 'err_busy', '', ...INHERITED_NAMES]) {
    assert.throws(() => make({}, code), TypeError, code);
  }
  for (const status of [400, 599]) assert.equal(make({ status }).status, status);
  assert.equal(Error.stackTraceLimit, stackTraceLimit);
});

const users = new MemoryUserStore();
const hooks = { secret: SECRET, authenticate: () => 1, identity: () => 1 };
const auth = new JwtAuth<number>(hooks);

/** Everything public that takes options, with the least that it takes. */
const MAKERS: Readonly<Record<string, readonly [make: (options: never) => unknown, least: object]>> = {
  Accounts: [(options) => new Accounts(options), { users }],
  createApp: [(options) => createApp(options), { users, secret: SECRET }],
  Jwt: [(options) => new Jwt(options), { secret: SECRET }],
  'Jwt.sign': [(options) => new Jwt({ secret: SECRET }).sign({}, options), {}],
  JwtAuth: [(options) => new JwtAuth(options), hooks],
  'JwtAuth.required': [(options) => auth.required(() => 1, options), {}],
  listen: [async (options) => (await listen(new Router(), options)).close(), { port: 0 }],
  PasswordHasher: [(options) => new PasswordHasher(options), {}],
  Router: [(options) => new Router(options), {}],
};

test('everything that takes options refuses an unknown one by its name, and what is no object', async () => {
  for (const [what, [make, least]] of Object.entries(MAKERS)) {
    const refused = async (name: string, options: unknown) => {
      const expected = new RegExp(`^TypeError: "${name}" expected .+, got `);
      await assert.rejects(async () => make(options as never), expected, what);
    };
    for (const name of ['nope', 'Secret', '', ...INHERITED_NAMES]) {
      await refused(name, Object.defineProperty({ ...least }, name, { value: 1, enumerable: true }));
    }
    for (const options of NOT_OPTIONS) await refused('options', options);
    await make({ ...least } as never);
  }
});

test('options on a prototype are not read, not even those that every object has', async () => {
  const inherited = Object.create({ secret: SECRET, users, logN: 'x', realm: '\n', nope: 1 });
  assert.throws(() => new Jwt(inherited), /^TypeError: "secret" expected .+, got undefined$/);
  assert.throws(() => new Accounts(inherited), /^TypeError: "users" expected .+, got undefined$/);
  new PasswordHasher(inherited);
  auth.required(() => 1, inherited);

  const members = { minPasswordLength: 1, passwords: {}, realm: 'a\r\nb', users, maxQueued: 0, onError: 1 };
  await withPolluted(members, async () => {
    for (const [make, least] of Object.values(MAKERS)) await make({ ...least } as never);
    assert.throws(() => new Accounts({} as never), /^TypeError: "users" expected .+, got undefined$/);
    const signup = new Accounts({ users }).signup({ username: 'joe', password: 'x' });
    await assert.rejects(signup, { code: 'ERR_PASSWORD_TOO_SHORT' });
    const challenges = ['JWT realm="Login Required"', 'Bearer realm="Login Required"'];
    const refused = async () => auth.required(() => 1)({ header: () => undefined });
    await assert.rejects(refused, { headers: { 'WWW-Authenticate': challenges } });
  });
});

test('each option is read once, so that what was checked is what is used', () => {
  let reads = 0;
  const options = { get logN() { return reads++ === 0 ? 2 : 1; } };
  const passwords = new PasswordHasher(options);
  const salted = '$c2FsdHNhbHRzYWx0c2FsdA$a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U';
  assert.deepEqual([reads, passwords.needsRehash(`$scrypt$ln=1,r=8,p=1${salted}`)], [1, true]);
});
