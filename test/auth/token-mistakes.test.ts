/** The mistakes that a text in place of a token shows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  signatureMistakeIn,
  tokenMistakeIn,
  type SignatureMistake,
  type TokenMistake,
} from '../../src/auth/token-mistakes.ts';

test('a text that is not a token has the mistake of its outline', () => {
  const rows: Readonly<Record<TokenMistake, readonly string[]>> = {
    'empty': [''],
    'undefined': ['undefined'],
    'null': ['null'],
    'promise': ['[object Promise]'],
    'object': ['[object Object]', '[object Response]'],
    'basic': ['Basic am9lOng=', 'basic x'],
    'quoted': ['"a.b.c"', "'a.b.c", 'a.b.c\u201d'],
    'line break': ['a.b\n.c', 'a.b.c\r\n'],
    'separator': ['a.b.c,', 'a.b.c;'],
    'encoded': ['a%2Eb%2ec', 'Bearer%20a.b.c', '%22a.b.c%22'],
    'one segment': ['sk-live', 'Undefined', 'nullable'],
    'two segments': ['a.b', '.'],
    'five segments': ['a.b.c.d.e', '....'],
    'too many segments': ['a.b.c.d', 'a.b.c.d.e.f', '.'.repeat(1_000_000)],
  };
  for (const [mistake, texts] of Object.entries(rows)) {
    for (const text of texts) assert.equal(tokenMistakeIn(text), mistake, text.slice(0, 20));
  }
  for (const text of ['a.b.c', '..', `a.b.${'x'.repeat(43)}`]) {
    assert.equal(tokenMistakeIn(text), undefined);
  }
});

test('a signature is missing, short or long beside one of HS256', () => {
  const rows: readonly (readonly [length: number, mistake: SignatureMistake | undefined])[] = [
    [0, 'missing'],
    [1, 'short'],
    [42, 'short'],
    [43, undefined],
    [44, 'long'],
    [342, 'long'],
  ];
  for (const [length, mistake] of rows) {
    assert.equal(signatureMistakeIn(`a.b.${'x'.repeat(length)}`), mistake);
  }
});
