/** Sessions of an earlier user of a name, which no removal through `Accounts` has ended. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createApp,
  MemorySessionStore,
  MemoryUserStore,
  Sessions,
  type User,
} from '../../src/index.ts';
import { cheapPasswords } from '../support/app.ts';
import { NOW } from '../support/guard.ts';
import { SECRET } from '../support/tokens.ts';
import { userNamed } from '../support/user-files.ts';

const EARLIER: User = { ...userNamed('joe'), username: 'joe' };

const laterUser = (createdAt: number): User => {
  return { ...EARLIER, username: 'JOE', createdAt: new Date(createdAt * 1000).toISOString() };
};

/**
 * Joe logs in. Then the store alone replaces him, `seconds` later.
 * @param secondsAhead by how much the clock of the removal is ahead
 */
async function replaced(seconds: number, secondsAhead = 0) {
  let time = NOW;
  const now = () => time;
  const users = new MemoryUserStore();
  users.insert(EARLIER);
  const sessions = new Sessions({ store: new MemorySessionStore(), now });
  const app = createApp({ secret: SECRET, users, sessions, passwords: cheapPasswords(), now });
  const hello = app.auth.required((_request, user) => user.username);
  const ask = async (token: string) => hello({ header: () => `Bearer ${token}` });
  const { access_token: access, ...pair } = await app.auth.issue(EARLIER);
  assert.ok('refresh_token' in pair);
  const refresh = () => app.auth.refresh({ json: () => pair });
  assert.equal(await ask(access), 'joe');
  time += seconds;
  assert.equal(users.remove('joe', time + secondsAhead), true);
  const later = laterUser(time);
  assert.equal(users.insert(later), true);
  return { app, sessions, ask, access, refresh, later };
}

test('a session from before a removal in the store alone opens no account', async () => {
  const { app, sessions, ask, access, refresh, later } = await replaced(1);
  await assert.rejects(ask(access), { code: 'ERR_SESSION_ENDED' });
  await assert.rejects(refresh(), { code: 'ERR_SESSION_ENDED' });
  assert.deepEqual(await sessions.list('joe'), []);
  const { access_token: own } = await app.auth.issue(later);
  assert.equal(await ask(own), 'JOE');
});

test('a removal by a clock that is ahead ends no session of the later user', async () => {
  const { app, ask, access, later } = await replaced(1, 3600);
  await assert.rejects(ask(access), { code: 'ERR_SESSION_ENDED' });
  const { access_token: own } = await app.auth.issue(later);
  assert.equal(await ask(own), 'JOE');
  assert.equal(await ask(own), 'JOE', 'at the second request too');
});

test('a refresh alone finds out too that the session is of an earlier user', async () => {
  const { ask, access, refresh } = await replaced(1);
  await assert.rejects(refresh(), { code: 'ERR_SESSION_ENDED' });
  await assert.rejects(ask(access), { code: 'ERR_SESSION_ENDED' });
});

test('a session of the second of the removal may be of the later user, and stays', async () => {
  const { ask, access, refresh } = await replaced(0);
  assert.equal(await ask(access), 'JOE');
  await refresh();
});
