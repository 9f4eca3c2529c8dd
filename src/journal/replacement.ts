/**
 * Writes a new file in the place of an old one: to compact it, or because the old one was not
 * closed and cannot be trusted.
 * Promise: the old file is not changed. Its name passes to the new one only once that is on disk.
 */
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ignore, syncFolder, type DiskFile } from './disk.ts';
import { encodeRecord, headerLine } from './lines.ts';
import { changed } from './lost.ts';
import { sizeAtPath, type OpenFile } from './open-file.ts';
import type { ByteRange, Contents } from './reader.ts';
import type { RecordFormat } from './record-format.ts';

const LINES_PER_WRITE = 1000;
const COPY_BYTES = 1 << 20;

export interface Replacement {
  readonly file: DiskFile;
  readonly size: number;
  /** The file that has the damaged bytes of the old one, if there were any. */
  readonly discardedPath: string | undefined;
}

/**
 * Writes the entries into a new file, syncs and renames it. The caller must sync the folder before
 * it calls the new file durable.
 * @returns the new file; the old one is closed
 * @throws LostError if the lock is gone or the old file was changed
 * @throws Error what the disk throws; after any error the old file is open and unchanged, and no
 *   new file is beside it
 */
export async function replaceFile<Entry>(
  old: OpenFile,
  contents: Contents<Entry>,
  format: RecordFormat<Entry>,
): Promise<Replacement> {
  const { path, disk, lock } = old;
  const newPath = `${path}.compact-${lock.id}`;
  let file: DiskFile | undefined;
  let discardedPath: string | undefined;
  let size: number;
  try {
    // Without a lock all new files share one name, and a crash may have left one.
    await disk.rm(newPath, { force: true });
    file = await disk.open(newPath, 'ax', 0o600);
    await copyPermissions(old.file, file, contents.recordBytes === 0);
    size = await writeEntries(file, contents.entries, format);
    await file.datasync();
    if (contents.damage.length > 0) discardedPath = await saveDamage(old, contents.damage);
    // A line that another program has added meanwhile would be lost.
    if ((await old.file.stat()).size !== contents.fileBytes) throw changed('changed');
    await lock.confirm();
    await sizeAtPath(old);
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
  await old.file.close().catch(() => undefined);
  return { file, size, discardedPath };
}

/**
 * Removes new files that a crash left, or that the last holder of the lock is still writing. That
 * holder can then no longer rename its file over the file of the next holder.
 */
export async function removeDrafts(path: string): Promise<void> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.compact`;
  for (const name of await readdir(folder)) {
    if (name.startsWith(prefix)) await rm(join(folder, name), { force: true });
  }
}

async function copyPermissions(old: DiskFile, file: DiskFile, isNew: boolean): Promise<void> {
  const { mode, uid, gid } = await old.stat();
  const isGiven = await file.chown(uid, gid).then(() => true, ignore('EPERM'));
  // A process that may not give the file away keeps it, and must not let its own group read it.
  const givenMode = isGiven ? mode : mode & 0o700;
  // A file without records was made just now, and the umask decided its mode.
  await file.chmod(isNew ? 0o600 : givenMode);
}

/** @returns the number of bytes written */
async function writeEntries<Entry>(
  file: DiskFile,
  entries: ReadonlyMap<string, Entry>,
  format: RecordFormat<Entry>,
): Promise<number> {
  let size = 0;
  let lines = [headerLine(format)];
  const flush = async () => {
    const bytes = Buffer.from(lines.join(''));
    lines = [];
    await file.writeFile(bytes);
    size += bytes.length;
  };
  for (const [key, entry] of entries) {
    lines.push(encodeRecord(format.recordOf(entry, key)));
    if (lines.length === LINES_PER_WRITE) await flush();
  }
  await flush();
  return size;
}

/**
 * Copies the damaged bytes into a file of their own, durably.
 * @returns its path: `<path>.cut-1`, or the first number that is free
 */
async function saveDamage(old: OpenFile, damage: readonly ByteRange[]): Promise<string> {
  const { path, disk } = old;
  for (let number = 1; ; number += 1) {
    const cutPath = `${path}.cut-${number}`;
    const file = await disk.open(cutPath, 'ax', 0o600).catch(ignore('EEXIST'));
    if (file === undefined) continue;
    try {
      await file.chmod(0o600);
      for (const range of damage) await copyBytes(old.file, file, range);
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
