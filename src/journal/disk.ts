/** What this room asks of the disk, and folders, durably: what was made here is still there after a power cut. */
import fs from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** A file system as a journal uses it: `node:fs/promises` has all of it, and so has one whose power can be cut. */
export interface Disk {
  open(path: string, flags: string, mode?: number): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { force: true }): Promise<void>;
  stat(path: string): Promise<{ readonly ino: number; readonly size: number }>;
}

/** As much of a FileHandle. */
export interface DiskFile {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
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

/** Makes a folder (mode 0700) and those above it that are missing. Node's own `recursive` loops for ever in /proc. */
export async function makeFolder(folder: string): Promise<void> {
  const parent = dirname(resolve(folder));
  // A process that made it may have been killed before it was synced. Whoever may not read the parent did not make it.
  if (await fs.stat(folder).catch(ignore('ENOENT'))) return syncFolder(parent).catch(ignore('EACCES'));
  await makeFolder(parent);
  await fs.mkdir(folder, 0o700).catch(ignore('EEXIST'));
  await fs.chmod(folder, 0o700); // whatever the umask
  await syncFolder(parent);
}

/** Makes durable which files a folder holds. Windows has nothing of the kind and refuses to open a folder. */
export async function syncFolder(folder: string, disk: Disk = fs): Promise<void> {
  const handle = await disk.open(folder, 'r').catch(ignore('EPERM', 'EISDIR'));
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}

/** Codes for a name without a file. ESTALE comes from NFS, ENOTDIR where a file replaced the folder. */
export const GONE: readonly string[] = ['ENOENT', 'ENOTDIR', 'ESTALE'];

/** @returns whether it is an error of the system with one of these codes */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** Takes an error with one of these codes for an answer, and throws any other. */
export function ignore(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (!hasCode(error, ...codes)) throw error;
  };
}
