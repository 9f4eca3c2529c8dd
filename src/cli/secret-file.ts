/** The secrets of the command, and the file in which it keeps the one that it makes on its first start. */
import { randomUUID } from 'node:crypto';
import { link, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { generateSecret, keysOf } from '../crypto/secret.ts';
import { isShared, ownerProblems, type Problem, type ProcessUser } from './file-trust.ts';
import { ignore, makeFolder, syncFolder } from '../journal/disk.ts';

/**
 * @param text one secret a line: the first is to sign, all are to verify, so that one can take the place of another
 * @throws TypeError or RangeError for what is no secret, as Jwt, or a slip in a file; an empty line is none at all
 */
export function secretsIn(text: string): readonly string[] {
  // Other bytes are all read as U+FFFD, and a power cut may leave NULs: anybody could guess such a key.
  if (/[\ufffd\0]/.test(text)) throw new TypeError('"secret" expected text in UTF-8 without NUL, got other bytes');
  const secrets = text.split(/\r?\n/).filter((line) => line !== '');
  // Another user who can write the folder could rename the file of users, whose first line is known.
  if (text.startsWith('{"format":')) throw new TypeError('"secret" expected secrets, got a file of users');
  const isSlip = (line: string) => line !== line.trim() || /^#.* /.test(line);
  if (secrets.some(isSlip)) throw new TypeError('"secret" expected no comment and no space at its ends, got one');
  // All of it as well, because a key file has several lines.
  keysOf([text.trim(), ...secrets]);
  return secrets;
}

/** Room for hundreds of secrets. */
const MAX_SECRET_BYTES = 64 * 1024;

/** The text of a secret file. */
export interface KeptSecrets {
  readonly text: string;
  /** Whether the file was made now, because there was none. */
  readonly isNew: boolean;
  /** Whether its mode lets other users read it. */
  readonly isShared: boolean;
  /** What is wrong with owners and modes, and not bad enough to be refused. */
  readonly warnings: readonly string[];
}

/**
 * @param user whom this process runs as; without it owners are not checked
 * @throws Error if another user owns the file, or can write it: that user could forge tokens
 */
export async function keptSecrets(path: string, user?: ProcessUser): Promise<KeptSecrets> {
  // Before a secret is made, so that a refusal leaves no file behind.
  refuseForeign(await ownerProblems(path, user));
  const isNew = await makeSecret(path);
  const problems = await ownerProblems(path, user);
  refuseForeign(problems);
  const warnings = problems.map(({ text }) => text);
  const status = await stat(path);
  // A pipe would keep the start waiting, and a large file would fill the memory.
  if (!status.isFile()) throw new Error('it is not a regular file');
  if (status.size > MAX_SECRET_BYTES) throw new Error('it is too large to be a file of secrets');
  return { text: await readFile(path, 'utf8'), isNew, isShared: await isShared(path), warnings };
}

/** @throws Error for a file or a link that another user can change */
function refuseForeign(problems: readonly Problem[]): void {
  const refused = problems.find(({ isGrave, isOfFolder }) => isGrave && !isOfFolder);
  if (refused !== undefined) {
    throw new Error(`${refused.text}, who could change the secret and forge tokens`);
  }
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
    const file = await open(draft, 'wx', 0o600);
    try {
      // Whatever the umask.
      await file.chmod(0o600);
      await file.writeFile(`${generateSecret()}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    const isFirst = await link(draft, path).then(() => true, ignore('EEXIST'));
    if (!isFirst) return false;
  } finally {
    await rm(draft, { force: true });
  }
  await syncFolder(dirname(path));
  return true;
}
