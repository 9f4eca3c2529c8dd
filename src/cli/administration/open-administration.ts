/**
 * Opens the administration of the users of a store. If a server has the file open, its requests go
 * over the socket of that server. Otherwise this process opens the stores.
 */
import { lstat, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isAuthError, reasonOf } from '../../errors.ts';
import { hasCode, ignore, NO_FILE_CODES } from '../../journal/system-errors.ts';
import { Sessions } from '../../sessions/sessions.ts';
import { attempt, CommandError } from '../command-errors.ts';
import type { Log } from '../log.ts';
import { whenUnlocked } from '../stores/lock-wait.ts';
import type { LastingStoreChoice } from '../stores/store-choice.ts';
import { loadDataFiles, openStores, type OpenedStores } from '../stores/stores.ts';
import { addressOf, serverAddressIn, socketIn } from './administration-folder.ts';
import { becomeOwnerOf, userTakenByRoot } from './folder-owner.ts';
import { SocketAdministration } from './socket-administration.ts';
import { StoreAdministration } from './store-administration.ts';
import type { UserAdministration } from './user-administration.ts';

/**
 * What a command does with the users. Only `create` creates a missing user file or table. Any other
 * command refuses it, because the folder or the database was probably mistyped. With `read`, a user
 * file is read whole and closed before the administration is returned, so that its lock is not held
 * while the output is written. Nothing can be changed then.
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
 * Connects to the server that has the user file open. Without one, opens the file itself and, if
 * `access` is not `read`, the session file if there is one. Root does this as the owner of the
 * folder, and stays that user. For a URL, opens the tables in PostgreSQL.
 * @returns the administration, which the caller must close
 * @throws CommandError if it cannot be opened; then nothing stays open
 */
export async function openAdministration(
  { users, data, access }: AdministrationOptions,
  log: Log,
): Promise<UserAdministration> {
  const options = {
    users,
    data,
    hasSessions: access === 'read' ? false : 'ifKept',
    mayCreateTables: access === 'create',
  } as const;
  if (users !== 'file') return administrationOf(await openStores(options, log));
  // Before it becomes the owner, because the owner may not be able to read this package.
  await loadDataFiles();
  await becomeOwnerOf(data);
  // A server that starts holds the lock before it answers at its socket.
  return whenUnlocked(async () => {
    const address = await serverAddressIn(data);
    if (address !== undefined) return new SocketAdministration(address, log);
    const isNew = await isMissing(data, access);
    const stores = await explained(() => openStores(options, log));
    if (isNew) log('warning', `${userFileIn(data)} did not exist, and has been created`);
    // A closed store still has all its users in memory.
    if (access === 'read') await stores.close();
    return administrationOf(stores);
  }, (locked) => explainLock(locked, data));
}

function administrationOf(stores: OpenedStores): UserAdministration {
  return new StoreAdministration({
    users: stores.users,
    sessions: stores.sessions && new Sessions({ store: stores.sessions }),
    onClose: stores.close,
  });
}

function userFileIn(data: string): string {
  return join(data, 'users.jsonl');
}

/** @throws CommandError if the user file is missing, and may not be created */
async function isMissing(data: string, access: AdministrationAccess): Promise<boolean> {
  const path = userFileIn(data);
  const remedy = 'Name the folder of the server with --data, or its database with --users.';
  const status = await attempt(path, remedy, () => stat(path).catch(ignore(...NO_FILE_CODES)));
  if (status === undefined && access !== 'create') {
    throw new CommandError(`${path} does not exist. ${remedy}`);
  }
  return status === undefined;
}

/** Makes a CommandError of the refusal of a store: its message is complete. */
async function explained<T>(open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!isAuthError(error) || error.code === 'ERR_STORE_LOCKED') throw error;
    const user = hasCode(error.cause, 'EACCES') ? userTakenByRoot() : undefined;
    // With -h, chown changes a link itself, and not the file of root that it may lead to.
    const note = user === undefined
      ? ''
      : `. Root works here as the owner of the folder, ${user}: give the file to it (chown -h)`;
    throw new CommandError(`${reasonOf(error)}${note}`, { cause: error });
  }
}

async function explainLock(locked: Error, data: string): Promise<CommandError> {
  // A server has no socket yet while it reads a large file.
  const soon = 'If that is another "latchkey users" or a server that starts, run the command again';
  // If a program of the operator has the file, the reason already says to stop that process.
  const remedy = `If it is a "latchkey serve" that listens, ${await remedyFor(data)}`;
  const text = `${reasonOf(locked)}. ${soon}. ${remedy}.`;
  return new CommandError(text, { cause: locked });
}

/** @returns what to do with a server that has the file, and at whose socket nothing answers */
async function remedyFor(data: string): Promise<string> {
  const socket = socketIn(data);
  if (addressOf(socket) === undefined) {
    return `the path ${socket} is too long for its socket: restart the server in ${data} with ` +
      '"--data .", and run the command there with "--data ." too';
  }
  const folder = dirname(socket);
  const status = await lstat(folder).catch(ignore(...NO_FILE_CODES));
  return status === undefined
    ? `the folder of its socket, ${folder}, is gone: restart the server`
    : `it does not answer at ${socket}: restart it, and read the warnings of its start`;
}
