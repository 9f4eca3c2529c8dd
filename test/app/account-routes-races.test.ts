/** A password that waits in the queue of the hasher, on each route that asks for one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemorySessionStore, MemoryUserStore, Sessions, type Server } from '../../src/index.ts';
import { HeldHasher } from '../support/account-service.ts';
import { send, withApp, type Answer } from '../support/app.ts';
import {
  codeOf,
  helloStatus,
  listSessions,
  logIn,
  OWNER,
  pairIn,
  sendAs,
  signUpOwner,
  type Pair,
} from '../support/session-client.ts';

const { password } = OWNER;
const NEW_PASSWORD = 'another horse';

/** The routes, each with the old password, as a thief with a token sends it. */
const PATHS = ['/account/remove', '/sessions/end', '/password'] as const;

/** A server whose hasher can be held, and an owner and a thief who have logged in. */
async function withHeld(
  use: (server: Server, passwords: HeldHasher, thief: Pair, owner: Pair) => Promise<void>,
): Promise<void> {
  const passwords = new HeldHasher({ logN: 1 });
  const sessions = new Sessions({ store: new MemorySessionStore() });
  await withApp({ users: new MemoryUserStore(), sessions, passwords }, async (server) => {
    await signUpOwner(server.url);
    await use(server, passwords, await logIn(server.url), await logIn(server.url));
  });
}

function askAsThief(url: string, path: string, { access_token: token }: Pair): Promise<Answer> {
  const body = { password, new_password: 'the password of a thief' };
  return sendAs(token, `${url}${path}`, 'POST', body);
}

for (const path of PATHS) {
  test(`${path} with the old password undoes no password change that overlaps it`, async () => {
    await withHeld(async ({ url }, passwords, thief, owner) => {
      const held = passwords.hold();
      const asked = askAsThief(url, path, thief);
      await held.reached;
      const body = { password, new_password: NEW_PASSWORD, refresh: true };
      const changed = pairIn(await sendAs(owner.access_token, `${url}/password`, 'POST', body));
      held.release();
      const refused = await asked;
      assert.deepEqual([refused.status, codeOf(refused)], [401, 'ERR_CREDENTIALS']);
      assert.equal(await helloStatus(url, changed.access_token), 200);
      await logIn(url, { password: NEW_PASSWORD });
    });
  });

  test(`${path} of a removed owner does not reach the next user of the name`, async () => {
    await withHeld(async ({ url }, passwords, thief, owner) => {
      const held = passwords.hold();
      const asked = askAsThief(url, path, thief);
      await held.reached;
      const removed = await sendAs(owner.access_token, `${url}/account/remove`, 'POST', {
        password,
      });
      assert.equal(removed.status, 200);
      const newcomer = { ...OWNER, password: NEW_PASSWORD };
      assert.equal((await send(`${url}/signup`, 'POST', newcomer)).status, 200);
      const { access_token: token } = await logIn(url, newcomer);
      held.release();
      const refused = await asked;
      assert.deepEqual([refused.status, codeOf(refused)], [401, 'ERR_CREDENTIALS']);
      assert.equal(await helloStatus(url, token), 200);
      assert.equal((await listSessions(url, token)).length, 1);
    });
  });
}

test('of two removals at once one is answered as a removal, and the other is refused', async () => {
  await withHeld(async ({ url }, passwords, thief, owner) => {
    const held = passwords.hold();
    const first = askAsThief(url, '/account/remove', thief);
    await held.reached;
    assert.equal((await askAsThief(url, '/account/remove', owner)).status, 200);
    held.release();
    const refused = await first;
    assert.deepEqual([refused.status, codeOf(refused)], [401, 'ERR_CREDENTIALS']);
  });
});
