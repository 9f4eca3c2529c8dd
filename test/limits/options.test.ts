/** The option `limits`, and the rate limiter that it makes. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AuthError } from '../../src/errors.ts';
import type { Limit, LimitCounts } from '../../src/limits/counts.ts';
import { sourceOf } from '../../src/limits/network.ts';
import { limitsCheck, throttleOf } from '../../src/limits/options.ts';
import { MemoryCounts } from '../../src/limits/memory.ts';
import { waitOf } from '../support/limits.ts';

test('limits are an object or false, and a bad member is refused by its name', () => {
  for (const limits of [false, {}, { triesPerAccount: 1 }]) limitsCheck('limits', limits);
  for (const limits of [true, null, 1, 'off', undefined]) {
    assert.throws(() => limitsCheck('limits', limits), {
      name: 'TypeError',
      message: /^"limits" expected false or an object of limits, got /,
    });
  }
  assert.throws(() => throttleOf({ triesPerAccount: 11 }), {
    name: 'RangeError',
    message: /^"triesPerAccount" expected /,
  });
  assert.throws(() => throttleOf({ counts: {} as LimitCounts }), {
    name: 'TypeError',
    message: /^"counts" expected an object with the methods begin, networksOf, addNetwork, got /,
  });
  assert.equal(throttleOf(false), undefined);
});

test('by default the limits are on, and a change of the system time does not move their clock', async (t) => {
  const throttle = throttleOf() ?? assert.fail('no limits');
  const source = sourceOf('10.0.0.1');
  const guess = () => throttle.login('joe', source, async () => undefined).catch(waitOf);
  for (let tries = 0; tries < 10; tries += 1) assert.equal(await guess(), undefined);
  t.mock.method(Date, 'now', () => 0);
  const wait = await guess();
  assert.ok(wait !== undefined && wait > 3000 && wait < 4000, `${wait} s`);
});

test('by default the wait is in whole seconds of the monotonic clock, and ends a refusal', async (t) => {
  let elapsedSeconds = 0;
  t.mock.method(performance, 'now', () => elapsedSeconds * 1000);
  const throttle = throttleOf() ?? assert.fail('no limits');
  const source = sourceOf('10.0.0.1');
  const guess = () => throttle.login('joe', source, async () => undefined).catch(waitOf);
  for (let tries = 0; tries < 10; tries += 1) assert.equal(await guess(), undefined);
  const wait = Number(await guess());
  elapsedSeconds = wait - 1;
  assert.equal(await guess(), 1);
  elapsedSeconds = wait;
  assert.equal(await guess(), undefined);
});

test('two rate limiters with the same counts share the tries', async () => {
  const counts = new MemoryCounts(() => 0);
  const [one, other] = [throttleOf({ counts }), throttleOf({ counts })];
  const guess = (throttle = one) => {
    return throttle?.login('joe', sourceOf('10.0.0.1'), async () => undefined).catch(waitOf);
  };
  for (let tries = 0; tries < 10; tries += 1) assert.equal(await guess(), undefined);
  assert.ok(Number(await guess(other)) > 3000);
});

/** A key as it is stored in a database, where servers of other releases find it. */
const keyOf = (...parts: readonly string[]) => {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
};

test('each kind of try counts under its own limits, with their maximums and windows', async () => {
  const limits: Limit[] = [];
  const networks: string[] = [];
  const accounts = new Set<string>();
  const counts: LimitCounts = {
    begin: (given) => {
      limits.push(...given);
      return { end: () => undefined };
    },
    networksOf: (account) => {
      accounts.add(account);
      return networks;
    },
    addNetwork: async (account, network) => {
      await nextTurn();
      accounts.add(account);
      networks.push(network);
    },
  };
  const source = sourceOf('10.0.0.1');
  const right = async () => 'joe';
  for (const [options, perAccount, perNetwork, extra, signups] of [
    [{}, 10, 20, 10, 50],
    [{ triesPerAccount: 9, triesPerAddress: 7, signupsPerAddress: 5 }, 9, 7, 4, 5],
    [{ triesPerAddress: 1e6, signupsPerAddress: 1e6 }, 10, 1e6, 5e5, 1e6],
    [{ triesPerAccount: 1, triesPerAddress: 1, signupsPerAddress: 1 }, 1, 1, 1, 1],
  ] as const) {
    const throttle = throttleOf({ ...options, counts }) ?? assert.fail('no limits');
    limits.length = 0;
    networks.length = 0;
    await throttle.login('joe', source, right);
    await throttle.login('joe', source, right);
    await throttle.login('joe', sourceOf(undefined), right);
    await throttle.confirm('joe', undefined, source, right);
    await throttle.confirm('joe', 'a session', source, right);
    await throttle.signup(source, right);
    await throttle.signup(sourceOf(undefined), right);
    const account = keyOf('account', 'joe');
    const joeHere = keyOf('account and network', 'joe', '10.0.0.1');
    const here = keyOf('network', '10.0.0.1');
    const anywhere = keyOf('account and network', 'joe', '');
    const noSession = keyOf('account and session', 'joe');
    const session = keyOf('account and session', 'joe', 'a session');
    const expected = [
      ['account', account, perAccount * 7, 3600],
      ['account and network', joeHere, perAccount, 3600],
      ['network', here, perNetwork, 1200],
      ['account', account, perAccount * 10, 3600],
      ['account and network', joeHere, perAccount, 3600],
      ['network', here, perNetwork + extra, 1200],
      ['account', account, perAccount * 7, 3600],
      ['account and network', anywhere, perAccount, 3600],
      ['account and session', noSession, perAccount, 3600],
      ['account and session', session, perAccount, 3600],
      ['signups', keyOf('signups', '10.0.0.1'), signups, 3600],
    ];
    assert.deepEqual(
      limits.map(({ kind, key, maxTries, windowSeconds }) => [kind, key, maxTries, windowSeconds]),
      expected,
    );
    const known = keyOf('known network', 'joe', '10.0.0.1');
    assert.deepEqual([[...accounts], networks], [[account], [known, known]]);
  }
  for (const options of [
    { triesPerAccount: 0 },
    { triesPerAddress: 0 },
    { triesPerAddress: 1e6 + 1 },
    { signupsPerAddress: 0 },
    { signupsPerAddress: 1e6 + 1 },
  ]) {
    assert.throws(() => throttleOf(options), { name: 'RangeError' });
  }
});

test('a wrong password counts and makes no network known, an error does neither', async () => {
  const ends: boolean[] = [];
  const networks: string[] = [];
  const counts: LimitCounts = {
    begin: async () => ({
      end: async (isCounted) => {
        await nextTurn();
        ends.push(isCounted);
      },
    }),
    networksOf: () => networks,
    addNetwork: (_, network) => void networks.push(network),
  };
  const throttle = throttleOf({ counts }) ?? assert.fail('no limits');
  const source = sourceOf('10.0.0.1');
  const right = async () => 'joe';
  const wrong = async () => undefined;
  const failing = async () => Promise.reject(new AuthError('ERR_BUSY'));
  const away = async () => Promise.reject(new AuthError('ERR_STORE'));
  const foreign = async () => Promise.reject(Object.assign(new Error(), { code: 'ERR_STORE' }));
  const tries: readonly [check: () => Promise<string | undefined>, ofSignup: boolean][] = [
    [right, true],
    [wrong, true],
    [failing, true],
    [foreign, true],
    [away, false],
  ];
  for (const [check, ofSignup] of tries) {
    const isCounted = check === wrong;
    await throttle.login('joe', source, check).catch(() => undefined);
    assert.deepEqual([networks.length, ends.length], [1, 1], 'the right password came first');
    await throttle.login('joe', sourceOf(undefined), check).catch(() => undefined);
    await throttle.confirm('joe', undefined, source, check).catch(() => undefined);
    await throttle.signup(source, check).catch(() => undefined);
    assert.deepEqual(ends.splice(0), [isCounted, isCounted, isCounted, ofSignup]);
  }
  assert.equal(networks.length, 1);
  const reached = throttleOf({ counts: { ...counts, begin: async () => 7 } });
  assert.equal(await reached?.login('joe', source, right).catch(waitOf), 7);
});
