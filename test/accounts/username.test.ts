/**
 * Usernames over all of Unicode: which names are the same in upper and lower case, which letters
 * are not allowed, and that the canonical form of a canonical username is itself.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalUsername } from '../../src/accounts/username.ts';
import { someOf } from '../support/long.ts';

/** Every code point that is allowed in a name after another letter. */
const NAMED: readonly number[] = Array.from({ length: 0x110000 }, (_, code) => code)
  .filter((code) => canonicalUsername(`x${String.fromCodePoint(code)}`) !== undefined);

const rangeOf = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

const hexOf = (codes: readonly number[]) => codes.map((code) => code.toString(16));

/**
 * The letters that are another name in upper case: eszett, dotless i, the iota subscript, and the
 * Greek vowels that have one. If a new version of Unicode adds letters, they must be reviewed.
 */
const TWO_NAMES: readonly number[] = [
  0xdf,
  0x131,
  0x345,
  ...rangeOf(0x1f80, 0x1faf),
  ...rangeOf(0x1fb2, 0x1fb4),
  0x1fb7,
  0x1fbc,
  ...rangeOf(0x1fc2, 0x1fc4),
  0x1fc7,
  0x1fcc,
  ...rangeOf(0x1ff2, 0x1ff4),
  0x1ff7,
  0x1ffc,
];

test('a letter is one name in upper and lower case, except for the listed letters', () => {
  assert.ok(NAMED.length > 130_000, String(NAMED.length));
  const differing = NAMED.filter((code) => {
    const name = `x${String.fromCodePoint(code)}`;
    const spellings = [name, name.toUpperCase(), name.toLowerCase()].map(canonicalUsername);
    return new Set(spellings).size > 1;
  });
  assert.deepEqual(hexOf(differing), hexOf(TWO_NAMES));
});

test('a canonical username is its own canonical form, with any mark after a letter', () => {
  const letters = NAMED.map((code) => String.fromCodePoint(code));
  for (const letter of letters) assertStable(`x${letter}`);
  // All marks that NFKC composes with a letter before them.
  const marks = new Set(letters.flatMap((letter) => [...letter.normalize('NFD')].slice(1)));
  const changing = letters.filter((letter) => canonicalUsername(`x${letter}`) !== `x${letter}`);
  assert.ok(marks.size > 60 && changing.length > 5_000, `${marks.size}, ${changing.length}`);
  for (const letter of someOf(changing)) {
    for (const mark of marks) assertStable(`x${letter}${mark}`);
  }
});

function assertStable(name: string): void {
  const id = canonicalUsername(name);
  if (id !== undefined && canonicalUsername(id) !== id) {
    assert.fail(`${name}, ${hexOf([...name].map((text) => text.codePointAt(0) ?? 0)).join()}`);
  }
}

test('each code point has one canonical form in lower case, NFD and NFKC', () => {
  let named = 0;
  let changed = 0;
  for (let code = 0; code <= 0x10ffff; code += 1) {
    const name = String.fromCodePoint(code);
    const id = canonicalUsername(name);
    if (id === undefined) continue;
    named += 1;
    if (id === name && name.toLowerCase() === name && name.normalize('NFD') === name) continue;
    changed += 1;
    const spellings = [
      id,
      name.toLowerCase(),
      name.normalize('NFD'),
      name.normalize('NFKC'),
    ];
    for (const spelling of spellings) {
      const other = canonicalUsername(spelling);
      if (other !== id) assert.fail(`U+${code.toString(16)} is ${id}, but ${spelling} is ${other}`);
    }
  }
  assert.ok(named > 130_000 && changed > 10_000, `${named} are names, ${changed} of them change`);
});

test('small letters that share their capital are one name', () => {
  const pairs = [
    ['\u03c2', '\u03c3'],
    ['\u1c80', '\u0432'],
    ['\u1c81', '\u0434'],
    ['\u1c82', '\u043e'],
    ['\u1c83', '\u0441'],
    ['\u1c84', '\u0442'],
    ['\u1c85', '\u0442'],
    ['\u1c86', '\u044a'],
    ['\u1c87', '\u0463'],
    ['\u1c88', '\ua64b'],
  ];
  for (const [second = '', first = ''] of pairs) {
    const id = `x${first}x`;
    for (const letter of [second, first, first.toUpperCase()]) {
      assert.equal(canonicalUsername(`X${letter}x`), id);
    }
  }
  // Its other small letter composes with the accent after it.
  assert.equal(canonicalUsername('\u1c82\u0308'), '\u04e7');
});

test('names that share only some capitals are two, and are canonical already', () => {
  for (const id of ['stra\u00dfe', '\u0131rmak', '\u1fb3', 'i\u0307zmir']) {
    assert.equal(canonicalUsername(id), id);
  }
  assert.equal(canonicalUsername('STRA\u1e9eE'), 'stra\u00dfe');
  assert.equal(canonicalUsername('\u0130ZM\u0130R'), 'i\u0307zmi\u0307r');
  assert.equal(canonicalUsername('STRASSE'), 'strasse');
  assert.equal(canonicalUsername('IRMAK'), 'irmak');
});

test('letters of other scripts that look alike are two names', () => {
  const [latin, cyrillic] = ['pop', '\u0440\u043e\u0440'].map(canonicalUsername);
  assert.ok(latin !== undefined && cyrillic !== undefined);
  assert.notEqual(latin, cyrillic);
});

/** Each is a letter or a mark in Unicode, and not ignorable by its tables. */
const BLANK: readonly number[] = [
  0x1107f,
  ...rangeOf(0x13440, 0x13442),
  0x16fe4,
  0x1bc9d,
  ...rangeOf(0x1da9b, 0x1da9f),
  ...rangeOf(0x1daa1, 0x1daaf),
];

/** Indic_Syllabic_Category=Invisible_Stacker of Unicode 16, U+2D7F and the tones of Miao. */
const STACKERS: readonly number[] = [
  0x1039,
  0x17d2,
  0x1a60,
  0x1bab,
  0x2d7f,
  0xaaf6,
  0x10a3f,
  0x11133,
  0x113d0,
  0x1193e,
  0x11a47,
  0x11a99,
  0x11d45,
  0x11d97,
  0x11f42,
  ...rangeOf(0x16f8f, 0x16f92),
];

/** Latin, Greek, Cyrillic, a digit and a symbol: no script stacks them. */
const UNSTACKED = ['x', '\u03b1', '\u0434', '1', '.', ''];

test('an invisible letter makes a name invalid, whatever is beside it', () => {
  const ignorable = [
    '\u034f',
    '\u115f',
    '\u200c',
    '\u200d',
    '\u3164',
    '\ufe0f',
    '\uffa0',
    '\u{e0100}',
  ];
  for (const hidden of [...ignorable, ...BLANK.map((code) => String.fromCodePoint(code))]) {
    for (const beside of [...UNSTACKED, '\u1780', '\u{13000}', '\u{18b00}']) {
      assert.equal(canonicalUsername(`${beside}${hidden}${beside}`), undefined);
    }
  }
  for (const visible of ['\u{13000}', '\u{13443}', '\u{18b00}', '\u{1bc00}', '\u{11066}']) {
    assert.equal(canonicalUsername(`x${visible}x`), `x${visible}x`);
  }
});

test('a stacker must follow a letter without case, and not another stacker', () => {
  for (const stacker of STACKERS.map((code) => String.fromCodePoint(code))) {
    // Some are new in Unicode 16, which older versions of Node do not have.
    const isAssigned = /\p{M}/u.test(stacker);
    const expected = (name: string) => (isAssigned ? name : undefined);
    for (const beside of UNSTACKED) {
      assert.equal(canonicalUsername(`${beside}${stacker}x`), undefined);
      assert.equal(canonicalUsername(`${beside}\u0301${stacker}x`), undefined);
    }
    assert.equal(canonicalUsername(`\u1780${stacker}${stacker}\u1780`), undefined);
    const names = [
      `\u1780${stacker}\u1780`,
      `\u1780\u103a${stacker}\u1780`,
      `x\u1780${stacker}`,
    ];
    for (const name of names) {
      assert.equal(canonicalUsername(name), expected(name));
    }
  }
});

/** Real names and words, each with a stacker. */
const WORDS: Record<string, string> = {
  'Khmer': '\u1781\u17d2\u1798\u17c2\u179a',
  'Khmer, Sreymom': '\u179f\u17d2\u179a\u17b8\u1798\u17c9\u17c6',
  'Burmese, Thanda': '\u101e\u1014\u1039\u1010\u102c',
  'Burmese, stacked below kinzi': '\u101e\u1004\u103a\u1039\u1018\u1031\u102c',
  'Burmese for Zawgyi fonts, Aung': '\u1031\u1021\u102c\u1004\u1039',
  'Chakma': '\u{1110c}\u{1110b}\u{11134}\u{1111f}\u{11133}\u{11126}',
  'Northern Thai': '\u1a32\u1a60\u1a45\u1a6b',
  'Northern Thai, with the tone that NFC puts before the letter': '\u1a20\u1a60\u1a75\u1a3f',
  'Tuareg': '\u2d4f\u2d7f\u2d3d',
  'Meetei Mayek': '\uabc0\uaaf6\uabd4',
  'Miao': '\u{16f00}\u{16f51}\u{16f8f}',
};

test('words with stackers are canonical usernames', () => {
  for (const [language, word] of Object.entries(WORDS)) {
    assert.equal(canonicalUsername(word), word, language);
  }
});
