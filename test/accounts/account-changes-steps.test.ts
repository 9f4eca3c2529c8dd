/** The steps of a change: which errors they pass on, and which sessions they end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Accounts,
  JwtAuth,
  MemorySessionStore,
  MemoryUserStore,
  Sessions,
  type PublicUser,
} from '../../src/index.ts';
import {
  addUser,
  CHANGES,
  countSessions,
  logIn,
  makeService,
  OLD,
  unavailable,
  watchedStores,
} from '../support/account-service.ts';
import { cheapPasswords } from '../support/app.ts';
import { refusal } from '../support/accounts.ts';
import { SECRET } from '../support/tokens.ts';

for (const [name, change] of Object.entries(CHANGES)) {
  test(`${name}: the error of the second step counts, also if the third fails too`, async () => {
    const users = new MemoryUserStore();
    const store = new MemorySessionStore();
    await addUser({ users }, 'joe');
    const watched = watchedStores(users, store, async ({ number, kind }, work) => {
      if (kind !== 'put') throw new TypeError('a bug');
      if (number > 1) throw unavailable();
      return work();
    });
    const changed = change(makeService(watched).accounts, 'joe');
    await assert.rejects(changed, { name: 'TypeError', message: 'a bug' });
  });

  test(`${name}: the third step is tried three times`, async () => {
    for (const failures of [2, 3]) {
      const users = new MemoryUserStore();
      const store = new MemorySessionStore();
      const service = makeService({ users, sessionStore: store });
      await addUser(service, 'joe');
      let hasLoggedIn = false;
      let failed = 0;
      const watched = watchedStores(users, store, async ({ number, kind }, work) => {
        if (kind !== 'put' && !hasLoggedIn) hasLoggedIn = await logIn(service, 'joe', OLD);
        if (kind !== 'put' || number === 1) return work();
        failed += 1;
        if (failed <= failures) throw unavailable();
        return work();
      });
      const changed = change(makeService(watched).accounts, 'joe');
      if (failures === 3) await assert.rejects(changed, refusal('ERR_STORE'));
      else await changed;
      assert.equal(hasLoggedIn, true);
      // The login was complete before the second step. If the third fails, its session stays.
      assert.equal(await countSessions(service, 'joe'), failures === 3 ? 1 : 0);
    }
  });
}

test('enable ends the sessions that a disabling without its third step has left', async () => {
  const users = new MemoryUserStore();
  const store = new MemorySessionStore();
  const service = makeService({ users, sessionStore: store });
  await addUser(service, 'joe');
  let hasLoggedIn = false;
  const watched = watchedStores(users, store, async ({ number, kind }, work) => {
    if (kind === 'update' && !hasLoggedIn) hasLoggedIn = await logIn(service, 'joe', OLD);
    if (kind === 'put' && number > 1) throw unavailable();
    return work();
  });
  await assert.rejects(makeService(watched).accounts.disable('joe'), refusal('ERR_STORE'));
  assert.equal(await service.accounts.authenticate('joe', OLD), undefined);
  assert.equal(await countSessions(service, 'joe'), 1);
  const away = watchedStores(users, store, () => Promise.reject(unavailable()));
  await assert.rejects(makeService(away).accounts.enable('joe'), refusal('ERR_STORE'));
  assert.equal(await service.accounts.authenticate('joe', OLD), undefined, 'still disabled');
  assert.equal(await service.accounts.enable('joe'), true);
  assert.equal(await countSessions(service, 'joe'), 0);
  assert.equal(await logIn(service, 'joe', OLD), true);
  assert.equal(await service.accounts.enable('joe'), true);
  assert.equal(await countSessions(service, 'joe'), 1, 'an enabled account keeps its sessions');
});

test('an account without a password that can be restored loses no session to enable', async () => {
  const service = makeService();
  await service.users.insert({ id: 'joe', username: 'joe', passwordHash: '!*', createdAt: '' });
  await service.sessions.start('joe', { isRefreshable: true });
  await assert.rejects(service.accounts.enable('joe'), refusal('ERR_PASSWORD_HASH'));
  assert.equal(await countSessions(service, 'joe'), 1);
});

test('handlers carry the sessions of the accounts, if they have some', async () => {
  const users = new MemoryUserStore();
  const passwords = cheapPasswords();
  const sessions = new Sessions({ store: new MemorySessionStore() });
  const without = new Accounts({ users, passwords });
  const accounts = new Accounts({ users, passwords, sessions });
  const names = ['authenticate', 'identity', 'isCurrent', 'limits'];
  assert.deepEqual(Object.keys(without.handlers), names);
  assert.equal(accounts.handlers.sessions, sessions);
  const auth = new JwtAuth<PublicUser>({ secret: SECRET, ...accounts.handlers });
  const user = await accounts.signup({ username: 'joe', password: OLD });
  const pair = await auth.issue(user, undefined, { refresh: true });
  assert.equal((await sessions.list('joe')).length, 1);
  await accounts.setPassword('joe', 'another one');
  await assert.rejects(auth.authorize(`Bearer ${pair.access_token}`), refusal('ERR_SESSION_ENDED'));
  // Accounts without sessions leave those of a JwtAuth in place.
  const mixed = new JwtAuth<PublicUser>({ secret: SECRET, sessions, ...without.handlers });
  await mixed.issue({ ...user });
  assert.equal((await sessions.list('joe')).length, 1);
});
