/**
 * Accounts: one person has one account, a refusal stores nothing, and a login costs the same work
 * whether or not there is such a user.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Accounts,
  AuthError,
  MemoryUserStore,
  PasswordHasher,
  type User,
} from '../../src/index.ts';
import {
  JOE,
  makeAccounts,
  PASSWORD,
  refusal,
  storedIn,
  werkzeugHash,
} from '../support/accounts.ts';
import { WatchedHasher, WatchedStore } from '../support/doubles.ts';
import {
  INHERITED_NAMES,
  NOT_AMOUNTS,
  NOT_FUNCTIONS,
  NOT_STRINGS,
  NOT_USERNAMES,
  ONE_USERNAME,
} from '../support/hostile.ts';
import { callsOf } from '../support/spies.ts';

/** The part of a stored user that a program gets. */
const publicOf = ({ id, username, createdAt }: User) => ({ id, username, createdAt });

/** Username and password in places where careless code would find them, but not as own strings. */
const NOT_CREDENTIALS: readonly unknown[] = [
  ...NOT_STRINGS,
  'joe',
  ...NOT_STRINGS.map((username) => ({ ...JOE, username })),
  ...NOT_STRINGS.map((password) => ({ ...JOE, password })),
  [JOE],
  Object.assign(Object.create(JOE), { username: 'joe' }),
  Object.assign(Object.create(JOE), { password: PASSWORD }),
  JSON.parse(`{"__proto__": ${JSON.stringify(JOE)}}`),
  JSON.parse(`{"username": "joe", "__proto__": ${JSON.stringify(JOE)}}`),
  JSON.parse(`{"constructor": {"prototype": ${JSON.stringify(JOE)}}}`),
];

test('a signup without an own username and password is refused and stores nothing', async () => {
  const { accounts, users } = makeAccounts();
  for (const input of NOT_CREDENTIALS) {
    await assert.rejects(accounts.signup(input), refusal('ERR_SIGNUP_BODY'));
  }
  for (const username of NOT_USERNAMES) {
    const signup = accounts.signup({ ...JOE, username });
    await assert.rejects(signup, refusal('ERR_USERNAME'), JSON.stringify(username));
    assert.equal(await accounts.authenticate(username, PASSWORD), undefined);
  }
  assert.deepEqual(users.written, []);
  for (const username of ['joe', 'x'.repeat(80), 'o\ufb03ce', '\u{20000}', '!~', "o'neil", '0']) {
    assert.equal((await accounts.signup({ ...JOE, username })).username, username);
  }
});

test('a signup reads username and password once each, and nothing else of the input', async () => {
  const { accounts, users } = makeAccounts();
  let reads = 0;
  const json = '{"__proto__": {"id": "root"}, "id": "root", "passwordHash": "", "createdAt": ""}';
  const others: object = JSON.parse(json);
  const getters = {
    get username() {
      return reads++ < 2 ? 'joe' : '';
    },
    get password() {
      return reads++ < 2 ? PASSWORD : '';
    },
  };
  const descriptors = Object.getOwnPropertyDescriptors(getters);
  const user = await accounts.signup(Object.defineProperties(others, descriptors));
  const { createdAt, ...names } = user;
  const { passwordHash, ...namesStored } = storedIn(users, user);
  assert.deepEqual([names, namesStored], [{ id: 'joe', username: 'joe' }, user]);
  assert.equal(users.written.length, 1);
  assert.match(passwordHash, /^\$scrypt\$ln=1,/);
  assert.equal(new Date(createdAt).toISOString(), createdAt);
  assert.deepEqual(await accounts.authenticate('joe', PASSWORD), user);
});

test('names that every object inherits are ordinary usernames', async () => {
  const { accounts } = makeAccounts();
  for (const username of INHERITED_NAMES) {
    const identity = username.toLowerCase();
    assert.equal(await accounts.identity({ identity }), undefined);
    assert.equal(await accounts.authenticate(username, PASSWORD), undefined);
    const user = await accounts.signup({ username, password: PASSWORD });
    assert.deepEqual([user.id, user.username], [identity, username]);
    assert.deepEqual(await accounts.authenticate(username, PASSWORD), user);
    assert.deepEqual(await accounts.identity({ identity }), user);
  }
});

const SPELLINGS = [
  ONE_USERNAME,
  // Only the small letter is one code point with its caron.
  ['\u01f0oe', 'j\u030coe', 'J\u030cOE'],
  // The small sigma has a second form for the end of a word. They share a capital.
  ['\u03bf\u03c2.\u03b1', '\u039f\u03a3.\u0391', '\u03bf\u03c3.\u03b1'],
];

test('all spellings of a username are one account, which keeps the first spelling', async () => {
  for (const spellings of SPELLINGS) {
    for (const first of spellings) {
      const { accounts, users } = makeAccounts();
      const user = await accounts.signup({ ...JOE, username: first });
      assert.equal(user.username, first);
      for (const username of spellings) {
        await assert.rejects(accounts.signup({ ...JOE, username }), refusal('ERR_USER_EXISTS'));
        assert.deepEqual(await accounts.authenticate(username, PASSWORD), user);
      }
      assert.deepEqual(users.written.map(publicOf), [user]);
      await accounts.signup({ ...JOE, username: 'emilie' });
    }
  }
});

test('a password is the same in NFC and NFD, and any other difference makes it wrong', async () => {
  // Shorter and longer than a block of SHA-256, and than the 72 bytes where bcrypt stops.
  for (const nfc of [' caf\u00e9 au lait ', ` caf\u00e9 ${'x'.repeat(80)} `]) {
    const forms = [nfc, nfc.normalize('NFD')];
    const others = [
      nfc.trim(),
      ` ${nfc}`,
      `${nfc}\0`,
      nfc.slice(0, -1),
      nfc.toUpperCase(),
      nfc.replace('\u00e9', 'e'),
    ];
    for (const form of forms) {
      const { accounts } = makeAccounts();
      const user = await accounts.signup({ ...JOE, password: form });
      for (const password of forms) {
        assert.deepEqual(await accounts.authenticate('joe', password), user);
      }
      for (const password of others) {
        assert.equal(await accounts.authenticate('joe', password), undefined, password);
      }
    }
  }
});

/** The two ways in which a store may answer. */
const ANSWERS: readonly (<T>(value: T) => T | Promise<T>)[] = [
  (value) => value,
  async (value) => value,
];

test('of fifty signups at once with spellings of one username, one succeeds', async () => {
  for (const answer of ANSWERS) {
    const users = new WatchedStore();
    const find = (id: string) => answer(users.find(id));
    const insert = (user: User) => answer(users.insert(user));
    const passwords = new PasswordHasher({ logN: 1, maxQueued: 50 });
    const store = { find, insert, update: () => assert.fail() };
    const accounts = new Accounts({ users: store, passwords });
    const attempts = Array.from({ length: 50 }, (_, index) => {
      const username = ONE_USERNAME[index % ONE_USERNAME.length];
      return accounts.signup({ username, password: `password ${index}` });
    });
    const results = await Promise.allSettled(attempts);
    const refused = results.filter((result) => result.status === 'rejected');
    const codes = refused.map(({ reason }) => reason.code);
    assert.deepEqual([codes.length, new Set(codes)], [49, new Set(['ERR_USER_EXISTS'])]);
    const winner = results.findIndex(({ status }) => status === 'fulfilled');
    const found = await accounts.authenticate('\u00e9milie', `password ${winner}`);
    assert.deepEqual([found], users.written.map(publicOf));
  }
});

test('an account is found by its own username and password, and by its id as a claim', async () => {
  const { accounts, users } = makeAccounts();
  const user = await accounts.signup({ ...JOE, username: 'Joe' });
  await accounts.signup({ username: 'ann', password: 'battery staple' });
  const { authenticate, identity } = accounts.handlers;
  const WRONG: readonly unknown[] = [
    'battery staple',
    '',
    `${PASSWORD}\0`,
    `${PASSWORD}\ud800`,
    PASSWORD.repeat(100),
    ...NOT_STRINGS,
  ];
  for (const password of WRONG) {
    assert.equal(await Reflect.apply(authenticate, undefined, ['joe', password]), undefined);
  }
  for (const name of ['unknown', 'joe\0', '', ...NOT_STRINGS]) {
    assert.equal(await Reflect.apply(authenticate, undefined, [name, PASSWORD]), undefined);
    assert.equal(await identity({ identity: name }), undefined);
  }
  // A claim must be the id itself, not another spelling of it.
  for (const claims of [{}, { identity: 'Joe' }, { id: 'joe' }]) {
    assert.equal(await identity(claims), undefined);
  }
  const found = [await authenticate('JOE', PASSWORD), await identity({ identity: 'joe' })];
  assert.deepEqual(found, [user, user]);
  assert.equal(users.written.length, 2);
});

test('an account of another system is imported with its hash, once', async () => {
  const { accounts, users } = makeAccounts();
  const ofWerkzeug = werkzeugHash(PASSWORD);
  const joe = await accounts.importUser('Jo\u00e9', ofWerkzeug);
  assert.deepEqual(users.written, [{ ...joe, passwordHash: ofWerkzeug }]);
  assert.deepEqual(joe, { id: 'jo\u00e9', username: 'Jo\u00e9', createdAt: joe.createdAt });
  assert.equal(new Date(joe.createdAt).toISOString(), joe.createdAt);
  for (const name of ['Jo\u00e9', 'JOE\u0301']) {
    await assert.rejects(accounts.importUser(name, ofWerkzeug), refusal('ERR_USER_EXISTS'));
  }
  for (const name of [...NOT_USERNAMES, ...NOT_STRINGS]) {
    await assert.rejects(accounts.importUser(name as string, ofWerkzeug), refusal('ERR_USERNAME'));
  }
  const NOT_HASHES = [
    ...NOT_STRINGS,
    '',
    PASSWORD,
    'pbkdf2:sha256:1$a$b',
    `${ofWerkzeug} `,
    ofWerkzeug.replace(':4:', ':16777216:'),
  ];
  for (const hash of NOT_HASHES) {
    await assert.rejects(accounts.importUser('ann', hash as string), refusal('ERR_PASSWORD_HASH'));
  }
  assert.equal(users.written.length, 1);
  assert.equal((await accounts.authenticate('jo\u00e9', PASSWORD))?.id, joe.id);
  assert.equal(await accounts.authenticate('jo\u00e9', 'battery staple'), undefined);
});

test('a full queue and an unavailable store are errors, not wrong passwords', async () => {
  const passwords = new PasswordHasher({ logN: 1, maxConcurrent: 1, maxQueued: 0 });
  const { accounts, users } = makeAccounts({ passwords });
  const user = await accounts.signup(JOE);
  const first = accounts.authenticate('joe', PASSWORD);
  const second = accounts.authenticate('joe', PASSWORD);
  await assert.rejects(second, refusal('ERR_BUSY'));
  assert.deepEqual(await first, user);
  users.find = () => {
    throw new AuthError('ERR_STORE');
  };
  for (const call of [accounts.authenticate('joe', ''), accounts.signup(JOE)]) {
    await assert.rejects(call, refusal('ERR_STORE'));
  }
  assert.throws(() => accounts.identity({ identity: 'joe' }), refusal('ERR_STORE'));
});

test('an unknown user, a wrong password and an unreadable hash cost the same work', async () => {
  const passwords = new WatchedHasher({ logN: 3, r: 2, p: 3 });
  const { accounts, users } = makeAccounts({ passwords });
  const user = await accounts.signup(JOE);
  const dear = storedIn(users, user).passwordHash.replace('ln=3', 'ln=31');
  for (const [index, passwordHash] of ['', 'text', '$2b$10$x', dear].entries()) {
    users.insert({ ...user, id: `broken${index}`, passwordHash });
  }
  const workOf = async (username: string, password: string) => {
    passwords.calls.length = 0;
    const runs = await callsOf('scrypt', async () => {
      assert.equal(await accounts.authenticate(username, password), undefined, username);
    });
    const costs = runs.map(([, salt, length, cost]) => [(salt as Buffer).length, length, cost]);
    return { runs: costs, calls: [...passwords.calls] };
  };
  const RUNS_BY_PASSWORD = [
    ['battery staple', 1],
    ['', 1],
    // No account can have these, so no work is done for any username.
    ['\ud800', 0],
    ['x'.repeat(1025), 0],
  ] as const;
  for (const [password, count] of RUNS_BY_PASSWORD) {
    const wrong = await workOf('joe', password);
    assert.deepEqual([wrong.runs.length, wrong.calls], [count, Array(count).fill('verify')]);
    assert.deepEqual(await workOf('unknown', password), wrong);
    for (const { id } of users.written.slice(1)) {
      assert.deepEqual((await workOf(id, password)).runs, wrong.runs, id);
    }
  }
  for (const { id } of users.written.slice(1)) {
    assert.equal((await workOf(id, PASSWORD)).runs.length, 1);
  }
  assert.deepEqual(await accounts.authenticate('joe', PASSWORD), user);
});

const NO_METHODS = { find: 1, insert: 1, update: 1, hash: 1, verify: 1, needsRehash: 1 };
const NOT_OBJECTS = [null, true, 0, 'x', [], {}, NO_METHODS];
const WRONG_OPTIONS: Readonly<Record<string, readonly unknown[]>> = {
  users: [undefined, ...NOT_OBJECTS, { find: () => 1, insert: () => 1 }],
  passwords: [...NOT_OBJECTS, { hash: () => 1, verify: () => 1 }],
  minPasswordLength: [...NOT_AMOUNTS, 0, 1.5, 257, 1025],
  maxPasswordLength: [...NOT_AMOUNTS, 0, 7, 8.5, 1025],
  isForbidden: NOT_FUNCTIONS,
  minPasswordLenght: [8],
  ['__proto__']: [{ minPasswordLength: 1 }],
};

test('an option that is unknown, of the wrong kind or out of bounds is refused by name', () => {
  const users = new MemoryUserStore();
  for (const [name, values] of Object.entries(WRONG_OPTIONS)) {
    for (const value of values) {
      const options = Object.defineProperty({ users }, name, { value, enumerable: true });
      const message = new RegExp(`^"${name}" expected .+, got .+$`);
      assert.throws(() => new Accounts(options), { message });
    }
  }
  const withLengths = (min: number, max: number) =>
    new Accounts({ users, minPasswordLength: min, maxPasswordLength: max });
  assert.throws(() => withLengths(9, 8), RangeError);
  for (const length of [1, 8, 1024]) withLengths(length, length);
});

test('the handlers call an overridden `identity`', () => {
  class Stricter extends Accounts {
    override identity(claims: { readonly identity?: unknown }): ReturnType<Accounts['identity']> {
      return claims.identity === 'joe' ? undefined : super.identity(claims);
    }
  }
  const users = new MemoryUserStore();
  for (const id of ['joe', 'ann']) {
    users.insert({ id, username: id, passwordHash: '', createdAt: '' });
  }
  const { identity } = new Stricter({ users }).handlers;
  assert.equal(identity({ identity: 'joe' }), undefined);
  assert.deepEqual(identity({ identity: 'ann' }), { id: 'ann', username: 'ann', createdAt: '' });
});

test('a password that the hasher of the application refuses is a wrong one', async () => {
  const codes = ['ERR_PASSWORD_TOO_LONG', 'ERR_PASSWORD_INVALID'] as const;
  for (const code of codes) {
    const passwords = new PasswordHasher({ logN: 1 });
    passwords.verify = async () => Promise.reject(new AuthError(code));
    const accounts = new Accounts({ users: new MemoryUserStore(), passwords });
    assert.equal(await accounts.authenticate('joe', 'correct horse'), undefined, code);
    passwords.verify = async () => Promise.reject(new AuthError(code, { status: 403 }));
    await assert.rejects(accounts.authenticate('joe', 'correct horse'), { code, status: 403 });
  }
});
