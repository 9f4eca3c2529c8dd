/**
 * Accounts under rate limits: what counts, and what a throttled client sees. The limits themselves
 * are tested in test/limits.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthError, MemoryUserStore, PasswordHasher } from '../../src/index.ts';
import { send, withApp } from '../support/app.ts';
import { WatchedHasher, WatchedStore } from '../support/doubles.ts';
import { NOT_AMOUNTS, NOT_FUNCTIONS } from '../support/hostile.ts';
import {
  addressOf,
  HOUR,
  inTurn,
  makeLimitedAccounts,
  MINUTE,
  PASSWORD,
  wrongs,
} from '../support/limits.ts';

test('a throttled try asks neither the store, nor the hook, nor the hasher', async () => {
  const users = new WatchedStore();
  const passwords = new WatchedHasher({ logN: 1 });
  const asked: string[] = [];
  const find = (id: string) => {
    asked.push(`find ${id}`);
    return users.find(id);
  };
  const store = {
    find,
    insert: users.insert.bind(users),
    update: users.update.bind(users),
  };
  const isForbidden = (password: string) => {
    asked.push('isForbidden');
    return password.startsWith('bad');
  };
  const limits = { triesPerAccount: 1, signupsPerAddress: 3 };
  const options = { users: store, passwords, isForbidden, limits };
  const { accounts, signUp, logIn } = makeLimitedAccounts(options);
  await signUp('joe', '10.0.0.1');
  await assert.rejects(signUp('joe', '10.0.0.1'), { code: 'ERR_USER_EXISTS' });
  const bad = { username: 'ann', password: 'bad password' };
  const client = { address: '10.0.0.1' };
  await assert.rejects(accounts.signup(bad, client), { code: 'ERR_PASSWORD_FORBIDDEN' });
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false);
  const before = [asked.length, passwords.calls.length, users.written.length];
  for (let index = 0; index < 20; index += 1) {
    await assert.rejects(signUp(`user${index}`, '10.0.0.1'), { code: 'ERR_THROTTLED' });
    await assert.rejects(accounts.signup(bad, client), { code: 'ERR_THROTTLED' });
    assert.equal(typeof (await logIn('joe', PASSWORD, '10.0.0.1')), 'number');
  }
  assert.deepEqual([asked.length, passwords.calls.length, users.written.length], before);
});

test('a full queue, an unavailable store and a disconnected client do not count', async () => {
  const away = new AuthError('ERR_STORE');
  const users = new MemoryUserStore();
  let isAway = false;
  const find = (id: string) => (isAway ? Promise.reject(away) : users.find(id));
  const passwords = new PasswordHasher({ logN: 1, maxConcurrent: 1, maxQueued: 0 });
  const store = {
    find,
    insert: users.insert.bind(users),
    update: users.update.bind(users),
  };
  const { accounts, signUp, logIn } = makeLimitedAccounts({ users: store, passwords });
  await signUp('joe');
  const client = { address: '10.0.0.1' };
  const gone = { ...client, signal: AbortSignal.abort() };
  const ann = { username: 'ann', password: PASSWORD };
  for (let round = 0; round < 60; round += 1) {
    isAway = true;
    await assert.rejects(accounts.authenticate('joe', 'wrong', client), away);
    await assert.rejects(signUp('ann', '10.0.0.1'), away);
    isAway = false;
    const login = accounts.authenticate('joe', PASSWORD, gone);
    await assert.rejects(login, { code: 'ERR_ABORTED' });
    await assert.rejects(accounts.signup(ann, gone), { code: 'ERR_ABORTED' });
    const running = passwords.hash('x');
    const refused = accounts.authenticate('joe', 'wrong', client);
    await assert.rejects(refused, { code: 'ERR_BUSY' });
    await running;
  }
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false);
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.1'), true);
});

test('an impossible password does not count, whether or not there is such a user', async () => {
  const limits = { triesPerAccount: 1, triesPerAddress: 1 };
  const { signUp, logIn } = makeLimitedAccounts({ limits });
  await signUp('joe');
  for (const password of ['\0', '\ud800', 'x'.repeat(1025)]) {
    for (const username of ['joe', 'unknown']) {
      assert.deepEqual(await inTurn(3, () => logIn(username, password, '10.0.0.1')), wrongs(3));
    }
  }
  assert.equal(await logIn('joe', 'wrong', '10.0.0.1'), false);
  assert.equal(typeof (await logIn('joe', 'wrong', '10.0.0.1')), 'number');
});

test('a signup counts, also if the name is taken, but not if the form is bad', async () => {
  const { accounts, clock, signUp } = makeLimitedAccounts();
  const outcome = (username: string, from: string) => {
    const codeOf = (error: AuthError) => (error.status === 429 ? 'wait' : error.code);
    return signUp(username, from).then(() => 'made', codeOf);
  };
  for (let index = 0; index < 60; index += 1) {
    const bad = (username: string, password: string) => {
      return accounts.signup({ username, password }, { address: '10.0.0.1' });
    };
    await assert.rejects(bad('joe', 'short'), { code: 'ERR_PASSWORD_TOO_SHORT' });
    await assert.rejects(bad('j o e', PASSWORD), { code: 'ERR_USERNAME' });
    await assert.rejects(bad('joe.smith', 'Joe.Smith'), { code: 'ERR_PASSWORD_FORBIDDEN' });
    await assert.rejects(bad('joe', 'correct\0horse'), { code: 'ERR_PASSWORD_INVALID' });
  }
  const made = await inTurn(25, (index) => outcome(`user${index}`, '10.0.0.1'));
  assert.deepEqual(made, Array(25).fill('made'));
  const taken = await inTurn(25, () => outcome('user1', '10.0.0.1'));
  assert.deepEqual(taken, Array(25).fill('ERR_USER_EXISTS'));
  assert.equal(await outcome('joe', '10.0.0.1'), 'wait');
  assert.equal(await outcome('joe', '10.0.0.2'), 'made');
  clock.seconds += HOUR - 1;
  assert.equal(await outcome('late', '10.0.0.1'), 'wait');
  clock.seconds += 5 * MINUTE + 1;
  assert.equal(await outcome('late', '10.0.0.1'), 'made');
  // Without an address there is no limit: all such clients would share it.
  await inTurn(60, (index) => signUp(`nowhere${index}`));
});

test('limits can be changed or turned off, and bad ones are refused by name', async () => {
  const limits = {
    triesPerAccount: 1,
    triesPerAddress: 2,
    signupsPerAddress: 1,
  };
  const few = makeLimitedAccounts({ limits });
  await few.signUp('joe', '10.0.0.1');
  await assert.rejects(few.signUp('ann', '10.0.0.1'), { code: 'ERR_THROTTLED' });
  const answers = [...(await inTurn(2, () => few.logIn('joe', 'wrong', '10.0.0.1')))];
  answers.push(...(await inTurn(2, (index) => few.logIn(`user${index}`, 'wrong', '10.0.0.1'))));
  const kinds = answers.map((answer) => typeof answer);
  assert.deepEqual(kinds, ['boolean', 'number', 'boolean', 'number']);
  assert.equal(await few.logIn('joe', PASSWORD, '10.0.0.2'), true);
  const strangers = await inTurn(10, (index) => few.logIn('joe', 'wrong', addressOf(index)));
  const checked = strangers.filter((answer) => answer === false);
  assert.equal(checked.length, 6, 'seven unknown networks with one each');

  const none = makeLimitedAccounts({ limits: false });
  await inTurn(60, (index) => none.signUp(`user${index}`, '10.0.0.1'));
  assert.deepEqual(await inTurn(60, () => none.logIn('user1', 'wrong', '10.0.0.1')), wrongs(60));

  for (const bad of [true, null, 0, 'off']) {
    const make = () => makeLimitedAccounts({ limits: bad as false });
    assert.throws(make, /"limits" expected false or an object/);
  }
  const makeUnknown = () => makeLimitedAccounts({ limits: { tries: 1 } as object });
  assert.throws(makeUnknown, /"tries" expected one of triesPerAccount/);
  for (const name of ['triesPerAccount', 'triesPerAddress', 'signupsPerAddress']) {
    const most = name === 'triesPerAccount' ? 10 : 1_000_000;
    for (const value of [...NOT_AMOUNTS, 0, 1.5, most + 1]) {
      const make = () => makeLimitedAccounts({ limits: { [name]: value } });
      assert.throws(make, new RegExp(`^\\w+Error: "${name}" expected`));
    }
    makeLimitedAccounts({ limits: { [name]: most } });
  }
  for (const now of NOT_FUNCTIONS) {
    const make = () => makeLimitedAccounts({ now: now as () => number });
    assert.throws(make, /"now" expected a function/);
  }
});

test('a signup counts whatever its outcome, unless the store is unavailable', async () => {
  const isForbidden = () => {
    throw new TypeError('no list');
  };
  const failing = makeLimitedAccounts({ isForbidden });
  const passwords = new PasswordHasher({ logN: 1, maxConcurrent: 1, maxQueued: 0 });
  const busy = makeLimitedAccounts({ passwords });
  const outcomes: string[] = [];
  for (let index = 0; index < 60; index += 1) {
    const running = passwords.hash('x');
    for (const { signUp } of [failing, busy]) {
      const signup = signUp(`user${index}`, '10.0.0.1');
      outcomes.push(await signup.then(() => 'made', ({ code, name }) => code ?? name));
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
  const isForbidden = () => {
    asked += 1;
    return true;
  };
  const { accounts } = makeLimitedAccounts({ users, passwords, isForbidden });
  for (const password of ['correct\0horse', 'correct\ud800horse', 'x'.repeat(1025)]) {
    assert.equal(await accounts.authenticate('joe', password), undefined);
    await assert.rejects(accounts.signup({ username: 'joe', password }), { status: 400 });
  }
  assert.deepEqual([asked, passwords.calls], [0, []]);
});

test('the reply to a throttled login does not tell whether there is such a user', async () => {
  const now = () => 1e9;
  await withApp({ now }, async ({ url }) => {
    const signup = (username: string) => {
      return send(`${url}/signup`, 'POST', { username, password: PASSWORD });
    };
    assert.equal((await signup('joe')).status, 200);
    const answersTo = (username: string) =>
      inTurn(12, async () => {
        const credentials = { username, password: 'wrong' };
        const { status, body, headers } = await send(`${url}/auth`, 'POST', credentials);
        return { status, body, headers: [...headers].filter(([name]) => name !== 'date') };
      });
    const joe = await answersTo('joe');
    const unknown = await answersTo('unknown');
    assert.deepEqual(joe, unknown);
    const statuses = joe.map(({ status }) => status);
    assert.deepEqual(statuses, [...Array<number>(10).fill(401), 429, 429]);
    const description = 'Too many attempts, try again later';
    assert.deepEqual(joe[10]?.body, { status_code: 429, error: 'Too Many Requests', description });
    const retryAfter = joe[10]?.headers.find(([name]) => name === 'retry-after');
    assert.ok(Number(retryAfter?.[1]) > 3300);
    const signups = await inTurn(50, (index) => signup(`user${index}`));
    assert.deepEqual(signups.at(-1)?.body, joe[10]?.body);
  });
});
