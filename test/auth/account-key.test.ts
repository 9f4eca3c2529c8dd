/** The key of an account in the rate limits of a program with its own users. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalUsername } from '../../src/accounts/username.ts';
import { accountKeyOf } from '../../src/auth/account-key.ts';
import { randomFrom } from '../support/random.ts';

/** Groups of spellings that a look-up may treat as one user. */
const SPELLINGS: readonly (readonly [key: string, spellings: readonly string[]])[] = [
  ['joe', ['joe', 'JOE', 'Joe', ' joe', 'joe \t', '\u00a0joe\u3000', '\ufeffjoe', 'ｊｏｅ', 'ＪＯＥ']],
  ['joe', [
    'joe\u0001',
    'j\u0002oe',
    'joe\u0489',
    'jo\u05b0e',
    'joe\u0640',
    'j\u{13441}oe',
    'joe\u{e001}',
  ]],
  ['joe', ['jøe', 'j\u0366e', '🅙oe', 'jo\u0364', 'J\uff2f\u0305E']],
  ['joe', ['j\u200boe', 'jo\u00ade', 'joe\u200d', '\u2060 joe', 'jóe', 'Jo\u0301E', '\u00a8joe']],
  ['joe smith', ['joe smith', 'Joe Smith', ' JOE SMITH ', 'joe\u00a0smith', 'joé smith']],
  ['joe@example.com', ['joe@example.com', 'Joe@Example.COM\n']],
  ['σοφοσ', ['σοφός', 'ΣΟΦΌΣ', 'σοφόσ']],
  ['😀 joe', ['😀 Joe', ' 😀 JOE']],
  ['क', ['कि', 'का']],
];

test('spellings that a look-up may treat as one user have one key', () => {
  for (const [key, spellings] of SPELLINGS) {
    for (const spelling of spellings) {
      assert.equal(accountKeyOf(spelling), key.normalize('NFC'), JSON.stringify(spelling));
    }
  }
});

test('other names have other keys', () => {
  const names = [
    'joe',
    'joey',
    'jo',
    'j oe',
    'joe smith',
    'joe.smith',
    'कि',
    'मि',
    '李',
    '😀',
    '😁',
  ];
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
  assert.equal(accountKeyOf('\ud800'), '');
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

/** Compares as a collation of a database that ignores accents and letter case. */
const collator = new Intl.Collator('en', { sensitivity: 'base' });

/** The characters up to a code point, without surrogates. */
function* characters(last = 0x10ffff): Generator<string> {
  for (let point = 0; point <= last; point += 1) {
    if (point < 0xd800 || point > 0xdfff) yield String.fromCodePoint(point);
  }
}

test('what a collation ignores, or takes for a letter of a name, does not change the key', () => {
  const ignored: string[] = [];
  const spellings = new Map([...'joe'].map((letter) => [letter, [letter]]));
  for (const character of characters()) {
    if (collator.compare(character, '') === 0) ignored.push(character);
    for (const [letter, same] of spellings) {
      if (collator.compare(character, letter) === 0) same.push(character);
    }
  }
  assert.ok(ignored.length > 1000);
  for (const character of ignored) {
    const code = character.codePointAt(0)?.toString(16);
    assert.equal(accountKeyOf(`j${character}oe`), 'joe', code);
    assert.equal(accountKeyOf(`${character.repeat(400)}joe`), 'joe', code);
  }
  for (const [letter, same] of spellings) {
    assert.ok(same.length > 10);
    for (const one of same) {
      assert.equal(accountKeyOf(one), letter, one.codePointAt(0)?.toString(16));
    }
  }
  const random = randomFrom(Math.floor(Math.random() * 2 ** 32));
  const pick = (list: readonly string[] = []) => list[Math.floor(random() * list.length)] ?? '';
  for (let run = 0; run < 2000; run += 1) {
    const name = [...'joe'].map((letter) => pick(spellings.get(letter)) + pick(ignored)).join('');
    const codes = JSON.stringify([...name].map((one) => one.codePointAt(0)?.toString(16)));
    assert.equal(accountKeyOf(name), 'joe', codes);
  }
});

test('digits of every script have the key of those of ASCII', () => {
  let count = 0;
  for (const character of characters(0x1ffff)) {
    if (!/\p{Nd}/u.test(character)) continue;
    const digit = [...'0123456789'].find((one) => collator.compare(character, one) === 0);
    assert.equal(accountKeyOf(character), digit);
    count += 1;
  }
  assert.ok(count > 600);
});

test('what a collation equates with several letters has a key of its own, as the page says', () => {
  for (const [one, several] of [['ß', 'ss'], ['æ', 'ae'], ['œ', 'oe']] as const) {
    assert.equal(collator.compare(one, several), 0);
    assert.notEqual(accountKeyOf(one), accountKeyOf(several));
  }
});
