/** The rules for new passwords, through a signup: a refused password leaves the store as it was. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JOE, makeAccounts, PASSWORD, refusal } from '../support/accounts.ts';
import { ONE_USERNAME } from '../support/hostile.ts';

// RFC 8265 §4.2 and NIST SP 800-63B-4 §3.1.1.2: after NFC, each code point counts as one character.
const CHARACTERS = {
  'a letter': 'x',
  'one in NFC': 'e\u0301',
  'two code units': '\u{1f511}',
  'a space': ' ',
};

test('the length of a password is in code points after NFC, and both bounds pass', async () => {
  for (const [what, character] of Object.entries(CHARACTERS)) {
    const { accounts, users } = makeAccounts({ minPasswordLength: 3, maxPasswordLength: 5 });
    const signup = (count: number) => {
      return accounts.signup({ username: `joe${count}`, password: character.repeat(count) });
    };
    const tooShort = { ...refusal('ERR_PASSWORD_TOO_SHORT'), message: /\b3\b/ };
    const tooLong = { ...refusal('ERR_PASSWORD_TOO_LONG'), message: /\b5\b/ };
    await assert.rejects(signup(2), tooShort, what);
    await assert.rejects(signup(6), tooLong, what);
    assert.deepEqual(users.written, []);
    for (const user of [await signup(3), await signup(5)]) {
      const password = character.repeat(Number(user.id.at(-1)));
      assert.deepEqual(await accounts.authenticate(user.id, password), user, what);
      const shorter = password.slice(character.length);
      assert.equal(await accounts.authenticate(user.id, shorter), undefined, what);
    }
  }
});

// RFC 8265 §4.2 allows no control characters. HMAC pads a key with NUL (RFC 2104 §2), so a short
// password with NUL after it has the same hash: "a" and seven NUL would pass as eight characters.
const NOT_PASSWORDS: readonly (readonly [string, string])[] = [
  ['', 'ERR_PASSWORD_TOO_SHORT'],
  ['x'.repeat(7), 'ERR_PASSWORD_TOO_SHORT'],
  ['x'.repeat(257), 'ERR_PASSWORD_TOO_LONG'],
  ['x'.repeat(1_000_000), 'ERR_PASSWORD_TOO_LONG'],
  [`${PASSWORD}\ud83d`, 'ERR_PASSWORD_INVALID'],
  [`\udd11${PASSWORD}`, 'ERR_PASSWORD_INVALID'],
  ['a\0\0\0\0\0\0\0', 'ERR_PASSWORD_INVALID'],
];

test('by default a password has 8 to 256 characters, no lone surrogate and no NUL', async () => {
  const { accounts, users } = makeAccounts();
  for (const [password, code] of NOT_PASSWORDS) {
    await assert.rejects(accounts.signup({ ...JOE, password }), refusal(code));
  }
  assert.deepEqual(users.written, []);
  // No code point has more code units in NFD than the four of U+1F82.
  const longest = '\u1f82'.normalize('NFD').repeat(256);
  for (const password of [PASSWORD.slice(0, 8), 'x'.repeat(256), longest, `${PASSWORD}\u{1f511}`]) {
    await accounts.signup({ username: `joe${users.written.length}`, password });
  }
});

test('a password may contain the username, but not be it in any spelling', async () => {
  const { accounts, users } = makeAccounts({ minPasswordLength: 1 });
  for (const username of ONE_USERNAME) {
    for (const password of ONE_USERNAME) {
      const signup = accounts.signup({ username, password });
      await assert.rejects(signup, refusal('ERR_PASSWORD_FORBIDDEN'));
    }
  }
  assert.deepEqual(users.written, []);
  await accounts.signup({ username: '\u00e9milie', password: '\u00e9milie1' });
});

/** The two ways in which a hook may answer. */
const ANSWERS: readonly ((value: boolean) => boolean | Promise<boolean>)[] = [
  (value) => value,
  async (value) => value,
];

test('an `isForbidden` that forgets to answer lets no password through', async () => {
  for (const nothing of [undefined, null, 0, 'no']) {
    const { accounts, users } = makeAccounts({ isForbidden: () => nothing as unknown as boolean });
    const message = /^TypeError: "isForbidden" expected to return true or false/;
    await assert.rejects(accounts.signup(JOE), message);
    assert.deepEqual(users.written, []);
  }
});

test('`isForbidden` gets password and username, and may answer with a promise', async () => {
  for (const answer of ANSWERS) {
    const isForbidden = (...given: string[]) => answer(given.join() === 'password,Joe');
    const { accounts, users } = makeAccounts({ isForbidden });
    const signup = accounts.signup({ username: 'Joe', password: 'password' });
    await assert.rejects(signup, refusal('ERR_PASSWORD_FORBIDDEN'));
    assert.deepEqual(users.written, []);
    await accounts.signup({ username: 'Joe', password: 'passwords' });
  }
  const isForbidden = () => Promise.reject(new TypeError('no list'));
  const { accounts, users } = makeAccounts({ isForbidden });
  await assert.rejects(accounts.signup(JOE), new TypeError('no list'));
  assert.deepEqual(users.written, []);
});

test('`isForbidden` gets the password in NFC, so that NFD does not bypass it', async () => {
  const isForbidden = (password: string) => password === 'k\u00f6nigsberg';
  const { accounts, users } = makeAccounts({ isForbidden });
  for (const password of ['k\u00f6nigsberg', 'ko\u0308nigsberg']) {
    const signup = accounts.signup({ username: 'joe', password });
    await assert.rejects(signup, refusal('ERR_PASSWORD_FORBIDDEN'));
  }
  assert.deepEqual(users.written, []);
  await accounts.signup({ username: 'joe', password: 'konigsberg' });
});

test('a password that is too long is refused before it is normalised or looked up', async () => {
  const { accounts } = makeAccounts({ isForbidden: () => assert.fail('it was looked up') });
  const password = '\u0344'.repeat(16_384);
  const { normalize } = String.prototype;
  const lengths: number[] = [];
  String.prototype.normalize = function (this: string, form?: string) {
    lengths.push(this.length);
    return Reflect.apply(normalize, this, [form]);
  };
  try {
    const signup = accounts.signup({ username: 'joe', password });
    await assert.rejects(signup, refusal('ERR_PASSWORD_TOO_LONG'));
    assert.equal(await accounts.authenticate('joe', password), undefined);
  } finally {
    String.prototype.normalize = normalize;
  }
  assert.ok(lengths.length > 0, 'the username is normalised');
  assert.ok(Math.max(...lengths) < 100, lengths.join());
});
