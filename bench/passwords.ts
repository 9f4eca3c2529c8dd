/** Contests about passwords, logins and signups. */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { latchkey } from './harness/built.ts';
import { uniqueNames, type Contest } from './harness/contest.ts';
import { hash, LOG_N, PASSWORD } from './harness/scrypt.ts';

const { Accounts, JwtAuth, MemoryUserStore, PasswordHasher, generateSecret } = latchkey;

const AT_ONCE = Math.max(1, availableParallelism());
const passwords = new PasswordHasher({ logN: LOG_N, maxConcurrent: AT_ONCE });

/** scrypt alone, at the same cost. */
const bareScrypt = () => hash(PASSWORD);

/** The names of the contests, for goals. */
export const NAMES = {
  hash: 'hash a password',
  verify: 'verify a password',
  login: 'login',
  signup: 'signup',
} as const;

export async function passwordContests(rounds: number): Promise<Contest[]> {
  const users = new MemoryUserStore();
  const accounts = new Accounts({ users, passwords, limits: false });
  await accounts.signup({ username: 'joe', password: PASSWORD });
  const passwordHash = users.find('joe')?.passwordHash;
  const auth = new JwtAuth({ secret: generateSecret(), ...accounts.handlers });
  const body = { username: 'joe', password: PASSWORD };
  const login = () => auth.login({ json: async () => body });
  const shared = { rounds, inFlight: AT_ONCE, inputs: () => uniqueNames(4 * AT_ONCE) };
  return [
    {
      ...shared,
      name: NAMES.hash,
      ways: { bare: bareScrypt, latchkey: () => passwords.hash(PASSWORD) },
      agree: async ([, hash]) => assert.equal(await passwords.verify(PASSWORD, String(hash)), true),
    },
    {
      ...shared,
      name: NAMES.verify,
      ways: { bare: bareScrypt, latchkey: () => passwords.verify(PASSWORD, passwordHash) },
      agree: ([, answer]) => assert.equal(answer, true),
    },
    {
      ...shared,
      name: NAMES.login,
      ways: { bare: bareScrypt, latchkey: login },
      agree: ([, answer]) => assert.match(JSON.stringify(answer), /^\{"access_token":"[\w.-]+"\}$/),
    },
    {
      ...shared,
      name: NAMES.signup,
      ways: {
        bare: bareScrypt,
        latchkey: (username) => accounts.signup({ username, password: PASSWORD }),
      },
      agree: (_answers, username) => assert.equal(users.find(username)?.username, username),
    },
  ];
}
