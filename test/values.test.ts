/** Kinds of values, and copies that read each member once. Jwt.sign tests them in depth. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  copyMembers,
  describe,
  isError,
  isErrorNamed,
  isObject,
  ownMember,
} from '../src/values.ts';
import { fromOtherRealm } from './support/copies.ts';
import { INHERITED_NAMES, NOT_JSON, UNREADABLE } from './support/hostile.ts';
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

test('what another realm made: an error is one, and so is a DOMException', () => {
  class Own extends RangeError {}
  const domException = new DOMException('x', 'AbortError');
  // As Jest shows an AbortError of Node: its prototypes are not those of this realm.
  const foreign = Object.create({ [Symbol.toStringTag]: 'DOMException' });
  const others = ['new Error()', 'new (class X extends TypeError {})', 'new AggregateError([])'];
  const errors = [new Error(), new Own(), domException, foreign, ...others.map(fromOtherRealm)];
  for (const error of errors) assert.ok(isError(error), String(error));
  for (const [value, kind] of NOT_JSON) {
    assert.equal(isError(value), kind === 'an object of type Error', kind);
  }
  const likeError = { name: 'Error', message: 'x', stack: 'x' };
  for (const value of [likeError, null, {}, 'Error']) assert.equal(isError(value), false);
});

test('what another realm made: the class of an error is found by its name', () => {
  const isSyntaxError = (value: unknown) => isErrorNamed(value, 'SyntaxError');
  class Own extends SyntaxError {
    override readonly name = 'BadBody';
  }
  const expressions = ['new SyntaxError()', 'new (class X extends SyntaxError {})'];
  const named = Object.assign(new Error(), { name: 'SyntaxError' });
  for (const error of [new SyntaxError(), new Own(), named, ...expressions.map(fromOtherRealm)]) {
    assert.ok(isSyntaxError(error), String(error));
  }
  const throwing = Object.defineProperty(new Error(), 'name', {
    get: () => {
      throw new Error('a getter');
    },
  });
  const others = [new Error('SyntaxError'), throwing, fromOtherRealm('new TypeError()')];
  const notErrors = [{ name: 'SyntaxError' }, 'SyntaxError', undefined, null];
  for (const value of [...others, ...notErrors, ...UNREADABLE]) {
    assert.equal(isSyntaxError(value), false);
    assert.doesNotThrow(() => isError(value));
  }
});

test('what another realm made: objects and arrays are described and copied as our own', () => {
  const rows = [
    ['{ x: 1 }', 'an object', { x: 1 }],
    ['[1, 2]', 'an array', [1, 2]],
    ['new Date(0)', 'an object of type Date', undefined],
    ['new Map()', 'an object of type Map', undefined],
    ['new Uint8Array(3)', 'an object of type Uint8Array', undefined],
    ['Promise.resolve()', 'a promise: is an "await" missing?', undefined],
    ['new (class X {})', 'an instance of a class', undefined],
  ] as const;
  for (const [expression, kind, copy] of rows) {
    const value = fromOtherRealm(expression);
    assert.equal(describe(value), kind);
    assert.deepEqual(copyMembers(value), copy ?? kind);
  }
});
