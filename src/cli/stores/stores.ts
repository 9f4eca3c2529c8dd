/**
 * Opens the stores of users and sessions: in files, in memory or in the database of `--users`. The
 * code for files, and that for PostgreSQL, is loaded only if it is needed, because every file of
 * code delays the start.
 */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isAuthError, reasonOf, type AuthError } from '../../errors.ts';
import { ignore } from '../../journal/system-errors.ts';
import type { LimitCounts } from '../../limits/counts.ts';
import { MemorySessionStore } from '../../sessions/memory.ts';
import type { PostgresSessionStore } from '../../sessions/postgres.ts';
import type { SessionStore } from '../../sessions/store.ts';
import { MemoryUserStore } from '../../users/memory.ts';
import type { PostgresUserStore } from '../../users/postgres.ts';
import type { UserStore } from '../../users/store.ts';
import { propertyOf } from '../../values.ts';
import { attempt } from '../command-errors.ts';
import type { Log } from '../log.ts';
import {
  limitsRemedyOf,
  locationOf,
  postgresRemedyOf,
  sessionsRemedyOf,
} from './postgres-remedies.ts';
import type { StoreChoice } from './store-choice.ts';

/** The stores of a server. */
export interface OpenedStores {
  readonly users: UserStore;
  /** Undefined with `--sessions off`: no session store is opened or created. */
  readonly sessions: SessionStore | undefined;
  /**
   * The counts of the rate limits, which all servers of a database share. Without them, each server
   * counts for itself.
   */
  readonly counts?: LimitCounts;
  /** What is kept where, for messages: `users in data/users.jsonl`. */
  readonly summary: string;
  readonly close: () => Promise<void>;
  /** Resolves when a store must not be used any more. See `JsonFileUserStore.lost`. */
  readonly lost?: Promise<AuthError>;
}

/** What to open, and where. */
export interface StoreOptions {
  readonly users: StoreChoice;
  /** `ifKept`: only if the session file or the table exists already. */
  readonly hasSessions: boolean | 'ifKept';
  /** Whether the rate limits count in the database of `users`; default false. */
  readonly hasLimits?: boolean;
  /** The folder of the files, for the choice `file`. */
  readonly data: string;
  /** Whether missing tables in PostgreSQL are created; default true. */
  readonly mayCreateTables?: boolean;
}

/** @throws CommandError or AuthError if a store cannot be opened; then none stays open */
export async function openStores(options: StoreOptions, log: Log): Promise<OpenedStores> {
  const { users: choice, hasSessions, data } = options;
  if (choice === 'file') return openFiles(data, hasSessions, log);
  if (choice === 'memory') return openMemory(hasSessions === true);
  return openPostgres(choice, options, log);
}

function openMemory(hasSessions: boolean): OpenedStores {
  return {
    users: new MemoryUserStore(),
    sessions: hasSessions ? new MemorySessionStore() : undefined,
    summary: `users ${hasSessions ? 'and sessions ' : ''}in memory (lost when the server stops)`,
    close: async () => undefined,
  };
}

/** Loads the code of the stores in files. Later calls, and `openStores`, do not read it again. */
export function loadDataFiles(): Promise<typeof import('./data-files.ts')> {
  return import('./data-files.ts');
}

async function openFiles(
  data: string,
  hasSessions: StoreOptions['hasSessions'],
  log: Log,
): Promise<OpenedStores> {
  const { openSessionFile, openUserFile } = await loadDataFiles();
  const usersPath = join(data, 'users.jsonl');
  // The summary says so. If the old file was lost, the operator must see that a new one was made.
  const isNew = !existsSync(usersPath);
  const users = await openUserFile(data, log);
  const summary = `users in ${usersPath}${isNew ? ' (new)' : ''}`;
  const sessionsPath = join(data, 'sessions.jsonl');
  try {
    const isOpened = hasSessions === 'ifKept' ? await exists(sessionsPath) : hasSessions;
    if (!isOpened) {
      return { users, sessions: undefined, summary, close: () => users.close(), lost: users.lost };
    }
    const sessions = await openSessionFile(data, log);
    return {
      users,
      sessions,
      summary: `${summary}, sessions in ${sessionsPath}`,
      close: async () => {
        try {
          await sessions.close();
        } finally {
          await users.close();
        }
      },
      lost: Promise.race([users.lost, sessions.lost]),
    };
  } catch (error) {
    await users.close();
    throw error;
  }
}

async function openPostgres(
  url: URL,
  { hasSessions, hasLimits = false, mayCreateTables = true }: StoreOptions,
  log: Log,
): Promise<OpenedStores> {
  const { openPool } = await import('./pg-pool.ts');
  const { openCounts } = await import('./postgres-counts.ts');
  const { PostgresSessionStore } = await import('../../sessions/postgres.ts');
  const { PostgresUserStore } = await import('../../users/postgres.ts');
  const location = locationOf(url);
  const pool = await openPool(url, (error) => {
    const problem = `users ${location}: a connection broke: ${reasonOf(error)}`;
    log('error', `${problem}. Check that the database is running: requests connect again.`);
  });
  const users = new PostgresUserStore(pool);
  let sessions = hasSessions === false ? undefined : new PostgresSessionStore(pool);
  let counts: LimitCounts | undefined;
  // A statement that reads fails if the table is missing.
  const prepare = (store: PostgresUserStore | PostgresSessionStore): Promise<unknown> => {
    return mayCreateTables ? store.createTable() : store.find('');
  };
  try {
    await prepared(`users ${location}`, prepare(users), postgresRemedyOf);
    if (sessions !== undefined && hasSessions === 'ifKept') {
      if (!(await hasTable(sessions))) sessions = undefined;
    }
    if (sessions !== undefined) {
      await prepared(`sessions ${location}`, prepare(sessions), sessionsRemedyOf);
    }
    if (hasLimits) {
      counts = await prepared(`rate limits ${location}`, openCounts(pool, log), limitsRemedyOf);
    }
  } catch (error) {
    // Not awaited, because a database that does not answer delays it.
    void pool.end().catch(() => undefined);
    throw error;
  }
  const beside = [...(sessions ? ['sessions'] : []), ...(counts ? ['rate limits'] : [])];
  const others = beside.length === 0 ? '' : `, ${beside.join(' and ')} beside them`;
  const summary = `users ${location}${others}`;
  return { users, sessions, ...(counts && { counts }), summary, close: () => pool.end() };
}

/**
 * @param subject what the tables hold, and where
 * @param preparing a statement under way
 * @param remedyOf returns what an operator can do
 */
function prepared<Result>(
  subject: string,
  preparing: Promise<Result>,
  remedyOf: (error: unknown) => string,
): Promise<Result> {
  return attempt(subject, remedyOf, () => {
    return preparing.catch((error: unknown) => {
      // The cause of an ERR_STORE is the error of the database, without values.
      throw isAuthError(error) ? error.cause : error;
    });
  });
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(ignore('ENOENT'))) !== undefined;
}

/** The SQLSTATE code of a table that does not exist. */
const UNDEFINED_TABLE = '42P01';

/** @returns true also if the table cannot be used: the next statement then says why */
async function hasTable(sessions: PostgresSessionStore): Promise<boolean> {
  try {
    await sessions.find('');
    return true;
  } catch (error) {
    return propertyOf(propertyOf(error, 'cause'), 'code') !== UNDEFINED_TABLE;
  }
}
