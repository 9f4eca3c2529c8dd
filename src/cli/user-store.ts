/** Opens the user store that --users names, and warns if other system users can reach its file. */
import { dirname } from 'node:path';
import { textOfError } from '../error-text.ts';
import { isAuthError, type AuthError } from '../errors.ts';
import { realPathOf, syncFolder } from '../journal/disk.ts';
import { JsonFileUserStore } from '../users/json-file.ts';
import { MemoryUserStore } from '../users/memory.ts';
import { PostgresUserStore } from '../users/postgres.ts';
import type { UserStore } from '../users/store.ts';
import { attempt, explainIfSlow } from './command-errors.ts';
import { warnOfSystemUsers } from './file-trust.ts';
import type { UserStoreChoice } from './flags.ts';
import type { Log } from './log.ts';
import { openPool } from './pg-pool.ts';
import { locationOf, postgresRemedyOf } from './postgres-remedies.ts';

export interface OpenedUserStore {
  readonly users: UserStore;
  /** Completes "users ...", for messages. */
  readonly location: string;
  readonly close: () => Promise<void>;
  /** Resolves when the store must not be used any more. See `JsonFileUserStore.lost`. */
  readonly lost?: Promise<AuthError>;
}

/** @param path the user file, which is opened for the choice `file` */
export async function openUserStore(
  choice: UserStoreChoice,
  path: string,
  log: Log,
): Promise<OpenedUserStore> {
  if (choice === 'file') return openFile(path, log);
  if (choice === 'memory') return openMemory();
  return openPostgres(choice, log);
}

function openMemory(): OpenedUserStore {
  return {
    users: new MemoryUserStore(),
    location: 'in memory (lost when the server stops)',
    close: async () => undefined,
  };
}

async function openFile(path: string, log: Log): Promise<OpenedUserStore> {
  const explainWait = () => {
    const reason = 'the file is large, or a process of another container or machine has its lock';
    log('warning', `${path}: still opening: ${reason}. Such a lock is watched for 10 seconds.`);
  };
  const users = await explainIfSlow(JsonFileUserStore.open(path), explainWait);
  const { discardedBytes, discardedPath } = users;
  if (discardedBytes > 0) {
    const action = `cut off ${discardedBytes} bytes of an interrupted last write`;
    log('warning', `${path}: ${action} and saved them in ${discardedPath}`);
  }
  try {
    await warnOfUnsyncedNames(path, log);
    await warnOfSystemUsers(path, OTHER_PLACE, 'Other users could add accounts.', log);
  } catch (error) {
    await users.close();
    throw error;
  }
  return { users, location: `in ${path}`, close: () => users.close(), lost: users.lost };
}

const OTHER_PLACE = 'use another --data';

/**
 * Without a sync of folders the file system alone decides when a rename is durable. On Windows no
 * folder can be synced, so the warning would appear at every start. See `journal/disk.ts`.
 */
async function warnOfUnsyncedNames(path: string, log: Log): Promise<void> {
  const folder = dirname(await realPathOf(path));
  if (process.platform === 'win32' || (await syncFolder(folder))) return;
  const risk = 'after a power cut the file may be missing, or lack what was added since this start';
  const remedy = `${OTHER_PLACE}, or --users with a database`;
  log('warning', `${path}: its file system cannot sync a folder: ${risk}: ${remedy}`);
}

async function openPostgres(url: URL, log: Log): Promise<OpenedUserStore> {
  const location = locationOf(url);
  const pool = openPool(url, (error) => log('error', textOfError(error)));
  const users = new PostgresUserStore(pool);
  const createTable = () => users.createTable().catch((error: unknown) => {
    // The cause of an ERR_STORE is the error of the database, without values.
    throw isAuthError(error) ? error.cause : error;
  });
  await attempt(`users ${location}`, postgresRemedyOf, createTable);
  return { users, location, close: () => pool.end() };
}
