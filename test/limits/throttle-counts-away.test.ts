/** `Accounts` and `JwtAuth` refuse every try while the counts are away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Accounts,
  AuthError,
  JwtAuth,
  MemoryUserStore,
  type AccountsOptions,
} from '../../src/index.ts';
import { MemoryCounts } from '../../src/limits/memory.ts';
import { send, withApp } from '../support/app.ts';
import { WatchedHasher } from '../support/doubles.ts';
import { loginRequest, PASSWORD } from '../support/limits.ts';
import { SECRET } from '../support/tokens.ts';

const AWAY = { code: 'ERR_STORE', status: 503 };
const client = { address: '192.0.2.1' };

/** Counts in memory, whose methods a test can take away. */
function fragileCounts() {
  const counts = new MemoryCounts(() => 0);
  const away = new Set<string>();
  const failIfAway = async (method: string): Promise<void> => {
    if (away.has(method)) throw new AuthError('ERR_STORE');
  };
  return {
    away,
    counts: {
      begin: async (...args: Parameters<MemoryCounts['begin']>) => {
        await failIfAway('begin');
        return counts.begin(...args);
      },
      networksOf: async (accountKey: string) => {
        await failIfAway('networksOf');
        return counts.networksOf(accountKey);
      },
      addNetwork: counts.addNetwork.bind(counts),
    },
  };
}

async function accountsWith(options: Partial<AccountsOptions>) {
  const passwords = new WatchedHasher({ logN: 1 });
  const users = new MemoryUserStore();
  const accounts = new Accounts({ users, passwords, ...options });
  await accounts.signup({ username: 'joe', password: PASSWORD });
  passwords.calls.length = 0;
  return { accounts, passwords };
}

test('Accounts check no password, and hash none, while the counts are away', async () => {
  const { away, counts } = fragileCounts();
  const { accounts, passwords } = await accountsWith({ limits: { counts } });
  const ann = { username: 'ann', password: PASSWORD };
  for (const method of ['begin', 'networksOf']) {
    away.add(method);
    for (const password of [PASSWORD, 'wrong']) {
      await assert.rejects(accounts.authenticate('joe', password, client), AWAY);
    }
    away.delete(method);
  }
  away.add('begin');
  await assert.rejects(accounts.confirmPassword('joe', PASSWORD, client), AWAY);
  await assert.rejects(accounts.changePassword('joe', PASSWORD, 'another one', client), AWAY);
  await assert.rejects(accounts.signup(ann, client), AWAY);
  assert.deepEqual(passwords.calls, []);

  away.clear();
  assert.equal((await accounts.authenticate('joe', PASSWORD, client))?.id, 'joe');
  assert.equal((await accounts.signup(ann, client)).id, 'ann');
});

test('JwtAuth does not call authenticate while the counts are away', async () => {
  const { away, counts } = fragileCounts();
  const asked: string[] = [];
  const auth = new JwtAuth<string>({
    secret: SECRET,
    limits: { counts },
    authenticate: (username) => {
      asked.push(username);
      return username;
    },
    identity: ({ identity }) => String(identity),
  });
  away.add('begin');
  const logIn = () => auth.login(loginRequest('joe', PASSWORD, client.address));
  await assert.rejects(logIn(), AWAY);
  assert.deepEqual(asked, []);
  away.clear();
  await logIn();
  assert.deepEqual(asked, ['joe']);
});

test('createApp answers 503 while the counts are away, and serves tokens all the same', async () => {
  const { away, counts } = fragileCounts();
  const joe = { username: 'joe', password: PASSWORD };
  const options = { limits: { counts }, onError: () => undefined };
  await withApp(options, async ({ url }) => {
    await send(`${url}/signup`, 'POST', joe);
    const { body } = await send(`${url}/auth`, 'POST', joe);
    away.add('begin');
    for (const path of ['/auth', '/signup']) {
      const { status, headers } = await send(`${url}${path}`, 'POST', joe);
      assert.deepEqual([status, headers.get('error-code')], [503, 'ERR_STORE'], path);
    }
    const authorization = { Authorization: `JWT ${Object(body).access_token}` };
    const hello = await send(`${url}/hello`, 'GET', undefined, authorization);
    assert.equal(hello.status, 200);
  });
});
