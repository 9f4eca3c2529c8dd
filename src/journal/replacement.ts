/**
 * Replaces a file at its opening, to compact it or because it cannot be trusted.
 * Promise: the content of the old file is not changed, and its name passes to the new file only
 * once that file is on disk.
 */
import { readdir, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncName, type DiskFile } from './disk.ts';
import { copyBytes, Draft } from './draft.ts';
import type { OpenFile } from './open-file.ts';
import type { ByteRange, Contents } from './reader.ts';
import type { RecordFormat } from './record-format.ts';
import { ignore, ignoreFailure, NOT_SETTABLE_CODES, NO_FILE_CODES } from './system-errors.ts';

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
export async function replaceAtOpening<Entry>(
  old: OpenFile,
  contents: Contents<Entry>,
  format: RecordFormat<Entry>,
): Promise<Replacement> {
  const { entries, version, damage, fileBytes, recordsEnd } = contents;
  const hasHeader = recordsEnd > 0;
  const draft = await Draft.create(old, hasHeader);
  let discardedPath: string | undefined;
  try {
    await draft.writeEntries(entries, format, version);
    await draft.sync();
    if (damage.length > 0) discardedPath = await saveDamage(old, damage);
    await draft.takeName(fileBytes);
  } catch (error) {
    await draft.discard();
    // The old file still has these bytes.
    if (discardedPath !== undefined) {
      await old.disk.rm(discardedPath, { force: true }).catch(ignoreFailure);
    }
    throw error;
  }
  await old.file.close().catch(ignoreFailure);
  return { file: draft.file, size: draft.size, discardedPath };
}

/**
 * Removes drafts that a crash left, or that the last holder of the lock is still writing. That
 * holder can then no longer rename its draft over the file of the next holder. Drafts are named
 * `<file>.compact-<id>`, and `<file>.compact` by version 0.1.
 */
export async function removeDrafts(path: string): Promise<void> {
  const folder = dirname(path);
  const oldestName = `${basename(path)}.compact`;
  for (const name of await readdir(folder)) {
    const isDraft = name === oldestName || name.startsWith(`${oldestName}-`);
    if (isDraft) await unlink(join(folder, name)).catch(ignore(...NO_FILE_CODES));
  }
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
