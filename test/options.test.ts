/**
 * Every public class and function with options reads them in the same way: an unknown option is
 * refused, and an inherited one is not read.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Accounts,
  createApp,
  Jwt,
  JwtAuth,
  listen,
  MemoryUserStore,
  PasswordHasher,
  Router,
} from '../src/index.ts';
import { INHERITED_NAMES, NOT_OPTIONS } from './support/hostile.ts';
import { withPolluted } from './support/spies.ts';
import { SECRET } from './support/tokens.ts';

const users = new MemoryUserStore();
const hooks = { secret: SECRET, authenticate: () => 1, identity: () => 1 };
const auth = new JwtAuth<number>(hooks);

/** Every public class and function with options, and the fewest options that it accepts. */
const MAKERS: Readonly<
  Record<string, readonly [make: (options: never) => unknown, least: object]>
> = {
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

test('the message for an unknown option names it, and options must be an object', async () => {
  for (const [what, [make, least]] of Object.entries(MAKERS)) {
    const refused = async (name: string, options: unknown) => {
      const expected = new RegExp(`^TypeError: "${name}" expected .+, got `);
      await assert.rejects(async () => make(options as never), expected, what);
    };
    for (const name of ['nope', 'Secret', '', ...INHERITED_NAMES]) {
      await refused(
        name,
        Object.defineProperty({ ...least }, name, { value: 1, enumerable: true }),
      );
    }
    for (const options of NOT_OPTIONS) await refused('options', options);
    await make({ ...least } as never);
  }
});

test('the message for an unknown option suggests the option that was meant', () => {
  const secret = SECRET;
  const made = (options: object) => () => createApp({ secret, ...options } as never);
  const message = '"user" expected the name of an option, got an unknown option: ' +
    'did you mean "users"?';
  assert.throws(made({ user: users }), { name: 'TypeError', message });
  assert.throws(made({ users, nope: 1 }), /^TypeError: "nope" expected one of users, .*option$/);
  made({ users })();
});

test('a number that is still the text of a variable is refused with a hint', async () => {
  const app = new Router();
  const port = '0';
  const message = '"port" expected a whole number from 0 to 65535, got a string: ' +
    'is "Number(...)" missing?';
  await assert.rejects(listen(app, { port } as never), { name: 'TypeError', message });
  await (await listen(app, { port: Number(port) })).close();
  await assert.rejects(listen(app, { port: '' } as never), /, got an empty string$/);
});

test('options on a prototype are not read, not even on Object.prototype', async () => {
  const inherited = Object.create({ secret: SECRET, users, logN: 'x', realm: '\n', nope: 1 });
  assert.throws(() => new Jwt(inherited), /^TypeError: "secret" expected .+, got undefined$/);
  assert.throws(() => new Accounts(inherited), /^TypeError: "users" expected .+, got undefined$/);
  new PasswordHasher(inherited);
  auth.required(() => 1, inherited);

  const members = {
    minPasswordLength: 1,
    passwords: {},
    realm: 'a\r\nb',
    users,
    maxQueued: 0,
    onError: 1,
  };
  await withPolluted(members, async () => {
    for (const [make, least] of Object.values(MAKERS)) await make({ ...least } as never);
    assert.throws(
      () => new Accounts({} as never),
      /^TypeError: "users" expected .+, got undefined$/,
    );
    const signup = new Accounts({ users }).signup({ username: 'joe', password: 'x' });
    await assert.rejects(signup, { code: 'ERR_PASSWORD_TOO_SHORT' });
    const challenges = ['JWT realm="Login Required"', 'Bearer realm="Login Required"'];
    const refused = async () => auth.required(() => 1)({ header: () => undefined });
    const headers = {
      'WWW-Authenticate': challenges,
      'Error-Code': 'ERR_AUTHORIZATION_MISSING',
    };
    await assert.rejects(refused, { headers });
  });
});

test('each option is read once, so that the checked value is the one in use', () => {
  let reads = 0;
  const options = {
    get logN() {
      return reads++ === 0 ? 2 : 1;
    },
  };
  const passwords = new PasswordHasher(options);
  const salted = '$c2FsdHNhbHRzYWx0c2FsdA$a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U';
  assert.deepEqual([reads, passwords.needsRehash(`$scrypt$ln=1,r=8,p=1${salted}`)], [1, true]);
});
