/** Which texts PostgreSQL stores, and which stored texts come after any text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isStorable, parsedJson, startAfter, storableText } from '../../src/postgres/text.ts';
import { NOT_STRINGS } from '../support/hostile.ts';

const STORABLE = ['', 'a', 'a\u0001', '\ud7ff', '\ue000', '\ufffd', '𐐨', "'; --", '\\0'];
const UNSTORABLE = ['\0', 'a\0', '\ud800', 'a\udfff', '\udc00\ud800', 'a\ud801𐐨'];

test('text is stored unless it has NUL or a lone surrogate', () => {
  for (const text of STORABLE) assert.equal(storableText('id', text), text);
  for (const text of [...UNSTORABLE, ...NOT_STRINGS]) {
    assert.equal(isStorable(text), false);
    const refused = /^TypeError: "id" expected Unicode text without NUL, got /;
    assert.throws(() => storableText('id', text), refused);
  }
});

/** In UTF-32, lone surrogates are code points like others, and the order is that of `list`. */
function compare(left: string, right: string): number {
  const [one, other] = [left, right].map((text) => {
    return Array.from(text, (character) => character.codePointAt(0) ?? 0);
  });
  const index = one?.findIndex((codePoint, at) => codePoint !== other?.[at]) ?? -1;
  if (index === -1) return left.length - right.length;
  return (one?.[index] ?? 0) - (other?.[index] ?? -1);
}

test('the condition finds the stored texts after any text, and no others', () => {
  const starts = ['', 'a', '\0', '\ud800', '\ud7ff', '\ue000', 'b'].flatMap((start) => {
    return ['', 'a', '\0', '\ud800', '\udfff', '\0\ud800', '\ud800\0', '𐐨'].map((end) => {
      return start + end;
    });
  });
  const stored = starts.filter(isStorable).concat(STORABLE, starts.map((text) => {
    return text.replace(/[\0\p{Surrogate}].*/su, '\ue000');
  }));
  for (const start of starts) {
    const { operator, text } = startAfter(start);
    assert.ok(isStorable(text));
    for (const other of stored) {
      const order = compare(other, text);
      const isFound = operator === '>' ? order > 0 : order >= 0;
      const [shown, found] = [start, other].map((value) => JSON.stringify(value));
      assert.equal(isFound, compare(other, start) > 0, `${found} after ${shown}`);
    }
  }
});

test('without a text the condition finds all texts', () => {
  assert.deepEqual(startAfter(undefined), { operator: '>=', text: '' });
});

test('text is read as JSON, and any other value is undefined', () => {
  assert.deepEqual(parsedJson('{"a":[1]}'), { a: [1] });
  for (const value of ['{"a"', '', 5, null, undefined, ['a']]) {
    assert.equal(parsedJson(value), undefined);
  }
});
