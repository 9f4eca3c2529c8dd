/** The suite that every store of sessions must pass. Broken stores must fail in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testSessionStore } from '../../src/sessions/contract.ts';
import { JsonFileSessionStore } from '../../src/sessions/json-file.ts';
import { MemorySessionStore } from '../../src/sessions/memory.ts';
import { failuresIn, verdictsOf } from '../support/broken-stores.ts';
import { newPath } from '../support/user-files.ts';

testSessionStore('MemorySessionStore', { open: () => new MemorySessionStore() });

let path = '';
testSessionStore('JsonFileSessionStore', {
  open: () => JsonFileSessionStore.open((path = newPath())),
  reopen: () => JsonFileSessionStore.open(path),
});

const FIRST = 'the first record has version 1';
const NEXT = 'each later record has one version more';
const EXACT = 'versions beyond 32 bits are exact';
const ONCE = 'lets exactly one of 50 records of the same version through';
const AT_ONCE = 'a put that returned true can be found at once';
const FOUND = 'finds the record that was put, and no other';
const APART = 'keeps concurrent puts of different users apart';
const ODD = 'keeps odd user ids apart';
const VALUES = 'keeps each value of a member as it is';
const BIG = 'keeps 550 sessions with the longest agents';
const PASSED = 'a caller that changes what it passed changes nothing in the store';
const CHANGED = 'a caller that changes what it found changes nothing in the store';
const STAYS = 'a record that was found stays as it was found';
const CHECK = 'check, if the store has it: returns, and changes nothing';
const KEPT = 'keeps acknowledged records when it is reopened';

/** The tests that each store must fail, and no other. */
const BROKEN_STORES: Readonly<Record<string, readonly string[]>> = {
  'takes any first version': [FIRST],
  'takes any newer version': [NEXT, EXACT],
  'takes a version again': [NEXT, ONCE, AT_ONCE],
  'starts again': [NEXT, ONCE, AT_ONCE],
  'counts to 2^32': [EXACT],
  'two steps': [ONCE, AT_ONCE],
  'shows the fourth late': [NEXT, AT_ONCE],
  'writes all back': [APART],
  'folds case': [FOUND],
  'plain object': [ODD],
  'keys as numbers': [ODD],
  'sorts sessions': [VALUES],
  'whole seconds': [VALUES],
  'drops quotes': [VALUES, BIG],
  'keeps 500 sessions': [BIG],
  'keeps what it was given': [PASSED, CHANGED],
  'copies too late': [PASSED],
  'gives away what it keeps': [CHANGED],
  'copies one level': [PASSED, CHANGED],
  'changes what it gave away': [CHANGED, STAYS],
  'check never succeeds': [CHECK],
  'check puts a record': [CHECK],
  'forgets': [KEPT],
  'loses the last': [KEPT],
};

test('each broken store of sessions fails in the tests of its fault, and in no other', () => {
  const verdicts = verdictsOf('broken-session-stores');
  assert.equal(verdicts.length, 25 * 14 + 2);
  const expected = Object.entries(BROKEN_STORES).flatMap(([name, titles]) =>
    titles.map((title) => `${name}: ${title}`),
  );
  assert.deepEqual(failuresIn(verdicts), expected);
});
