/** What a store reads back is a record, or is refused with a reason that repeats no value. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readRecord } from '../../src/sessions/record-check.ts';
import { NOT_STRINGS } from '../support/hostile.ts';

const SESSION = {
  id: 'marker',
  generation: 0,
  isUsed: false,
  isRefreshable: true,
  startedAt: 1_700_000_000,
  refreshedAt: 1_700_000_000.5,
  endsAt: 1_702_592_000,
  agent: '',
};
const RECORD = { version: 1, endedAt: 0, sessions: [SESSION, { ...SESSION, id: 'other' }] };

const MEMBERS = 'has a member too many or too few in';
const NOT_INTEGERS = [undefined, null, '1', true, 1.5, -1, 2 ** 53, NaN, Infinity, [1], {}];
const NOT_TIMES = [undefined, null, '1', true, -1, NaN, Infinity, -Infinity, [1], {}];
const NOT_FLAGS = [undefined, null, 0, 1, 'true', [], {}];

const REFUSED_MEMBERS: readonly [name: string, values: readonly unknown[], reason: string][] = [
  ['version', [0, ...NOT_INTEGERS], 'an integer of at least 1'],
  ['endedAt', NOT_TIMES, 'a finite number of at least 0'],
  ['sessions', [undefined, null, 'marker', {}, { length: 0 }], 'an array'],
];

const REFUSED_SESSION_MEMBERS: typeof REFUSED_MEMBERS = [
  ['id', NOT_STRINGS, 'a string'],
  ['generation', NOT_INTEGERS, 'an integer of at least 0'],
  ['isUsed', NOT_FLAGS, 'a boolean'],
  ['isRefreshable', NOT_FLAGS, 'a boolean'],
  ['startedAt', NOT_TIMES, 'a finite number of at least 0'],
  ['refreshedAt', NOT_TIMES, 'a finite number of at least 0'],
  ['endsAt', NOT_TIMES, 'a finite number of at least 0'],
  ['agent', NOT_STRINGS, 'a string'],
];

const articleOf = (name: string) => (/^[aeiou]/.test(name) ? 'an' : 'a');

function withSession(members: object): object {
  return { ...RECORD, sessions: [SESSION, { ...SESSION, id: 'other', ...members }] };
}

function without(object: object, name: string): object {
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
}

test('a record is accepted as a deeply frozen copy', () => {
  const accepted = [
    RECORD,
    { version: 2 ** 53 - 1, endedAt: 1.5, sessions: [] },
    withSession({ generation: 7, isUsed: true, isRefreshable: false, agent: 'curl/8' }),
  ];
  for (const value of accepted) {
    const record = readRecord(value);
    assert.deepEqual(record, value);
    assert.notEqual(record, value);
    assert.ok(typeof record !== 'string' && Object.isFrozen(record));
    assert.ok(Object.isFrozen(record.sessions) && record.sessions.every(Object.isFrozen));
  }
});

test('a value that is not an object, or holds such a session, is refused', () => {
  for (const value of [undefined, null, 'marker', 1, true, [], [RECORD]]) {
    assert.equal(readRecord(value), 'is not an object');
  }
  for (const session of [undefined, null, 'marker', 1, []]) {
    const value = { ...RECORD, sessions: [SESSION, session] };
    assert.equal(readRecord(value), 'has a session that is not an object');
  }
});

test('a member of a wrong type or out of its bounds is refused', () => {
  for (const [name, values, expected] of REFUSED_MEMBERS) {
    for (const value of values) {
      const reason = readRecord({ ...RECORD, [name]: value });
      assert.equal(reason, `has ${articleOf(name)} "${name}" in a record that is not ${expected}`);
    }
  }
  for (const [name, values, expected] of REFUSED_SESSION_MEMBERS) {
    for (const value of values) {
      const reason = readRecord(withSession({ [name]: value }));
      assert.equal(reason, `has ${articleOf(name)} "${name}" in a session that is not ${expected}`);
    }
  }
});

test('a missing, inherited or unknown member is refused', () => {
  for (const name of Object.keys(RECORD)) {
    assert.equal(readRecord(without(RECORD, name)), `${MEMBERS} a record`);
    const inheriting = Object.assign(Object.create(RECORD), without(RECORD, name));
    assert.equal(readRecord(inheriting), `${MEMBERS} a record`);
  }
  for (const name of Object.keys(SESSION)) {
    const value = { ...RECORD, sessions: [without(SESSION, name)] };
    assert.equal(readRecord(value), `${MEMBERS} a session`);
  }
  const marked = JSON.stringify(RECORD).replace('{', '{"__proto__":{},');
  assert.equal(readRecord(JSON.parse(marked)), `${MEMBERS} a record`);
  assert.equal(readRecord({ ...RECORD, marker: 1 }), `${MEMBERS} a record`);
  assert.equal(readRecord(withSession({ marker: 1 })), `${MEMBERS} a session`);
});

test('two sessions with one id are refused', () => {
  assert.equal(readRecord(withSession({ id: 'marker' })), 'has two sessions with one id');
  assert.equal(typeof readRecord(withSession({ id: 'marker ' })), 'object');
});
