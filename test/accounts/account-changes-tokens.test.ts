/** What each change of an account does to tokens: the table "What a change ends", row by row. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Accounts,
  Jwt,
  JwtAuth,
  MemorySessionStore,
  MemoryUserStore,
  Sessions,
  type PublicUser,
} from '../../src/index.ts';
import { NEW, OLD } from '../support/account-service.ts';
import { cheapPasswords } from '../support/app.ts';
import { START_SECONDS } from '../support/limits.ts';
import { SECRET } from '../support/tokens.ts';

const LIFETIME_SECONDS = 1000;

/** Two servers over one store, with sessions or without, and a user `joe`. */
async function twoServers(hasSessions: boolean) {
  const clock = { seconds: START_SECONDS };
  const now = () => clock.seconds;
  const users = new MemoryUserStore();
  const store = new MemorySessionStore();
  const server = () => {
    const sessions = hasSessions ? new Sessions({ store, now }) : undefined;
    const passwords = cheapPasswords();
    const accounts = new Accounts({ users, passwords, sessions, now });
    const options = { secret: SECRET, lifetimeSeconds: LIFETIME_SECONDS, sessions, now };
    return { accounts, auth: new JwtAuth<PublicUser>({ ...options, ...accounts.handlers }) };
  };
  const [one, other] = [server(), server()];
  const jwt = new Jwt({ secret: SECRET, lifetimeSeconds: LIFETIME_SECONDS, now });
  await one.accounts.signup({ username: 'joe', password: OLD });
  const logIn = async (password: string): Promise<string> => {
    const json = async () => ({ username: 'joe', password });
    const reply = (await one.auth.login({ json })) as { access_token: string };
    return reply.access_token;
  };
  /** The answer of the other server to a token: who it is, or the code of the refusal. */
  const answer = (token: string) => {
    return other.auth.authorize(`Bearer ${token}`).then(({ id }) => id, ({ code }) => code);
  };
  return {
    clock,
    accounts: one.accounts,
    logIn,
    answer,
    /** A token as another holder of the secret makes it. */
    foreign: () => jwt.sign({ identity: 'joe' }),
  };
}

const ENDED = 'ERR_SESSION_ENDED';
const UNKNOWN = 'ERR_IDENTITY_UNKNOWN';

test('with sessions, a change ends every token that was issued until then', async () => {
  /** The password after the change, the change, and the refusal of a token without a session. */
  const CHANGES: readonly (readonly [
    password: string,
    change: (accounts: Accounts) => Promise<unknown>,
    refusal: string,
  ])[] = [
    [NEW, (accounts) => accounts.changePassword('joe', OLD, NEW), ENDED],
    [NEW, (accounts) => accounts.setPassword('joe', NEW), ENDED],
    [
      OLD,
      async (accounts) => {
        await accounts.disable('joe');
        await accounts.enable('joe');
      },
      ENDED,
    ],
    [
      NEW,
      async (accounts) => {
        await accounts.remove('joe');
        await accounts.signup({ username: 'joe', password: NEW });
      },
      // Its user is looked up before its session, and this one was removed.
      UNKNOWN,
    ],
  ];
  for (const [password, change, refusal] of CHANGES) {
    const { clock, accounts, logIn, answer, foreign } = await twoServers(true);
    const tokens = [await logIn(OLD), await logIn(OLD), foreign()];
    for (const token of tokens) assert.equal(await answer(token), 'joe');
    await change(accounts);
    const after = await Promise.all(tokens.map(answer));
    assert.deepEqual(after, [ENDED, ENDED, refusal]);
    // A session is found at once. A token without one must be younger, beyond the leeway.
    assert.equal(await answer(await logIn(password)), 'joe');
    assert.equal(await answer(foreign()), refusal);
    clock.seconds += 60;
    assert.equal(await answer(foreign()), 'joe');
  }
});

test('with sessions, a disabled or removed account accepts no token, however young', async () => {
  for (const change of ['disable', 'remove'] as const) {
    const { clock, accounts, logIn, answer, foreign } = await twoServers(true);
    const token = await logIn(OLD);
    await accounts[change]('joe');
    assert.equal(await answer(token), UNKNOWN);
    clock.seconds += 60;
    assert.equal(await answer(foreign()), UNKNOWN);
    await assert.rejects(logIn(OLD), { code: 'ERR_CREDENTIALS' });
  }
});

test('without sessions, a change of the password ends no token', async () => {
  const { clock, accounts, logIn, answer } = await twoServers(false);
  const token = await logIn(OLD);
  await accounts.changePassword('joe', OLD, NEW);
  assert.equal(await answer(token), 'joe');
  await assert.rejects(logIn(OLD), { code: 'ERR_CREDENTIALS' });
  clock.seconds += LIFETIME_SECONDS + 60;
  assert.equal(await answer(token), 'ERR_JWT_EXPIRED');
});

test('without sessions, a disabled account accepts no token until it is enabled', async () => {
  const { accounts, logIn, answer } = await twoServers(false);
  const token = await logIn(OLD);
  await accounts.disable('joe');
  assert.equal(await answer(token), UNKNOWN);
  await accounts.enable('joe');
  assert.equal(await answer(token), 'joe');
});

test('without sessions, a later user of a removed name gets no token from before', async () => {
  const { clock, accounts, logIn, answer } = await twoServers(false);
  const token = await logIn(OLD);
  await accounts.remove('joe');
  assert.equal(await answer(token), UNKNOWN);
  await accounts.signup({ username: 'joe', password: NEW });
  assert.equal(await answer(token), UNKNOWN);
  assert.equal(await answer(await logIn(NEW)), UNKNOWN, 'in the very second of the removal');
  clock.seconds += 1;
  assert.equal(await answer(await logIn(NEW)), 'joe');
});
