/**
 * The secrets of the server: those of LATCHKEY_SECRET, or those of a file, which the first start
 * creates.
 * Promise: the server does not start if another system user owns the secret file, or a link on the
 * way to it, or can write the file.
 * Accepted: root may do all of this, and a group of the server's own user may write the file. Other
 * problems, such as those of a folder, only cause a warning. Access control lists are not read.
 */
import { randomUUID } from 'node:crypto';
import { link, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { generateSecret, keysOf } from '../crypto/secret.ts';
import { reasonOf } from '../errors.ts';
import { makeFolder, syncFolder } from '../journal/disk.ts';
import { ignore } from '../journal/system-errors.ts';
import { attempt, CommandError } from './command-errors.ts';
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
  /** Their number and their source, for the line at the start of the server. */
  readonly summary: string;
}

const OTHER_SECRET = 'use another --data, or set LATCHKEY_SECRET.';

/**
 * Reads the secrets from the variable if it is set, else from the file. Creates a missing file.
 * @param path the secret file
 * @param variable the value of LATCHKEY_SECRET; an empty one is refused
 * @throws CommandError if the secrets cannot be read, or must not be used
 */
export async function readSecrets(
  path: string,
  variable: string | undefined,
  log: Log,
): Promise<Secrets> {
  if (variable !== undefined) {
    const texts = secretsIn(variable, 'LATCHKEY_SECRET');
    return { texts, summary: summaryOf(texts, 'LATCHKEY_SECRET') };
  }
  const remedy = `Mend this, ${OTHER_SECRET}`;
  const file = await attempt(path, remedy, () => readSecretFile(path, processUser()));
  const texts = secretsIn(file.text, path);
  if (file.isShared) log('warning', sharedWarning(path));
  for (const warning of file.warnings) log('warning', `${path}: ${warning}`);
  const summary = summaryOf(texts, path);
  return { texts, summary: file.isNew ? `${summary} (new, mode 0600)` : summary };
}

function summaryOf({ length }: readonly string[], source: string): string {
  return length === 1 ? `secret in ${source}` : `${length} secrets in ${source} (the first signs)`;
}

/** U+FFFD stands for bytes that are not UTF-8. */
const NOT_TEXT = /[\ufffd\0]/;
/** Without a space after the `#` the line may be a secret. */
const COMMENT = /^#.* /;
const USER_FILE_START = '{"format":';
/** The start of the messages of `keysOf`. The command names the source, and advises at the end. */
const SUBJECT = /^"secret" expected (?:text that .+ prints, or )?/;

/**
 * @param text one secret per line: the first signs and all verify, so that a secret can be rotated.
 *   Empty lines are skipped.
 * @param source the variable, the file or the flag that the text comes from, for messages
 * @throws CommandError for a mistake in the text, such as a comment, and for a secret that `Jwt`
 *   refuses
 */
export function secretsIn(text: string, source: string): readonly string[] {
  try {
    return checkedSecrets(text);
  } catch (error) {
    const reason = reasonOf(error).replace(SUBJECT, `${source} expected `);
    throw new CommandError(`${reason}. "latchkey secret" prints a new secret.`, { cause: error });
  }
}

/** @throws TypeError or RangeError that names "secret" and does not repeat it */
function checkedSecrets(text: string): readonly string[] {
  // All bytes that are not UTF-8 become U+FFFD, and a power cut can leave NULs: such a key can be
  // guessed.
  if (NOT_TEXT.test(text)) {
    throw new TypeError('"secret" expected text in UTF-8 without NUL, got other bytes');
  }
  // Another system user who can write the folder can move the user file here. The first line of a
  // user file is known to everyone.
  if (text.startsWith(USER_FILE_START)) {
    throw new TypeError('"secret" expected secrets, got a user file');
  }
  const secrets = text.split(/\r?\n/).filter((line) => line !== '');
  const isMistake = (line: string) => line !== line.trim() || COMMENT.test(line);
  if (secrets.some(isMistake)) {
    throw new TypeError('"secret" expected no comment, and no space at the ends of a line');
  }
  // Throws for a weak secret or a key file. A PEM file is recognised only as a whole, so the whole
  // text is checked as one more secret.
  keysOf(text.trim());
  keysOf(secrets);
  return secrets;
}

/** Enough for hundreds of secrets. */
const MAX_SECRET_BYTES = 64 * 1024;

/** A secret file that was read. */
export interface SecretFile {
  readonly text: string;
  /** Whether the file was missing, so that this call created it. */
  readonly isNew: boolean;
  /** Whether its mode gives other system users access to it. */
  readonly isShared: boolean;
  /** Problems with owners and modes that are accepted with a warning. */
  readonly warnings: readonly string[];
}

/**
 * Reads the secret file, or creates it with a new secret.
 * @param user the system user of this process; if undefined, owners are not checked
 * @throws CommandError if another system user owns the file or can write it
 * @throws Error if the file cannot be read, is not a regular file or is too large
 */
export async function readSecretFile(path: string, user?: ProcessUser): Promise<SecretFile> {
  // Checked before a secret is created, so that a refusal leaves no file behind.
  refuseForeign(await ownerProblems(path, user));
  const isNew = await createSecretFile(path);
  const problems = await ownerProblems(path, user);
  refuseForeign(problems);
  const warnings = problems.map(({ text }) => text);
  const status = await stat(path);
  // A pipe might never end, and a large file might fill the memory.
  if (!status.isFile()) throw new Error('expected a regular file');
  if (status.size > MAX_SECRET_BYTES) throw new Error(`expected at most ${MAX_SECRET_BYTES} bytes`);
  return {
    text: await readFile(path, 'utf8'),
    isNew,
    isShared: await isShared(path),
    warnings,
  };
}

/** @throws CommandError if another system user can change the file or a link on the way to it */
function refuseForeign(problems: readonly Problem[]): void {
  const refused = problems.find(({ isGrave, isOfFolder }) => isGrave && !isOfFolder);
  if (refused !== undefined) {
    const remedy = `chown and chmod it, ${OTHER_SECRET}`;
    throw new CommandError(`${refused.text}. Other users could forge tokens: ${remedy}`);
  }
}

/**
 * Creates the file with a new secret, unless it exists. The file gets its name once it is complete
 * and on disk with mode 0600. If two processes create it at the same time, `link` lets one win.
 * @returns whether this process created it
 */
async function createSecretFile(path: string): Promise<boolean> {
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
