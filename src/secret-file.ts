/** The secrets of the command, and the file in which it keeps the one that it makes on its first start. */
import { randomUUID } from 'node:crypto';
import { chmod, link, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { generateSecret, keysOf } from './crypto/secret.ts';
import { ignore, makeFolder, syncFolder } from './users/disk.ts';

/**
 * @param text one secret a line: the first is to sign, all are to verify, so that one can take the place of another
 * @throws TypeError or RangeError for what is no secret, as Jwt, or a slip in a file; an empty line is none at all
 */
export function secretsIn(text: string): readonly string[] {
  // Other bytes are all read as U+FFFD, and a power cut may leave NULs: anybody could guess such a key.
  if (/[\ufffd\0]/.test(text)) throw new TypeError('"secret" expected text in UTF-8 without NUL, got other bytes');
  const secrets = text.split(/\r?\n/).filter((line) => line !== '');
  const isSlip = (line: string) => line !== line.trim() || /^#.* /.test(line);
  if (secrets.some(isSlip)) throw new TypeError('"secret" expected no comment and no space at its ends, got one');
  // All of it as well, because a key file has several lines.
  keysOf([text.trim(), ...secrets]);
  return secrets;
}

/** @returns what is in the file, whether it was made now, because there was none, and whether others may read it */
export async function keptSecrets(path: string): Promise<{ text: string; isNew: boolean; isShared: boolean }> {
  const isNew = await makeSecret(path);
  const { mode } = await stat(path);
  return { text: await readFile(path, 'utf8'), isNew, isShared: (mode & 0o077) !== 0 };
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
