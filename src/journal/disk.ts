/**
 * The file system as a journal uses it, and names that survive a power cut.
 *
 * Accepted: some file systems, such as SMB shares and some FUSE mounts, cannot sync a folder. There
 * a power cut may undo the last rename, which an opening or a compaction made. The path then has
 * the file that it had before. The content of files is still synced, so a file that keeps its name
 * loses nothing. After a rename the file itself is synced again: NTFS, and most file systems behind
 * SMB, then usually make the name durable too. No interface promises this.
 */
import { realpath } from 'node:fs';
import fs, { type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { util } from '../node-modules.ts';
import {
  ignore,
  ignoreFailure,
  NOT_SETTABLE_CODES,
  NO_FOLDER_SYNC_CODES,
} from './system-errors.ts';

/**
 * The part of `node:fs/promises` that a journal uses. Tests replace it with a simulated disk, whose
 * power can be cut.
 */
export interface Disk {
  open(path: string, flags: string, mode?: number): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { force: true }): Promise<void>;
  stat(path: string, options: { bigint: true }): Promise<FileIdentity & { readonly size: bigint }>;
}

/** Inode numbers of NTFS and of network shares have more than the 53 bits of a number. */
interface FileIdentity {
  readonly ino: bigint;
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
  stat(options: { bigint: true }): Promise<FileIdentity>;
  chmod(mode: number): Promise<void>;
  chown(uid: number, gid: number): Promise<void>;
  close(): Promise<void>;
}

interface DiskFileStatus {
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
    // The process that created the folder may have been killed before it synced the parent.
    await syncFolder(parent);
    return;
  }
  await makeFolder(parent);
  const isCreated = await fs.mkdir(folder, 0o700).then(() => true, ignore('EEXIST'));
  // mkdir applies the umask. If the mode cannot be set, the folder has at most this mode, or the
  // one that its mount sets.
  if (isCreated) await fs.chmod(folder, 0o700).catch(ignore(...NOT_SETTABLE_CODES));
  await syncFolder(parent);
}

/**
 * Creates a file with mode 0600, and opens it for writing. If the mode cannot be set, the file has
 * at most this mode, or the one that its mount sets.
 * @throws Error of the file system, with the code EEXIST if the path has a file
 */
export async function createPrivateFile(path: string): Promise<FileHandle> {
  const file = await fs.open(path, 'wx', 0o600);
  try {
    // `open` applies the umask, which could take away this process's own rights.
    await file.chmod(0o600).catch(ignore(...NOT_SETTABLE_CODES));
    return file;
  } catch (error) {
    await file.close().catch(ignoreFailure);
    await fs.unlink(path).catch(ignoreFailure);
    throw error;
  }
}

/**
 * Makes the names in a folder durable.
 * @returns false if the file system cannot sync a folder, or this process may not read it
 */
export async function syncFolder(folder: string, disk: Disk = fs): Promise<boolean> {
  // A folder that a process may not read can still be one in which it may create names.
  const handle = await disk.open(folder, 'r').catch(ignore(...NO_FOLDER_SYNC_CODES, 'EACCES'));
  if (handle === undefined) return false;
  try {
    return await handle.sync().then(() => true, ignore(...NO_FOLDER_SYNC_CODES)) ?? false;
  } finally {
    await handle.close();
  }
}

/** Makes the name of an open file durable, as far as the file system can do that. */
export async function syncName(path: string, file: DiskFile, disk: Disk): Promise<void> {
  if (!(await syncFolder(dirname(path), disk))) await file.sync();
}

const realPathByNode = util.promisify(realpath);

/** @returns the path without symbolic links */
export async function realPathOf(path: string): Promise<string> {
  // The realpath of the system fails on some RAM disks and drives of Windows, and on systems with
  // musl that do not have /proc. Node has one of its own, which follows the links one by one.
  return fs.realpath(path).catch(() => realPathByNode(path));
}
