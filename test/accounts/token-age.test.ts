/** Tokens of an earlier user of a name, whose account was removed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Accounts, MemoryUserStore } from '../../src/index.ts';
import { isTokenOfUser } from '../../src/accounts/token-age.ts';
import { makeService, OLD } from '../support/account-service.ts';
import { cheapPasswords } from '../support/app.ts';

const REMOVED_AT = 1_800_000_000;

test('a token of a removed name must be younger, or its session must have been found', () => {
  const withPrototype = (members: object, inherited: object) => {
    return Object.assign(Object.create(inherited), members);
  };
  // With validAfter: whether the token is accepted without sessions, and with them.
  const ROWS: readonly (readonly [object, boolean, boolean])[] = [
    [{ iat: REMOVED_AT - 1 }, false, false],
    [{ iat: REMOVED_AT }, false, false],
    [{ iat: REMOVED_AT + 0.9 }, false, false],
    [{ iat: REMOVED_AT + 1 }, true, true],
    [{ iat: `${REMOVED_AT + 1}` }, false, false],
    [{ iat: NaN }, false, false],
    [{ iat: null }, false, false],
    [{ iat: REMOVED_AT, sid: 'x' }, false, true],
    [withPrototype({ iat: REMOVED_AT }, { sid: 'x' }), false, false],
    [{ sid: 'x' }, false, true],
    [{}, false, true],
    [withPrototype({}, { iat: REMOVED_AT + 1 }), false, true],
  ];
  for (const [claims, isAccepted, isAcceptedWithSessions] of ROWS) {
    const validAfter = REMOVED_AT;
    assert.equal(isTokenOfUser({ validAfter }, claims, false), isAccepted);
    assert.equal(isTokenOfUser({ validAfter }, claims, true), isAcceptedWithSessions);
    for (const hasSessions of [false, true]) {
      assert.equal(isTokenOfUser({}, claims, hasSessions), true, 'the name was never removed');
    }
  }
  assert.equal(isTokenOfUser({ validAfter: 0 }, { iat: 0 }, false), false);
});

test('after a removal and a new signup, the old tokens of the name find no user', async () => {
  const clock = { seconds: REMOVED_AT - 100 };
  const users = new MemoryUserStore();
  const now = () => clock.seconds;
  const passwords = cheapPasswords();
  const without = new Accounts({ users, passwords, now });
  const { accounts: withSessions } = makeService({ users, passwords, now });
  const joe = { username: 'joe', password: OLD };
  await without.signup(joe);
  const token = { identity: 'joe', iat: clock.seconds };
  const bare = { identity: 'joe' };
  for (const accounts of [without, withSessions]) {
    for (const claims of [token, bare]) {
      assert.equal((await accounts.identity(claims))?.id, 'joe', 'a name that was never removed');
    }
  }
  clock.seconds = REMOVED_AT + 0.9;
  await without.remove('joe');
  for (const accounts of [without, withSessions]) {
    assert.equal(await accounts.identity(token), undefined);
  }
  assert.equal((await without.signup(joe)).id, 'joe');
  assert.equal(users.find('joe')?.validAfter, REMOVED_AT, 'by the clock of the accounts');
  const young = { identity: 'joe', iat: REMOVED_AT + 1 };
  for (const accounts of [without, withSessions]) {
    assert.equal(await accounts.identity(token), undefined);
    assert.equal(await accounts.identity({ identity: 'joe', iat: REMOVED_AT }), undefined);
    assert.equal((await accounts.identity(young))?.id, 'joe');
    // A change of the password keeps the time of the removal.
    await accounts.setPassword('joe', OLD);
    assert.equal(await accounts.identity(token), undefined);
  }
  assert.equal(await without.identity(bare), undefined);
  assert.equal((await withSessions.identity(bare))?.id, 'joe', 'as at a refresh');
  const ofSession = { ...token, sid: 'x' };
  assert.equal(await without.identity(ofSession), undefined);
  assert.equal((await withSessions.identity(ofSession))?.id, 'joe', 'the guard found the session');
});
