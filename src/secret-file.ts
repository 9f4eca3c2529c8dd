/** The secret that the command makes on its first start, and keeps in a file. */
import { randomUUID } from 'node:crypto';
import { chmod, link, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { generateSecret } from './crypto/jwt.ts';
import { ignore, makeFolder, syncFolder } from './users/disk.ts';

/** @returns the secret in a file, and whether it was made now, because there was no such file */
export async function keptSecret(path: string): Promise<{ readonly secret: string; readonly isNew: boolean }> {
  const isNew = await makeSecret(path);
  return { secret: (await readFile(path, 'utf8')).replace(/\r?\n$/, ''), isNew };
}

/**
 * The file gets its name only once it is whole and on disk, with mode 0600, and of two processes that make one at the
 * same time one wins.
 */
async function makeSecret(path: string): Promise<boolean> {
  if (await stat(path).catch(ignore('ENOENT'))) return false;
  await makeFolder(dirname(path));
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeFile(draft, `${generateSecret()}\n`, { flag: 'wx', mode: 0o600, flush: true });
    await chmod(draft, 0o600); // whatever the umask
    await link(draft, path).catch(ignore('EEXIST'));
  } finally {
    await rm(draft, { force: true });
  }
  await syncFolder(dirname(path));
  return true;
}
