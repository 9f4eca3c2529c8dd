/**
 * Creates the secret file at the first start.
 * Promise: the secret file holds the whole secret, or it is empty or begins with a NUL byte. An
 * empty text, or one with NUL, is never used as a secret. This module never removes a complete
 * secret file.
 * Accepted: a draft holds a copy of the secret. It stays if the folder forbids its removal, as a
 * folder with the attribute `a` (chattr) does.
 */
import { randomUUID } from 'node:crypto';
import { link, readdir, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { generateSecret } from '../../crypto/secret.ts';
import { createPrivateFile, makeFolder, syncFolder } from '../../journal/disk.ts';
import { hasCode, ignore, ignoreFailure } from '../../journal/system-errors.ts';

/** Stands in the place of the first byte until the rest of a file is on disk. */
const UNFINISHED = '\0';

/** @returns whether this is the text of a file that another process is still writing */
export function isIncomplete(text: string): boolean {
  return text === '' || text.startsWith(UNFINISHED);
}

/**
 * Creates the file with a new secret, unless it exists. If the file system has hard links, the file
 * gets its name once it is complete and on disk with mode 0600. If two processes create it at the
 * same time, `link` lets one win. Without hard links, see `createInPlace`.
 * @returns whether this process created it
 */
export async function createSecretFile(path: string): Promise<boolean> {
  if (await stat(path).catch(ignore('ENOENT'))) return false;
  await makeFolder(dirname(path));
  const text = `${generateSecret()}\n`;
  const draft = `${path}.${randomUUID()}`;
  let isFirst: boolean;
  try {
    await writeDraft(draft, text);
    isFirst = await nameDraft(draft, path, text);
  } finally {
    await unlink(draft).catch(ignoreFailure);
  }
  if (isFirst) await syncFolder(dirname(path));
  return isFirst;
}

/** The end of the name of a draft: a UUID. */
const DRAFT_SUFFIX = /^\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Removes drafts of first starts that were killed, as far as possible. A draft holds a secret, and
 * would outlive its rotation. The caller must have read the secret file. Another first start that
 * loses its draft by this then finds that file, and uses it.
 */
export async function removeSecretDrafts(path: string): Promise<void> {
  const folder = dirname(path);
  const file = basename(path);
  for (const name of await readdir(folder).catch(() => [])) {
    const isDraft = name.startsWith(file) && DRAFT_SUFFIX.test(name.slice(file.length));
    if (isDraft) await unlink(join(folder, name)).catch(ignoreFailure);
  }
}

/** Creates a file with mode 0600, writes it and syncs it. */
async function writeDraft(path: string, text: string): Promise<void> {
  const file = await createPrivateFile(path);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close().catch(ignoreFailure);
  }
}

/** @returns whether this process created the file, and not another one */
async function nameDraft(draft: string, path: string, text: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    // After any other error the file is created without a link. If that fails too, its error is
    // reported.
    return createInPlace(path, text);
  }
}

/**
 * Creates the file under its own name, for file systems without hard links, such as FAT and SMB
 * shares. The flag `wx` lets one process win. The file begins with a NUL byte until the rest of it
 * is on disk. So no process uses a part of the secret.
 * @returns whether this process created it
 */
async function createInPlace(path: string, text: string): Promise<boolean> {
  const file = await createPrivateFile(path).catch(ignore('EEXIST'));
  if (file === undefined) return false;
  let isComplete = false;
  try {
    await file.writeFile(`${UNFINISHED}${text.slice(1)}`);
    await file.sync();
    await file.write(text.slice(0, 1), 0);
    isComplete = true;
    await file.sync();
    return true;
  } catch (error) {
    // Another process may already sign with a complete secret, so that file stays.
    if (!isComplete) await unlink(path).catch(ignoreFailure);
    throw error;
  } finally {
    await file.close().catch(ignoreFailure);
  }
}
