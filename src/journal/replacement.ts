/**
 * Replaces a file with a new one, to compact it or because it cannot be trusted. Until it has the
 * name of the old file, the new file is called a draft.
 * Promise: the content of the old file is not changed, and its name passes to the draft only once
 * the draft is on disk.
 */
import { readdir, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncName, type DiskFile } from './disk.ts';
import { encodeRecord, headerLine } from './lines.ts';
import { fileChangedError } from './lost.ts';
import { sizeAtPath, type OpenFile } from './open-file.ts';
import type { ByteRange, Contents } from './reader.ts';
import type { RecordFormat } from './record-format.ts';
import { ignore, ignoreFailure, NOT_SETTABLE_CODES, NO_FILE_CODES } from './system-errors.ts';

const LINES_PER_WRITE = 1000;
const BYTES_PER_COPY = 1 << 20;

export interface Replacement {
  readonly file: DiskFile;
  readonly size: number;
  /** The file in which the damaged bytes of the old file were saved, if it had any. */
  readonly discardedPath: string | undefined;
}

/**
 * Writes the entries into a draft, syncs it, and renames it to the name of the old file. The caller
 * must sync the folder before it treats the new file as durable.
 * @returns the new file; the old file is closed
 * @throws FileLostError if the lock is gone or the old file was changed
 * @throws Error of the disk. After any error the old file is open and unchanged, and the draft is
 *   removed if possible.
 */
export async function replaceFile<Entry>(
  old: OpenFile,
  contents: Contents<Entry>,
  format: RecordFormat<Entry>,
): Promise<Replacement> {
  const { path, disk, lock } = old;
  const draftPath = `${path}.compact-${lock.id}`;
  let draft: DiskFile | undefined;
  let discardedPath: string | undefined;
  let size: number;
  try {
    // Without a lock all drafts share one name, and a crash may have left one.
    await disk.rm(draftPath, { force: true });
    draft = await disk.open(draftPath, 'ax', 0o600);
    const hasHeader = contents.recordsEnd > 0;
    await copyOwnerAndMode(old.file, draft, hasHeader);
    size = await writeEntries(draft, contents.entries, format);
    await draft.datasync();
    if (contents.damage.length > 0) discardedPath = await saveDamage(old, contents.damage);
    await assertUnchanged(old, contents.fileBytes);
    await disk.rename(draftPath, path);
  } catch (error) {
    await draft?.close().catch(ignoreFailure);
    await disk.rm(draftPath, { force: true }).catch(ignoreFailure);
    // The old file still has these bytes.
    if (discardedPath !== undefined) {
      await disk.rm(discardedPath, { force: true }).catch(ignoreFailure);
    }
    throw error;
  }
  await old.file.close().catch(ignoreFailure);
  return { file: draft, size, discardedPath };
}

/** @throws FileLostError if the old file, or what is at its path, has changed since it was read */
async function assertUnchanged(old: OpenFile, fileBytes: number): Promise<void> {
  // If another program has added a line since the file was read, the draft lacks it.
  if ((await old.file.stat()).size !== fileBytes) throw fileChangedError('modified');
  await old.lock.confirm();
  await sizeAtPath(old);
}

/**
 * Removes drafts that a crash left, or that the last holder of the lock is still writing. That
 * holder can then no longer rename its draft over the file of the next holder. Drafts are named
 * `<file>.compact-<id>`, and `<file>.compact` by version 0.1.
 */
export async function removeDrafts(path: string): Promise<void> {
  const folder = dirname(path);
  const nameOf01 = `${basename(path)}.compact`;
  for (const name of await readdir(folder)) {
    const isDraft = name === nameOf01 || name.startsWith(`${nameOf01}-`);
    if (isDraft) await unlink(join(folder, name)).catch(ignore(...NO_FILE_CODES));
  }
}

/**
 * Gives the draft the owner and the mode of the old file. A file without a header is treated as
 * new: the draft then has mode 0600, also if an operator created the empty file with another mode.
 */
async function copyOwnerAndMode(
  old: DiskFile,
  draft: DiskFile,
  hasHeader: boolean,
): Promise<void> {
  const { mode, uid, gid } = await old.stat();
  const isOwnerCopied = await draft.chown(uid, gid).then(() => true, ignore(...NOT_SETTABLE_CODES));
  // If this process may not change the owner, the draft has its own group, which the old mode was
  // not meant for.
  const safeMode = isOwnerCopied ? mode : mode & 0o700;
  // If the mode cannot be set, the draft keeps 0600 at most, or the mode that the mount sets.
  await draft.chmod(hasHeader ? safeMode : 0o600).catch(ignore(...NOT_SETTABLE_CODES));
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
 * Copies the damaged bytes into a new file and syncs it. After an error that file is removed if
 * possible.
 * @returns its path, `<path>.cut-1` or the first higher number that is free
 */
async function saveDamage(old: OpenFile, damage: readonly ByteRange[]): Promise<string> {
  const { path, disk } = old;
  for (let number = 1; ; number += 1) {
    const cutPath = `${path}.cut-${number}`;
    const file = await disk.open(cutPath, 'ax', 0o600).catch(ignore('EEXIST'));
    if (file === undefined) continue;
    try {
      await file.chmod(0o600).catch(ignore(...NOT_SETTABLE_CODES));
      for (const range of damage) await copyBytes(old.file, file, range);
      await file.datasync();
      await syncName(cutPath, file, disk);
    } catch (error) {
      await disk.rm(cutPath, { force: true }).catch(ignoreFailure);
      throw error;
    } finally {
      await file.close();
    }
    return cutPath;
  }
}

async function copyBytes(from: DiskFile, to: DiskFile, { start, end }: ByteRange): Promise<void> {
  const chunk = Buffer.allocUnsafe(Math.min(BYTES_PER_COPY, end - start));
  let position = start;
  while (position < end) {
    const length = Math.min(chunk.length, end - position);
    const { bytesRead } = await from.read(chunk, 0, length, position);
    if (bytesRead === 0) throw fileChangedError('modified');
    await to.writeFile(chunk.subarray(0, bytesRead));
    position += bytesRead;
  }
}
