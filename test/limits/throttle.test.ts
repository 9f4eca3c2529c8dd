/**
 * The rate limiter: each promise of src/limits/throttle.ts against attackers that come at once,
 * slowly, in turn and from many networks. The clock moves by hand; nothing here waits.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AuthError } from '../../src/index.ts';
import { MemoryCounts } from '../../src/limits/memory.ts';
import { sourceOf } from '../../src/limits/network.ts';
import { Throttle } from '../../src/limits/throttle.ts';
import {
  assertInvariants,
  asynchronousCounts,
  Simulation,
  worst,
} from '../support/attack-simulation.ts';
import { collectGarbage } from '../support/garbage.ts';
import {
  addressOf,
  HOUR,
  inTurn,
  makeLimitedAccounts,
  MINUTE,
  PASSWORD,
  START_SECONDS,
  waitOf,
  wrongs,
} from '../support/limits.ts';
import { IS_SHORT, LONG, someOf } from '../support/long.ts';
import { randomFrom } from '../support/random.ts';

test('after ten wrong passwords from a network, the right one waits for an hour too', async () => {
  const { clock, signUp, logIn } = makeLimitedAccounts();
  await signUp('joe');
  assert.deepEqual(await inTurn(10, () => logIn('joe', 'wrong', '10.0.0.1')), wrongs(10));
  const wait = Number(await logIn('JOE', PASSWORD, '10.0.0.1'));
  assert.ok(wait > HOUR - 5 * MINUTE && wait <= HOUR + 5 * MINUTE, `${wait} s`);
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.2'), true, 'from another network');
  clock.seconds += wait - 1;
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.1'), 1);
  clock.seconds += 1;
  assert.deepEqual(await inTurn(10, () => logIn('joe', 'wrong', '10.0.0.1')), wrongs(10));
});

test('without an address an account takes ten wrong passwords in an hour', async () => {
  const { signUp, logIn } = makeLimitedAccounts();
  await signUp('joe');
  assert.deepEqual(await inTurn(10, () => logIn('joe', 'wrong')), wrongs(10));
  assert.ok(Number(await logIn('joe', PASSWORD)) > 1);
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.1'), true);
});

test('a thousand guesses at once stay within the limits, after any pause', async () => {
  for (const pauseSeconds of someOf([0, 1, 60, 900, 1800, 3000, 3600, 5000, 86_400])) {
    for (const networks of [1, 1000]) {
      const simulation = new Simulation();
      await simulation.guess('joe', '10.0.0.1');
      await simulation.pass(pauseSeconds);
      const from = (index: number) => (networks === 1 ? '10.0.0.1' : addressOf(index));
      const burst = Array.from({ length: 1000 }, (_, index) => {
        return simulation.guess('joe', from(index), 2);
      });
      await simulation.pass(10);
      const checked = (await Promise.all(burst)).filter((isChecked) => isChecked).length;
      const most = networks === 1 ? 10 : 70;
      assert.ok(checked > 0 && checked <= most, `${checked} after ${pauseSeconds} s`);
      assertInvariants(simulation);
    }
  }
});

test('bursts of guesses every few minutes stay within the limits', async () => {
  for (const everySeconds of [900, 3599]) {
    for (const tookSeconds of [0, 700]) {
      const simulation = new Simulation();
      for (let burst = 0; burst < (4 * HOUR) / everySeconds; burst += 1) {
        for (let index = 0; index < 200; index += 1) {
          void simulation.guess('joe', '10.0.0.1', tookSeconds);
          void simulation.guess('joe', addressOf(burst * 200 + index), tookSeconds);
        }
        await simulation.pass(everySeconds);
      }
      assertInvariants(simulation);
      assert.ok(simulation.wrong.length > 100, `${simulation.wrong.length}`);
    }
  }
});

test('one account takes at most 100 wrong passwords an hour from all networks', async () => {
  const simulation = new Simulation();
  const known = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'];
  for (const from of known) assert.equal(await simulation.logIn('joe', from), true);
  let stranger = 0;
  while (simulation.seconds < START_SECONDS + 5 * HOUR) {
    while (await simulation.guess('joe', addressOf(stranger))) stranger += 1;
    stranger += 1;
    for (const from of known) while (await simulation.guess('joe', from));
    await simulation.pass(5);
  }
  assertInvariants(simulation);
  const most = worst(simulation.wrong, HOUR);
  assert.equal(most, 100, 'an attacker with enough networks gets all of them');
});

test('a client that logs in all day frees no guesses for others', async () => {
  for (const intervalSeconds of [10, 60, 300, 600]) {
    const simulation = new Simulation();
    let stranger = 0;
    for (let round = 0; round < (3 * HOUR) / intervalSeconds; round += 1) {
      assert.equal(await simulation.logIn('joe', '10.0.0.1'), true);
      while (await simulation.guess('joe', addressOf(stranger))) stranger += 1;
      stranger += 1;
      await simulation.pass(intervalSeconds);
    }
    assertInvariants(simulation);
    assert.ok(worst(simulation.wrong, HOUR) <= 70, 'unknown networks have 70');
  }
});

test('guesses from other networks do not lock an owner out of a known network', async () => {
  const simulation = new Simulation();
  for (const from of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) {
    assert.equal(await simulation.logIn('joe', from), true);
  }
  for (let minute = 0; minute < 180; minute += 1) {
    for (let index = 0; index < 20; index += 1) {
      void simulation.guess('joe', addressOf(20 * minute + index + 1), 30);
    }
    // The other two known networks are the attacker's too.
    for (let index = 0; index < 20; index += 1) {
      void simulation.guess('joe', `10.0.0.${2 + (index % 2)}`, 30);
    }
    assert.equal(await simulation.logIn('joe', '10.0.0.1'), true, `minute ${minute}`);
    await simulation.pass(MINUTE);
  }
  assertInvariants(simulation);
  const isLoggedIn = await simulation.logIn('joe', '10.9.9.9');
  assert.equal(isLoggedIn, false, 'at an unknown network the owner waits');
});

test('a fourth network replaces the known one where the login was longest ago', async () => {
  const { signUp, logIn } = makeLimitedAccounts();
  await signUp('joe');
  for (const last of [1, 2, 3, 4, 2]) {
    assert.equal(await logIn('joe', PASSWORD, `10.0.0.${last}`), true);
  }
  const guesses = await inTurn(70, (index) => logIn('joe', 'wrong', addressOf(index >> 3)));
  assert.deepEqual(guesses, wrongs(70));
  for (const [last, isKnown] of [[1, false], [2, true], [3, true], [4, true]] as const) {
    const answer = await logIn('joe', PASSWORD, `10.0.0.${last}`);
    assert.equal(answer === true, isKnown, `10.0.0.${last}`);
  }
});

test('one network gives 20 wrong passwords in 20 minutes, 10 more for known accounts', async () => {
  for (const knownAccounts of [0, 500]) {
    const simulation = new Simulation();
    for (let index = 0; index < knownAccounts; index += 1) {
      assert.equal(await simulation.logIn(`user${index}`, '10.0.0.1'), true);
    }
    const guesses = Array.from({ length: 5000 }, (_, index) => {
      return simulation.guess(`user${index % 500}`, '10.0.0.1', 1);
    });
    await simulation.pass(5);
    const checked = (await Promise.all(guesses)).filter((isChecked) => isChecked).length;
    assert.equal(checked, knownAccounts === 0 ? 20 : 30);
    for (let minute = 0; minute < 180; minute += 1) {
      for (let index = 0; index < 50; index += 1) {
        await simulation.guess(`user${index}`, '10.0.0.1');
      }
      await simulation.pass(MINUTE);
    }
    assertInvariants(simulation);
    assert.ok(simulation.wrong.length >= 7 * checked, 'the rate goes on');
  }
});

test('guesses from a shared network leave tries for accounts that are known there', async () => {
  const { signUp, logIn } = makeLimitedAccounts();
  await signUp('joe');
  await signUp('ann');
  assert.equal(await logIn('ann', PASSWORD, '10.0.0.1'), true);
  const spray = (count: number) => {
    return inTurn(count, (index) => logIn(`user${index}`, 'wrong', '10.0.0.1'));
  };
  assert.deepEqual(await spray(20), wrongs(20));
  const wait = Number(await logIn('joe', PASSWORD, '10.0.0.1'));
  assert.ok(wait > 18 * MINUTE && wait <= 22 * MINUTE, 'an account that is not known here waits');
  const known = await logIn('ann', PASSWORD, '10.0.0.1');
  assert.equal(known, true, 'an account that is known here does not');
  const elsewhere = await logIn('joe', PASSWORD, '10.0.0.2');
  assert.equal(elsewhere, true, 'another network has its own count');
  assert.deepEqual(await inTurn(10, () => logIn('ann', 'wrong', '10.0.0.1')), wrongs(10));
  const eleventh = await logIn('ann', PASSWORD, '10.0.0.1');
  assert.equal(typeof eleventh, 'number', 'its ten tries are used up');
});

test('one network makes at most 50 signups an hour, at once, slowly or after a pause', async () => {
  for (const tookSeconds of [0, 1, 600]) {
    for (const pauseSeconds of [0, 900, 3000]) {
      const simulation = new Simulation();
      void simulation.signUp('10.0.0.1', tookSeconds);
      await simulation.pass(pauseSeconds);
      for (let burst = 0; burst < 20; burst += 1) {
        for (let index = 0; index < 200; index += 1) {
          void simulation.signUp('10.0.0.1', tookSeconds);
        }
        await simulation.pass(900);
      }
      assertInvariants(simulation);
      assert.ok(simulation.signups.length >= 200, `${simulation.signups.length}`);
      assert.equal(await simulation.signUp('10.0.0.2'), true);
    }
  }
});

test('the invariants hold for any mixture of attackers and owners', async () => {
  for (let seed = 1; seed <= (IS_SHORT ? 3 : 12); seed += 1) {
    const random = randomFrom(seed);
    const pick = (below: number) => Math.floor(random() * below);
    const simulation = new Simulation({}, seed % 3 === 0 ? asynchronousCounts : undefined);
    for (let step = 0; step < 400; step += 1) {
      const tookSeconds = random() < 0.5 ? 0 : pick(4000);
      const burst = random() < 0.1 ? 120 : pick(4);
      for (let index = 0; index < burst; index += 1) {
        const from = random() < 0.5 ? `10.0.0.${pick(5)}` : addressOf(pick(1e6));
        const account = `user${random() < 0.7 ? 0 : pick(40)}`;
        const session = random() < 0.3 ? undefined : `session ${pick(3)}`;
        if (random() < 0.05) await simulation.logIn(account, from);
        else if (random() < 0.3) void simulation.guessAsOwner(account, session, from, tookSeconds);
        else if (random() < 0.2) void simulation.signUp(from, tookSeconds);
        else void simulation.guess(account, from, tookSeconds);
      }
      await simulation.pass(random() < 0.1 ? pick(3600) : pick(60));
    }
    assert.ok(simulation.wrong.length > 100, `seed ${seed}`);
    assert.ok(simulation.wrongConfirmations.length > 100, `seed ${seed}`);
    assertInvariants(simulation);
  }
});

test('one session gives 10 wrong passwords an hour on guarded routes, however fast', async () => {
  for (const session of ['a session', undefined]) {
    for (const tookSeconds of [0, 30, 4000]) {
      const simulation = new Simulation();
      for (let minute = 0; minute < 240; minute += 5) {
        for (let index = 0; index < 100; index += 1) {
          void simulation.guessAsOwner('joe', session, addressOf(index), tookSeconds);
        }
        await simulation.pass(5 * MINUTE);
      }
      assertInvariants(simulation);
      assert.equal(worst(simulation.wrongConfirmations, HOUR), 10);
    }
  }
});

test('confirmations and logins do not count for each other, nor do two sessions', async () => {
  const simulation = new Simulation();
  const from = '10.0.0.1';
  let stranger = 0;
  while (await simulation.guess('joe', addressOf(stranger))) stranger += 1;
  for (let index = 0; index < 200; index += 1) await simulation.guess('joe', addressOf(index));
  while (await simulation.guess('joe', from));
  assert.equal(await simulation.confirm('joe', 'first', from), true);
  while (await simulation.guessAsOwner('joe', 'first', from));
  assert.equal(await simulation.confirm('joe', 'first', from), false);
  assert.equal(await simulation.confirm('joe', 'second', from), true);
  assert.equal(await simulation.confirm('joe', undefined, from), true);
  assert.equal(await simulation.confirm('ann', 'first', from), true);
  const other = new Simulation();
  while (await other.guessAsOwner('joe', undefined, from));
  assert.equal(await other.confirm('joe', undefined, from), false);
  assert.equal(await other.logIn('joe', from), true);
  assert.equal(await other.confirm('joe', '', from), true, 'an empty name is a session too');
});

test('a try in flight counts, and the next client may try again in a second', async () => {
  const simulation = new Simulation();
  const inFlight = Array.from({ length: 10 }, () => simulation.guess('joe', '10.0.0.1', 2));
  await nextTurn();
  const refused = simulation.throttle.login('joe', sourceOf('10.0.0.1'), async () => 'joe');
  assert.equal(await refused.catch(waitOf), 1);
  await simulation.pass(2);
  assert.deepEqual(await Promise.all(inFlight), Array(10).fill(true));
});

test('right passwords never count, one after the other or ten at once', async () => {
  const { signUp, logIn } = makeLimitedAccounts();
  await signUp('joe');
  const logInFromOneNetwork = () => logIn('joe', PASSWORD, '10.0.0.1');
  assert.deepEqual(new Set(await inTurn(200, logInFromOneNetwork)), new Set([true]));
  const atOnce = await Promise.all(Array.from({ length: 10 }, logInFromOneNetwork));
  assert.deepEqual(new Set(atOnce), new Set([true]));
});

test('a flood of signups does not evict the wrong passwords of an account', LONG, async () => {
  const simulation = new Simulation();
  while (await simulation.guess('joe', '10.0.0.1'));
  const taken = async () => Promise.reject(new AuthError('ERR_USER_EXISTS'));
  for (let index = 0; index < 100_001; index += 1) {
    await simulation.throttle.signup(sourceOf(addressOf(index)), taken).catch(() => undefined);
  }
  assert.equal(await simulation.guess('joe', '10.0.0.1'), false);
});

test('what is kept has the same size whatever username and address a client sends', LONG, async () => {
  const throttle = new Throttle({}, new MemoryCounts(() => 0));
  const keep = async (name: (index: number) => string, from: (index: number) => string) => {
    await collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 2000; index += 1) {
      const source = sourceOf(from(index));
      await throttle.login(name(index), source, async () => 'user');
      await throttle.login(name(index), source, async () => undefined).catch(waitOf);
      await throttle.confirm(name(index), from(index), source, async () => undefined);
      await throttle.signup(source, async () => undefined).catch(waitOf);
    }
    await collectGarbage();
    return process.memoryUsage().heapUsed - before;
  };
  // The first round also compiles code and frees what earlier tests left.
  await keep((index) => `warm-up ${index}`, (index) => addressOf(10_000 + index));
  const small = await keep((index) => `${index}`, (index) => addressOf(index));
  const large = await keep(
    (index) => `${index} `.repeat(5000),
    (index) => `${index}-`.repeat(5000),
  );
  const longAddress = (index: number) => `123.123.${100 + (index >> 7)}.${100 + (index & 127)}`;
  const slicedAddress = (index: number) => {
    const header = `${'x'.repeat(15_000)}${index}, ${longAddress(index)}`;
    return header.split(', ')[1] ?? '';
  };
  const sliced = await keep((index) => `other${index}`, slicedAddress);
  for (const grown of [large, sliced]) {
    assert.ok(grown < 2 * small + 1e6, `${grown} bytes, ${small} for small ones`);
  }
});
