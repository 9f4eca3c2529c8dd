/**
 * Holds accounts to what they promise: one person one account, passwords in Unicode NFC and never cut, nothing stored
 * after a refusal, and the same work whether or not there is such a user.
 */
import assert from 'node:assert/strict';
import { scryptSync } from 'node:crypto';
import { test } from 'node:test';
import { canonicalUsername } from '../../src/accounts/username.ts';
import { Accounts, AuthError, MemoryUserStore, PasswordHasher, type AccountsOptions, type User } from '../../src/index.ts';
import { callsOf } from '../support/spies.ts';
import { INHERITED_NAMES, NOT_AMOUNTS, NOT_FUNCTIONS, NOT_STRINGS, NOT_USERNAMES, ONE_USERNAME } from '../support/hostile.ts';
import { cheapPasswords } from '../support/app.ts';
import { WatchedHasher, WatchedStore } from '../support/doubles.ts';

const PASSWORD = 'correct horse';
const JOE = { username: 'joe', password: PASSWORD };

function setUp(options: Partial<AccountsOptions> = {}): { users: WatchedStore; accounts: Accounts } {
  const users = new WatchedStore();
  return { users, accounts: new Accounts({ users, passwords: cheapPasswords(), ...options }) };
}

const refusal = (code: string) => ({ name: 'AuthError', code });

/** What a program gets of a user in a store. */
const publicOf = ({ id, username, createdAt }: User) => ({ id, username, createdAt });

/** What a store has of a user whom a program got. */
function storedIn(users: WatchedStore, { id }: { readonly id: string }): User {
  return users.find(id) ?? assert.fail(`the store has no ${id}`);
}

/** Username and password where careless code would find them, and where they are not the input's own strings. */
const NOT_CREDENTIALS: readonly unknown[] = [
  ...NOT_STRINGS,
  'joe',
  ...NOT_STRINGS.flatMap((value) => [{ ...JOE, username: value }, { ...JOE, password: value }]),
  [JOE],
  Object.assign(Object.create(JOE), { username: 'joe' }),
  Object.assign(Object.create(JOE), { password: PASSWORD }),
  JSON.parse(`{"__proto__": ${JSON.stringify(JOE)}}`),
  JSON.parse(`{"username": "joe", "__proto__": ${JSON.stringify(JOE)}}`),
  JSON.parse(`{"constructor": {"prototype": ${JSON.stringify(JOE)}}}`),
];

test('a signup without two strings of its own, or with no name, is refused and stores nothing', async () => {
  const { accounts, users } = setUp();
  for (const input of NOT_CREDENTIALS) await assert.rejects(accounts.signup(input), refusal('ERR_SIGNUP_BODY'));
  for (const username of NOT_USERNAMES) {
    await assert.rejects(accounts.signup({ ...JOE, username }), refusal('ERR_USERNAME'), JSON.stringify(username));
    assert.equal(await accounts.authenticate(username, PASSWORD), undefined);
  }
  assert.deepEqual(users.written, []);
  for (const username of ['joe', 'x'.repeat(80), 'o\ufb03ce', '\u{20000}', '!~', "o'neil", '0']) {
    assert.equal((await accounts.signup({ ...JOE, username })).username, username);
  }
});

test('a user is made of username and password alone, each read once, whatever else the input carries', async () => {
  const { accounts, users } = setUp();
  let reads = 0;
  const others: object = JSON.parse('{"__proto__": {"id": "root"}, "id": "root", "passwordHash": "", "createdAt": ""}');
  const getters = {
    get username() {
      return reads++ < 2 ? 'joe' : '';
    },
    get password() {
      return reads++ < 2 ? PASSWORD : '';
    },
  };
  const user = await accounts.signup(Object.defineProperties(others, Object.getOwnPropertyDescriptors(getters)));
  const { createdAt, ...names } = user;
  const { passwordHash, ...namesStored } = storedIn(users, user);
  assert.deepEqual([names, namesStored], [{ id: 'joe', username: 'joe' }, user]);
  assert.equal(users.written.length, 1);
  assert.match(passwordHash, /^\$scrypt\$ln=1,/);
  assert.equal(new Date(createdAt).toISOString(), createdAt);
  assert.deepEqual(await accounts.authenticate('joe', PASSWORD), user);
});

test('names that every object inherits are ordinary usernames', async () => {
  const { accounts } = setUp();
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
  // Only the small letter has a form that is one with its caron.
  ['\u01f0oe', 'j\u030coe', 'J\u030cOE'],
  // The small sigma has a second form for the end of a word, but only one capital.
  ['\u03bf\u03c2.\u03b1', '\u039f\u03a3.\u0391', '\u03bf\u03c3.\u03b1'],
];

test('one person has one account however the name is spelled, and is greeted as it was first written', async () => {
  for (const spellings of SPELLINGS) {
    for (const first of spellings) {
      const { accounts, users } = setUp();
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

test('every code point keeps its id in small letters, in NFD and in NFKC, and the id of an id is itself', () => {
  let named = 0;
  let changed = 0;
  for (let code = 0; code <= 0x10ffff; code += 1) {
    const name = String.fromCodePoint(code);
    const id = canonicalUsername(name);
    if (id === undefined) continue;
    named += 1;
    if (id === name && name.toLowerCase() === name && name.normalize('NFD') === name) continue;
    changed += 1;
    for (const spelling of [id, name.toLowerCase(), name.normalize('NFD'), name.normalize('NFKC')]) {
      const other = canonicalUsername(spelling);
      if (other !== id) assert.fail(`U+${code.toString(16)} is ${id}, but ${spelling} is ${other}`);
    }
  }
  assert.ok(named > 130_000 && changed > 10_000, `${named} are names, ${changed} of them change`);
});

// RFC 8265 §4.2 and NIST SP 800-63B-4 §3.1.1.2: after NFC, every code point counts as one character.
const CHARACTERS = { 'a letter': 'x', 'one in NFC': 'e\u0301', 'two code units': '\u{1f511}', 'a space': ' ' };

test('the length of a password is counted in code points after NFC, and both bounds are allowed', async () => {
  for (const [what, character] of Object.entries(CHARACTERS)) {
    const { accounts, users } = setUp({ minPasswordLength: 3, maxPasswordLength: 5 });
    const signup = (count: number) => accounts.signup({ username: `joe${count}`, password: character.repeat(count) });
    const tooShort = { ...refusal('ERR_PASSWORD_TOO_SHORT'), message: /\b3\b/ };
    const tooLong = { ...refusal('ERR_PASSWORD_TOO_LONG'), message: /\b5\b/ };
    await assert.rejects(signup(2), tooShort, what);
    await assert.rejects(signup(6), tooLong, what);
    assert.deepEqual(users.written, []);
    for (const user of [await signup(3), await signup(5)]) {
      const password = character.repeat(Number(user.id.at(-1)));
      assert.deepEqual(await accounts.authenticate(user.id, password), user, what);
      assert.equal(await accounts.authenticate(user.id, password.slice(character.length)), undefined, what);
    }
  }
});

// RFC 8265 §4.2 admits no control characters. HMAC fills a key up with NUL (RFC 2104 §2), so that to scrypt a short
// password is the same with NUL after it: "a" and seven NUL would count as eight characters.
const NOT_PASSWORDS: readonly (readonly [string, string])[] = [
  ['', 'ERR_PASSWORD_TOO_SHORT'],
  ['x'.repeat(7), 'ERR_PASSWORD_TOO_SHORT'],
  ['x'.repeat(257), 'ERR_PASSWORD_TOO_LONG'],
  ['x'.repeat(1_000_000), 'ERR_PASSWORD_TOO_LONG'],
  [`${PASSWORD}\ud83d`, 'ERR_PASSWORD_INVALID'],
  [`\udd11${PASSWORD}`, 'ERR_PASSWORD_INVALID'],
  ['a\0\0\0\0\0\0\0', 'ERR_PASSWORD_INVALID'],
];

test('without options a password has 8 to 256 characters, no lone surrogate and no NUL', async () => {
  const { accounts, users } = setUp();
  for (const [password, code] of NOT_PASSWORDS) {
    await assert.rejects(accounts.signup({ ...JOE, password }), refusal(code));
  }
  assert.deepEqual(users.written, []);
  // U+1F82 is four code units in NFD: nothing is longer.
  const longest = '\u1f82'.normalize('NFD').repeat(256);
  for (const password of [PASSWORD.slice(0, 8), 'x'.repeat(256), longest, `${PASSWORD}\u{1f511}`]) {
    await accounts.signup({ username: `joe${users.written.length}`, password });
  }
});

test('a password is the same in NFC and NFD, and different by anything else', async () => {
  // Shorter and longer than a block of SHA-256, and than the 72 bytes where bcrypt stops.
  for (const nfc of [' caf\u00e9 au lait ', ` caf\u00e9 ${'x'.repeat(80)} `]) {
    const forms = [nfc, nfc.normalize('NFD')];
    const others = [nfc.trim(), ` ${nfc}`, `${nfc}\0`, nfc.slice(0, -1), nfc.toUpperCase(), nfc.replace('\u00e9', 'e')];
    for (const form of forms) {
      const { accounts } = setUp();
      const user = await accounts.signup({ ...JOE, password: form });
      for (const password of forms) assert.deepEqual(await accounts.authenticate('joe', password), user);
      for (const password of others) assert.equal(await accounts.authenticate('joe', password), undefined, password);
    }
  }
});

test('the username in any spelling is no password, and what only contains it is one', async () => {
  const { accounts, users } = setUp({ minPasswordLength: 1 });
  for (const username of ONE_USERNAME) {
    for (const password of ONE_USERNAME) {
      await assert.rejects(accounts.signup({ username, password }), refusal('ERR_PASSWORD_FORBIDDEN'));
    }
  }
  assert.deepEqual(users.written, []);
  await accounts.signup({ username: '\u00e9milie', password: '\u00e9milie1' });
});

/** The ways in which a function may answer. */
const ANSWERS: readonly (<T>(value: T) => T | Promise<T>)[] = [(value) => value, async (value) => value];

test('a hook isForbidden that forgets to answer lets no password through', async () => {
  for (const nothing of [undefined, null, 0, 'no']) {
    const { accounts, users } = setUp({ isForbidden: () => nothing as unknown as boolean });
    await assert.rejects(accounts.signup(JOE), /^TypeError: "isForbidden" expected an answer of true or false/);
    assert.deepEqual(users.written, []);
  }
});

test('isForbidden is asked with password and username, and its answer, at once or later, is obeyed', async () => {
  for (const answer of ANSWERS) {
    const isForbidden = (...given: string[]) => answer(given.join() === 'password,Joe');
    const { accounts, users } = setUp({ isForbidden });
    await assert.rejects(accounts.signup({ username: 'Joe', password: 'password' }), refusal('ERR_PASSWORD_FORBIDDEN'));
    assert.deepEqual(users.written, []);
    await accounts.signup({ username: 'Joe', password: 'passwords' });
  }
  const { accounts, users } = setUp({ isForbidden: () => Promise.reject(new TypeError('no list')) });
  await assert.rejects(accounts.signup(JOE), new TypeError('no list'));
  assert.deepEqual(users.written, []);
});

test('of fifty signups of one name at once, in several spellings, one succeeds', async () => {
  for (const answer of ANSWERS) {
    const users = new WatchedStore();
    const find = (id: string) => answer(users.find(id));
    const insert = (user: User) => answer(users.insert(user));
    const passwords = new PasswordHasher({ logN: 1, maxQueued: 50 });
    const accounts = new Accounts({ users: { find, insert, update: () => assert.fail() }, passwords });
    const attempts = Array.from({ length: 50 }, (_, index) =>
      accounts.signup({ username: ONE_USERNAME[index % ONE_USERNAME.length], password: `password ${index}` }));
    const results = await Promise.allSettled(attempts);
    const codes = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
    assert.deepEqual([codes.length, new Set(codes)], [49, new Set(['ERR_USER_EXISTS'])]);
    const winner = results.findIndex(({ status }) => status === 'fulfilled');
    const found = await accounts.authenticate('\u00e9milie', `password ${winner}`);
    assert.deepEqual([found], users.written.map(publicOf));
  }
});

test('only the name and the password of one account find it, and so does its id as a claim', async () => {
  const { accounts, users } = setUp();
  const user = await accounts.signup({ ...JOE, username: 'Joe' });
  await accounts.signup({ username: 'ann', password: 'battery staple' });
  const { authenticate, identity } = accounts.handlers;
  const WRONG: readonly unknown[] = ['battery staple', '', `${PASSWORD}\0`, `${PASSWORD}\ud800`, PASSWORD.repeat(100)];
  for (const password of [...WRONG, ...NOT_STRINGS]) {
    assert.equal(await Reflect.apply(authenticate, undefined, ['joe', password]), undefined);
  }
  for (const name of ['nobody', 'joe\0', '', ...NOT_STRINGS]) {
    assert.equal(await Reflect.apply(authenticate, undefined, [name, PASSWORD]), undefined);
    assert.equal(await identity({ identity: name }), undefined);
  }
  // An id is compared to the letter.
  for (const claims of [{}, { identity: 'Joe' }, { id: 'joe' }]) assert.equal(await identity(claims), undefined);
  assert.deepEqual([await authenticate('JOE', PASSWORD), await identity({ identity: 'joe' })], [user, user]);
  assert.equal(users.written.length, 2);
});

test('a login with a raised cost makes the hash anew once, and a wrong password does not', async () => {
  const { accounts, users } = setUp();
  const user = storedIn(users, await accounts.signup(JOE));
  const raised = new Accounts({ users, passwords: new PasswordHasher({ logN: 2 }) });
  assert.equal(await raised.authenticate('joe', 'battery staple'), undefined);
  assert.deepEqual(users.written, [user]);
  for (const one of [raised, raised, accounts]) assert.equal((await one.authenticate('joe', PASSWORD))?.id, 'joe');
  const passwordHash = users.find('joe')?.passwordHash ?? '';
  assert.match(passwordHash, /^\$scrypt\$ln=2,/);
  assert.deepEqual(users.written, [user, { ...user, passwordHash }]);
});

/** As Werkzeug writes it, at a low cost. */
function werkzeugHash(password: string): string {
  return `scrypt:4:8:1$a0B1$${scryptSync(password, 'a0B1', 64, { N: 4, r: 8, p: 1 }).toString('hex')}`;
}

test('a user brought over from Flask logs in with the hash of Werkzeug, which is replaced by one of ours', async () => {
  const { accounts, users } = setUp();
  const user = { id: 'joe', username: 'Joe', passwordHash: werkzeugHash(PASSWORD), createdAt: '2020-01-02' };
  users.insert(user);
  assert.equal(await accounts.authenticate('joe', 'battery staple'), undefined);
  assert.deepEqual(users.written, [user]);
  for (let login = 1; login <= 2; login += 1) assert.equal((await accounts.authenticate('joe', PASSWORD))?.id, 'joe');
  const passwordHash = users.find('joe')?.passwordHash ?? '';
  assert.match(passwordHash, /^\$scrypt\$ln=1,/);
  assert.deepEqual(users.written, [user, { ...user, passwordHash }]);
});

test('an account from elsewhere is taken over with its hash, once', async () => {
  const { accounts, users } = setUp();
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
  const dear = ofWerkzeug.replace(':4:', ':16777216:');
  for (const hash of [...NOT_STRINGS, '', PASSWORD, 'pbkdf2:sha256:1$a$b', `${ofWerkzeug} `, dear]) {
    await assert.rejects(accounts.importUser('ann', hash as string), refusal('ERR_PASSWORD_HASH'));
  }
  assert.equal(users.written.length, 1);
  assert.equal((await accounts.authenticate('jo\u00e9', PASSWORD))?.id, joe.id);
  assert.equal(await accounts.authenticate('jo\u00e9', 'battery staple'), undefined);
});

test('a login succeeds although the new hash cannot be made or stored', async () => {
  const fail = (code: 'ERR_STORE' | 'ERR_BUSY') => () => Promise.reject(new AuthError(code));
  const FAILURES = [
    { update: () => false },
    { update: fail('ERR_STORE') },
    { update: () => { throw new AuthError('ERR_STORE'); } },
    { hash: fail('ERR_BUSY') },
  ];
  for (const failure of FAILURES) {
    const { accounts, users } = setUp();
    const user = await accounts.signup(JOE);
    const stored = storedIn(users, user);
    const passwords = Object.assign(new PasswordHasher({ logN: 2 }), failure);
    const raised = new Accounts({ users: Object.assign(users, failure), passwords });
    assert.deepEqual(await raised.authenticate('joe', PASSWORD), user);
    assert.deepEqual(users.written, [stored]);
  }
});

test('a server that is busy, or a store that is away, is no wrong password', async () => {
  const { accounts, users } = setUp({ passwords: new PasswordHasher({ logN: 1, maxConcurrent: 1, maxQueued: 0 }) });
  const user = await accounts.signup(JOE);
  const [first, second] = [accounts.authenticate('joe', PASSWORD), accounts.authenticate('joe', PASSWORD)];
  await assert.rejects(second, refusal('ERR_BUSY'));
  assert.deepEqual(await first, user);
  users.find = () => { throw new AuthError('ERR_STORE'); };
  for (const call of [accounts.authenticate('joe', ''), accounts.signup(JOE)]) {
    await assert.rejects(call, refusal('ERR_STORE'));
  }
  assert.throws(() => accounts.identity({ identity: 'joe' }), refusal('ERR_STORE'));
});

test('no user, a wrong password and a hash that cannot be read take the same work and get one answer', async () => {
  const passwords = new WatchedHasher({ logN: 3, r: 2, p: 3 });
  const { accounts, users } = setUp({ passwords });
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
  // The last two cannot be passwords: they are refused before any work, whether or not there is such a user.
  for (const [password, count] of [['battery staple', 1], ['', 1], ['\ud800', 0], ['x'.repeat(1025), 0]] as const) {
    const wrong = await workOf('joe', password);
    assert.deepEqual([wrong.runs.length, wrong.calls], [count, Array(count).fill('verify')]);
    assert.deepEqual(await workOf('nobody', password), wrong);
    for (const { id } of users.written.slice(1)) assert.deepEqual((await workOf(id, password)).runs, wrong.runs, id);
  }
  for (const { id } of users.written.slice(1)) assert.equal((await workOf(id, PASSWORD)).runs.length, 1);
  assert.deepEqual(await accounts.authenticate('joe', PASSWORD), user);
});

const NOT_OBJECTS = [null, true, 0, 'x', [], {}, { find: 1, insert: 1, update: 1, hash: 1, verify: 1, needsRehash: 1 }];
const WRONG_OPTIONS: Readonly<Record<string, readonly unknown[]>> = {
  users: [undefined, ...NOT_OBJECTS, { find: () => 1, insert: () => 1 }],
  passwords: [...NOT_OBJECTS, { hash: () => 1, verify: () => 1 }],
  minPasswordLength: [...NOT_AMOUNTS, 0, 1.5, 1025],
  maxPasswordLength: [...NOT_AMOUNTS, 0, 7, 8.5, 1025],
  isForbidden: NOT_FUNCTIONS,
  minPasswordLenght: [8],
  ['__proto__']: [{ minPasswordLength: 1 }],
};

test('an option that is unknown, of the wrong kind or out of bounds is refused by its name', () => {
  const users = new MemoryUserStore();
  for (const [name, values] of Object.entries(WRONG_OPTIONS)) {
    for (const value of values) {
      const options = Object.defineProperty({ users }, name, { value, enumerable: true });
      assert.throws(() => new Accounts(options), { message: new RegExp(`^"${name}" expected .+, got .+$`) });
    }
  }
  // No password could be both.
  assert.throws(() => new Accounts({ users, minPasswordLength: 9, maxPasswordLength: 8 }), RangeError);
  for (const length of [1, 8, 1024]) new Accounts({ users, minPasswordLength: length, maxPasswordLength: length });
});

test('an error that is not a refusal is thrown though the login has succeeded, since it is a bug', async () => {
  const bug = new TypeError('a bug');
  const BUGS = [
    { update: () => { throw bug; } },
    { update: () => Promise.reject(bug) },
    { hash: () => Promise.reject(bug) },
    { needsRehash: () => { throw bug; } },
  ];
  for (const failure of BUGS) {
    const { accounts, users } = setUp();
    await accounts.signup(JOE);
    const passwords = Object.assign(new PasswordHasher({ logN: 2 }), failure);
    const raised = new Accounts({ users: Object.assign(users, failure), passwords });
    await assert.rejects(raised.authenticate('joe', PASSWORD), bug);
    assert.equal(users.written.length, 1);
  }
});

test('a password that was changed while a login renewed its hash stays changed', async () => {
  const users = new MemoryUserStore();
  const passwords = new PasswordHasher({ logN: 1 });
  await new Accounts({ users, passwords }).signup({ username: 'joe', password: 'the old one' });
  const accounts = new Accounts({ users, passwords: new PasswordHasher({ logN: 12 }) });
  const login = accounts.authenticate('joe', 'the old one');
  const joe = users.find('joe');
  assert.ok(joe);
  users.update({ ...joe, passwordHash: await passwords.hash('the new one') });
  await login;
  assert.equal(await accounts.authenticate('joe', 'the old one'), undefined);
  assert.equal((await accounts.authenticate('joe', 'the new one'))?.id, 'joe');
});

test('accounts with an identity of their own are asked by their handlers', () => {
  class Stricter extends Accounts {
    override identity(claims: { readonly identity?: unknown }): ReturnType<Accounts['identity']> {
      return claims.identity === 'joe' ? undefined : super.identity(claims);
    }
  }
  const users = new MemoryUserStore();
  for (const id of ['joe', 'ann']) users.insert({ id, username: id, passwordHash: '', createdAt: '' });
  const { identity } = new Stricter({ users }).handlers;
  assert.equal(identity({ identity: 'joe' }), undefined);
  assert.deepEqual(identity({ identity: 'ann' }), { id: 'ann', username: 'ann', createdAt: '' });
});
