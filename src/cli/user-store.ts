/** Opens the user store that --users names, and warns about files that other users can reach. */
import { textOfError } from '../error-text.ts';
import type { AuthError } from '../errors.ts';
import { JsonFileUserStore } from '../users/json-file.ts';
import { MemoryUserStore } from '../users/memory.ts';
import { PostgresUserStore } from '../users/postgres.ts';
import type { UserStore } from '../users/store.ts';
import { attempt } from './command-errors.ts';
import { isShared, ownerProblems, processUser, sharedWarning } from './file-trust.ts';
import type { UsersPlace } from './flags.ts';
import type { Log } from './log.ts';
import { openPool } from './pg-pool.ts';

export interface OpenUsers {
  readonly users: UserStore;
  /** Where the users are, for messages. */
  readonly place: string;
  readonly close: () => Promise<void>;
  /** Resolves when the store no longer has the users of its file. See `JsonFileUserStore.lost`. */
  readonly lost?: Promise<AuthError>;
}

/** @param path the user file, for the place `file` */
export async function openUsers(place: UsersPlace, path: string, log: Log): Promise<OpenUsers> {
  if (place === 'file') return openFile(path, log);
  if (place === 'memory') return openMemory();
  return openPostgres(place, log);
}

function openMemory(): OpenUsers {
  return {
    users: new MemoryUserStore(),
    place: 'in memory until it stops',
    close: async () => undefined,
  };
}

/** After which a start that waits for the lock is explained. */
const SLOW_OPEN_MS = 3_000;

async function openFile(path: string, log: Log): Promise<OpenUsers> {
  const explainWait = () => {
    log('warning', `${path}: another process may have it open: waiting up to 10 seconds`);
  };
  const timer = setTimeout(explainWait, SLOW_OPEN_MS);
  const users = await JsonFileUserStore.open(path).finally(() => clearTimeout(timer));
  const { discardedBytes, discardedPath } = users;
  if (discardedBytes > 0) {
    const action = `cut off ${discardedBytes} bytes of an interrupted last write`;
    log('warning', `${path}: ${action} and saved them in ${discardedPath}`);
  }
  try {
    await warnOfOtherUsers(path, log);
  } catch (error) {
    await users.close();
    throw error;
  }
  return { users, place: `in ${path}`, close: () => users.close(), lost: users.lost };
}

/** Other users who can read the hashes can guess passwords. Those who can write can add users. */
async function warnOfOtherUsers(path: string, log: Log): Promise<void> {
  if (await isShared(path)) log('warning', sharedWarning(path));
  for (const { text, isGrave } of await ownerProblems(path, processUser())) {
    if (isGrave) log('warning', `${path}: ${text}, who could add users`);
  }
}

async function openPostgres(url: URL, log: Log): Promise<OpenUsers> {
  // The username and the password of the URL are left out.
  const place = `in PostgreSQL at ${url.host}${url.pathname}`;
  const pool = openPool(url, (error) => log('error', textOfError(error)));
  const users = new PostgresUserStore(pool);
  const createTable = async () => {
    try {
      await users.createTable();
    } catch (error) {
      // The cause of the ERR_STORE says what the database refused.
      throw (error as AuthError).cause;
    }
  };
  await attempt(`users ${place}`, createTable, 'fix that, or use another --users');
  return { users, place, close: () => pool.end() };
}
