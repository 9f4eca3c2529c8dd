/** Each row of the table in src/sessions/README.md, at its borders. Times are in seconds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  end,
  endAll,
  endOf,
  findSession,
  isAfterEndOfAll,
  isFirstUse,
  liveSessions,
  NO_RECORD,
  refresh,
  start,
  use,
} from '../../src/sessions/rules.ts';
import type { Session, SessionRecord } from '../../src/sessions/store.ts';
import { idsOf, NOW, POLICY, recordWith, sessionWith } from '../support/session-rules.ts';

const newSession = (id: string, isRefreshable = true, endsAt = NOW + 5000) => {
  return { id, isRefreshable, endsAt, agent: 'curl/8' };
};

/** The outcome for a token of a generation, and the generation that the client gets. */
function answerTo(session: Session, generation: unknown, now = NOW, policy = POLICY): string {
  const { result } = refresh(recordWith(session), session.id, generation, now, policy);
  const got = result.session === undefined ? '' : ` ${result.session.generation}`;
  return result.outcome + got;
}

/** A session at generation 2 whose rotation has this age. */
const rotated = (ageSeconds: number, isUsed = false, generation = 2) =>
  sessionWith({ generation, isUsed, refreshedAt: NOW - ageSeconds });

test('a login begins a session at generation 0, after those that the user has', () => {
  const first = start(NO_RECORD, newSession('A'), NOW, POLICY);
  assert.deepEqual(first, { version: 1, endedAt: 0, sessions: [sessionWith()] });
  const second = start(first, newSession('B', false), NOW + 1, POLICY);
  const B = { id: 'B', isRefreshable: false, startedAt: NOW + 1, refreshedAt: NOW + 1 };
  assert.deepEqual(second, {
    version: 2,
    endedAt: 0,
    sessions: [sessionWith(), sessionWith(B)],
  });
});

test('no rule changes the record that it was given', () => {
  const sessions = [Object.freeze(rotated(10)), Object.freeze(sessionWith({ id: 'B' }))];
  const record = Object.freeze({ version: 3, endedAt: 5, sessions: Object.freeze(sessions) });
  const copy = structuredClone(record);
  const far = NOW - 3600;
  for (const now of [NOW, far]) {
    start(record, newSession('C', false), now, POLICY);
    refresh(record, 'A', 2, now, POLICY);
    refresh(record, 'A', 0, now, POLICY);
    use(record, 'A', 2, now, POLICY);
    end(record, 'A', now, POLICY);
    endAll(record, 'A', now, POLICY);
  }
  assert.deepEqual(record, copy);
});

test('the token of the current generation is replaced once the grace period is over', () => {
  assert.equal(answerTo(rotated(9), 2), 'repeated 2');
  assert.equal(answerTo(rotated(10), 2), 'rotated 3');
  assert.equal(answerTo(rotated(9, true), 2), 'repeated 2');
  assert.equal(answerTo(rotated(10, true), 2), 'rotated 3');
});

test('the token of a login is replaced at any age', () => {
  for (const age of [0, 9, 10, 999]) {
    assert.equal(answerTo(rotated(age, false, 0), 0), 'rotated 1', String(age));
  }
  assert.equal(answerTo(rotated(9, false, 1), 1), 'repeated 1');
});

test('the predecessor is answered in the grace period, and until its successor was used', () => {
  assert.equal(answerTo(rotated(9), 1), 'repeated 2');
  assert.equal(answerTo(rotated(9, true), 1), 'repeated 2');
  assert.equal(answerTo(rotated(10), 1), 'repeated late 2');
  assert.equal(answerTo(rotated(999), 1), 'repeated late 2');
  assert.equal(answerTo(rotated(10, true), 1), 'reused');
});

test('an older token ends the session at any age, whether or not its successor was used', () => {
  for (const age of [0, 9, 10]) {
    for (const isUsed of [false, true]) assert.equal(answerTo(rotated(age, isUsed), 0), 'reused');
  }
  assert.equal(answerTo(rotated(0, false, 1), 0), 'repeated 1');
});

test('a token of a generation that was never issued changes nothing', () => {
  const record = recordWith(rotated(10));
  for (const generation of [3, 2.5, 1.5, -1, NaN, Infinity, 2 ** 53, '2', '1', null, undefined]) {
    const { result, record: next } = refresh(record, 'A', generation, NOW, POLICY);
    assert.deepEqual(result, { outcome: 'unknown' }, String(generation));
    assert.equal(next, record);
  }
  assert.equal(answerTo(sessionWith(), -1), 'unknown');
  assert.equal(answerTo(sessionWith(), 1), 'unknown');
  assert.equal(answerTo(sessionWith(), 0), 'rotated 1');
});

test('a session that is unknown, is over or has no refresh token changes nothing', () => {
  const over = sessionWith({ id: 'over', endsAt: NOW });
  const idle = sessionWith({ id: 'idle', refreshedAt: NOW - 1000 });
  const plain = sessionWith({ id: 'plain', isRefreshable: false });
  const record = recordWith(over, idle, plain, sessionWith());
  for (const id of ['over', 'idle', 'plain', 'B', '', undefined, null, 0]) {
    const { result, record: next } = refresh(record, id, 0, NOW, POLICY);
    assert.deepEqual(result, { outcome: 'unknown' }, String(id));
    assert.equal(next, record);
  }
  assert.equal(refresh(record, 'A', 0, NOW, POLICY).result.outcome, 'rotated');
});

test('a rotation writes the next generation, unused, as the latest of the list', () => {
  const record = recordWith(rotated(10, true), sessionWith({ id: 'B' }));
  const refreshed = refresh(record, 'A', 2, NOW, POLICY);
  const A = sessionWith({ generation: 3 });
  assert.deepEqual(refreshed, {
    record: { version: 8, endedAt: 0, sessions: [sessionWith({ id: 'B' }), A] },
    result: { outcome: 'rotated', session: A },
  });
});

test('an answer that is repeated writes nothing', () => {
  for (const [session, generation] of [
    [rotated(9), 2],
    [rotated(9, true), 1],
    [rotated(10), 1],
  ] as const) {
    const record = recordWith(session);
    const refreshed = refresh(record, 'A', generation, NOW, POLICY);
    assert.equal(refreshed.record, record);
    assert.equal(refreshed.result.session, session);
  }
});

test('a token that is used again ends its session and no other', () => {
  const [B, C] = [sessionWith({ id: 'B' }), sessionWith({ id: 'C', isRefreshable: false })];
  const refreshed = refresh(recordWith(B, rotated(10, true), C), 'A', 1, NOW, POLICY);
  assert.deepEqual(refreshed, {
    record: { version: 8, endedAt: 0, sessions: [B, C] },
    result: { outcome: 'reused' },
  });
});

test('without a grace period every token is replaced, also while a clock is a little ahead', () => {
  const policy = { ...POLICY, graceSeconds: 0 };
  for (const age of [0, 1, -1, -60, -61]) {
    assert.equal(answerTo(rotated(age), 2, NOW, policy), 'rotated 3', String(age));
    assert.equal(answerTo(rotated(age), 1, NOW, policy), 'repeated late 2', String(age));
    assert.equal(answerTo(rotated(age, true), 1, NOW, policy), 'reused', String(age));
  }
});

test('a grace period of one second ends after one second', () => {
  const policy = { ...POLICY, graceSeconds: 1 };
  for (const age of [0, -1]) assert.equal(answerTo(rotated(age), 2, NOW, policy), 'repeated 2');
  assert.equal(answerTo(rotated(1), 2, NOW, policy), 'rotated 3');
});

test('a rotation up to 60 seconds ahead of the clock is in its grace, beyond it is past', () => {
  assert.equal(answerTo(rotated(-60), 2), 'repeated 2');
  assert.equal(answerTo(rotated(-61), 2), 'rotated 3');
  assert.equal(answerTo(rotated(-60, true), 1), 'repeated 2');
  assert.equal(answerTo(rotated(-61, true), 1), 'reused');
  assert.equal(answerTo(rotated(-61), 1), 'repeated late 2');
});

test('the next write corrects the times that are more than 60 seconds ahead', () => {
  const ahead = (id: string, seconds: number) =>
    sessionWith({ id, refreshedAt: NOW + seconds, startedAt: NOW + seconds });
  const next = start(recordWith(ahead('A', 60), ahead('B', 61)), newSession('C'), NOW, POLICY);
  assert.deepEqual(next.sessions, [
    ahead('A', 60),
    sessionWith({ id: 'B', startedAt: NOW + 61 }),
    sessionWith({ id: 'C' }),
  ]);
});

test('a refreshable session ends when it was idle for idleSeconds, to the second', () => {
  const session = sessionWith({ refreshedAt: NOW - 1 });
  const record = recordWith(session);
  assert.equal(endOf(session, POLICY), NOW + 999);
  assert.equal(findSession(record, 'A', NOW + 998, POLICY), session);
  assert.equal(findSession(record, 'A', NOW + 999, POLICY), undefined);
  assert.deepEqual(liveSessions(record, NOW + 998, POLICY), [session]);
  assert.deepEqual(liveSessions(record, NOW + 999, POLICY), []);
});

test('every session ends at its absolute end, to the second, whatever was refreshed', () => {
  for (const isRefreshable of [true, false]) {
    const session = sessionWith({ isRefreshable, endsAt: NOW + 5, refreshedAt: NOW });
    const record = recordWith(session);
    assert.equal(endOf(session, POLICY), NOW + 5);
    assert.equal(findSession(record, 'A', NOW + 4, POLICY), session);
    assert.equal(findSession(record, 'A', NOW + 5, POLICY), undefined);
  }
});

test('a session without a refresh token is never idle', () => {
  const session = sessionWith({ isRefreshable: false });
  assert.equal(endOf(session, POLICY), NOW + 5000);
  assert.equal(findSession(recordWith(session), 'A', NOW + 4999, POLICY), session);
});

test('every write leaves out the sessions whose time is over', () => {
  const record = recordWith(
    sessionWith({ id: 'over', endsAt: NOW }),
    sessionWith({ id: 'idle', refreshedAt: NOW - 1000 }),
    rotated(10),
    sessionWith({ id: 'B' }),
  );
  assert.deepEqual(idsOf(start(record, newSession('C'), NOW, POLICY)), ['A', 'B', 'C']);
  assert.deepEqual(idsOf(refresh(record, 'A', 2, NOW, POLICY).record), ['B', 'A']);
  assert.deepEqual(idsOf(refresh(record, 'A', 0, NOW, POLICY).record), ['B']);
  assert.deepEqual(idsOf(use(record, 'A', 2, NOW, POLICY)), ['A', 'B']);
  assert.deepEqual(idsOf(end(record, 'A', NOW, POLICY)), ['B']);
  assert.deepEqual(idsOf(endAll(record, 'over', NOW, POLICY)), []);
});

test('a login whose end has come already begins no session', () => {
  const idsAfterLoginUntil = (endsAt: number) =>
    idsOf(start(recordWith(), newSession('A', false, endsAt), NOW, POLICY));
  assert.deepEqual(idsAfterLoginUntil(NOW), []);
  assert.deepEqual(idsAfterLoginUntil(NOW + 1), ['A']);
});

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

test('the first access token of a generation after the login is a first use', () => {
  assert.ok(isFirstUse(rotated(0), 2));
  for (const generation of [1, 3, '2', undefined]) assert.ok(!isFirstUse(rotated(0), generation));
  assert.ok(!isFirstUse(rotated(0, true), 2));
  assert.ok(!isFirstUse(sessionWith(), 0));
  assert.ok(isFirstUse(sessionWith({ generation: 1 }), 1));
});

test('a first use is remembered once, and moves nothing else', () => {
  const record = recordWith(rotated(5), sessionWith({ id: 'B', generation: 2 }));
  const used = use(record, 'A', 2, NOW, POLICY);
  assert.deepEqual(used, {
    version: 8,
    endedAt: 0,
    sessions: [rotated(5, true), sessionWith({ id: 'B', generation: 2 })],
  });
  assert.equal(use(used, 'A', 2, NOW, POLICY), used);
  for (const [id, generation] of [['A', 1], ['A', 3], ['C', 2], [undefined, 2]]) {
    assert.equal(use(record, id, generation, NOW, POLICY), record);
  }
  assert.equal(use(record, 'A', 2, NOW + 995, POLICY), record);
});

test('ending a session removes it and no other; ending it again changes nothing', () => {
  const record = recordWith(sessionWith(), sessionWith({ id: 'B' }));
  const ended = end(record, 'A', NOW, POLICY);
  assert.deepEqual(ended, { version: 8, endedAt: 0, sessions: [sessionWith({ id: 'B' })] });
  assert.equal(end(ended, 'A', NOW, POLICY), ended);
  assert.equal(end(record, undefined, NOW, POLICY), record);
  assert.equal(end(record, 'A', NOW + 1000, POLICY), record);
});

test('ending all keeps the excepted session alone, and writes the time', () => {
  const record = recordWith(sessionWith(), sessionWith({ id: 'B' }));
  assert.deepEqual(endAll(record, 'B', NOW, POLICY), {
    version: 8,
    endedAt: NOW,
    sessions: [sessionWith({ id: 'B' })],
  });
  assert.deepEqual(idsOf(endAll(record, undefined, NOW, POLICY)), []);
  assert.deepEqual(idsOf(endAll(record, 'C', NOW, POLICY)), []);
  assert.deepEqual(endAll(NO_RECORD, undefined, NOW, POLICY), {
    version: 1,
    endedAt: NOW,
    sessions: [],
  });
});

test('the time when all sessions were ended never goes back, and every rule keeps it', () => {
  const record = endAll(recordWith(sessionWith(), rotated(10)), 'A', NOW, POLICY);
  assert.equal(endAll(record, 'A', NOW - 3600, POLICY).endedAt, NOW);
  assert.equal(endAll(record, 'A', NOW + 1, POLICY).endedAt, NOW + 1);
  assert.equal(start(record, newSession('B'), NOW, POLICY).endedAt, NOW);
  assert.equal(end(record, 'A', NOW, POLICY).endedAt, NOW);
});

test('a token without a session counts if issued after the end of all and the leeway', () => {
  const record = { ...recordWith(), endedAt: NOW };
  assert.ok(!isAfterEndOfAll(record, NOW, 0));
  assert.ok(isAfterEndOfAll(record, NOW + 1, 0));
  assert.ok(!isAfterEndOfAll(record, NOW + 5, 5));
  assert.ok(isAfterEndOfAll(record, NOW + 6, 5));
  assert.ok(isAfterEndOfAll(recordWith(), 0, 5));
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
