/** Contests about passwords, logins, signups and the file of users. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID, scrypt } from 'node:crypto';
import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { latchkey } from './harness/built.ts';
import type { Contest } from './harness/contest.ts';
import { IN_FLIGHT, makeFile, openBare, userNamed } from './store-files.ts';

const { Accounts, JsonFileUserStore, JwtAuth, MemoryUserStore, PasswordHasher, generateSecret } =
  latchkey;

/** A quarter of the default cost, so that there is time for many rounds. */
const LOG_N = 15;
const AT_ONCE = Math.max(1, availableParallelism());
const PASSWORD = 'correct horse';
const passwords = new PasswordHasher({ logN: LOG_N, maxConcurrent: AT_ONCE });

const namesOf = (count: number) => () => Array.from({ length: count }, () => `u${randomUUID()}`);

/** scrypt alone, at the same cost. */
function bareScrypt(): Promise<Buffer> {
  const cost = { N: 2 ** LOG_N, r: 8, p: 1, maxmem: 2 ** 26 };
  return new Promise((resolve, reject) => {
    scrypt(PASSWORD, randomBytes(16), 32, cost, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

/** The names of the contests, for goals. */
export const NAMES = {
  hash: 'hash a password',
  verify: 'verify a password',
  login: 'login',
  signup: 'signup',
  insert: 'insert 64 users',
  open: 'open 100,000 users',
} as const;

export async function passwordContests(rounds: number): Promise<Contest[]> {
  const users = new MemoryUserStore();
  const accounts = new Accounts({ users, passwords, limits: false });
  await accounts.signup({ username: 'joe', password: PASSWORD });
  const passwordHash = users.find('joe')?.passwordHash;
  const auth = new JwtAuth({ secret: generateSecret(), ...accounts.handlers });
  const body = { username: 'joe', password: PASSWORD };
  const login = () => auth.login({ json: async () => body });
  const shared = { rounds, inFlight: AT_ONCE, inputs: namesOf(4 * AT_ONCE) };
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

/** One call is a batch of signups that wait for one another, and one write and fdatasync of as many lines. */
export async function storeContests(folder: string, rounds: number) {
  const file = await open(join(folder, 'bare.jsonl'), 'a');
  const store = await JsonFileUserStore.open(join(folder, 'users.jsonl'));
  const batchOf = (name: string) =>
    Array.from({ length: IN_FLIGHT }, (_, n) => userNamed(`${name}-${n}`));
  const many = join(folder, 'many.jsonl');
  await makeFile(many, 100_000);
  const storeOpen = async () => {
    const opened = await JsonFileUserStore.open(many);
    await opened.close();
    return opened.find('user99999') !== undefined;
  };
  const isTrue = (answers: readonly unknown[]) =>
    assert.deepEqual(new Set(answers), new Set([true]));
  const contests: Contest[] = [
    {
      name: NAMES.insert,
      rounds,
      inputs: namesOf(10),
      agree: isTrue,
      ways: {
        bare: async (name) => {
          await file.write(
            batchOf(name)
              .map((user) => `${JSON.stringify(user)}\n`)
              .join(''),
          );
          await file.datasync();
          return true;
        },
        latchkey: async (name) => {
          const inserted = await Promise.all(batchOf(name).map((user) => store.insert(user)));
          return inserted.every((isNew) => isNew);
        },
      },
    },
    {
      name: NAMES.open,
      rounds: Math.ceil(rounds / 4),
      inputs: namesOf(1),
      agree: isTrue,
      ways: { bare: () => openBare(many).has('user99999'), latchkey: storeOpen },
    },
  ];
  const close = async () => {
    await store.close();
    await file.close();
  };
  return { contests, close };
}
