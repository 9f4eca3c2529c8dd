/** Runs `latchkey users` in this process, over real files. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { users } from '../../src/cli/users/users.ts';
import {
  Accounts,
  JsonFileSessionStore,
  JsonFileUserStore,
  PasswordHasher,
  Sessions,
} from '../../src/index.ts';
import { weakHash } from './account-service.ts';
import { collected } from './outputs.ts';
import { emptyFolder } from './run-command.ts';
import { userNamed } from './user-files.ts';

export interface Printed {
  readonly stdout: string;
  readonly log: readonly string[];
}

/**
 * Runs a subcommand here.
 * @param input standard input, which is not a terminal
 * @param log gets the warnings and the errors
 */
export async function runUsers(line: string, input = '', log: string[] = []): Promise<Printed> {
  const { output, chunks } = collected();
  const prompts = new Writable({ write: () => assert.fail('standard input is not a terminal') });
  const streams = { input: Readable.from([Buffer.from(input)]), output, prompts };
  await users(line.split(' '), streams, (_event, detail) => log.push(detail));
  return { stdout: chunks.join(''), log };
}

export interface Stores {
  readonly accounts: Accounts;
  readonly users: JsonFileUserStore;
  readonly sessions: Sessions;
}

/** The files of a server that is stopped, opened for a moment. */
export async function withStores<T>(
  data: string,
  body: (stores: Stores) => T | Promise<T>,
): Promise<T> {
  const users = await JsonFileUserStore.open(join(data, 'users.jsonl'));
  const store = await JsonFileSessionStore.open(join(data, 'sessions.jsonl'));
  const sessions = new Sessions({ store });
  try {
    const passwords = new PasswordHasher({ logN: 1 });
    const accounts = new Accounts({ users, passwords, limits: false });
    return await body({ accounts, users, sessions });
  } finally {
    await store.close();
    await users.close();
  }
}

/** A folder with the users Joe and ann, who have the password OLD and two sessions each. */
export async function folderWithUsers(): Promise<string> {
  const data = await emptyFolder();
  await withStores(data, async ({ users, sessions }) => {
    for (const name of ['Joe', 'ann']) {
      const id = name.toLowerCase();
      await users.insert({ ...userNamed(id, weakHash), username: name });
      await sessions.start(id, { isRefreshable: true });
      await sessions.start(id, { isRefreshable: true });
    }
  });
  return data;
}

/** @returns the number of sessions of each user */
export function sessionCounts(data: string): Promise<[number, number]> {
  return withStores(data, async ({ sessions }) => {
    return [(await sessions.list('joe')).length, (await sessions.list('ann')).length];
  });
}

export function logsIn(data: string, username: string, password: string): Promise<boolean> {
  return withStores(data, async ({ accounts }) => {
    return (await accounts.authenticate(username, password)) !== undefined;
  });
}
