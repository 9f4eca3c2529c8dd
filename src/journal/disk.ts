/** The file system as a journal uses it, and folders that survive a power cut. */
import fs from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ignore } from './system-errors.ts';

/**
 * The part of `node:fs/promises` that a journal uses. Tests replace it with a simulated disk, whose
 * power can be cut.
 */
export interface Disk {
  open(path: string, flags: string, mode?: number): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { force: true }): Promise<void>;
  stat(path: string): Promise<{ readonly ino: number; readonly size: number }>;
}

/** The part of a FileHandle that a journal uses. */
export interface DiskFile {
  read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  writeFile(bytes: Uint8Array): Promise<void>;
  truncate(length: number): Promise<void>;
  datasync(): Promise<void>;
  sync(): Promise<void>;
  stat(): Promise<DiskFileStatus>;
  chmod(mode: number): Promise<void>;
  chown(uid: number, gid: number): Promise<void>;
  close(): Promise<void>;
}

interface DiskFileStatus {
  readonly ino: number;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  isFile(): boolean;
}

/**
 * Creates a folder and the missing ones above it, each with mode 0700, and syncs their names. It
 * creates them one by one, because the `recursive` option of `mkdir` never settles below /proc.
 */
export async function makeFolder(folder: string): Promise<void> {
  const parent = dirname(resolve(folder));
  if (await fs.stat(folder).catch(ignore('ENOENT'))) {
    // The process that created the folder may have been killed before it synced the parent. With
    // EACCES this process may not open the parent, so it cannot sync it either.
    return syncFolder(parent).catch(ignore('EACCES'));
  }
  await makeFolder(parent);
  const isCreated = await fs.mkdir(folder, 0o700).then(() => true, ignore('EEXIST'));
  if (isCreated) await fs.chmod(folder, 0o700); // mkdir applies the umask
  await syncFolder(parent);
}

/**
 * Makes the names in a folder durable. On Windows this is best effort: Windows refuses to open a
 * folder, with EPERM or EISDIR, and the names stay unsynced.
 */
export async function syncFolder(folder: string, disk: Disk = fs): Promise<void> {
  const handle = await disk.open(folder, 'r').catch(ignore('EPERM', 'EISDIR'));
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}
