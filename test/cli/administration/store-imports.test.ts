/** Imports of users and of removed names. Each test runs in one process and over a socket. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PASSWORD, refusal, werkzeugHash } from '../../support/accounts.ts';
import { direct, overSocket, type Administered } from '../../support/administration.ts';

const HASH = werkzeugHash(PASSWORD);
const CREATED = '2020-01-02T03:04:05.000Z';
const FUTURE = '2099-01-01T00:00:00.000Z';
const SESSION = { isRefreshable: true };

/** A record as another store has it. */
const record = (id: string, others: object = {}) =>
  ({ id, username: id, passwordHash: HASH, createdAt: CREATED, ...others });

const PLACES: readonly [string, (options?: object) => Administered | Promise<Administered>][] = [
  ['in the process of the store', direct],
  ['over the socket of a server', overSocket],
];

for (const [place, administer] of PLACES) {
  describe(`imports, ${place}`, () => {
    it('imports no user over another one, and no hash that cannot be read', async () => {
      const { administration, users, sessions } = await administer();
      await administration.add('joe', PASSWORD);
      const before = users.find('joe');
      await sessions.start('joe', SESSION);
      assert.equal(await administration.importUser(record('joe')), false);
      assert.equal(users.find('joe'), before);
      assert.equal((await sessions.list('joe')).length, 1);
      for (const passwordHash of ['', '!', '!!', PASSWORD, `!!${HASH}`]) {
        const job = administration.importUser(record('jim', { passwordHash }));
        await assert.rejects(job, refusal('ERR_PASSWORD_HASH'));
      }
      const job = administration.importUser(record('jim', { validAfter: -1 }));
      await assert.rejects(job, { code: 'ERR_BAD_REQUEST', message: /^its "validAfter" is not/ });
      assert.equal(users.find('jim'), undefined);
      assert.equal(await administration.importUser(record('jim', { validAfter: 0 })), true);
    });

    it('ends the sessions that an earlier user of an imported name has left', async () => {
      const { administration, sessions } = await administer();
      await sessions.start('joe', SESSION);
      assert.equal(await administration.importUser(record('joe')), true);
      assert.deepEqual(await sessions.list('joe'), []);
    });

    it('imports a removed name again and again, and never over a user', async () => {
      const { administration, users } = await administer();
      const name = { id: 'joe', removedAt: 1000 };
      for (let run = 0; run < 2; run += 1) {
        assert.equal(await administration.importRemovedName(name), true);
        assert.equal(users.find('joe'), undefined);
      }
      const together = [name, name, name].map((same) => administration.importRemovedName(same));
      assert.deepEqual(await Promise.all(together), [true, true, true]);
      assert.equal(await administration.importUser(record('joe')), true);
      assert.equal(users.find('joe')?.validAfter, 1000);
      assert.equal(await administration.importRemovedName({ id: 'joe', removedAt: 2000 }), false);
      assert.equal(users.find('joe')?.validAfter, 1000);
      const wrong = administration.importRemovedName({ id: 'jim', removedAt: 1e15 });
      await assert.rejects(wrong, refusal('ERR_BAD_REQUEST'));
      assert.equal(users.find('jim'), undefined);
    });

    it('removes the user that a killed import of a removed name has left', async () => {
      const { administration, users } = await administer();
      const createdAt = '1970-01-01T00:16:40.000Z';
      users.insert(record('joe', { passwordHash: '!', createdAt, validAfter: 1000 }));
      assert.equal(await administration.importRemovedName({ id: 'joe', removedAt: 1000 }), true);
      assert.equal(users.find('joe'), undefined);
    });

    it('imports no removed name over a user who has no password', async () => {
      const { administration, users } = await administer();
      const createdAt = '1970-01-01T00:16:40.000Z';
      const made = record('joe', { passwordHash: '!', createdAt, validAfter: 1000 });
      for (const other of [
        { createdAt: CREATED },
        { username: 'Joe' },
        { validAfter: undefined },
        { validAfter: 999 },
        { passwordHash: '!!' },
      ]) {
        const { validAfter, ...members } = { ...made, ...other };
        const user = validAfter === undefined ? members : { ...members, validAfter };
        const id = `joe${Object.keys(other)}${validAfter}`.toLowerCase();
        users.insert({ ...user, id, username: user.username === 'Joe' ? 'Joe' : id });
        assert.equal(await administration.importRemovedName({ id, removedAt: 1000 }), false, id);
        assert.equal(users.find(id)?.id, id);
      }
    });

    it('does not bring back a user who was removed here', async () => {
      const { administration, users, sessions } = await administer();
      await administration.add('joe', PASSWORD);
      const joe = { ...(users.find('joe') ?? assert.fail()) };
      await administration.remove('joe');
      await assert.rejects(administration.importUser(joe), {
        code: 'ERR_BAD_REQUEST',
        message: 'this user was removed here',
      });
      assert.equal(users.find('joe'), undefined);
      assert.deepEqual(await sessions.list('joe'), []);
      assert.equal(await administration.importUser({ ...joe, createdAt: FUTURE }), true);
      assert.equal(typeof users.find('joe')?.validAfter, 'number');
    });

    it('imports only what obeys the rules of the lines', async () => {
      const { administration, users } = await administer();
      const rows: [object, RegExp][] = [
        [{ id: 'Joe' }, /canonical username/],
        [{ id: '' }, /canonical username/],
        [{ username: 'jim' }, /canonical form of its username/],
        [{ username: '\ud800' }, /canonical form of its username/],
        [{ createdAt: 'x' }, /"createdAt"/],
        [{ validAfter: 1.5 }, /"validAfter"/],
        [{ validAfter: 1e300 }, /"validAfter"/],
      ];
      for (const [others, message] of rows) {
        const job = administration.importUser(record('joe', others));
        await assert.rejects(job, { code: 'ERR_BAD_REQUEST', message });
      }
      for (const name of [{ id: '', removedAt: 1 }, { id: 'joe', removedAt: 1e300 }]) {
        await assert.rejects(administration.importRemovedName(name), refusal('ERR_BAD_REQUEST'));
      }
      assert.deepEqual([users.list(), users.listRemoved()], [[], []]);
      assert.equal(await administration.importUser(record('joe', { username: 'JOE' })), true);
    });
  });
}
