/**
 * A new file of users in the place of the old one: to drop superseded lines, and to leave a file
 * that was not closed behind.
 * Promise: the old file is not changed. Its name passes to the new one only once that is on disk.
 */
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GONE, ignore, syncFolder, type Disk, type DiskFile } from './disk.ts';
import type { FileLock } from './file-lock.ts';
import { HEADER_LINE, lineOf } from './lines.ts';
import { changed } from './lost.ts';
import type { ByteRange, Contents } from './reader.ts';
import type { User } from '../users/store.ts';

const LINES_PER_WRITE = 1000;
const COPY_BYTES = 1 << 20;

export interface Replacement {
  readonly file: DiskFile;
  readonly size: number;
  /** Where the damaged bytes of the old file are, if it had any. */
  readonly discardedPath: string | undefined;
}

/**
 * Writes what was read from the old file into a new one, syncs that and renames it. The folder has
 * to be synced by the caller, who must not call the new file durable before.
 * @returns the new file; the old one is closed
 * @throws LostError if the lock is gone or the old file was changed; what the disk throws. Then the
 *   old file is open and as it was, and nothing is beside it
 */
export async function replaceFile(
  path: string,
  old: DiskFile,
  contents: Contents,
  disk: Disk,
  lock: Pick<FileLock, 'confirm' | 'id'>,
): Promise<Replacement> {
  const newPath = `${path}.compact-${lock.id}`;
  let file: DiskFile | undefined;
  let discardedPath: string | undefined;
  let size: number;
  try {
    // A crash may have left one of this name, where there is no lock.
    await disk.rm(newPath, { force: true });
    file = await disk.open(newPath, 'ax', 0o600);
    await copyPermissions(old, file, contents);
    size = await writeUsers(file, contents.users);
    await file.datasync();
    if (contents.damage.length > 0) discardedPath = await saveDamage(path, old, contents, disk);
    // A line that another program has added since would be lost.
    if ((await old.stat()).size !== contents.fileBytes) {
      throw changed('changed');
    }
    await lock.confirm();
    const found = await disk.stat(path).catch(ignore(...GONE));
    if (found === undefined) throw changed('removed');
    if (found.ino !== (await old.stat()).ino) throw changed('replaced');
    await disk.rename(newPath, path);
  } catch (error) {
    await file?.close().catch(() => undefined);
    await disk.rm(newPath, { force: true }).catch(() => undefined);
    // The old file still has these bytes.
    if (discardedPath !== undefined) {
      await disk.rm(discardedPath, { force: true }).catch(() => undefined);
    }
    throw error;
  }
  await old.close().catch(() => undefined);
  return { file, size, discardedPath };
}

/**
 * Removes new files that a crash left, or that a holder of the lock is writing which lost it. That
 * holder can then no longer rename its file over that of the next holder.
 */
export async function removeDrafts(path: string): Promise<void> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.compact`;
  for (const name of await readdir(folder)) {
    if (name.startsWith(prefix)) await rm(join(folder, name), { force: true });
  }
}

async function copyPermissions(old: DiskFile, file: DiskFile, contents: Contents): Promise<void> {
  const { mode, uid, gid } = await old.stat();
  // A file that held nothing yet was made just now, under some umask.
  const isNew = contents.recordBytes === 0;
  const isGiven = await file.chown(uid, gid).then(() => true, ignore('EPERM'));
  // A process that may not give the file away keeps it, and its group must not get to read it.
  const givenMode = isGiven ? mode : mode & 0o700;
  await file.chmod(isNew ? 0o600 : givenMode);
}

/** @returns the bytes written */
async function writeUsers(file: DiskFile, users: ReadonlyMap<string, User>): Promise<number> {
  let size = 0;
  let lines = [HEADER_LINE];
  const flush = async () => {
    const bytes = Buffer.from(lines.join(''));
    lines = [];
    await file.writeFile(bytes);
    size += bytes.length;
  };
  for (const user of users.values()) {
    lines.push(lineOf('insert', user));
    if (lines.length === LINES_PER_WRITE) await flush();
  }
  await flush();
  return size;
}

/**
 * Copies the damaged bytes into a file of their own, durably.
 * @returns its path: `<path>.cut-1`, or the first number that is free
 */
async function saveDamage(
  path: string,
  old: DiskFile,
  contents: Contents,
  disk: Disk,
): Promise<string> {
  for (let number = 1; ; number += 1) {
    const cutPath = `${path}.cut-${number}`;
    const file = await disk.open(cutPath, 'ax', 0o600).catch(ignore('EEXIST'));
    if (file === undefined) continue;
    try {
      await file.chmod(0o600);
      for (const range of contents.damage) await copyBytes(old, file, range);
      await file.datasync();
      await syncFolder(dirname(path), disk);
    } catch (error) {
      await disk.rm(cutPath, { force: true }).catch(() => undefined);
      throw error;
    } finally {
      await file.close();
    }
    return cutPath;
  }
}

async function copyBytes(from: DiskFile, to: DiskFile, { start, end }: ByteRange): Promise<void> {
  const chunk = Buffer.allocUnsafe(Math.min(COPY_BYTES, end - start));
  let position = start;
  while (position < end) {
    const length = Math.min(chunk.length, end - position);
    const { bytesRead } = await from.read(chunk, 0, length, position);
    if (bytesRead === 0) throw changed('changed');
    await to.writeFile(chunk.subarray(0, bytesRead));
    position += bytesRead;
  }
}
