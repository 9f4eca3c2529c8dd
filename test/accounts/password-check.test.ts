/** What a check of a password costs and reveals, and what it counts on guarded routes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Accounts, MemoryUserStore } from '../../src/index.ts';
import { addUser, NEW, OLD, weakHash } from '../support/account-service.ts';
import { refusal } from '../support/accounts.ts';
import { WatchedHasher } from '../support/doubles.ts';
import { HOUR, inTurn, makeLimitedAccounts, MINUTE, PASSWORD, waitOf } from '../support/limits.ts';
import { userNamed } from '../support/user-files.ts';

test('an unknown, a disabled and an unreadable account cost the work of a decoy hash', async () => {
  const verified: (string | undefined)[] = [];
  class Hasher extends WatchedHasher {
    override verify(password: string, stored: string | undefined): Promise<boolean> {
      verified.push(stored);
      return super.verify(password, stored);
    }
  }
  const users = new MemoryUserStore();
  const accounts = new Accounts({ users, passwords: new Hasher({ logN: 1 }), limits: false });
  await addUser({ users }, 'joe');
  await addUser({ users }, 'disabled');
  await accounts.disable('disabled');
  users.insert(userNamed('unreadable', 'a hash'));
  const EXPECTED: Readonly<Record<string, (string | undefined)[]>> = {
    joe: [weakHash],
    unknown: [undefined],
    disabled: [undefined],
    unreadable: ['a hash', undefined],
  };
  for (const [id, expected] of Object.entries(EXPECTED)) {
    for (const check of [
      () => accounts.authenticate(id, 'wrong'),
      () => accounts.confirmPassword(id, 'wrong').catch((error) => error.code),
      () => accounts.changePassword(id, 'wrong', NEW).catch((error) => error.code),
    ]) {
      verified.length = 0;
      assert.ok([undefined, 'ERR_CREDENTIALS'].includes((await check()) as string | undefined));
      assert.deepEqual(verified, expected, id);
    }
  }
});

test('a stored hash that cannot be read causes a warning, which has only the id', async () => {
  const users = new MemoryUserStore();
  const accounts = new Accounts({ users, passwords: new WatchedHasher({ logN: 1 }) });
  await addUser({ users }, 'joe');
  await addUser({ users }, 'disabled');
  await accounts.disable('disabled');
  users.insert(userNamed('old', 'pbkdf2:sha256:1$salt$key'));
  const warnings: string[] = [];
  const listener = ({ message }: Error) => void warnings.push(message);
  process.on('warning', listener);
  for (const id of ['joe', 'unknown', 'disabled', 'old']) {
    assert.equal(await accounts.authenticate(id, 'wrong'), undefined);
  }
  // Node emits a warning in a later tick.
  await new Promise(setImmediate);
  process.off('warning', listener);
  assert.deepEqual(warnings, [
    'The stored hash of the user "old" cannot be read, so no password of this user is accepted: ' +
      'set a new one',
  ]);
});

test('a refused new text is refused before any hashing, also for an unknown user', async () => {
  const passwords = new WatchedHasher({ logN: 1 });
  const users = new MemoryUserStore();
  const accounts = new Accounts({ users, passwords });
  await addUser({ users }, 'joe');
  for (const id of ['joe', 'unknown']) {
    const changed = accounts.changePassword(id, OLD, 'short');
    await assert.rejects(changed, refusal('ERR_PASSWORD_TOO_SHORT'));
  }
  assert.deepEqual(passwords.calls, []);
});

const address = '10.0.0.1';

/** A user `joe` with the password PASSWORD, and what a guarded route answers. */
async function guardedRoute() {
  const { accounts, clock, signUp, logIn } = makeLimitedAccounts();
  await signUp('joe');
  await signUp('ann');
  const confirm = (password: string, sessionId?: string, id = 'joe') => {
    const confirmed = accounts.confirmPassword(id, password, { address, sessionId });
    return confirmed.then(() => true, (error) => {
      return error.code === 'ERR_CREDENTIALS' ? false : waitOf(error);
    });
  };
  return { accounts, clock, logIn, confirm };
}

test('wrong passwords on guarded routes count by account and session, until 429', async () => {
  const { accounts, clock, confirm } = await guardedRoute();
  const wrong = (sessionId?: string) => inTurn(10, () => confirm('wrong', sessionId));
  assert.deepEqual(new Set(await wrong('first')), new Set([false]));
  const wait = await confirm(PASSWORD, 'first');
  assert.ok(Number(wait) > HOUR - 5 * MINUTE && Number(wait) <= HOUR + 5 * MINUTE);
  const client = { address, sessionId: 'first' };
  const change = accounts.changePassword('joe', PASSWORD, NEW, client);
  await assert.rejects(change, refusal('ERR_THROTTLED'));
  assert.equal(await confirm(PASSWORD, 'second'), true, 'another session');
  assert.equal(await confirm(PASSWORD, 'first', 'ann'), true, 'another account');
  assert.equal(await confirm(PASSWORD), true, 'no session');
  assert.deepEqual(new Set(await wrong()), new Set([false]));
  assert.equal(typeof (await confirm(PASSWORD)), 'number', 'tokens without one share a count');
  assert.equal(await confirm(PASSWORD, 'second'), true);
  clock.seconds += HOUR + 5 * MINUTE;
  assert.equal(await confirm(PASSWORD, 'first'), true);
});

test('changes of a password and confirmations share one count', async () => {
  const { accounts, confirm } = await guardedRoute();
  const client = { address, sessionId: 'first' };
  for (let round = 0; round < 5; round += 1) {
    const change = accounts.changePassword('joe', 'wrong', NEW, client);
    await assert.rejects(change, refusal('ERR_CREDENTIALS'));
    assert.equal(await confirm('wrong', 'first'), false);
  }
  assert.equal(typeof (await confirm(PASSWORD, 'first')), 'number');
});

test('guesses at logins and on guarded routes do not count for each other', async () => {
  const { accounts, logIn, confirm } = await guardedRoute();
  await inTurn(200, (index) => logIn('joe', 'wrong', `10.1.${index}.1`));
  await inTurn(10, () => logIn('joe', 'wrong', address));
  assert.equal(typeof (await logIn('joe', PASSWORD, address)), 'number');
  assert.equal(await confirm(PASSWORD, 'first'), true);
  assert.equal(await confirm(PASSWORD), true);
  const client = { address, sessionId: 'first' };
  assert.equal((await accounts.changePassword('joe', PASSWORD, NEW, client)).id, 'joe');

  const other = await guardedRoute();
  for (const session of ['first', 'second', 'third', undefined]) {
    await inTurn(20, () => other.confirm('wrong', session));
  }
  assert.equal(typeof (await other.confirm(PASSWORD, 'first')), 'number');
  assert.equal(await other.logIn('joe', PASSWORD, address), true);
  assert.equal(await other.logIn('ann', PASSWORD, address), true);
});

test('wrong passwords that arrive at once are all counted', async () => {
  const { confirm } = await guardedRoute();
  const guesses = Array.from({ length: 1000 }, () => confirm('wrong', 'first'));
  const answers = await Promise.all(guesses);
  assert.equal(answers.filter((answer) => answer === false).length, 10);
});

test('right and impossible passwords, and a full queue, count nothing', async () => {
  const { accounts, confirm } = await guardedRoute();
  const client = { address, sessionId: 'first' };
  await inTurn(30, () => confirm(PASSWORD, 'first'));
  for (const impossible of ['\0', '\ud800', 'x'.repeat(1025)]) {
    await inTurn(11, () => confirm(impossible, 'first'));
  }
  const gone = { ...client, signal: AbortSignal.abort() };
  for (let round = 0; round < 11; round += 1) {
    await assert.rejects(accounts.confirmPassword('joe', 'wrong', gone), refusal('ERR_ABORTED'));
  }
  assert.equal(await confirm('wrong', 'first'), false);
  assert.equal(await confirm(PASSWORD, 'first'), true);
});

test('a throttled confirmation asks neither the store nor the hasher', async () => {
  const { accounts, users, passwords } = watched();
  for (let round = 0; round < 10; round += 1) {
    const wrong = accounts.confirmPassword('joe', 'wrong');
    await assert.rejects(wrong, refusal('ERR_CREDENTIALS'));
  }
  const before = [users.finds, passwords.calls.length];
  for (const one of [
    () => accounts.confirmPassword('joe', OLD),
    () => accounts.changePassword('joe', OLD, NEW),
  ]) {
    await assert.rejects(one(), refusal('ERR_THROTTLED'));
  }
  assert.deepEqual([users.finds, passwords.calls.length], before);
});

function watched() {
  class Users extends MemoryUserStore {
    finds = 0;
    override find(id: string) {
      this.finds += 1;
      return super.find(id);
    }
  }
  const users = new Users();
  const passwords = new WatchedHasher({ logN: 1 });
  users.insert(userNamed('joe', weakHash));
  return { users, passwords, accounts: new Accounts({ users, passwords }) };
}

test('what a removed name has counted stays', async () => {
  const { accounts, logIn } = await guardedRoute();
  await inTurn(10, () => logIn('joe', 'wrong', address));
  await accounts.remove('joe');
  await accounts.signup({ username: 'joe', password: PASSWORD });
  assert.equal(typeof (await logIn('joe', PASSWORD, address)), 'number');
  assert.equal(await logIn('joe', PASSWORD, '10.0.0.2'), true);
});

test('limits: false checks every password, and an address of the wrong kind is named', async () => {
  const users = new MemoryUserStore();
  await addUser({ users }, 'joe');
  const passwords = new WatchedHasher({ logN: 1 });
  const accounts = new Accounts({ users, limits: false, passwords });
  for (let round = 0; round < 20; round += 1) {
    const wrong = accounts.confirmPassword('joe', 'wrong');
    await assert.rejects(wrong, refusal('ERR_CREDENTIALS'));
  }
  const bad = { address: 7 as unknown as string };
  const named = { name: 'TypeError', message: /"client.address" expected/ };
  await assert.rejects(accounts.confirmPassword('joe', OLD, bad), named);
  await assert.rejects(accounts.changePassword('joe', OLD, NEW, bad), named);
  await assert.rejects(accounts.remove('joe', bad), named);
  assert.equal((await accounts.confirmPassword('joe', OLD)).id, 'joe');
});
