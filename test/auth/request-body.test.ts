/** What a login accepts as a body, and what it makes of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthError, PasswordHasher } from '../../src/index.ts';
import { authWith, JOE, LOGIN, refusal, request, TOKEN } from '../support/guard.ts';
import { fromOtherRealm, OtherAuthError } from '../support/copies.ts';
import { INHERITED_NAMES, NOT_STRINGS } from '../support/hostile.ts';

test('a login reads two own strings of the body, once, by the configured names', async () => {
  const hidden = JSON.stringify(LOGIN);
  for (const body of [null, true, 0, '', 'joe', [], [LOGIN]]) {
    const expected = { ...refusal('ERR_LOGIN_BODY'), status: 400 };
    await assert.rejects(authWith().login(request({}, body)), expected);
  }
  const description = 'Invalid credentials';
  const unknown = { ...refusal('ERR_CREDENTIALS'), status: 401, description };
  const WRONG: readonly object[] = [
    { ...LOGIN, password: 'wrong' },
    { ...LOGIN, username: 'ann' },
    ...[...NOT_STRINGS, ''].flatMap((value) => [
      { ...LOGIN, username: value },
      { ...LOGIN, password: value },
    ]),
    Object.assign(Object.create(LOGIN), { username: 'joe' }),
    Object.assign(Object.create(LOGIN), { password: 'right' }),
    JSON.parse(`{"__proto__": ${hidden}}`),
    JSON.parse(`{"constructor": {"prototype": ${hidden}}}`),
  ];
  for (const body of WRONG) await assert.rejects(authWith().login(request({}, body)), unknown);
  // This hook would accept every one of the others, so their refusal is the login's own.
  const isRefused = /wrong|ann/;
  const careless = authWith({ authenticate: (name) => (isRefused.test(name) ? undefined : JOE) });
  for (const body of WRONG.slice(2)) {
    await assert.rejects(careless.login(request({}, body)), unknown);
  }
  let reads = 0;
  const own = `"identity": "ann", ${hidden.slice(1)}`;
  const wide: object = JSON.parse(`{"__proto__": {"username": "ann"}, ${own}`);
  const get = () => (reads++ === 0 ? 'joe' : 'ann');
  const body = Object.defineProperty(wide, 'username', { get });
  assert.deepEqual(await authWith().login(request({}, body)), { access_token: TOKEN });
  for (const name of [...INHERITED_NAMES, 'user']) {
    const auth = authWith({ usernameField: name, passwordField: `${name}2` });
    await assert.rejects(auth.login(request()), unknown);
    const renamed: unknown = JSON.parse(`{"${name}": "joe", "${name}2": "right"}`);
    assert.deepEqual(await auth.login(request({}, renamed)), { access_token: TOKEN });
  }
});

test('a login reads the request of any framework, and never quotes its body', async () => {
  const auth = authWith();
  const post = (body: string) => new Request('http://x/auth', { method: 'POST', body });
  assert.deepEqual(await auth.login(post(JSON.stringify(LOGIN))), { access_token: TOKEN });
  assert.deepEqual(await auth.login({ json: () => LOGIN }), { access_token: TOKEN });
  for (const body of ['', '{"username":"joe","password":right}']) {
    for (const malformed of [post(body), { json: () => JSON.parse(body) as unknown }]) {
      await assert.rejects(auth.login(malformed), { ...refusal('ERR_BODY'), status: 400 });
    }
  }
  const lost = new Error('the connection is gone');
  await assert.rejects(auth.login({ json: () => Promise.reject(lost) }), lost);
});

test('a password that no user can have is a wrong one, unless a hook says otherwise', async () => {
  for (const code of ['ERR_PASSWORD_INVALID', 'ERR_PASSWORD_TOO_LONG'] as const) {
    const login = (options?: object) => {
      const auth = authWith({ authenticate: () => Promise.reject(new AuthError(code, options)) });
      return auth.login(request());
    };
    await assert.rejects(login(), refusal('ERR_CREDENTIALS'));
    await assert.rejects(login({ status: 403 }), { ...refusal(code), status: 403 });
  }
});

test('a stored hash that cannot be read is a wrong password, and the operator is warned', async (t) => {
  const warnings: string[] = [];
  const listener = ({ message }: Error) => void warnings.push(message);
  process.on('warning', listener);
  t.after(() => process.off('warning', listener));
  const passwords = new PasswordHasher({ logN: 1 });
  const authenticate = async (_username: string, password: string) =>
    (await passwords.verify(password, '$2b$10$bcrypt')) ? JOE : undefined;
  const refused = { ...refusal('ERR_CREDENTIALS'), status: 401 };
  await assert.rejects(authWith({ authenticate }).login(request()), refused);
  // Node emits a warning in a later tick.
  await new Promise(setImmediate);
  const message =
    'The stored hash of the user "joe" cannot be read, so no password of this user is accepted';
  assert.deepEqual(warnings, [message]);
});

test('what another realm made: its SyntaxError refuses the body, and another error is passed on', async () => {
  const login = (error: unknown) => authWith().login({ json: () => Promise.reject(error) });
  class BadBody extends SyntaxError {}
  const expression = 'new SyntaxError("Unexpected token in the marker 4711")';
  for (const error of [fromOtherRealm(expression), new BadBody('the marker 4711')]) {
    await assert.rejects(login(error), { ...refusal('ERR_BODY'), status: 400 });
  }
  for (const error of [fromOtherRealm<Error>('new TypeError("read already")'), new Error('x')]) {
    await assert.rejects(login(error), (thrown) => thrown === error);
  }
});

test('what another copy made: its AuthError refuses a login as our own does', async () => {
  const reject = (error: Error) => authWith({ authenticate: () => Promise.reject(error) });
  const busy = reject(new OtherAuthError('ERR_BUSY', { headers: { 'X-Reason': 'full' } }));
  await assert.rejects(busy.login(request()), { ...refusal('ERR_BUSY'), status: 503 });
  const impossible = reject(new OtherAuthError('ERR_PASSWORD_TOO_LONG'));
  await assert.rejects(impossible.login(request()), refusal('ERR_CREDENTIALS'));
});
