/** Text from outside, made safe to print. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printable, printableJson } from '../../src/cli/printable.ts';

/** Characters that control a terminal, have no width or look like a space, and their escapes. */
const ESCAPES: readonly [character: string, escape: string, inJson: string][] = [
  ['\x1b', '\\u{1b}', '\\u001b'],
  ['\n', '\\u{a}', '\\u000a'],
  ['\x9b', '\\u{9b}', '\\u009b'],
  ['\u202e', '\\u{202e}', '\\u202e'],
  ['\u00a0', '\\u{a0}', '\\u00a0'],
  ['\u3164', '\\u{3164}', '\\u3164'],
  ['\u{e0041}', '\\u{e0041}', '\\udb40\\udc41'],
  ['\ud800', '\\u{d800}', '\\ud800'],
];

test('a character that could control a terminal or deceive people is printed as an escape', () => {
  for (const [character, escape, inJson] of ESCAPES) {
    assert.equal(printable(`a${character}b`), `a${escape}b`);
    assert.equal(printableJson(`"a${character}b"`), `"a${inJson}b"`);
  }
});

test('letters of any script, marks, digits and the space are printed as they are', () => {
  for (const text of ['Joe', 'Zoë', 'Zoe\u0308', 'Жанна', '小林', '\u{1f600}', 'a b', '-_.@{}']) {
    assert.equal(printable(text), text);
    assert.equal(printableJson(text), text);
  }
});

test('escapes change the spelling of JSON, and not its value', () => {
  const value = { id: ESCAPES.map(([character]) => character).join('"\\') };
  const json = printableJson(JSON.stringify(value));
  assert.match(json, /^[ -~]+$/);
  assert.deepEqual(JSON.parse(json), value);
});
