/** The key by which guesses at an account of the program's own count. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountKeyOf, countingGuess } from '../../src/auth/login-limits.ts';
import { canonicalUsername } from '../../src/accounts/username.ts';
import { AuthError } from '../../src/index.ts';
import { throttleOf } from '../../src/limits/options.ts';

/** Groups of spellings that a look-up may treat as one user. */
const SPELLINGS: readonly (readonly [key: string, spellings: readonly string[]])[] = [
  ['joe', ['joe', 'JOE', 'Joe', ' joe', 'joe \t', '\u00a0joe\u3000', '\ufeffjoe', 'ｊｏｅ', 'ＪＯＥ']],
  ['joe', ['j\u200boe', 'jo\u00ade', 'joe\u200d', '\u2060 joe', 'jóe', 'Jo\u0301E', '\u00a8joe']],
  ['joe smith', ['joe smith', 'Joe Smith', ' JOE SMITH ', 'joe\u00a0smith', 'joé smith']],
  ['joe@example.com', ['joe@example.com', 'Joe@Example.COM\n']],
  ['σοφοσ', ['σοφός', 'ΣΟΦΌΣ', 'σοφόσ']],
  ['😀 joe', ['😀 Joe', ' 😀 JOE']],
  ['कि', ['कि']],
];

test('spellings that a look-up may treat as one user have one key', () => {
  for (const [key, spellings] of SPELLINGS) {
    for (const spelling of spellings) {
      assert.equal(accountKeyOf(spelling), key.normalize('NFC'), JSON.stringify(spelling));
    }
  }
});

test('other names have other keys', () => {
  const names = ['joe', 'joey', 'jo', 'j oe', 'joe smith', 'joe.smith', 'कि', 'का', '李', '😀', '😁'];
  assert.equal(new Set(names.map(accountKeyOf)).size, names.length);
});

test('the key of a username of Accounts without accents is its canonical form', () => {
  for (const name of ['Joe', 'ANN@example.com', 'ёлка', '한국', 'x'.repeat(80), 'a!"#$%~']) {
    const withoutAccents = name.replace('ё', 'е');
    assert.equal(accountKeyOf(name), canonicalUsername(withoutAccents));
  }
});

test('a key has at most 80 code points, whatever the name, and padding does not change it', () => {
  const name = '😀'.repeat(80);
  assert.equal(accountKeyOf(`${name}x`), name);
  assert.equal(accountKeyOf('\ufdfa'.repeat(1000)).length, 80);
  for (const filler of [' ', '\u200b', '\u0301', '\u3000', '\u{e0061}']) {
    const padding = filler.repeat(16_384);
    assert.equal(accountKeyOf(`${padding}joe`), 'joe');
    assert.equal(accountKeyOf(`joe${padding}`), 'joe');
  }
  assert.equal(accountKeyOf(`j${'\u200b\u0301'.repeat(8000)}oe`), 'joe');
  assert.equal(accountKeyOf('\ud800'), '\ud800');
  assert.equal(accountKeyOf(' '), '');
});

test('80 letters have one key, also where each is spelled as three characters', () => {
  const name = '한'.repeat(80);
  const spelled = name.normalize('NFD');
  assert.equal(spelled.length, 240);
  assert.deepEqual([accountKeyOf(name), accountKeyOf(spelled)], [name, name]);
});

/** @returns the length of the longest text that is normalised for the key of a name */
function longestNormalised(name: string): number {
  const { normalize } = String.prototype;
  let longest = 0;
  String.prototype.normalize = function measured(form) {
    longest = Math.max(longest, this.length);
    return normalize.call(this, form);
  };
  try {
    accountKeyOf(name);
  } finally {
    String.prototype.normalize = normalize;
  }
  return longest;
}

test('no more is normalised for a long name than for one of 320 characters', () => {
  for (const letter of ['x', '\ufdfa']) {
    const longest = longestNormalised(letter.repeat(320));
    assert.ok(longest >= 320);
    assert.equal(longestNormalised(letter.repeat(16_384)), longest);
  }
});

test('ERR_CREDENTIALS counts and is passed on, and no other error counts', async () => {
  const throttle = throttleOf({ triesPerAccount: 1 });
  const tryWith = (error: Error) => {
    return countingGuess(throttle, 'joe', {}, () => Promise.reject(error));
  };
  const faults = [new Error('a fault'), new AuthError('ERR_BUSY'), new AuthError('ERR_STORE')];
  for (const error of faults) {
    for (let tries = 0; tries < 3; tries += 1) await assert.rejects(tryWith(error), error);
  }
  const own = new AuthError('ERR_CREDENTIALS', { description: 'No such user here' });
  await assert.rejects(tryWith(own), own);
  await assert.rejects(tryWith(own), { code: 'ERR_THROTTLED' });
  // Without limits every try is checked.
  const none = throttleOf(false);
  const check = () => Promise.reject(own);
  for (let tries = 0; tries < 200; tries += 1) {
    await assert.rejects(countingGuess(none, 'joe', {}, check), own);
  }
});
