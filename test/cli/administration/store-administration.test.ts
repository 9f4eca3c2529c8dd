/** What an operator can do with users. Each test runs in one process and over a socket. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemorySessionStore, MemoryUserStore, Sessions } from '../../../src/index.ts';
import { PASSWORD, werkzeugHash } from '../../support/accounts.ts';
import { direct, overSocket, type Administered } from '../../support/administration.ts';

const HASH = werkzeugHash(PASSWORD);
const CREATED = '2020-01-02T03:04:05.000Z';
const FUTURE = '2099-01-01T00:00:00.000Z';
const SESSION = { isRefreshable: true };
const ENDED = { id: 'joe', sessions: 'ended' };

/** A record as another store has it. */
const record = (id: string, others: object = {}) =>
  ({ id, username: id, passwordHash: HASH, createdAt: CREATED, ...others });

const PLACES: readonly [string, (options?: object) => Administered | Promise<Administered>][] = [
  ['in the process of the store', direct],
  ['over the socket of a server', overSocket],
];

for (const [place, administer] of PLACES) {
  describe(`the administration of users, ${place}`, () => {
    it('adds a user, who can then log in', async () => {
      const { administration, accounts, users } = await administer();
      const added = await administration.add(' Joe', PASSWORD);
      const { id, username, createdAt } = users.find('joe') ?? assert.fail();
      assert.deepEqual({ ...added }, { id, username, createdAt });
      assert.equal((await accounts.authenticate('JOE', PASSWORD))?.id, 'joe');
    });

    it('refuses what a signup refuses, with its code, status and texts', async () => {
      const { administration } = await administer({ minPasswordLength: 10 });
      await administration.add('joe', 'ten letters');
      const rows: [string, string, string, string][] = [
        ['Joe', 'ten letters', 'ERR_USER_EXISTS', 'User already exists'],
        ['j j', 'ten letters', 'ERR_USERNAME', ''],
        ['jim', 'nine char', 'ERR_PASSWORD_TOO_SHORT', 'Password must have 10 to 256 characters'],
        ['jim', 'password123', 'ERR_PASSWORD_FORBIDDEN', ''],
      ];
      for (const [username, password, code, text] of rows) {
        const error: unknown = await administration.add(username, password).catch((e) => e);
        assert.ok(error instanceof Error && 'status' in error && 'error' in error);
        const { name, message, status, error: title } = error;
        assert.deepEqual({ name, status, title, code: Object(error).code },
          { name: 'AuthError', status: 400, title: 'Signup refused', code });
        if (text !== '') assert.equal(message, text);
      }
    });

    it('has no rate limit, because those are for clients', async () => {
      const { administration } = await administer();
      const names = Array.from({ length: 150 }, (_, index) => `user-${index}`);
      await Promise.all(names.map((name) => administration.add(name, PASSWORD)));
      assert.equal((await administration.list(undefined)).length, names.length);
    });

    it('sets a password, and ends the sessions of that user alone', async () => {
      const { administration, accounts, sessions } = await administer();
      await administration.add('joe', PASSWORD);
      await administration.add('jim', PASSWORD);
      await sessions.start('joe', SESSION);
      await sessions.start('jim', SESSION);
      const changed = await administration.setPassword('JOE', 'another horse');
      assert.deepEqual(changed, ENDED);
      assert.equal(await accounts.authenticate('joe', PASSWORD), undefined);
      assert.equal((await accounts.authenticate('joe', 'another horse'))?.id, 'joe');
      assert.deepEqual(await sessions.list('joe'), []);
      assert.equal((await sessions.list('jim')).length, 1);
      const short = administration.setPassword('joe', 'horse');
      await assert.rejects(short, { code: 'ERR_PASSWORD_TOO_SHORT', error: 'Password refused' });
    });

    it('disables and enables a user, and lists which users are disabled', async () => {
      const { administration, accounts, sessions } = await administer();
      await administration.add('joe', PASSWORD);
      await administration.add('jim', PASSWORD);
      await sessions.start('joe', SESSION);
      assert.deepEqual(await administration.disable('Joe'), ENDED);
      assert.deepEqual(await sessions.list('joe'), []);
      assert.equal(await accounts.authenticate('joe', PASSWORD), undefined);
      const listed = await administration.list(undefined);
      const states = listed.map(({ id, isDisabled }) => [id, isDisabled]);
      assert.deepEqual(states, [['jim', false], ['joe', true]]);
      for (const user of listed) {
        const members = ['id', 'username', 'createdAt', 'isDisabled'];
        assert.deepEqual(Object.keys(user), members);
      }
      assert.deepEqual(await administration.enable('Joe'), { id: 'joe', sessions: 'none' });
      assert.equal((await accounts.authenticate('joe', PASSWORD))?.id, 'joe');
    });

    it('removes a user, whose later namesake gets the time of the removal', async () => {
      const { administration, users, sessions } = await administer();
      await administration.add('joe', PASSWORD);
      await sessions.start('joe', SESSION);
      assert.deepEqual(await administration.remove('Joe'), ENDED);
      assert.deepEqual([users.find('joe'), await sessions.list('joe')], [undefined, []]);
      await administration.add('joe', PASSWORD);
      assert.equal(typeof users.find('joe')?.validAfter, 'number');
    });

    it('logs out one user, and all users of several pages', async () => {
      const { administration, users, sessions } = await administer();
      for (let index = 0; index < 2001; index += 1) users.insert(record(`user-${index}`));
      const some = ['user-0', 'user-1', 'user-1999', 'user-2000'];
      for (const id of some) await sessions.start(id, SESSION);
      const left = async () => {
        const all = await Promise.all(some.map((id) => sessions.list(id)));
        return all.map((list) => list.length);
      };
      assert.deepEqual(await administration.logout('USER-1'), { ...ENDED, id: 'user-1' });
      assert.deepEqual(await left(), [1, 0, 1, 1]);
      const first = await administration.logoutPage(undefined);
      assert.deepEqual(first, { count: 1000, next: 'user-1898' });
      assert.deepEqual(await left(), [0, 0, 1, 1]);
      const second = await administration.logoutPage(first.next);
      const third = await administration.logoutPage(second.next);
      assert.deepEqual([second.count, third], [1000, { count: 1, next: undefined }]);
      assert.deepEqual(await left(), [0, 0, 0, 0]);
    });

    it('refuses a logout if no sessions are kept, because it could end no token', async () => {
      const { administration } = await administer({ sessions: undefined });
      await administration.add('joe', PASSWORD);
      for (const job of [administration.logout('joe'), administration.logoutPage(undefined)]) {
        await assert.rejects(job, { code: 'ERR_BAD_REQUEST', message: /^No sessions are kept/ });
      }
      const none = { id: 'joe', sessions: 'none' };
      assert.deepEqual(await administration.setPassword('joe', 'another horse'), none);
      assert.deepEqual(await administration.disable('joe'), none);
      assert.deepEqual(await administration.remove('joe'), none);
    });

    it('changes nothing and returns undefined for a user who does not exist', async () => {
      const { administration } = await administer();
      for (const name of ['jill', '', 'not a name', '\u0000']) {
        assert.equal(await administration.setPassword(name, 'another horse'), undefined);
        assert.equal(await administration.disable(name), undefined);
        assert.equal(await administration.enable(name), undefined);
        assert.equal(await administration.remove(name), undefined);
        assert.equal(await administration.logout(name), undefined);
      }
    });

    it('finds a user by the exact id first, also by an id that no signup makes', async () => {
      const { administration, users } = await administer();
      users.insert(record('Joe Doe'));
      users.insert(record('JIM'));
      users.insert(record('jim'));
      assert.deepEqual(await administration.disable('Joe Doe'), { ...ENDED, id: 'Joe Doe' });
      assert.equal((await administration.remove('JIM'))?.id, 'JIM');
      assert.deepEqual([users.find('JIM'), users.find('jim')?.id], [undefined, 'jim']);
      assert.equal((await administration.remove('JIM'))?.id, 'jim');
      assert.equal(users.find('jim'), undefined);
    });

    it('exports users page by page, and imports them as they are', async () => {
      const from = await administer();
      const rows = Array.from({ length: 1001 }, (_, index) => {
        const others = index % 2 === 0 ? {} : { validAfter: index, passwordHash: `!${HASH}` };
        return record(`user-${String(index).padStart(4, '0')}`, others);
      });
      for (const row of rows) from.users.insert(row);
      const first = await from.administration.exportUsers(undefined);
      const second = await from.administration.exportUsers(first.at(-1)?.id);
      assert.deepEqual([first.length, second.length], [1000, 1]);
      const exported = [...first, ...second].map((user) => ({ ...user }));
      assert.deepEqual(exported, rows);
      const to = await administer();
      for (const user of exported) assert.equal(await to.administration.importUser(user), true);
      assert.deepEqual([...to.users.list(undefined, 1000), ...to.users.list('user-0999')].map(
        (user) => ({ ...user })), rows);
    });

    it('ends sessions that the server does not check, and says that none are kept', async () => {
      const idle = new Sessions({ store: new MemorySessionStore() });
      const openIdleSessions = async () => idle;
      const { administration } = await administer({ sessions: undefined, openIdleSessions });
      const none = { id: 'joe', sessions: 'none' };
      await administration.add('joe', PASSWORD);
      for (const change of [
        () => administration.setPassword('joe', 'another horse'),
        () => administration.disable('joe'),
        () => administration.remove('joe'),
      ]) {
        await idle.start('joe', SESSION);
        assert.deepEqual(await change(), none);
        assert.deepEqual(await idle.list('joe'), []);
      }
      await idle.start('joe', SESSION);
      await assert.rejects(administration.logout('joe'), /No sessions are kept/);
      assert.equal(await administration.importUser(record('joe', { createdAt: FUTURE })), true);
      assert.deepEqual(await idle.list('joe'), []);
    });

    it('logs each action with the id of the user, and no action that was refused', async () => {
      const { administration, users, logged } = await administer();
      await administration.add('Joe', PASSWORD);
      await administration.add('Joe', PASSWORD).catch(() => undefined);
      await administration.setPassword('joe', 'another horse');
      await administration.disable('joe');
      await administration.disable('a password typed as a name');
      await administration.enable('joe');
      await administration.logout('joe');
      await administration.logoutPage(undefined);
      await administration.logoutPage('joe');
      await administration.list(undefined);
      await administration.list('joe');
      await administration.exportUsers('');
      users.insert(record('\u001bjim jim'));
      await administration.enable('\u001bjim jim');
      await administration.importUser(record('ann'));
      await administration.remove('joe');
      const actions = ['add', 'set-password', 'disable', 'enable', 'logout'];
      const all = ['logout-all', 'logout-all', 'list', 'export'];
      assert.deepEqual(logged, [
        ...actions.map((action) => lineOf(action, 'joe')),
        ...all.map((action) => ['administration', `administration: ${action}`, { action }]),
        ['administration', 'administration: enable \\u{1b}jim jim',
          { action: 'enable', id: '\u001bjim jim' }],
        lineOf('import', 'ann'),
        lineOf('remove', 'joe'),
      ]);
    });
  });
}

const lineOf = (action: string, id: string) =>
  ['administration', `administration: ${action} ${id}`, { action, id }];

it('an administration finds one user with the hash, by the exact id', async () => {
  for (const [, administer] of PLACES) {
    const { administration } = await administer();
    const joe = record('joe', { validAfter: 1000 });
    await administration.importUser(joe);
    assert.deepEqual({ ...(await administration.exportUser('joe')) }, joe);
    for (const id of ['Joe', 'jo', '']) {
      assert.equal(await administration.exportUser(id), undefined);
    }
  }
});

it('an administration lists removed names with the method of the store', async () => {
  class Users extends MemoryUserStore {
    override listRemoved(after?: string, limit?: number) {
      assert.equal(limit, 1000);
      return after === undefined ? [{ id: 'joe', removedAt: 1000 }] : [];
    }
  }
  for (const [, administer] of PLACES) {
    const { administration } = await administer({ users: new Users() });
    const names = await administration.exportRemovedNames(undefined);
    assert.deepEqual(names, [{ id: 'joe', removedAt: 1000 }]);
    assert.deepEqual(await administration.exportRemovedNames('joe'), []);
  }
});
