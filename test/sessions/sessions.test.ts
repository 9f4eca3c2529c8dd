/** Sessions over a store: what programs and JwtAuth get, and what is written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemorySessionStore, Sessions, type SessionStore } from '../../src/index.ts';
import type { SessionsOptions } from '../../src/sessions/options.ts';
import { NOT_STRINGS } from '../support/hostile.ts';
import { NOW } from '../support/session-rules.ts';
import { WatchedSessionStore } from '../support/session-stores.ts';

const DAY = 86_400;

/** Sessions with a clock that a test sets, over a store that answers at once. */
function makeSessions(options: Partial<SessionsOptions> = {}) {
  const clock = { now: NOW };
  const store = new WatchedSessionStore();
  const sessions = new Sessions({ store, now: () => clock.now, ...options });
  return { clock, store, sessions };
}

const refreshable = { isRefreshable: true };
const plain = { isRefreshable: false };

test('a login gets a session with an id of 128 random bits, which ends after maxSeconds', async () => {
  const { sessions, store } = makeSessions({ maxSeconds: 20 * DAY });
  const session = await sessions.start('joe', { ...refreshable, agent: 'curl/8' });
  const { id, ...others } = session;
  assert.match(id, /^[\w-]{21}[AQgw]$/);
  assert.deepEqual(others, {
    generation: 0,
    isUsed: false,
    isRefreshable: true,
    startedAt: NOW,
    refreshedAt: NOW,
    endsAt: NOW + 20 * DAY,
    agent: 'curl/8',
  });
  assert.deepEqual(store.find('joe'), { version: 1, endedAt: 0, sessions: [session] });
  assert.notEqual((await sessions.start('joe', refreshable)).id, id);
});

test('a session ends at the end that the login asks for, if that is before maxSeconds', async () => {
  const { sessions } = makeSessions({ maxSeconds: 100, idleSeconds: 50 });
  const endOf = async (endsAt: number) => {
    return (await sessions.start('joe', { ...plain, endsAt })).endsAt;
  };
  assert.equal(await endOf(NOW + 99), NOW + 99);
  assert.equal(await endOf(NOW + 101), NOW + 100);
  assert.equal(await endOf(NOW + 1), NOW + 1);
  await assert.rejects(endOf(NOW), { code: 'ERR_SESSION_ENDED' });
  assert.equal((await sessions.list('joe')).length, 3);
});

test('the end of a session is that of its idle time or its absolute end', async () => {
  const { sessions } = makeSessions({ maxSeconds: 100, idleSeconds: 50 });
  assert.equal(sessions.endOf(await sessions.start('joe', refreshable)), NOW + 50);
  assert.equal(sessions.endOf(await sessions.start('joe', plain)), NOW + 100);
});

test('a start refuses arguments that would make a session without a user or an end', async () => {
  const { sessions, store } = makeSessions();
  const wrong: readonly [userId: unknown, options: unknown][] = [
    [7, plain],
    [undefined, plain],
    ['joe', {}],
    ['joe', undefined],
    ['joe', { isRefreshable: 1 }],
    ['joe', { ...plain, endsAt: NaN }],
    ['joe', { ...plain, endsAt: Infinity }],
    ['joe', { ...plain, endsAt: '5' }],
    ['joe', { ...plain, agent: 5 }],
    ['joe', { ...plain, endAt: NOW + 1 }],
  ];
  for (const [userId, options] of wrong) {
    const start = sessions.start(userId as never, options as never);
    await assert.rejects(start, { name: /^(Type|Range)Error$/ });
  }
  assert.equal(store.writes, 0);
  await sessions.start('joe', { ...plain, endsAt: NOW + 1.5, agent: undefined });
  assert.equal(store.writes, 1);
});

test('the list holds the sessions that have not ended, the one refreshed last first', async () => {
  const { sessions, clock } = makeSessions({ maxSeconds: 100, idleSeconds: 50 });
  assert.deepEqual(await sessions.list('joe'), []);
  const first = await sessions.start('joe', { ...refreshable, agent: 'one' });
  const second = await sessions.start('joe', { ...plain, endsAt: NOW + 20 });
  await sessions.start('ann', refreshable);
  clock.now += 5;
  const idsOfJoe = async () => (await sessions.list('joe')).map(({ id }) => id);
  assert.deepEqual(await idsOfJoe(), [second.id, first.id]);
  await sessions.refresh('joe', first.id, 0);
  assert.deepEqual(await idsOfJoe(), [first.id, second.id]);
  clock.now = NOW + 20;
  assert.deepEqual(await sessions.list('joe'), [{
    id: first.id,
    isRefreshable: true,
    startedAt: NOW,
    refreshedAt: NOW + 5,
    endsAt: NOW + 100,
    agent: 'one',
  }]);
});

test('a session that was ended is refused at once on another server, and no other is', async () => {
  const { sessions, store } = makeSessions();
  const other = new Sessions({ store, now: () => NOW });
  const A = await sessions.start('joe', refreshable);
  const B = await sessions.start('joe', refreshable);
  assert.equal(await sessions.end('joe', A.id), true);
  assert.equal(await other.check('joe', A.id, 0), undefined);
  assert.deepEqual(await other.refresh('joe', A.id, 0), { outcome: 'unknown' });
  assert.deepEqual(await other.check('joe', B.id, 0), B);
  assert.equal((await other.refresh('joe', B.id, 0)).outcome, 'rotated');
});

test('ending a session that the user does not have says so, and writes nothing', async () => {
  const { sessions, store } = makeSessions();
  const { id } = await sessions.start('joe', refreshable);
  assert.equal(await sessions.end('ann', id), false);
  assert.equal(await sessions.end('joe', `${id}x`), false);
  assert.equal(store.writes, 1);
  assert.equal(await sessions.end('joe', id), true);
  assert.equal(await sessions.end('joe', id), false);
  assert.equal(store.writes, 2);
});

test('ending all sessions but one returns how many ended, and spares other users', async () => {
  const { sessions, clock } = makeSessions({ maxSeconds: 100, idleSeconds: 50 });
  const kept = await sessions.start('joe', refreshable);
  await sessions.start('joe', { ...plain, endsAt: NOW + 5 });
  await sessions.start('joe', plain);
  await sessions.start('joe', refreshable);
  const ofAnn = await sessions.start('ann', refreshable);
  clock.now += 5;
  assert.equal(await sessions.endAll('joe', kept.id), 2);
  assert.deepEqual((await sessions.list('joe')).map(({ id }) => id), [kept.id]);
  assert.equal(await sessions.endAll('joe', ofAnn.id), 1);
  assert.equal(await sessions.endAll('joe'), 0);
  assert.deepEqual((await sessions.list('ann')).map(({ id }) => id), [ofAnn.id]);
});

test('a user who is not a string is refused with a TypeError', async () => {
  const { sessions, store } = makeSessions();
  for (const value of NOT_STRINGS) {
    const refusal = { name: 'TypeError', message: /^"userId" expected a string, got / };
    await assert.rejects(sessions.list(value as string), refusal);
    await assert.rejects(sessions.end(value as string, 'A'), refusal);
    await assert.rejects(sessions.endAll(value as string), refusal);
  }
  assert.equal(store.finds, 0);
  assert.equal(await sessions.endAll(''), 0);
});

test('a token without a session counts if it was issued after all sessions were ended', async () => {
  const { sessions } = makeSessions();
  assert.equal(sessions.acceptsWithoutSession('joe', 0, 0), true);
  await sessions.start('joe', refreshable);
  assert.equal(sessions.acceptsWithoutSession('joe', NOW - DAY, 5), true);
  await sessions.endAll('joe');
  assert.equal(sessions.acceptsWithoutSession('joe', NOW + 5, 5), false);
  assert.equal(sessions.acceptsWithoutSession('joe', NOW + 5.9, 5), false);
  assert.equal(sessions.acceptsWithoutSession('joe', NOW + 5.9, 4.5), false);
  assert.equal(sessions.acceptsWithoutSession('joe', NOW + 6, 5), true);
  assert.equal(sessions.acceptsWithoutSession('joe', NOW + 6, 4.5), true);
  assert.equal(sessions.acceptsWithoutSession('ann', NOW, 5), true);
});

test('a token without session and iat is refused, and each one if sessions are required', () => {
  const { sessions, store } = makeSessions();
  for (const issuedAt of [undefined, null, '0', `${NOW}`]) {
    assert.equal(sessions.acceptsWithoutSession('joe', issuedAt, 0), false);
  }
  assert.equal(sessions.acceptsWithoutSession('joe', NOW, 0), true);
  const required = new Sessions({ store, isRequired: true });
  assert.equal(required.acceptsWithoutSession('joe', NOW, 0), false);
  assert.deepEqual([sessions.isRequired, required.isRequired], [false, true]);
});

test('the fifty-first refreshable login ends the one refreshed longest ago and no other', async () => {
  const { sessions, store } = makeSessions();
  const other = new Sessions({ store, now: () => NOW });
  const ids: string[] = [];
  for (let login = 0; login < 50; login += 1) {
    ids.push((await sessions.start('joe', refreshable)).id);
  }
  const [first, second] = ids;
  await other.refresh('joe', first, 0);
  assert.equal((await sessions.list('joe')).length, 50);
  await other.start('joe', refreshable);
  assert.equal((await sessions.list('joe')).length, 50);
  assert.equal(sessions.check('joe', second, 0), undefined);
  for (const id of ids.filter((one) => one !== second)) assert.ok(sessions.check('joe', id, 0));
});

test('five hundred logins without a refresh token end no refreshable session', async () => {
  const { sessions } = makeSessions({ maxSessions: 2 });
  const A = await sessions.start('joe', refreshable);
  const B = await sessions.start('joe', refreshable);
  for (let login = 0; login < 501; login += 1) await sessions.start('joe', plain);
  assert.ok(sessions.check('joe', A.id, 0) && sessions.check('joe', B.id, 0));
  assert.equal((await sessions.list('joe')).length, 502);
});

test('the agent of a session is at most 200 printable ASCII characters', async () => {
  const { sessions } = makeSessions();
  const agents = [
    ['curl/8.5 (~ok)', 'curl/8.5 (~ok)'],
    ['', ''],
    [undefined, ''],
    ['a\r\nb\tc\0d\x7fe\x1b[2J', 'a??b?c?d?e?[2J'],
    ['caf\u00e9 \u4e2d \u202e', 'caf? ? ?'],
    ['\ud83d\udd11 \ud800 \udfff', '?? ? ?'],
    ['x'.repeat(200), 'x'.repeat(200)],
    ['x'.repeat(201), 'x'.repeat(200)],
    [`${'x'.repeat(199)}\ud83d\udd11`, `${'x'.repeat(199)}?`],
    ['\u0000'.repeat(100_000), '?'.repeat(200)],
  ] as const;
  for (const [agent, expected] of agents) {
    assert.equal((await sessions.start('joe', { ...refreshable, agent })).agent, expected);
  }
});

test('clock steps of an hour in both directions log out no honest client', async () => {
  for (const [first, second] of [
    [3600, -3600],
    [-3600, 3600],
    [-3600, -3600],
    [3600, 3600],
  ] as const) {
    const { sessions, clock } = makeSessions();
    const { id } = await sessions.start('joe', refreshable);
    let generation = 0;
    for (const step of [0, first, 0, second, 11, -30, 30, 3000]) {
      clock.now += step;
      const { session, outcome } = await sessions.refresh('joe', id, generation);
      assert.ok(session, `${outcome} after ${first}, ${second}`);
      generation = session.generation;
      assert.ok(sessions.check('joe', id, generation));
      assert.equal(sessions.acceptsWithoutSession('joe', clock.now, 0), true);
    }
    assert.ok(generation >= 3);
  }
});

test('two servers whose clocks differ by some seconds keep a client that alternates', async () => {
  for (const aheadSeconds of [2, 59, 61, 600]) {
    const { sessions, store, clock } = makeSessions();
    const other = new Sessions({ store, now: () => clock.now + aheadSeconds });
    const { id } = await sessions.start('joe', refreshable);
    let generation = 0;
    for (let round = 0; round < 20; round += 1) {
      const [one, two] = round % 2 === 0 ? [sessions, other] : [other, sessions];
      const { session } = await one.refresh('joe', id, generation);
      // The answer of the first is lost half the time.
      const again = round % 4 < 2 ? await two.refresh('joe', id, generation) : { session };
      assert.ok(session && again.session, `round ${round}, ${aheadSeconds} seconds ahead`);
      generation = again.session.generation;
      assert.ok(two.check('joe', id, generation));
      clock.now += round % 3 === 0 ? 5 : 1500;
    }
  }
});

test('the time of a clock with fractions of a second is rounded down', async () => {
  const { sessions, clock } = makeSessions({ maxSeconds: 100, idleSeconds: 100 });
  clock.now = NOW + 0.9;
  const session = await sessions.start('joe', refreshable);
  assert.deepEqual([session.startedAt, session.endsAt], [NOW, NOW + 100]);
  clock.now = NOW + 99.9;
  assert.ok(sessions.check('joe', session.id, 0));
  clock.now = NOW + 100;
  assert.equal(sessions.check('joe', session.id, 0), undefined);
});

test('sessions whose store answers at once are checked at once, also at a first use', async () => {
  const store: SessionStore = new MemorySessionStore();
  const sessions = new Sessions({ store });
  const { id } = await sessions.start('joe', refreshable);
  assert.ok(!(sessions.check('joe', id, 0) instanceof Promise));
  await sessions.refresh('joe', id, 0);
  const checked = sessions.check('joe', id, 1);
  assert.ok(checked !== undefined && !(checked instanceof Promise));
  const record = await store.find('joe');
  assert.deepEqual(record?.sessions.map(({ isUsed }) => isUsed), [true]);
  assert.equal(sessions.acceptsWithoutSession('joe', 0, 0), true);
});

test('the memory store keeps copies, which no caller can change', () => {
  const store = new MemorySessionStore();
  const sessions: never[] = [];
  assert.equal(store.put('joe', { version: 2, endedAt: 0, sessions }), false);
  const given = { version: 1, endedAt: 0, sessions };
  assert.equal(store.put('joe', given), true);
  given.endedAt = 5;
  assert.deepEqual(store.find('joe'), { version: 1, endedAt: 0, sessions: [] });
  assert.ok(Object.isFrozen(store.find('joe')));
  assert.equal(store.put('joe', { version: 1, endedAt: 0, sessions }), false);
  assert.equal(store.put('joe', { version: 2, endedAt: 0, sessions }), true);
  assert.equal(store.find('ann'), undefined);
});
