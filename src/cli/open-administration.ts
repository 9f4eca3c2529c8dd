/**
 * Opens the administration of the users of a store. If a server has the file open, it goes over the
 * socket of that server. Otherwise it opens the stores itself.
 */
import { constants } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isAuthError, reasonOf } from '../errors.ts';
import { ignore, NO_FILE_CODES } from '../journal/system-errors.ts';
import { Sessions } from '../sessions/sessions.ts';
import { addressOf, hasServer, socketIn } from './administration-folder.ts';
import { CommandError } from './command-errors.ts';
import { processUser } from './file-trust.ts';
import type { Log } from './log.ts';
import { SocketAdministration } from './socket-administration.ts';
import { StoreAdministration } from './store-administration.ts';
import type { LastingStoreChoice } from './store-choice.ts';
import { openStores, type OpenedStores } from './stores.ts';
import type { UserAdministration } from './user-administration.ts';

/**
 * What a command does with the users. Only `create` creates a missing user file or table: for any
 * other command the folder or the database is mistyped. With `read`, a user file is read whole and
 * closed again before the administration is returned, so its lock is not held while the output is
 * written. Nothing can be changed then.
 */
export type AdministrationAccess = 'read' | 'change' | 'create';

/** The store whose users are administered. */
export interface AdministrationOptions {
  readonly users: LastingStoreChoice;
  /** The folder of the files, for the choice `file`. */
  readonly data: string;
  readonly access: AdministrationAccess;
}

/**
 * Another command may hold the lock of the file for a moment. A server that starts holds it before
 * it answers at its socket.
 */
const MAX_WAIT_MS = 2_000;
const RETRY_MS = 50;

/**
 * Connects to the server that has the user file open. Without one, opens the file itself, and the
 * session file if there is one. For a URL, opens the tables in PostgreSQL, where the table of users
 * is created if it is missing.
 * @returns the administration, which the caller must close
 * @throws CommandError or AuthError if it cannot be opened; then nothing stays open
 */
export async function openAdministration(
  { users, data, access }: AdministrationOptions,
  log: Log,
): Promise<UserAdministration> {
  if (users !== 'file') return administrationOf(await openTables(users, data, log));
  const giveUpAt = performance.now() + MAX_WAIT_MS;
  for (;;) {
    const address = addressOf(socketIn(data));
    if (address !== undefined && (await hasServer(data))) return new SocketAdministration(address);
    try {
      const stores = await openFiles(data, access === 'create', log);
      // A closed store still has all its users in memory.
      if (access === 'read') await stores.close();
      return administrationOf(stores);
    } catch (error) {
      if (!isAuthError(error) || error.code !== 'ERR_STORE_LOCKED') throw error;
      if (performance.now() >= giveUpAt) throw explainLock(error, data);
    }
    await delay(RETRY_MS);
  }
}

function administrationOf(stores: OpenedStores): UserAdministration {
  return new StoreAdministration({
    users: stores.users,
    sessions: stores.sessions && new Sessions({ store: stores.sessions }),
    onClose: stores.close,
  });
}

function openTables(users: URL, data: string, log: Log): Promise<OpenedStores> {
  return openStores({ users, hasSessions: 'ifKept', data }, log);
}

async function openFiles(data: string, mayCreate: boolean, log: Log): Promise<OpenedStores> {
  const path = join(data, 'users.jsonl');
  const isNew = (await stat(path).catch(ignore('ENOENT'))) === undefined;
  if (isNew && !mayCreate) {
    throw new CommandError(`${path} does not exist. Name the folder of the server with --data.`);
  }
  const namesBefore = await readdir(data).catch(ignore(...NO_FILE_CODES)) ?? [];
  const stores = await openStores({ users: 'file', hasSessions: 'ifKept', data }, log);
  try {
    await giveNewFilesToOwner(data, new Set(namesBefore));
  } catch (error) {
    await stores.close();
    throw error;
  }
  if (isNew) log('warning', `${path} did not exist, and has been created`);
  return stores;
}

/** The files that `openStores` may create: a store, and the saved bytes of a torn write. */
const STORE_FILE = /^(?:users|sessions)\.jsonl(?:\.cut-.*)?$/;

/**
 * Root may open the files of a server that runs as another user. That server must be able to open
 * the new ones too.
 */
async function giveNewFilesToOwner(data: string, before: ReadonlySet<string>): Promise<void> {
  if (processUser()?.uid !== 0) return;
  const owner = await stat(data);
  if (owner.uid === 0) return;
  const { O_RDONLY, O_NOFOLLOW } = constants;
  for (const name of await readdir(data)) {
    if (!STORE_FILE.test(name) || before.has(name)) continue;
    const file = await open(join(data, name), O_RDONLY | O_NOFOLLOW);
    try {
      const { uid, nlink } = await file.stat();
      // The owner of the folder may have put a link to a file of root here.
      if (uid === 0 && nlink === 1) await file.chown(owner.uid, owner.gid);
    } finally {
      await file.close();
    }
  }
}

/** @param locked the error ERR_STORE_LOCKED; its message names the process that has the file */
function explainLock(locked: Error, data: string): CommandError {
  const socket = socketIn(data);
  const reason = addressOf(socket) === undefined
    ? `The path ${socket} is too long for the socket of a server`
    : `If it is a server, its log says why it does not answer at ${socket}`;
  return new CommandError(`${reasonOf(locked)}. ${reason}.`, { cause: locked });
}
