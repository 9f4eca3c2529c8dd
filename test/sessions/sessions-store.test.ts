/** Sessions over stores that are slow or fail, and beside other servers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sessions, type Session, type SessionStore } from '../../src/index.ts';
import { NOW } from '../support/session-rules.ts';
import {
  makeSessions,
  makeSlowSessions,
  PromiseSessionStore,
  startUnused,
  storeError,
} from '../support/session-stores.ts';

const times = <Result>(count: number, call: (index: number) => Result): Result[] =>
  Array.from({ length: count }, (_, index) => call(index));

test('twenty refreshes at once with one token over two servers give one successor', async () => {
  const { slow, store, sessions } = makeSlowSessions();
  const other = new Sessions({ store: slow, now: () => NOW });
  const { id } = await sessions.start('joe', { isRefreshable: true });
  const answers = await Promise.all(times(20, (index) => {
    return (index % 2 === 0 ? sessions : other).refresh('joe', id, 0);
  }));
  assert.deepEqual(answers.map(({ session }) => session?.generation), Array(20).fill(1));
  assert.deepEqual(answers.filter(({ outcome }) => outcome === 'rotated').length, 1);
  assert.deepEqual([store.writes, store.lostPuts], [2, 1]);
});

test('a refresh that was stored by a store that reported a failure can be repeated', async () => {
  const { sessions, store, clock } = makeSessions();
  const { id } = await sessions.start('joe', { isRefreshable: true });
  store.failure = storeError();
  store.storesDespiteFailure = true;
  await assert.rejects(sessions.refresh('joe', id, 0), { code: 'ERR_STORE' });
  store.failure = undefined;
  clock.now += 3600;
  const { outcome, session } = await sessions.refresh('joe', id, 0);
  assert.deepEqual([outcome, session?.generation], ['repeated late', 1]);
});

test('a refresh that was not stored gives nothing, and succeeds when it is repeated', async () => {
  const { sessions, store } = makeSessions();
  const { id } = await sessions.start('joe', { isRefreshable: true });
  store.failure = storeError();
  await assert.rejects(sessions.refresh('joe', id, 0), { code: 'ERR_STORE' });
  store.failure = undefined;
  assert.equal((await sessions.refresh('joe', id, 0)).outcome, 'rotated');
});

test('checkStore calls check of the store, and reads from a store without it', async () => {
  const found: string[] = [];
  const store: SessionStore = {
    find: (userId) => void found.push(userId),
    put: () => true,
  };
  const sessions = new Sessions({ store });
  assert.equal(await sessions.checkStore(), undefined);
  assert.deepEqual(found, ['']);
  store.find = () => Promise.reject(storeError());
  await assert.rejects(sessions.checkStore(), { code: 'ERR_STORE' });
  let checks = 0;
  store.check = () => void (checks += 1);
  assert.equal(await sessions.checkStore(), undefined);
  assert.equal(checks, 1);
  store.check = () => {
    throw storeError();
  };
  await assert.rejects(sessions.checkStore(), { code: 'ERR_STORE' });
});

test('every call is refused with ERR_STORE while the store cannot be read', async () => {
  const { sessions, store } = makeSessions();
  const { id } = await sessions.start('joe', { isRefreshable: true });
  store.find = () => {
    throw storeError();
  };
  const refusal = { code: 'ERR_STORE' };
  await assert.rejects(sessions.start('joe', { isRefreshable: true }), refusal);
  await assert.rejects(sessions.refresh('joe', id, 0), refusal);
  await assert.rejects(sessions.list('joe'), refusal);
  await assert.rejects(sessions.end('joe', id), refusal);
  await assert.rejects(sessions.endAll('joe'), refusal);
  assert.throws(() => sessions.check('joe', id, 0), refusal);
  assert.throws(() => sessions.acceptsWithoutSession('joe', NOW, 0), refusal);
});

test('a check passes while an end is under way, and is refused once it is acknowledged', async () => {
  const { sessions, slow } = makeSlowSessions();
  const other = new Sessions({ store: slow, now: () => NOW });
  const { id } = await startUnused(sessions);
  const ending = sessions.end('joe', id);
  const checked = sessions.check('joe', id, 0);
  // The first use waits in the queue behind the end. It must not write the session again.
  const usedFirst = sessions.check('joe', id, 1);
  assert.equal((await checked)?.id, id);
  assert.equal(await ending, true);
  assert.equal(await usedFirst, undefined);
  assert.equal(await sessions.check('joe', id, 1), undefined);
  assert.equal(await other.check('joe', id, 1), undefined);
  assert.deepEqual(await sessions.list('joe'), []);
});

test('the first use of each generation after the login is stored once', async () => {
  const { sessions, store, clock } = makeSessions();
  const { id } = await sessions.start('joe', { isRefreshable: true });
  sessions.check('joe', id, 0);
  assert.equal(store.writes, 1);
  await sessions.refresh('joe', id, 0);
  sessions.check('joe', id, 0);
  assert.equal(store.writes, 2);
  const checked = times(5, () => sessions.check('joe', id, 1));
  assert.ok(checked.every((session) => session !== undefined));
  assert.equal(store.writes, 3);
  clock.now += 10;
  await sessions.refresh('joe', id, 1);
  sessions.check('joe', id, 2);
  sessions.check('joe', id, 1);
  assert.equal(store.writes, 5);
  assert.equal(store.find('joe')?.sessions[0]?.isUsed, true);
});

test('requests at the same time try once to store a first use', async () => {
  const { sessions, store } = makeSlowSessions();
  const { id } = await startUnused(sessions);
  const finds = store.finds;
  const checked = await Promise.all(times(20, () => sessions.check('joe', id, 1)));
  assert.ok(checked.every((session) => session?.id === id));
  assert.deepEqual([store.writes, store.lostPuts, store.finds - finds], [3, 0, 21]);
});

for (const kind of ['at once', 'with promises'] as const) {
  test(`a first use that cannot be stored lets the request pass; answers ${kind}`, async () => {
    const clock = { now: NOW };
    const slow = new PromiseSessionStore();
    const store = slow.inner;
    const now = () => clock.now;
    const sessions = new Sessions({ store: kind === 'at once' ? store : slow, now });
    const { id } = await startUnused(sessions);
    const other = await startUnused(sessions);
    store.failure = storeError();
    const failuresAfterCheckAt = async (time: number, sessionId = id) => {
      clock.now = time;
      assert.equal((await sessions.check('joe', sessionId, 1))?.id, sessionId);
      return store.failures;
    };
    assert.equal(await failuresAfterCheckAt(NOW), 1);
    assert.equal(await failuresAfterCheckAt(NOW), 1);
    assert.equal(await failuresAfterCheckAt(NOW + 9), 1);
    assert.equal(await failuresAfterCheckAt(NOW + 9, other.id), 2);
    assert.equal(await failuresAfterCheckAt(NOW + 10), 3);
    assert.equal(await failuresAfterCheckAt(NOW + 1), 3);
    // The clock was set back.
    assert.equal(await failuresAfterCheckAt(NOW), 4);
    store.failure = undefined;
    assert.equal(await failuresAfterCheckAt(NOW + 9), 4);
    assert.equal(store.writes, 4);
    await failuresAfterCheckAt(NOW + 10);
    assert.equal(store.writes, 5);
    assert.deepEqual(store.find('joe')?.sessions.map(({ isUsed }) => isUsed), [true, false]);
  });

  test(`a use of the next generation is tried after one that failed; answers ${kind}`, async () => {
    const clock = { now: NOW };
    const slow = new PromiseSessionStore();
    const store = slow.inner;
    const now = () => clock.now;
    const used = kind === 'at once' ? store : slow;
    const sessions = new Sessions({ store: used, now, graceSeconds: 0 });
    const { id } = await startUnused(sessions);
    store.failure = storeError();
    await sessions.check('joe', id, 1);
    store.failure = undefined;
    await sessions.refresh('joe', id, 1);
    await sessions.check('joe', id, 2);
    assert.equal(store.find('joe')?.sessions[0]?.isUsed, true);
  });

  test(`a mistake of a store is not taken for a failure; answers ${kind}`, async () => {
    const slow = new PromiseSessionStore();
    const store = kind === 'at once' ? slow.inner : slow;
    const sessions = new Sessions({ store, now: () => NOW });
    const { id } = await startUnused(sessions);
    slow.inner.failure = new TypeError('a mistake');
    await assert.rejects(async () => sessions.check('joe', id, 1), { message: 'a mistake' });
  });
}

test('a try that ends late does not make the next generation be tried twice', async () => {
  const { slow, store, sessions } = makeSlowSessions();
  const other = new Sessions({ store, now: () => NOW, graceSeconds: 0 });
  const { id } = await startUnused(sessions);
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const put = slow.put.bind(slow);
  let gatedPuts = 0;
  slow.put = async (userId, record) => {
    gatedPuts += 1;
    await gate;
    return put(userId, record);
  };
  const first = sessions.check('joe', id, 1);
  while (gatedPuts === 0) await new Promise(setImmediate);
  // Another server rotates. This one sees both generations while it stores the first.
  await other.refresh('joe', id, 1);
  const second = sessions.check('joe', id, 2);
  await new Promise(setImmediate);
  release();
  await first;
  store.failure = storeError();
  await second;
  assert.equal(store.failures, 1);
  await sessions.check('joe', id, 2);
  assert.equal(store.failures, 1);
});

test('the memory of tries is bounded: beyond 10,000 sessions the oldest is tried again', async () => {
  const { sessions, store, clock } = makeSessions({ maxSessions: 1 });
  const count = 10_001;
  const started: Session[] = [];
  for (let user = 0; user < count; user += 1) started.push(await startUnused(sessions, `${user}`));
  store.failure = storeError();
  const check = (user: number) => sessions.check(`${user}`, started[user]?.id, 1);
  for (let user = 0; user < count - 1; user += 1) check(user);
  assert.equal(store.failures, 10_000);
  check(0);
  assert.equal(store.failures, 10_000);
  // A try of a session that was tried before makes it the newest.
  clock.now += 10;
  check(0);
  clock.now -= 1;
  check(count - 1);
  assert.equal(store.failures, 10_002);
  check(0);
  check(2);
  assert.equal(store.failures, 10_002);
  check(1);
  assert.equal(store.failures, 10_003);
});

test('a first use that was stored is not remembered as a try', async () => {
  const { sessions, store } = makeSessions();
  const { id } = await startUnused(sessions);
  store.failure = storeError();
  sessions.check('joe', id, 1);
  store.failure = undefined;
  for (let user = 0; user < 10_000; user += 1) {
    const session = await startUnused(sessions, `${user}`);
    sessions.check(`${user}`, session.id, 1);
  }
  const { writes } = store;
  sessions.check('joe', id, 1);
  assert.equal(store.writes, writes);
});

test('a promise that the store returns is awaited by every call', async () => {
  const { sessions } = makeSlowSessions();
  const session = await sessions.start('joe', { isRefreshable: true });
  const checked = sessions.check('joe', session.id, 0);
  assert.ok(checked instanceof Promise);
  assert.deepEqual(await checked, session);
  const accepted = sessions.acceptsWithoutSession('joe', NOW, 0);
  assert.ok(accepted instanceof Promise);
  assert.equal(await accepted, true);
  assert.equal(await sessions.endAll('joe'), 1);
  assert.equal(await sessions.acceptsWithoutSession('joe', NOW, 0), false);
});
