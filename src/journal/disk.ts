/**
 * The file system as a journal uses it, and folders that last: a folder that was made here is still
 * there after a power cut.
 */
import fs from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** The part of `node:fs/promises` that a journal uses. Tests have a disk whose power can be cut. */
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
 * Makes a folder (mode 0700) and the missing ones above it, durably. The `recursive` option of Node
 * never returns for a path in /proc.
 */
export async function makeFolder(folder: string): Promise<void> {
  const parent = dirname(resolve(folder));
  if (await fs.stat(folder).catch(ignore('ENOENT'))) {
    // It may exist without being durable, if its creator was killed before the sync. EACCES means
    // that another user created it.
    return syncFolder(parent).catch(ignore('EACCES'));
  }
  await makeFolder(parent);
  await fs.mkdir(folder, 0o700).catch(ignore('EEXIST'));
  await fs.chmod(folder, 0o700); // mkdir applies the umask
  await syncFolder(parent);
}

/** Makes the names in a folder durable. Windows cannot do that and refuses to open a folder. */
export async function syncFolder(folder: string, disk: Disk = fs): Promise<void> {
  const handle = await disk.open(folder, 'r').catch(ignore('EPERM', 'EISDIR'));
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}

/** Codes for a path without a file: ESTALE on NFS, ENOTDIR if a file replaced the folder. */
export const GONE: readonly string[] = ['ENOENT', 'ENOTDIR', 'ESTALE'];

/** @returns whether a thrown value is an error of the system with one of these codes */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

/** For `catch`: turns an error with one of these codes into undefined, and throws any other. */
export function ignore(...codes: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (!hasCode(error, ...codes)) throw error;
  };
}

/** @returns an error with this message, caused by `error`, and the `code` of that, such as EIO */
export function explained(
  message: string,
  error: unknown,
  Kind: new (message: string, options: ErrorOptions) => Error = Error,
): Error {
  const explanation = new Kind(message, { cause: error });
  const { code } = Object(error) as { readonly code?: unknown };
  return code === undefined ? explanation : Object.assign(explanation, { code });
}
