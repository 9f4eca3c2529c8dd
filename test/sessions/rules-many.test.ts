/** Users with many sessions: which one ends to make room, and how one of them is found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findSession, NO_RECORD, refresh, start, use } from '../../src/sessions/rules.ts';
import type { Session, SessionRecord } from '../../src/sessions/store.ts';
import { idsOf, NOW, POLICY, recordWith, sessionWith } from '../support/session-rules.ts';

const newSession = (id: string, isRefreshable = true, endsAt = NOW + 5000) => {
  return { id, isRefreshable, endsAt, agent: 'curl/8' };
};

/** A session at generation 2 whose rotation has this age. */
const rotated = (ageSeconds: number) =>
  sessionWith({ generation: 2, refreshedAt: NOW - ageSeconds });

const numbered = (count: number, differences: (index: number) => Partial<Session>) =>
  Array.from({ length: count }, (_, index) => {
    return sessionWith({ id: `${index}`, ...differences(index) });
  });

test('the 51st refreshable login ends the one refreshed longest ago and no other', () => {
  let record: SessionRecord = recordWith(...numbered(49, () => ({})));
  record = start(record, newSession('49'), NOW, POLICY);
  assert.equal(record.sessions.length, 50);
  record = refresh(record, '0', 0, NOW, POLICY).record;
  const next = start(record, newSession('50'), NOW, POLICY);
  const ids = idsOf(next);
  assert.deepEqual([ids.length, ids[0], ids.at(-2), ids.at(-1)], [50, '2', '0', '50']);
});

test('a use and a repeated answer do not move a session in the order of eviction', () => {
  const policy = { ...POLICY, maxSessions: 2 };
  let record = recordWith(rotated(9), sessionWith({ id: 'B' }));
  record = use(record, 'A', 2, NOW, policy);
  record = refresh(record, 'A', 2, NOW, policy).record;
  assert.deepEqual(idsOf(start(record, newSession('C'), NOW, policy)), ['B', 'C']);
});

test('a clock that was set back does not change which session makes room', () => {
  const policy = { ...POLICY, maxSessions: 2 };
  let record = start(NO_RECORD, newSession('A'), NOW, policy);
  record = start(record, newSession('B', true, NOW + 1400), NOW - 3600, policy);
  assert.deepEqual(idsOf(start(record, newSession('C'), NOW - 3600, policy)), ['B', 'C']);
});

test('the 501st login without a refresh token ends the one that would end soonest', () => {
  const plain = numbered(499, (index) => {
    return { isRefreshable: false, endsAt: NOW + (index === 7 ? 100 : 200 + index) };
  });
  const full = start(recordWith(...plain), newSession('499', false), NOW, POLICY);
  assert.equal(full.sessions.length, 500);
  const next = start(full, newSession('500', false), NOW, POLICY);
  const ids = idsOf(next);
  assert.deepEqual([ids.length, ids.includes('7'), ids.at(-1)], [500, false, '500']);
  assert.deepEqual(ids.slice(0, 9), ['0', '1', '2', '3', '4', '5', '6', '8', '9']);
});

test('the two kinds of session are counted apart', () => {
  const plain = numbered(500, () => ({ isRefreshable: false }));
  const refreshable = numbered(50, (index) => ({ id: `r${index}` }));
  const record = recordWith(...plain, ...refreshable);
  const withPlain = start(record, newSession('P', false), NOW, POLICY);
  const withRefreshable = start(record, newSession('R'), NOW, POLICY);
  const countOf = ({ sessions }: SessionRecord) =>
    [true, false].map((kind) => sessions.filter((one) => one.isRefreshable === kind).length);
  assert.deepEqual(countOf(withPlain), [50, 500]);
  assert.deepEqual(countOf(withRefreshable), [50, 500]);
  assert.ok(!idsOf(withPlain).includes('0') && !idsOf(withRefreshable).includes('r0'));
});

test('a login after maxSessions was lowered ends as many sessions as it must', () => {
  const policy = { ...POLICY, maxSessions: 2 };
  const record = recordWith(...numbered(5, () => ({})));
  assert.deepEqual(idsOf(start(record, newSession('N'), NOW, policy)), ['4', 'N']);
  const one = { ...policy, maxSessions: 1 };
  assert.deepEqual(idsOf(start(record, newSession('N'), NOW, one)), ['N']);
});

test('sessions whose time is over take no room', () => {
  const policy = { ...POLICY, maxSessions: 2 };
  const record = recordWith(sessionWith(), sessionWith({ id: 'over', endsAt: NOW }));
  assert.deepEqual(idsOf(start(record, newSession('N'), NOW, policy)), ['A', 'N']);
});

test('a session is found among few and among many, in lists that are frozen or not', () => {
  for (const count of [1, 15, 16, 550]) {
    const sessions = Array.from({ length: count }, (_, at) => sessionWith({ id: `S${at}` }));
    for (const list of [sessions, Object.freeze([...sessions])]) {
      const record = { version: 1, endedAt: 0, sessions: list };
      const last = `S${count - 1}`;
      assert.equal(findSession(record, last, NOW, POLICY)?.id, last);
      assert.equal(findSession(record, 'S0', NOW, POLICY)?.id, 'S0');
      for (const id of ['S', `S${count}`, undefined, null, 0, {}]) {
        assert.equal(findSession(record, id, NOW, POLICY), undefined);
      }
    }
  }
});

test('a list that is not frozen may change between two look-ups', () => {
  const sessions = Array.from({ length: 20 }, (_, at) => sessionWith({ id: `S${at}` }));
  const record = { version: 1, endedAt: 0, sessions };
  assert.equal(findSession(record, 'S19', NOW, POLICY)?.id, 'S19');
  sessions.pop();
  assert.equal(findSession(record, 'S19', NOW, POLICY), undefined);
});
