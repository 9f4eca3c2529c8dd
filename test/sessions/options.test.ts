/** Options of Sessions: each wrong one is refused by name, and the defaults. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemorySessionStore, Sessions } from '../../src/index.ts';
import { settingsOf } from '../../src/sessions/options.ts';
import { NOT_AMOUNTS, NOT_FUNCTIONS } from '../support/hostile.ts';
import { assertNamed, assertRefusesOptions } from '../support/wrong-options.ts';

const store = new MemorySessionStore();
const DAY = 86_400;

test('a wrong option is refused with a message that names it', () => {
  const halfStore = { find: () => undefined };
  assertRefusesOptions((options) => new Sessions(options), { store }, [
    ['store', [undefined, null, '', {}, [], halfStore, () => store, 'sessions.jsonl']],
    ['idleSeconds maxSeconds', [...NOT_AMOUNTS, 0, 1.5, 10_000_000_001]],
    ['graceSeconds', [...NOT_AMOUNTS, 1.5, 3601]],
    ['maxSessions', [...NOT_AMOUNTS, 0, 1.5, 501]],
    ['isRequired', [null, 0, 1, 'true', 'required', [], {}]],
    ['now', NOT_FUNCTIONS],
    ['users idle maxsessions __proto__ constructor', [true]],
  ]);
});

test('numbers are accepted up to their bounds', () => {
  for (const options of [
    { idleSeconds: 1 },
    { idleSeconds: 10_000_000_000 },
    { maxSeconds: 1 },
    { maxSeconds: 10_000_000_000 },
    { graceSeconds: 0 },
    { graceSeconds: 3600 },
    { maxSessions: 1 },
    { maxSessions: 500 },
    { isRequired: true },
  ]) {
    const { policy, ...settings } = settingsOf({ store, ...options });
    const given = Object.entries(options);
    assert.deepEqual(given, given.map(([name]) => [name, { ...settings, ...policy }[name]]));
  }
});

test('the idle time is at most maxSeconds, whichever of them is given', () => {
  const timesOf = (options: object) => {
    const { policy, maxSeconds } = settingsOf({ store, ...options });
    return [policy.idleSeconds, maxSeconds];
  };
  assert.deepEqual(timesOf({}), [14 * DAY, 30 * DAY]);
  assert.deepEqual(timesOf({ maxSeconds: DAY }), [DAY, DAY]);
  assert.deepEqual(timesOf({ maxSeconds: 90 * DAY }), [14 * DAY, 90 * DAY]);
  assert.deepEqual(timesOf({ idleSeconds: 60 * DAY }), [60 * DAY, 60 * DAY]);
  assert.deepEqual(timesOf({ idleSeconds: DAY }), [DAY, 30 * DAY]);
  assert.deepEqual(timesOf({ idleSeconds: 60, maxSeconds: 60 }), [60, 60]);
  assertNamed(() => timesOf({ idleSeconds: 61, maxSeconds: 60 }), 'idleSeconds');
  const { idleSeconds, maxSeconds } = new Sessions({ store, idleSeconds: 5, maxSeconds: 7 });
  assert.deepEqual([idleSeconds, maxSeconds], [5, 7]);
});

test('the grace period is at most half of the idle time, also by default', () => {
  const graceOf = (options: object) => settingsOf({ store, ...options }).policy.graceSeconds;
  for (const [idleSeconds, expected] of [[1, 0], [2, 1], [3, 1], [19, 9], [20, 10], [21, 10]]) {
    assert.equal(graceOf({ idleSeconds }), expected);
    assert.equal(graceOf({ maxSeconds: idleSeconds }), expected);
  }
  assert.equal(graceOf({ idleSeconds: 600, graceSeconds: 300 }), 300);
  assert.equal(graceOf({ idleSeconds: 1, graceSeconds: 0 }), 0);
  for (const graceSeconds of [301, 600]) {
    assert.throws(() => graceOf({ idleSeconds: 600, graceSeconds }), {
      name: 'RangeError',
      message:
        '"graceSeconds" expected a whole number from 0 to 300 (half of "idleSeconds"), ' +
        `got ${graceSeconds}`,
    });
  }
  assertNamed(() => graceOf({ maxSeconds: 5, graceSeconds: 5 }), 'graceSeconds');
});

test('a client that refreshes twice or more in the idle time is not logged out', async () => {
  for (const options of [{ idleSeconds: 10 }, { idleSeconds: 600, graceSeconds: 300 }]) {
    for (const every of [1, 3, 5]) {
      let now = 1_800_000_000;
      const clock = () => now;
      const sessions = new Sessions({ store: new MemorySessionStore(), now: clock, ...options });
      let { id, generation } = await sessions.start('joe', { isRefreshable: true });
      for (let turn = 0; turn < 1000; turn += 1) {
        now += every;
        const { session } = await sessions.refresh('joe', id, generation);
        generation = session?.generation ?? assert.fail(`turn ${turn}, every ${every} seconds`);
      }
    }
  }
});

test('the other defaults are a grace of 10 seconds, 50 sessions and the clock of the system', () => {
  const { policy, isRequired, now } = settingsOf({ store });
  assert.deepEqual([policy.graceSeconds, policy.maxSessions, isRequired], [10, 50, false]);
  const before = Date.now() / 1000;
  const time = now();
  assert.ok(before <= time && time <= Date.now() / 1000);
});

test('a clock that returns no time in seconds is refused when it is read', async () => {
  for (const time of [NaN, -1, Infinity, Date.now() * 1000]) {
    const sessions = new Sessions({ store, now: () => time });
    await assert.rejects(sessions.list('joe'), /^(?:Range|Type)Error: "now" expected /);
  }
  assert.deepEqual(await new Sessions({ store, now: () => 5 }).list('joe'), []);
});
