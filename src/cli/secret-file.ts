/**
 * The secrets of the command: LATCHKEY_SECRET, or a file, which the first start makes.
 * Promise: the server does not start with a secret that another user can change.
 */
import { randomUUID } from 'node:crypto';
import { link, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { generateSecret, keysOf } from '../crypto/secret.ts';
import { makeFolder, syncFolder } from '../journal/disk.ts';
import { ignore } from '../journal/system-errors.ts';
import { attempt } from './command-errors.ts';
import {
  isShared,
  ownerProblems,
  processUser,
  sharedWarning,
  type Problem,
  type ProcessUser,
} from './file-trust.ts';
import type { Log } from './log.ts';

/** The secrets of a server. */
export interface Secrets {
  /** The first signs and all verify. */
  readonly texts: readonly string[];
  /** How many there are and where, for messages. */
  readonly place: string;
}

/**
 * Takes the secrets from the variable, or else from the file, which it makes if it is missing.
 * @param path the secret file
 * @param variable the value of LATCHKEY_SECRET; an empty one is refused
 * @throws Error that says what to do, if the secrets cannot be read or must not be used
 */
export async function readSecrets(
  path: string,
  variable: string | undefined,
  log: Log,
): Promise<Secrets> {
  if (variable !== undefined) return secretsOf(variable, 'LATCHKEY_SECRET');
  const remedy = 'chown and chmod it, use another --data, or set LATCHKEY_SECRET';
  const kept = await attempt(path, () => keptSecrets(path, processUser()), remedy);
  const { texts, place } = await secretsOf(kept.text, path);
  if (kept.isShared) log('warning', sharedWarning(path));
  for (const warning of kept.warnings) log('warning', `${path}: ${warning}`);
  return { texts, place: kept.isNew ? `${place} (made now, mode 0600)` : place };
}

async function secretsOf(text: string, source: string): Promise<Secrets> {
  const remedy = 'put there what "latchkey secret" prints';
  const texts = await attempt(source, () => secretsIn(text), remedy);
  const count = texts.length === 1 ? 'secret' : `${texts.length} secrets, the first to sign,`;
  return { texts, place: `${count} in ${source}` };
}

/** U+FFFD stands for bytes that are not UTF-8. */
const NOT_TEXT = /[\ufffd\0]/;
const COMMENT = /^#.* /;
const USER_FILE_START = '{"format":';

/**
 * @param text one secret a line; the first signs and all verify, so that a secret can be rotated
 * @throws TypeError or RangeError for what `Jwt` refuses as a secret, and for mistakes in a file,
 *   such as a comment. Empty lines are skipped.
 */
export function secretsIn(text: string): readonly string[] {
  // Every byte that is not UTF-8 becomes the same U+FFFD, and a power cut may leave NULs. A key of
  // either could be guessed.
  if (NOT_TEXT.test(text)) {
    throw new TypeError('"secret" expected text in UTF-8 without NUL, got other bytes');
  }
  // Another user who can write the folder could move the user file here. Its first line is public.
  if (text.startsWith(USER_FILE_START)) {
    throw new TypeError('"secret" expected secrets, got a user file');
  }
  const secrets = text.split(/\r?\n/).filter((line) => line !== '');
  const isMistake = (line: string) => line !== line.trim() || COMMENT.test(line);
  if (secrets.some(isMistake)) {
    throw new TypeError('"secret" expected no comment, and no space at the ends of a line');
  }
  // The whole text is checked as well, because a key file in PEM has several lines.
  keysOf([text.trim(), ...secrets]);
  return secrets;
}

/** Room for hundreds of secrets. */
const MAX_SECRET_BYTES = 64 * 1024;

/** A secret file as it was read. */
export interface KeptSecrets {
  readonly text: string;
  /** Whether the file was missing and has just been made. */
  readonly isNew: boolean;
  /** Whether its mode gives other users access to it. */
  readonly isShared: boolean;
  /** Problems with owners and modes that are not refused. */
  readonly warnings: readonly string[];
}

/**
 * Reads the secret file, or makes it with a new secret.
 * @param user the user that this process runs as; if undefined, owners are not checked
 * @throws Error if another user owns the file or can write it, since that user could forge tokens
 */
export async function keptSecrets(path: string, user?: ProcessUser): Promise<KeptSecrets> {
  // Checked before a secret is made, so that a refusal leaves no file behind.
  refuseForeign(await ownerProblems(path, user));
  const isNew = await makeSecret(path);
  const problems = await ownerProblems(path, user);
  refuseForeign(problems);
  const warnings = problems.map(({ text }) => text);
  const status = await stat(path);
  // A pipe would keep the start waiting, and a large file would fill the memory.
  if (!status.isFile()) throw new Error('it is not a regular file');
  if (status.size > MAX_SECRET_BYTES) throw new Error('it is too large to be a secret file');
  return {
    text: await readFile(path, 'utf8'),
    isNew,
    isShared: await isShared(path),
    warnings,
  };
}

/** @throws Error if another user can change a file or a link on the way to the secret */
function refuseForeign(problems: readonly Problem[]): void {
  const refused = problems.find(({ isGrave, isOfFolder }) => isGrave && !isOfFolder);
  if (refused !== undefined) {
    throw new Error(`${refused.text}, who could change the secret and forge tokens`);
  }
}

/**
 * Makes the file unless it exists. The file gets its name once it is complete and on disk with mode
 * 0600. If two processes make one at the same time, `link` lets one of them win.
 * @returns whether this process made it
 */
async function makeSecret(path: string): Promise<boolean> {
  if (await stat(path).catch(ignore('ENOENT'))) return false;
  await makeFolder(dirname(path));
  const draft = `${path}.${randomUUID()}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      // `open` applies the umask to the mode.
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
