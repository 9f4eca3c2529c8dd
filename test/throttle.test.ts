/**
 * Guessing is slow: what is counted, how long the next try waits, who is not kept out, and what an address is. The
 * clock is given and moves by hand; nothing here waits.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf, Throttle } from '../src/auth/throttle.ts';
import { Accounts, AuthError, MemoryUserStore, PasswordHasher, type AccountsOptions } from '../src/index.ts';
import { NOT_AMOUNTS, NOT_FUNCTIONS } from './hostile.ts';
import { cheapPasswords, collectGarbage, send, WatchedHasher, withApp } from './support.ts';

const PASSWORD = 'correct horse';
const HOUR = 3600;

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

const never = async () => undefined;
const wrongs = (count: number) => Array<boolean>(count).fill(false);

test('ten wrong passwords are free, each one more waits twice as long, and the right one waits as well', async () => {
  const { clock, signUp, logIn } = setUp();
  await signUp('joe');
  assert.deepEqual(await inTurn(10, () => logIn('joe', 'wrong')), wrongs(10));
  for (const wait of [1, 2, 4, 8, 16, 32, 64, 128, 256]) {
    assert.equal(await logIn('joe', PASSWORD), wait);
    clock.seconds += wait - 0.5;
    assert.equal(await logIn('JOE', PASSWORD), 1, 'the rest of a second counts as one');
    clock.seconds += 0.5;
    assert.equal(await logIn('joe', 'wrong'), false, `after ${wait} s`);
  }
  const waits = await inTurn(100, async () => {
    const wait = Number(await logIn('joe', 'wrong'));
    clock.seconds += wait;
    assert.equal(await logIn('joe', 'wrong'), false);
    return wait;
  });
  assert.equal(Math.max(...waits), 900);
  clock.seconds += 900;
  assert.equal(await logIn('joe', PASSWORD), true);
});

test('a wrong password is forgotten after 15 minutes, and all are at a login', async () => {
  const { clock, signUp, logIn } = setUp();
  await signUp('joe');
  await inTurn(10, () => logIn('joe', 'wrong'));
  clock.seconds += 900;
  assert.deepEqual([await logIn('joe', 'wrong'), await logIn('joe', 'wrong')], [false, 1]);
  clock.seconds += 1;
  assert.equal(await logIn('joe', PASSWORD), true);
  assert.deepEqual(await inTurn(11, () => logIn('joe', 'wrong')), [...wrongs(10), 1]);
  clock.seconds += 100 * 900;
  assert.deepEqual(await inTurn(11, () => logIn('joe', 'wrong')), [...wrongs(10), 1]);
});

test('at most 100 wrong passwords in a row an hour, whatever the addresses', async () => {
  let now = 0;
  const throttle = new Throttle({}, () => now);
  const known = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'];
  for (const address of known) await throttle.login('joe', address, async () => 'joe');
  const wrongAt: number[] = [];
  let strangers = 0;
  const guess = async (address: string) => {
    const before = wrongAt.length;
    const wrong = async () => void wrongAt.push(now);
    await throttle.login('joe', address, wrong).catch(waitOf);
    return wrongAt.length > before;
  };
  for (; now < 5 * HOUR; now += 1) {
    for (const address of known) while (await guess(address));
    while (await guess(`11.${(strangers >> 16) & 255}.${(strangers >> 8) & 255}.${strangers & 255}`)) strangers += 1;
    strangers += 1;
  }
  const hours = wrongAt.map((start) => wrongAt.filter((at) => at >= start && at < start + HOUR).length);
  const worst = Math.max(...hours);
  assert.ok(worst > 80 && worst <= 100, `${worst} in an hour`);
});

test('nobody elsewhere keeps the owner out of an address where a login succeeded', async () => {
  const { clock, signUp, logIn } = setUp();
  await signUp('joe');
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.1'), true);
  const attack = () => inTurn(20, (index) => logIn('joe', 'wrong', `11.0.0.${index}`));
  assert.deepEqual(await attack(), [...wrongs(10), ...Array<number>(10).fill(1)]);
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.2'), 1, 'elsewhere the owner is a stranger too');
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.1'), true);
  // At home there are ten tries as well, and elsewhere they are not counted.
  assert.deepEqual(await inTurn(11, () => logIn('joe', 'wrong', '10.0.0.1')), [...wrongs(10), 1]);
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.2'), true);
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false, 'a login anywhere forgets the wrong passwords');
  // The three that were used last are known.
  for (const last of [3, 4, 5]) assert.equal(await logIn('joe', PASSWORD, `10.0.0.${last}`), true);
  await attack();
  clock.seconds += 0.5;
  for (const [last, answer] of [[2, 1], [1, 1], [3, true]] as const) {
    assert.equal(await logIn('joe', PASSWORD, `10.0.0.${last}`), answer, `10.0.0.${last}`);
  }
});

test('twenty wrong passwords from an address are free, whatever the accounts, and no login clears them', async () => {
  const { clock, signUp, logIn } = setUp();
  await signUp('joe');
  await signUp('ann');
  assert.equal(await logIn('ann', PASSWORD, '10.0.0.1'), true);
  const spray = (count: number) => inTurn(count, (index) => logIn(`user${index}`, 'wrong', '10.0.0.1'));
  assert.deepEqual(await spray(10), wrongs(10));
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.1'), true);
  assert.deepEqual(await spray(11), [...wrongs(10), 1]);
  assert.equal(await logIn('sue', 'wrong', '10.0.0.2'), false, 'another address is another count');
  assert.equal(await logIn('ann', PASSWORD, '10.0.0.1'), true, 'who has logged in from here is not kept out');
  clock.seconds += 60;
  assert.deepEqual(await inTurn(2, () => logIn('sue', 'wrong', '10.0.0.1')), [false, 1]);
  clock.seconds += 20 * 60;
  assert.deepEqual(await spray(21).then((all) => all.slice(18)), [false, false, 1]);
});

test('a thousand guesses at once are a thousand, and only ten of them are looked at', async () => {
  const passwords = new WatchedHasher({ logN: 1, maxQueued: 2000 });
  const { signUp, logIn } = setUp({ passwords });
  await signUp('joe');
  const guess = (_: unknown, index: number) => logIn('joe', 'wrong', `1.1.${index >> 8}.${index & 255}`);
  const answers = await Promise.all(Array.from({ length: 1000 }, guess));
  assert.deepEqual(passwords.calls, ['hash', ...Array<string>(10).fill('verify')]);
  assert.equal(answers.filter((answer) => answer === false).length, 10);
  assert.ok(answers.slice(10).every((answer) => answer === 1));
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

test('what is taken back leaves the count and the wait as they were', async () => {
  let now = 0;
  const throttle = new Throttle({ triesPerAddress: 2 }, () => now);
  const attempt = (id: string, end: () => Promise<unknown>) => throttle.login(id, '10.0.0.1', end).catch(waitOf);
  await attempt('ann', never);
  await attempt('bob', never);
  assert.equal(await attempt('cid', never), 1);
  now += 1;
  assert.equal(await attempt('cid', async () => 'cid'), 'cid');
  // Had the login counted, or moved the time of the last wrong one, this would have to wait.
  assert.equal(await attempt('dan', never), undefined);
  assert.equal(await attempt('eve', never), 2);
  now += 2;
  // The first to begin ends last, after another was counted.
  let end = (_user?: string) => {};
  const first = attempt('fay', () => new Promise<string | undefined>((resolve) => (end = resolve)));
  now += 4;
  await attempt('gil', never);
  end('fay');
  assert.equal(await first, 'fay');
  assert.equal(await attempt('hal', never), 4);
});

test('a login clears no try that is still under way: it counts, if it fails in the end', async () => {
  const throttle = new Throttle({ triesPerAccount: 3 }, () => 0);
  const away = new Error('the store is away');
  const ends: ((isAway: boolean) => void)[] = [];
  const underWay = () => {
    return throttle.login('joe', undefined, () => {
      return new Promise<undefined>((resolve, reject) => {
        ends.push((isAway) => (isAway ? reject(away) : resolve(undefined)));
      });
    });
  };
  const [failing, wrong] = [underWay(), underWay()];
  assert.equal(await throttle.login('joe', undefined, async () => 'joe'), 'joe');
  const guess = () => throttle.login('joe', undefined, never).catch(waitOf);
  assert.deepEqual(await inTurn(2, guess), [undefined, 1], 'until it is known how they end, both count');
  ends[0]?.(true);
  await assert.rejects(failing, away);
  ends[1]?.(false);
  assert.equal(await wrong, undefined);
  assert.deepEqual(await inTurn(2, guess), [undefined, 1]);
});

test('what does not count takes no room from what does', async () => {
  const throttle = new Throttle({ triesPerAccount: 1 }, () => 0);
  const away = new Error('the store is away');
  await throttle.login('joe', undefined, never);
  for (let index = 0; index < 100_001; index += 1) {
    await assert.rejects(throttle.login(`user${index}`, undefined, () => Promise.reject(away)), away);
  }
  assert.equal(await throttle.login('joe', undefined, never).catch(waitOf), 1);
});

test('a password that nobody can have is no guess, whether or not there is such a user', async () => {
  const { signUp, logIn } = setUp({ limits: { triesPerAccount: 1, triesPerAddress: 1 } });
  await signUp('joe');
  for (const password of ['\0', '\ud800', 'x'.repeat(1025)]) {
    for (const username of ['joe', 'nobody']) {
      assert.deepEqual(await inTurn(3, () => logIn(username, password, '10.0.0.1')), wrongs(3));
    }
  }
  assert.deepEqual(await inTurn(2, () => logIn('joe', 'wrong', '10.0.0.1')), [false, 1]);
});

test('fifty signups from an address are free, taken names among them, and a bad form does not count', async () => {
  const { accounts, clock, signUp } = setUp();
  const outcome = (username: string, address: string) => {
    return signUp(username, address).then(() => 'made', (error) => (error.status === 429 ? waitOf(error) : error.code));
  };
  for (let index = 0; index < 60; index += 1) {
    const bad = (form: object) => accounts.signup(form, { address: '10.0.0.1' });
    await assert.rejects(bad({ username: 'joe', password: 'short' }), { code: 'ERR_PASSWORD_TOO_SHORT' });
    await assert.rejects(bad({ username: 'j o e', password: PASSWORD }), { code: 'ERR_USERNAME' });
  }
  assert.deepEqual(await inTurn(25, (index) => outcome(`user${index}`, '10.0.0.1')), Array(25).fill('made'));
  assert.deepEqual(await inTurn(25, () => outcome('user1', '10.0.0.1')), Array(25).fill('ERR_USER_EXISTS'));
  assert.equal(await outcome('joe', '10.0.0.1'), 1);
  assert.equal(await outcome('joe', '10.0.0.2'), 'made');
  clock.seconds += 1;
  assert.deepEqual(await inTurn(2, (index) => outcome(`late${index}`, '10.0.0.1')), ['made', 2]);
  clock.seconds += 59;
  assert.deepEqual(await inTurn(2, (index) => outcome(`later${index}`, '10.0.0.1')), ['made', 2]);
  clock.seconds += 3 * 60;
  assert.deepEqual(await inTurn(3, (index) => outcome(`latest${index}`, '10.0.0.1')), ['made', 'made', 1]);
  // Who does not tell an address cannot be told from anybody else.
  await inTurn(60, (index) => signUp(`nowhere${index}`));
});

test('limits can be other ones, or none, and those that cannot be are refused by name', async () => {
  const few = setUp({ limits: { triesPerAccount: 1, triesPerAddress: 2, signupsPerAddress: 1 } });
  await few.signUp('joe', '10.0.0.1');
  await assert.rejects(few.signUp('ann', '10.0.0.1'), { code: 'ERR_THROTTLED' });
  assert.deepEqual(await inTurn(2, () => few.logIn('joe', 'wrong', '10.0.0.1')), [false, 1]);
  assert.deepEqual(await inTurn(2, (index) => few.logIn(`user${index}`, 'wrong', '10.0.0.1')), [false, 1]);

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

test('a clock that is set back makes nobody wait longer, and one that answers nonsense lets nobody in', async () => {
  const { clock, signUp, logIn } = setUp();
  await signUp('joe');
  await inTurn(10, () => logIn('joe', 'wrong'));
  clock.seconds -= 1_000_000;
  assert.equal(await logIn('joe', PASSWORD), 1);
  for (const nonsense of [NaN, Infinity, -Infinity]) {
    clock.seconds = nonsense;
    await assert.rejects(logIn('ann', PASSWORD), /"now" expected a finite number/);
  }
});

test('100,000 accounts and addresses are remembered, and what was used longest ago goes', async () => {
  let now = 0;
  const throttle = new Throttle({ triesPerAccount: 1, signupsPerAddress: 1 }, () => now);
  const login = (index: number) => throttle.login(`user${index}`, undefined, never).catch(waitOf);
  const signup = (index: number) => {
    return throttle.signup(`11.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, never).catch(waitOf);
  };
  for (const one of [login, signup]) {
    assert.deepEqual(await inTurn(100_000, one).then((all) => new Set(all)), new Set([undefined]));
    assert.equal(await one(0), 1);
    now += 1;
    assert.equal(await one(50_000), undefined, 'used anew, which takes no room');
    assert.deepEqual([await one(0), await one(0)], [undefined, 2]);
    assert.equal(await one(100_000), undefined, 'one more');
    assert.deepEqual([await one(2), await one(2)], [undefined, 2]);
    assert.deepEqual([await one(1), await one(1)], [undefined, 1], 'forgotten');
  }
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
  ];
  for (const [network, addresses] of rows) {
    for (const address of addresses) assert.equal(networkOf(address), network, address);
  }
  const throttle = new Throttle({ triesPerAddress: 1 }, () => 0);
  assert.equal(await throttle.login('a', '2001:db8::1', never), undefined);
  assert.equal(await throttle.login('b', '2001:DB8:0:0:ffff::', never).catch(waitOf), 1);
  assert.equal(await throttle.login('b', '2001:db8:0:1::1', never), undefined);
});

test('an address keeps no header in memory of which it was a part', async () => {
  const throttle = new Throttle({}, () => 0);
  await collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let index = 0; index < 2000; index += 1) {
    const header = `${'x'.repeat(15_000)}${index}, 123.123.${100 + (index >> 8)}.${index & 255}`;
    await throttle.login('joe', header.split(',').at(-1)?.trim(), async () => 'joe');
    await throttle.signup(header.split(',').at(-1)?.trim(), never);
  }
  await collectGarbage();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(grown < 10e6, `${grown} bytes`);
  assert.equal(await throttle.signup('123.123.100.0', never), undefined, 'it is still there, and no garbage');
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
    assert.ok(joe[10]?.headers.some(([name, value]) => name === 'retry-after' && value === '1'));
    const signup = (index: number) => send(`${url}/signup`, 'POST', { username: `user${index}`, password: PASSWORD });
    assert.deepEqual((await inTurn(50, signup)).at(-1)?.body, joe[10]?.body);
  });
});
