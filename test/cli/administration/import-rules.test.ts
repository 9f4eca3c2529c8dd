/** The rules for imports, with values on both sides of each bound. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isFromBeforeRemoval,
  problemOfRemovedName,
  problemOfUser,
} from '../../../src/cli/administration/import-rules.ts';
import { userOf } from '../../support/transfers.ts';
import { CREATED_AT } from '../../support/user-files.ts';

const MAX_SECONDS = 253_402_300_799;

test('the id is the canonical form of the username', () => {
  for (const username of ['joe', 'JOE', 'Jo\uff25']) {
    assert.equal(problemOfUser({ ...userOf('joe'), username }), undefined);
  }
  for (const username of ['', 'jim', '\u001b[2Jjoe\u202e', 'joe\ud800', 'x'.repeat(60_000)]) {
    const problem = problemOfUser({ ...userOf('joe'), username });
    assert.equal(problem, 'its id is not the canonical form of its username');
  }
});

test('the time of creation exists, in UTC', () => {
  for (const createdAt of [CREATED_AT, '2024-02-29T23:59:59Z', '0000-01-01T00:00:00.000Z']) {
    assert.equal(problemOfUser({ ...userOf('joe'), createdAt }), undefined, createdAt);
  }
  const wrong = ['2026-02-29T23:59:59Z', '2026-02-31T00:00:00Z', '0000-01-01T24:00:00Z'];
  for (const createdAt of [...wrong, '2026-01-02', '2026-01-02T03:04Z', '2026-01-02T03:04:05.6Z']) {
    assert.match(problemOfUser({ ...userOf('joe'), createdAt }) ?? '', /"createdAt"/, createdAt);
  }
});

test('times of removals are whole seconds, up to the year 9999', () => {
  for (const seconds of [0, 1, MAX_SECONDS]) {
    assert.equal(problemOfUser(userOf('joe', 'a hash', seconds)), undefined);
    assert.equal(problemOfRemovedName({ id: 'joe', removedAt: seconds }), undefined);
  }
  for (const seconds of [-1, 1.5, Number.NaN, MAX_SECONDS + 1, 1e300]) {
    assert.match(problemOfUser(userOf('joe', 'a hash', seconds)) ?? '', /"validAfter"/);
    assert.match(problemOfRemovedName({ id: 'joe', removedAt: seconds }) ?? '', /"removedAt"/);
  }
});

test('the id of a removed name may be that of another program, up to 256 characters', () => {
  for (const id of ['Joe Doe', '__proto__', '\u{1f511}'.repeat(256)]) {
    assert.equal(problemOfRemovedName({ id, removedAt: 1 }), undefined);
  }
  for (const id of ['', 'a\0b', 'a\nb', '\u0085', '\ud800', 'x'.repeat(257)]) {
    assert.match(problemOfRemovedName({ id, removedAt: 1 }) ?? '', /^its id /, id.slice(0, 5));
  }
});

test('a user is from before a removal up to its second, unless the line has that removal', () => {
  const created = Math.floor(Date.parse(CREATED_AT) / 1000);
  const joe = userOf('joe');
  assert.equal(isFromBeforeRemoval(joe, undefined), false);
  assert.equal(isFromBeforeRemoval(joe, created - 1), false);
  assert.equal(isFromBeforeRemoval(joe, created), true);
  const again = userOf('joe', 'a hash', created);
  assert.equal(isFromBeforeRemoval(again, created), false);
  assert.equal(isFromBeforeRemoval(again, created + 1), true);
});
