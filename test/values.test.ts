/** Kinds of values, and copies that read each member once. Jwt.sign tests them in depth. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyMembers, describe, isObject, ownMember } from '../src/values.ts';
import { INHERITED_NAMES, NOT_JSON } from './support/hostile.ts';
import { MARKER } from './support/tokens.ts';

test('a description names the kind of a value, and shows no string and no member', () => {
  const rows: [value: unknown, kind: string][] = [
    ...NOT_JSON,
    [null, 'null'],
    [true, 'true'],
    [7, '7'],
    ['', 'an empty string'],
    [MARKER, 'a string'],
    [{ MARKER }, 'an object'],
    [[], 'an empty array'],
    [[MARKER], 'an array'],
    [{ [Symbol.toStringTag]: MARKER }, 'an object'],
    [Object.create({ [Symbol.toStringTag]: MARKER }), 'an instance of a class'],
  ];
  for (const [value, kind] of rows) assert.equal(describe(value), kind);
});

test('a copy has the members of a plain object or array, and no other value is copied', () => {
  const inner = { x: 1 };
  for (const value of [{}, { inner }, [], [inner, 2]]) {
    const copy = copyMembers(value);
    assert.deepEqual(copy, value);
    assert.notEqual(copy, value);
    assert.equal(Array.isArray(copy), Array.isArray(value));
  }
  for (const value of [null, 'text', 7, new Date(0), [, 1], { [Symbol('x')]: 1 }]) {
    assert.equal(typeof copyMembers(value), 'string');
  }
});

test('an array and null are not objects, and an inherited member is not an own one', () => {
  assert.deepEqual([{}, [], null, 'x'].map(isObject), [true, false, false, false]);
  for (const name of INHERITED_NAMES) {
    const own = JSON.parse(`{"${name}":1}`);
    assert.deepEqual([ownMember({}, name), ownMember(own, name)], [undefined, 1], name);
  }
  for (const value of [undefined, null, 'text', 7]) {
    assert.equal(ownMember(value, 'length'), undefined);
  }
});
