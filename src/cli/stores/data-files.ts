/** Opens the files of a data folder: that of the users, and that of the sessions beside it. */
import { join } from 'node:path';
import { JsonFileSessionStore } from '../../sessions/json-file.ts';
import { JsonFileUserStore } from '../../users/json-file.ts';
import type { Log } from '../log.ts';
import { openFileStore } from './file-store.ts';

/**
 * Opens the user file. Its lock decides which of two servers uses the folder, so it is opened first
 * and closed last.
 */
export function openUserFile(data: string, log: Log): Promise<JsonFileUserStore> {
  return openFileStore({
    path: join(data, 'users.jsonl'),
    open: (path) => JsonFileUserStore.open(path),
    danger: 'Other users could add accounts',
  }, log);
}

/** Opens the session file beside the user file, which must be open already. */
export function openSessionFile(data: string, log: Log): Promise<JsonFileSessionStore> {
  return openFileStore({
    path: join(data, 'sessions.jsonl'),
    open: (path) => JsonFileSessionStore.open(path),
    danger: 'Other users could bring back sessions that have ended',
    sameFolderAs: join(data, 'users.jsonl'),
  }, log);
}
