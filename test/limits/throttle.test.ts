/**
 * Rate limits of passwords and signups: each invariant of src/limits/throttle.ts under attackers that come at once,
 * slowly, in turn and from many networks. The clock is given and moves by hand; nothing here waits.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Accounts, AuthError, MemoryUserStore, PasswordHasher, type AccountsOptions } from '../../src/index.ts';
import type { Counts, Limit } from '../../src/limits/counts.ts';
import { MemoryCounts } from '../../src/limits/memory.ts';
import { networkOf, sourceOf } from '../../src/limits/network.ts';
import { Throttle, type LimitOptions } from '../../src/limits/throttle.ts';
import { NOT_AMOUNTS, NOT_FUNCTIONS } from '../support/hostile.ts';
import { cheapPasswords, send, withApp } from '../support/app.ts';
import { collectGarbage } from '../support/garbage.ts';
import { randomFrom } from '../support/random.ts';
import { WatchedHasher, WatchedStore } from '../support/doubles.ts';

const PASSWORD = 'correct horse';
const HOUR = 3600;
const MINUTE = 60;

/** Accounts under a clock that stands until it is moved. */
function setUp(options: Partial<AccountsOptions> = {}) {
  const clock = { seconds: 1_800_000_000 };
  const users = new MemoryUserStore();
  const now = () => clock.seconds;
  const accounts = new Accounts({ users, passwords: cheapPasswords(), now, ...options });
  const signUp = (username: string, address?: string) => accounts.signup({ username, password: PASSWORD }, { address });
  /** What comes of a login: whether it is the password, or for how many seconds not to try again. */
  const logIn = (username: string, password: string, address?: string): Promise<boolean | number> =>
    accounts.authenticate(username, password, { address }).then((user) => user !== undefined, waitOf);
  return { accounts, users, clock, signUp, logIn };
}

function waitOf(error: unknown): number {
  assert.ok(error instanceof AuthError && error.code === 'ERR_THROTTLED', String(error));
  assert.equal(error.status, 429);
  return Number(error.headers['Retry-After']);
}

/** As many answers as given, in their order. */
async function inTurn<T>(count: number, one: (index: number) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  for (let index = 0; index < count; index += 1) answers.push(await one(index));
  return answers;
}

const wrongs = (count: number) => Array<boolean>(count).fill(false);
const address = (index: number) => `11.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;

/** A try whose password was looked at, or a signup that was made. */
interface CountedTry {
  readonly account: string;
  readonly network: string;
  readonly beganAt: number;
  readonly endedAt: number;
}

/** Attackers and owners over one throttle, under a clock that moves only when it is told to. */
class Simulation {
  seconds = 1_800_000_000;
  readonly wrong: CountedTry[] = [];
  readonly signups: CountedTry[] = [];
  readonly throttle: Throttle;
  #underWay: { readonly endsAt: number; readonly end: () => void }[] = [];

  constructor(options: LimitOptions = {}, wrap: (counts: Counts) => Counts = (counts) => counts) {
    this.throttle = new Throttle(options, wrap(new MemoryCounts(() => this.seconds)));
  }

  /** A wrong password, whose check takes so long. @returns whether it was checked */
  guess(account: string, from: string, tookSeconds = 0): Promise<boolean> {
    const list = this.wrong;
    return this.#try(list, account, from, tookSeconds, (check) => this.throttle.login(account, sourceOf(from), check));
  }

  /** A signup, which takes so long. @returns whether it was made */
  signUp(from: string, tookSeconds = 0): Promise<boolean> {
    return this.#try(this.signups, '', from, tookSeconds, (job) => this.throttle.signup(sourceOf(from), job));
  }

  /** The right password. @returns whether it was checked */
  async logIn(account: string, from: string): Promise<boolean> {
    const user = await this.throttle.login(account, sourceOf(from), async () => account).catch(waitOf);
    return user === account;
  }

  /** Moves the clock on, and ends what ends on the way. */
  async pass(seconds: number): Promise<void> {
    const until = this.seconds + seconds;
    for (;;) {
      await nextTurn();
      const next = Math.min(...this.#underWay.map(({ endsAt }) => endsAt));
      if (next > until) break;
      this.seconds = Math.max(this.seconds, next);
      const ending = this.#underWay.filter(({ endsAt }) => endsAt <= this.seconds);
      this.#underWay = this.#underWay.filter((one) => !ending.includes(one));
      for (const { end } of ending) end();
    }
    this.seconds = until;
  }

  async #try(
    list: CountedTry[],
    account: string,
    from: string,
    tookSeconds: number,
    run: (check: () => Promise<undefined>) => Promise<unknown>,
  ): Promise<boolean> {
    let isChecked = false;
    const check = async () => {
      isChecked = true;
      const beganAt = this.seconds;
      if (tookSeconds > 0) {
        await new Promise<void>((end) => this.#underWay.push({ endsAt: beganAt + tookSeconds, end }));
      }
      list.push({ account, network: networkOf(from), beganAt, endedAt: this.seconds });
      return undefined;
    };
    await run(check).catch(waitOf);
    return isChecked;
  }
}

/** @returns the largest number of these in any period of so many seconds, by when they began and by when they ended */
function worst(tries: readonly CountedTry[], periodSeconds: number): number {
  const worstBy = (time: (one: CountedTry) => number): number => {
    const times = tries.map(time).sort((a, b) => a - b);
    let start = 0;
    return times.reduce((most, end, index) => {
      while (end - (times[start] ?? 0) > periodSeconds) start += 1;
      return Math.max(most, index - start + 1);
    }, 0);
  };
  return Math.max(worstBy(({ beganAt }) => beganAt), worstBy(({ endedAt }) => endedAt));
}

function groupsBy(tries: readonly CountedTry[], key: (one: CountedTry) => string): CountedTry[][] {
  const groups = new Map<string, CountedTry[]>();
  for (const one of tries) {
    const group = groups.get(key(one));
    if (group === undefined) groups.set(key(one), [one]);
    else group.push(one);
  }
  return [...groups.values()];
}

/** The invariants that hold for wrong passwords, whatever was done. */
function assertInvariants({ wrong, signups }: Simulation): void {
  const sets = [
    ['an account', 100, HOUR, groupsBy(wrong, ({ account }) => account)],
    ['an account from a network', 10, HOUR, groupsBy(wrong, ({ account, network }) => `${account} ${network}`)],
    ['a network', 30, 20 * MINUTE, groupsBy(wrong, ({ network }) => network)],
    ['signups of a network', 50, HOUR, groupsBy(signups, ({ network }) => network)],
  ] as const;
  for (const [what, most, periodSeconds, groups] of sets) {
    for (const group of groups) {
      const count = worst(group, periodSeconds);
      assert.ok(count <= most, `${what}: ${count} in ${periodSeconds} s`);
    }
  }
}

/** Counts as a database would answer them: each method takes a turn of the event loop, and is atomic. */
function later(counts: Counts): Counts {
  return {
    begin: async (limits) => {
      await nextTurn();
      return counts.begin(limits);
    },
    end: async (limits, isCounted) => {
      await nextTurn();
      return counts.end(limits, isCounted);
    },
    networksOf: async (account) => {
      await nextTurn();
      return counts.networksOf(account);
    },
    addNetwork: async (account, network) => {
      await nextTurn();
      return counts.addNetwork(account, network);
    },
  };
}

test('one network has ten wrong passwords for an account in an hour; the right one waits too', async () => {
  const { clock, signUp, logIn } = setUp();
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

test('without an address an account has ten wrong passwords in an hour', async () => {
  const { signUp, logIn } = setUp();
  await signUp('joe');
  assert.deepEqual(await inTurn(10, () => logIn('joe', 'wrong')), wrongs(10));
  assert.ok(Number(await logIn('joe', PASSWORD)) > 1);
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.1'), true);
});

test('a thousand guesses at once are a thousand, also when the last one was long ago', async () => {
  for (const pauseSeconds of [0, 1, 60, 900, 1800, 3000, 3600, 5000, 86_400]) {
    for (const networks of [1, 1000]) {
      const simulation = new Simulation();
      await simulation.guess('joe', '10.0.0.1');
      await simulation.pass(pauseSeconds);
      const from = (index: number) => (networks === 1 ? '10.0.0.1' : address(index));
      const burst = Array.from({ length: 1000 }, (_, index) => simulation.guess('joe', from(index), 2));
      await simulation.pass(10);
      const checked = (await Promise.all(burst)).filter((isChecked) => isChecked).length;
      assert.ok(checked > 0 && checked <= (networks === 1 ? 10 : 70), `${checked} after ${pauseSeconds} s`);
      assertInvariants(simulation);
    }
  }
});

test('bursts of guesses every few minutes stay within the hour, from one network and from a thousand', async () => {
  for (const everySeconds of [900, 3599]) {
    for (const tookSeconds of [0, 700]) {
      const simulation = new Simulation();
      for (let burst = 0; burst < (4 * HOUR) / everySeconds; burst += 1) {
        for (let index = 0; index < 200; index += 1) {
          void simulation.guess('joe', '10.0.0.1', tookSeconds);
          void simulation.guess('joe', address(burst * 200 + index), tookSeconds);
        }
        await simulation.pass(everySeconds);
      }
      assertInvariants(simulation);
      assert.ok(simulation.wrong.length > 100, `${simulation.wrong.length}`);
    }
  }
});

test('at most 100 wrong passwords an hour for one account, from three known networks and all others', async () => {
  const simulation = new Simulation();
  const known = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'];
  for (const from of known) assert.equal(await simulation.logIn('joe', from), true);
  for (let stranger = 0; simulation.seconds < 1_800_000_000 + 5 * HOUR; ) {
    while (await simulation.guess('joe', address(stranger))) stranger += 1;
    stranger += 1;
    for (const from of known) while (await simulation.guess('joe', from));
    await simulation.pass(5);
  }
  assertInvariants(simulation);
  const most = worst(simulation.wrong, HOUR);
  assert.equal(most, 100, 'an attacker with enough networks gets all of them');
});

test('a client that logs in all day does not keep guesses free for others', async () => {
  for (const intervalSeconds of [10, 60, 300, 600]) {
    const simulation = new Simulation();
    for (let stranger = 0, round = 0; round < (3 * HOUR) / intervalSeconds; round += 1) {
      assert.equal(await simulation.logIn('joe', '10.0.0.1'), true);
      while (await simulation.guess('joe', address(stranger))) stranger += 1;
      stranger += 1;
      await simulation.pass(intervalSeconds);
    }
    assertInvariants(simulation);
    assert.ok(worst(simulation.wrong, HOUR) <= 70, 'unknown networks have 70');
  }
});

test('guesses from other networks do not keep an owner out where a login succeeded', async () => {
  const simulation = new Simulation();
  for (const from of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) assert.equal(await simulation.logIn('joe', from), true);
  for (let stranger = 0, minute = 0; minute < 180; minute += 1) {
    for (let index = 0; index < 20; index += 1) void simulation.guess('joe', address((stranger += 1)), 30);
    // The other two known networks are the attacker's too.
    for (let index = 0; index < 20; index += 1) void simulation.guess('joe', `10.0.0.${2 + (index % 2)}`, 30);
    assert.equal(await simulation.logIn('joe', '10.0.0.1'), true, `minute ${minute}`);
    await simulation.pass(MINUTE);
  }
  assertInvariants(simulation);
  assert.equal(await simulation.logIn('joe', '10.9.9.9'), false, 'at an unknown network the owner waits');
});

test('a fourth network takes the place of the one where the login is longest ago', async () => {
  const { signUp, logIn } = setUp();
  await signUp('joe');
  for (const last of [1, 2, 3, 4, 2]) assert.equal(await logIn('joe', PASSWORD, `10.0.0.${last}`), true);
  assert.deepEqual(await inTurn(70, (index) => logIn('joe', 'wrong', address(index >> 3))), wrongs(70));
  for (const [last, isKnown] of [[1, false], [2, true], [3, true], [4, true]] as const) {
    assert.equal((await logIn('joe', PASSWORD, `10.0.0.${last}`)) === true, isKnown, `10.0.0.${last}`);
  }
});

test('one network gives 20 wrong passwords in 20 minutes for all accounts, and 10 more where they are known', async () => {
  for (const knownAccounts of [0, 500]) {
    const simulation = new Simulation();
    for (let index = 0; index < knownAccounts; index += 1) {
      assert.equal(await simulation.logIn(`user${index}`, '10.0.0.1'), true);
    }
    const guesses = Array.from({ length: 5000 }, (_, index) => simulation.guess(`user${index % 500}`, '10.0.0.1', 1));
    await simulation.pass(5);
    const checked = (await Promise.all(guesses)).filter((isChecked) => isChecked).length;
    assert.equal(checked, knownAccounts === 0 ? 20 : 30);
    for (let minute = 0; minute < 180; minute += 1) {
      for (let index = 0; index < 50; index += 1) await simulation.guess(`user${index}`, '10.0.0.1');
      await simulation.pass(MINUTE);
    }
    assertInvariants(simulation);
    assert.ok(simulation.wrong.length >= 7 * checked, 'the rate goes on');
  }
});

test('guesses at other accounts from a shared network leave room for accounts that are known there', async () => {
  const { signUp, logIn } = setUp();
  await signUp('joe');
  await signUp('ann');
  assert.equal(await logIn('ann', PASSWORD, '10.0.0.1'), true);
  const spray = (count: number) => inTurn(count, (index) => logIn(`user${index}`, 'wrong', '10.0.0.1'));
  assert.deepEqual(await spray(20), wrongs(20));
  const wait = Number(await logIn('joe', PASSWORD, '10.0.0.1'));
  assert.ok(wait > 18 * MINUTE && wait <= 22 * MINUTE, 'an account that is not known here waits');
  assert.equal(await logIn('ann', PASSWORD, '10.0.0.1'), true, 'an account that is known here does not');
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.2'), true, 'another network has its own count');
  assert.deepEqual(await inTurn(10, () => logIn('ann', 'wrong', '10.0.0.1')), wrongs(10));
  assert.equal(typeof (await logIn('ann', PASSWORD, '10.0.0.1')), 'number', 'its ten tries are used up');
});

test('one network makes at most 50 signups in any hour, at once, slowly and after a pause', async () => {
  for (const tookSeconds of [0, 1, 600]) {
    for (const pauseSeconds of [0, 900, 3000]) {
      const simulation = new Simulation();
      void simulation.signUp('10.0.0.1', tookSeconds);
      await simulation.pass(pauseSeconds);
      for (let burst = 0; burst < 20; burst += 1) {
        for (let index = 0; index < 200; index += 1) void simulation.signUp('10.0.0.1', tookSeconds);
        await simulation.pass(900);
      }
      assertInvariants(simulation);
      assert.ok(simulation.signups.length >= 200, `${simulation.signups.length}`);
      assert.equal(await simulation.signUp('10.0.0.2'), true);
    }
  }
});

test('the invariants hold for any mixture of attackers and owners, with counts at once and with counts later', async () => {
  for (let seed = 1; seed <= 12; seed += 1) {
    const random = randomFrom(seed);
    const pick = (below: number) => Math.floor(random() * below);
    const simulation = new Simulation({}, seed % 3 === 0 ? later : undefined);
    for (let step = 0; step < 400; step += 1) {
      const tookSeconds = random() < 0.5 ? 0 : pick(4000);
      const burst = random() < 0.1 ? 120 : pick(4);
      for (let index = 0; index < burst; index += 1) {
        const from = random() < 0.5 ? `10.0.0.${pick(5)}` : address(pick(1e6));
        const account = `user${random() < 0.7 ? 0 : pick(40)}`;
        if (random() < 0.05) await simulation.logIn(account, from);
        else if (random() < 0.2) void simulation.signUp(from, tookSeconds);
        else void simulation.guess(account, from, tookSeconds);
      }
      await simulation.pass(random() < 0.1 ? pick(3600) : pick(60));
    }
    assert.ok(simulation.wrong.length > 100, `seed ${seed}`);
    assertInvariants(simulation);
  }
});

test('a try that is under way counts, and the next client is told to come back in a second', async () => {
  const simulation = new Simulation();
  const underWay = Array.from({ length: 10 }, () => simulation.guess('joe', '10.0.0.1', 2));
  await nextTurn();
  const refused = simulation.throttle.login('joe', sourceOf('10.0.0.1'), async () => 'joe').catch(waitOf);
  assert.equal(await refused, 1);
  await simulation.pass(2);
  assert.deepEqual(await Promise.all(underWay), Array(10).fill(true));
});

test('right passwords never count, one after the other or ten at once', async () => {
  const { signUp, logIn } = setUp();
  await signUp('joe');
  assert.deepEqual(new Set(await inTurn(200, () => logIn('joe', PASSWORD, '10.0.0.1'))), new Set([true]));
  const atOnce = await Promise.all(Array.from({ length: 10 }, () => logIn('joe', PASSWORD, '10.0.0.1')));
  assert.deepEqual(new Set(atOnce), new Set([true]));
});

test('a refused try asks neither the store, nor the hook, nor the hasher', async () => {
  const users = new WatchedStore();
  const passwords = new WatchedHasher({ logN: 1 });
  const asked: string[] = [];
  const find = (id: string) => {
    asked.push(`find ${id}`);
    return users.find(id);
  };
  const store = { find, insert: users.insert.bind(users), update: users.update.bind(users) };
  const isForbidden = (password: string) => {
    asked.push('isForbidden');
    return password.startsWith('bad');
  };
  const limits = { triesPerAccount: 1, signupsPerAddress: 3 };
  const { accounts, signUp, logIn } = setUp({ users: store, passwords, isForbidden, limits });
  await signUp('joe', '10.0.0.1');
  await assert.rejects(signUp('joe', '10.0.0.1'), { code: 'ERR_USER_EXISTS' });
  const bad = { username: 'ann', password: 'bad password' };
  await assert.rejects(accounts.signup(bad, { address: '10.0.0.1' }), { code: 'ERR_PASSWORD_FORBIDDEN' });
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false);
  const before = [asked.length, passwords.calls.length, users.written.length];
  for (let index = 0; index < 20; index += 1) {
    await assert.rejects(signUp(`user${index}`, '10.0.0.1'), { code: 'ERR_THROTTLED' });
    await assert.rejects(accounts.signup(bad, { address: '10.0.0.1' }), { code: 'ERR_THROTTLED' });
    assert.equal(typeof (await logIn('joe', PASSWORD, '10.0.0.1')), 'number');
  }
  assert.deepEqual([asked.length, passwords.calls.length, users.written.length], before);
});

test('what was not looked at does not count: a busy server, a store that is away, a client that left', async () => {
  const away = new AuthError('ERR_STORE');
  const users = new MemoryUserStore();
  let isAway = false;
  const find = (id: string) => (isAway ? Promise.reject(away) : users.find(id));
  const passwords = new PasswordHasher({ logN: 1, maxConcurrent: 1, maxQueued: 0 });
  const store = { find, insert: users.insert.bind(users), update: users.update.bind(users) };
  const { accounts, signUp, logIn } = setUp({ users: store, passwords });
  await signUp('joe');
  const gone = { address: '10.0.0.1', signal: AbortSignal.abort() };
  for (let round = 0; round < 60; round += 1) {
    isAway = true;
    await assert.rejects(accounts.authenticate('joe', 'wrong', { address: '10.0.0.1' }), away);
    await assert.rejects(signUp('ann', '10.0.0.1'), away);
    isAway = false;
    await assert.rejects(accounts.authenticate('joe', PASSWORD, gone), { code: 'ERR_ABORTED' });
    await assert.rejects(accounts.signup({ username: 'ann', password: PASSWORD }, gone), { code: 'ERR_ABORTED' });
    const running = passwords.hash('x');
    await assert.rejects(accounts.authenticate('joe', 'wrong', { address: '10.0.0.1' }), { code: 'ERR_BUSY' });
    await running;
  }
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false);
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.1'), true);
});

test('a password that cannot be one is not a guess, whether or not there is such a user', async () => {
  const { signUp, logIn } = setUp({ limits: { triesPerAccount: 1, triesPerAddress: 1 } });
  await signUp('joe');
  for (const password of ['\0', '\ud800', 'x'.repeat(1025)]) {
    for (const username of ['joe', 'unknown']) {
      assert.deepEqual(await inTurn(3, () => logIn(username, password, '10.0.0.1')), wrongs(3));
    }
  }
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false);
  assert.equal(typeof (await logIn('joe', 'wrong', '10.0.0.1')), 'number');
});

test('a signup counts when it is made, and when it told that a name is taken; a bad form does not', async () => {
  const { accounts, clock, signUp } = setUp();
  const outcome = (username: string, from: string) => {
    return signUp(username, from).then(() => 'made', (error) => (error.status === 429 ? 'wait' : error.code));
  };
  for (let index = 0; index < 60; index += 1) {
    const bad = (form: object) => accounts.signup(form, { address: '10.0.0.1' });
    await assert.rejects(bad({ username: 'joe', password: 'short' }), { code: 'ERR_PASSWORD_TOO_SHORT' });
    await assert.rejects(bad({ username: 'j o e', password: PASSWORD }), { code: 'ERR_USERNAME' });
    await assert.rejects(bad({ username: 'joe.smith', password: 'Joe.Smith' }), { code: 'ERR_PASSWORD_FORBIDDEN' });
    await assert.rejects(bad({ username: 'joe', password: 'correct\0horse' }), { code: 'ERR_PASSWORD_INVALID' });
  }
  assert.deepEqual(await inTurn(25, (index) => outcome(`user${index}`, '10.0.0.1')), Array(25).fill('made'));
  assert.deepEqual(await inTurn(25, () => outcome('user1', '10.0.0.1')), Array(25).fill('ERR_USER_EXISTS'));
  assert.equal(await outcome('joe', '10.0.0.1'), 'wait');
  assert.equal(await outcome('joe', '10.0.0.2'), 'made');
  clock.seconds += HOUR - 1;
  assert.equal(await outcome('late', '10.0.0.1'), 'wait');
  clock.seconds += 5 * MINUTE + 1;
  assert.equal(await outcome('late', '10.0.0.1'), 'made');
  // Clients without an address cannot be told from each other.
  await inTurn(60, (index) => signUp(`nowhere${index}`));
});

test('limits can be other ones, or none, and those that cannot be are refused by name', async () => {
  const few = setUp({ limits: { triesPerAccount: 1, triesPerAddress: 2, signupsPerAddress: 1 } });
  await few.signUp('joe', '10.0.0.1');
  await assert.rejects(few.signUp('ann', '10.0.0.1'), { code: 'ERR_THROTTLED' });
  const answers = [...(await inTurn(2, () => few.logIn('joe', 'wrong', '10.0.0.1')))];
  answers.push(...(await inTurn(2, (index) => few.logIn(`user${index}`, 'wrong', '10.0.0.1'))));
  assert.deepEqual(answers.map((answer) => typeof answer), ['boolean', 'number', 'boolean', 'number']);
  assert.equal(await few.logIn('joe', PASSWORD, '10.0.0.2'), true);
  const strangers = await inTurn(10, (index) => few.logIn('joe', 'wrong', address(index)));
  assert.equal(strangers.filter((answer) => answer === false).length, 6, 'seven unknown networks with one each');

  const none = setUp({ limits: false });
  await inTurn(60, (index) => none.signUp(`user${index}`, '10.0.0.1'));
  assert.deepEqual(await inTurn(60, () => none.logIn('user1', 'wrong', '10.0.0.1')), wrongs(60));

  for (const limits of [true, null, 0, 'off']) {
    assert.throws(() => setUp({ limits: limits as false }), /"limits" expected false or an object/);
  }
  assert.throws(() => setUp({ limits: { tries: 1 } as object }), /"tries" expected one of triesPerAccount/);
  for (const name of ['triesPerAccount', 'triesPerAddress', 'signupsPerAddress']) {
    const most = name === 'triesPerAccount' ? 10 : 1_000_000;
    for (const value of [...NOT_AMOUNTS, 0, 1.5, most + 1]) {
      assert.throws(() => setUp({ limits: { [name]: value } }), new RegExp(`^\\w+Error: "${name}" expected`));
    }
    setUp({ limits: { [name]: most } });
  }
  for (const now of NOT_FUNCTIONS) {
    assert.throws(() => setUp({ now: now as () => number }), /"now" expected a function/);
  }
});

test('the wait is until the first of the wrong passwords is older than the window', async () => {
  const { clock, logIn } = setUp({ limits: { triesPerAccount: 2 } });
  clock.seconds += 0.25;
  const startsAt = clock.seconds;
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false);
  clock.seconds += 1800;
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false);
  const wait = Number(await logIn('joe', 'wrong', '10.0.0.1'));
  assert.ok(Number.isInteger(wait), `${wait}`);
  assert.ok(clock.seconds + wait >= startsAt + HOUR && clock.seconds + wait <= startsAt + HOUR + 5 * MINUTE, `${wait}`);
});

test('wrong passwords on both sides of a step of the clock all count', async () => {
  const { clock, logIn } = setUp();
  assert.deepEqual(await inTurn(4, () => logIn('joe', 'wrong', '10.0.0.1')), wrongs(4));
  clock.seconds += 10 * MINUTE;
  assert.deepEqual(await inTurn(4, () => logIn('joe', 'wrong', '10.0.0.1')), wrongs(4));
  clock.seconds -= 10 * MINUTE;
  const answers = await inTurn(4, () => logIn('joe', 'wrong', '10.0.0.1'));
  assert.deepEqual(answers.map((answer) => typeof answer), ['boolean', 'boolean', 'number', 'number']);
});

test('a clock that is set back far forgets within two hours, and one that answers nonsense lets no try begin', async () => {
  const { clock, signUp, logIn } = setUp();
  await signUp('joe');
  await inTurn(10, () => logIn('joe', 'wrong', '10.0.0.1'));
  clock.seconds -= 1_000_000;
  const wait = Number(await logIn('joe', PASSWORD, '10.0.0.1'));
  assert.ok(wait > HOUR - 5 * MINUTE && wait <= 2 * HOUR + 5 * MINUTE, `${wait} s`);
  clock.seconds += wait;
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.1'), true);
  for (const nonsense of [NaN, Infinity, -Infinity]) {
    clock.seconds = nonsense;
    await assert.rejects(logIn('ann', PASSWORD, '10.0.0.1'), /"now" expected a finite number/);
  }
});

test('100,000 keys of each kind are remembered, and the one that was written longest ago goes', () => {
  const counts = new MemoryCounts(() => 0);
  const limit = (index: number): Limit[] => [
    { kind: 'signups', key: `key ${index}`, maxTries: 1, windowSeconds: HOUR },
  ];
  const fail = (index: number) => {
    const waitSeconds = counts.begin(limit(index));
    if (waitSeconds === 0) counts.end(limit(index), true);
    return waitSeconds;
  };
  for (let index = 0; index < 99_000; index += 1) assert.equal(fail(index), 0);
  // Tries that do not count leave no key behind.
  for (let index = 0; index < 2000; index += 1) {
    const limits: Limit[] = [{ kind: 'signups', key: `right ${index}`, maxTries: 1, windowSeconds: HOUR }];
    counts.begin(limits);
    counts.end(limits, false);
  }
  for (let index = 99_000; index < 100_000; index += 1) assert.equal(fail(index), 0);
  assert.ok(fail(0) > 0);
  assert.equal(fail(100_000), 0);
  assert.ok(fail(1) > 0);
  assert.equal(fail(0), 0, 'forgotten');
});

test('a flood of signups, which take no hash, does not push out the wrong passwords of an account', async () => {
  const simulation = new Simulation();
  while (await simulation.guess('joe', '10.0.0.1'));
  const taken = async () => Promise.reject(new AuthError('ERR_USER_EXISTS'));
  for (let index = 0; index < 100_001; index += 1) {
    await simulation.throttle.signup(sourceOf(address(index)), taken).catch(() => undefined);
  }
  assert.equal(await simulation.guess('joe', '10.0.0.1'), false);
});

test('a signup counts whatever comes of it, unless the store is away', async () => {
  const isForbidden = () => {
    throw new TypeError('no list');
  };
  const failing = setUp({ isForbidden });
  const passwords = new PasswordHasher({ logN: 1, maxConcurrent: 1, maxQueued: 0 });
  const busy = setUp({ passwords });
  const outcomes: string[] = [];
  for (let index = 0; index < 60; index += 1) {
    const running = passwords.hash('x');
    for (const { signUp } of [failing, busy]) {
      outcomes.push(await signUp(`user${index}`, '10.0.0.1').then(() => 'made', ({ code, name }) => code ?? name));
    }
    await running;
  }
  const countOf = (outcome: string) => outcomes.filter((other) => other === outcome).length;
  assert.deepEqual(['TypeError', 'ERR_BUSY', 'ERR_THROTTLED'].map(countOf), [50, 50, 20]);
});

test('an impossible password asks neither the store, nor the hook, nor the hasher', async () => {
  const passwords = new WatchedHasher({ logN: 1 });
  let asked = 0;
  const find = () => {
    asked += 1;
    return undefined;
  };
  const users = { find, insert: () => true, update: () => true };
  const { accounts } = setUp({ users, passwords, isForbidden: () => (asked += 1) > 0 });
  for (const password of ['correct\0horse', 'correct\ud800horse', 'x'.repeat(1025)]) {
    assert.equal(await accounts.authenticate('joe', password), undefined);
    await assert.rejects(accounts.signup({ username: 'joe', password }), { status: 400 });
  }
  assert.deepEqual([asked, passwords.calls], [0, []]);
});

test('a clock that steps back and forth by an hour forgets nothing', async () => {
  const { clock, logIn } = setUp();
  const checked: unknown[] = [];
  for (let round = 0; round < 20; round += 1) {
    for (let index = 0; index < 11; index += 1) checked.push(await logIn('joe', 'wrong', '10.0.0.1'));
    clock.seconds += round % 2 === 0 ? -HOUR : HOUR;
  }
  assert.equal(checked.filter((answer) => answer === false).length, 10);
});

test('a clock in milliseconds is refused', async () => {
  const { logIn } = setUp({ now: Date.now });
  await assert.rejects(logIn('joe', 'wrong'), /"now" expected seconds since 1970.*milliseconds/);
});

test('a try that ends after its key was forgotten counts from then on', () => {
  const counts = new MemoryCounts(() => 0);
  const limits: Limit[] = [{ kind: 'account', key: 'slow', maxTries: 2, windowSeconds: HOUR }];
  assert.equal(counts.begin(limits), 0);
  for (let index = 0; index < 100_000; index += 1) {
    counts.begin([{ kind: 'account', key: `${index}`, maxTries: 1, windowSeconds: HOUR }]);
  }
  counts.end(limits, true);
  counts.end(limits, false);
  assert.deepEqual([counts.begin(limits), counts.begin(limits)], [0, 1], 'once, and nothing is taken back for it');
});

test('what is kept has the same size whatever a client sends as its name and its address', async () => {
  const throttle = new Throttle({}, new MemoryCounts(() => 0));
  const keep = async (name: (index: number) => string, from: (index: number) => string) => {
    await collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 2000; index += 1) {
      await throttle.login(name(index), sourceOf(from(index)), async () => 'user');
      await throttle.login(name(index), sourceOf(from(index)), async () => undefined).catch(waitOf);
      await throttle.signup(sourceOf(from(index)), async () => undefined).catch(waitOf);
    }
    await collectGarbage();
    return process.memoryUsage().heapUsed - before;
  };
  const small = await keep((index) => `${index}`, (index) => address(index));
  const large = await keep((index) => `${index} `.repeat(5000), (index) => `${index}-`.repeat(5000));
  const longAddress = (index: number) => `123.123.${100 + (index >> 7)}.${100 + (index & 127)}`;
  const header = (index: number) => `${'x'.repeat(15_000)}${index}, ${longAddress(index)}`.split(', ')[1] ?? '';
  const sliced = await keep((index) => `other${index}`, header);
  for (const grown of [large, sliced]) assert.ok(grown < 2 * small + 1e6, `${grown} bytes, ${small} for small ones`);
});

test('better-auth before 1.4.17 (CVE-2026-45364): an address counts as one however it is written', async () => {
  const rows: readonly [network: string, addresses: readonly string[]][] = [
    ['1.2.3.4', ['1.2.3.4', '::ffff:1.2.3.4', '::FFFF:1.2.3.4', '::ffff:102:304', '0:0:0:0:0:ffff:0102:0304']],
    ['2001:db8:0:1::/64', [
      '2001:db8:0:1::1', '2001:DB8:0:1::1', '2001:0db8:0000:0001:0000:0000:0000:0001',
      '2001:db8:0:1:ffff:ffff:ffff:ffff', '2001:db8::1:1:2:3:4', '2001:db8:0:1::1%eth0', '2001:db8:0:1:0:0:1.2.3.4',
    ]],
    ['2001:db8:0:2::/64', ['2001:db8:0:2::1']],
    ['0:0:0:0::/64', ['::1', '::', '::1.2.3.4']],
    ['fe80:0:0:0::/64', ['fe80::1', 'fe80::1%en0', 'fe80::ffff:1.2.3.4']],
    ['ffff:0:0:0::/64', ['ffff::']],
    ['unknown', ['unknown']],
    ['unix%a', ['unix%a']],
    ['unix%b', ['unix%b']],
    ['x'.repeat(64), ['x'.repeat(64), 'x'.repeat(65), 'x'.repeat(100_000)]],
  ];
  for (const [network, addresses] of rows) {
    for (const one of addresses) assert.equal(networkOf(one), network, one);
  }
  const simulation = new Simulation({ triesPerAddress: 1 });
  assert.equal(await simulation.guess('a', '2001:db8::1'), true);
  assert.equal(await simulation.guess('b', '2001:DB8:0:0:ffff::'), false);
  assert.equal(await simulation.guess('b', '2001:db8:0:1::1'), true);
});
test('X-Forwarded-For is ignored, or believed for as many hops as are told, counted from the right', async () => {
  const rows: readonly [trustProxy: number | undefined, headers: readonly string[], isSame: boolean][] = [
    [undefined, ['10.0.0.1', '10.0.0.2'], true],
    [0, ['10.0.0.1', '10.0.0.2'], true],
    [1, ['10.0.0.1', '10.0.0.2'], false],
    [1, ['10.0.0.1, 10.0.0.9', '10.0.0.2, 10.0.0.9'], true],
    [1, ['10.0.0.1,10.0.0.9:1234', '10.0.0.2 ,\t10.0.0.9 '], true],
    [2, ['10.0.0.1, 10.0.0.9', '10.0.0.2, 10.0.0.9'], false],
    [2, ['6.6.6.6, 10.0.0.1, 10.0.0.8', '7.7.7.7, 10.0.0.1, 10.0.0.9'], true],
    // Who goes round the outer proxy is known by the inner one.
    [2, ['10.0.0.1', '10.0.0.2'], false],
    [1, ['[2001:db8::1]:443', '2001:db8::2'], true],
    [1, ['[2001:db8::1]', '2001:db8:0:1::1'], false],
    [1, ['::ffff:10.0.0.1', '10.0.0.1'], true],
    // What is no address is not believed: it counts as the proxy's own.
    [1, ['unknown', '10.0.0.1, '], true],
    [1, ['10.0.0.1, _hidden', '"10.0.0.2"'], true],
    [1, ['10.0.0.1, 1.2.3', '10.0.0.2, 1.2.3.4.5:6'], true],
  ];
  for (const [trustProxy, headers, isSame] of rows) {
    const limits = { triesPerAddress: 1 };
    await withApp({ limits, now: () => 1e9, ...(trustProxy !== undefined && { trustProxy }) }, async ({ url }) => {
      const statuses = await inTurn(2, async (index) => {
        const forwarded = { 'X-Forwarded-For': headers[index] ?? '' };
        return (await send(`${url}/auth`, 'POST', { username: `user${index}`, password: 'wrong' }, forwarded)).status;
      });
      assert.deepEqual(statuses, [401, isSame ? 429 : 401], `${trustProxy}: ${headers.join(' and ')}`);
    });
  }
});

test('a throttled login says the same whether or not there is such a user, in status, body and headers', async () => {
  const now = () => 1e9;
  await withApp({ now }, async ({ url }) => {
    assert.equal((await send(`${url}/signup`, 'POST', { username: 'joe', password: PASSWORD })).status, 200);
    const answersTo = (username: string) =>
      inTurn(12, async () => {
        const { status, body, headers } = await send(`${url}/auth`, 'POST', { username, password: 'wrong' });
        return { status, body, headers: [...headers].filter(([name]) => name !== 'date') };
      });
    const [joe, nobody] = [await answersTo('joe'), await answersTo('nobody')];
    assert.deepEqual(joe, nobody);
    assert.deepEqual(joe.map(({ status }) => status), [...Array<number>(10).fill(401), 429, 429]);
    const description = 'Too many attempts, try again later';
    assert.deepEqual(joe[10]?.body, { status_code: 429, error: 'Too Many Requests', description });
    assert.ok(joe[10]?.headers.some(([name, value]) => name === 'retry-after' && Number(value) > 3300));
    const signup = (index: number) => send(`${url}/signup`, 'POST', { username: `user${index}`, password: PASSWORD });
    assert.deepEqual((await inTurn(50, signup)).at(-1)?.body, joe[10]?.body);
  });
});
