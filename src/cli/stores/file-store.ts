/** Opens a store that keeps its records in a file, and warns of what an operator should know. */
import { dirname } from 'node:path';
import type { AuthError } from '../../errors.ts';
import { realPathOf, syncFolder } from '../../journal/disk.ts';
import type { Log } from '../log.ts';
import { explainIfSlow } from '../slow-job.ts';
import { warnOfSystemUsers } from './file-trust.ts';

/** What the stores in files have in common. */
export interface FileStore {
  readonly discardedBytes: number;
  readonly discardedPath: string | undefined;
  /** Resolves when the store must not be used any more. See `JsonFileUserStore.lost`. */
  readonly lost: Promise<AuthError>;
  close(): Promise<void>;
}

const OTHER_PLACE = 'use another --data';

/** What to open, and what to tell about it. */
export interface FileToOpen<Store extends FileStore> {
  readonly path: string;
  /** Opens the file, or creates it. */
  readonly open: (path: string) => Promise<Store>;
  /** What another system user could do by changing the file: a phrase with a capital letter. */
  readonly danger: string;
  /** A file opened earlier. Warnings about its folder are not repeated. */
  readonly sameFolderAs?: string;
}

/**
 * Warns if the opening is slow, if it has cut off bytes, if a power cut could lose the name of the
 * file, and if other system users can reach it.
 * @throws any error of `open`. If a later step fails, the store is closed.
 */
export async function openFileStore<Store extends FileStore>(
  { path, open, danger, sameFolderAs }: FileToOpen<Store>,
  log: Log,
): Promise<Store> {
  const explainWait = () => {
    const reason = 'the file is large, or a process of another container or machine has its lock';
    log('warning', `${path}: still opening: ${reason}. Such a lock is watched for 10 seconds.`);
  };
  const store = await explainIfSlow(open(path), explainWait);
  const { discardedBytes, discardedPath } = store;
  if (discardedBytes > 0) {
    const action = `cut off ${discardedBytes} bytes of an interrupted last write`;
    log('warning', `${path}: ${action} and saved them in ${discardedPath}`);
  }
  try {
    const warnedFolder = sameFolderAs === undefined ? undefined : await folderOf(sameFolderAs);
    const isFolderWarnedOf = warnedFolder === (await folderOf(path));
    if (!isFolderWarnedOf) await warnOfUnsyncedNames(path, log);
    await warnOfSystemUsers(path, OTHER_PLACE, danger, log, isFolderWarnedOf);
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

/** @returns the folder of the file itself, with links resolved */
async function folderOf(path: string): Promise<string> {
  return dirname(await realPathOf(path));
}

/**
 * Without a sync of folders the file system alone decides when a rename is durable. On Windows no
 * folder can be synced, so the warning would appear at every start. See `journal/disk.ts`.
 */
async function warnOfUnsyncedNames(path: string, log: Log): Promise<void> {
  if (process.platform === 'win32' || (await syncFolder(await folderOf(path)))) return;
  const risk = 'After a power cut the file may be missing, or lack what was added since this start';
  const remedy = `${OTHER_PLACE}, or --users with a database`;
  log('warning', `${path}: its file system cannot sync a folder. ${risk}: ${remedy}.`);
}
