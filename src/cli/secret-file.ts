/**
 * The secrets of the server in a file, which the first start creates.
 * Promise: the server does not start if another system user owns the secret file, or a link on the
 * way to it, or can write the file.
 * Accepted: root may do all of this, and a group of the server's own user may write the file. Other
 * problems, such as those of a folder, only cause a warning. Access control lists are not read.
 */
import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { link, readFile, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { generateSecret, keysOf } from '../crypto/secret.ts';
import { reasonOf } from '../errors.ts';
import { createPrivateFile, makeFolder, syncFolder } from '../journal/disk.ts';
import {
  hasCode,
  ignore,
  ignoreFailure,
  remedyOf,
} from '../journal/system-errors.ts';
import { CommandError, sentenceOf } from './command-errors.ts';
import {
  isShared,
  mountRemedy,
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

const OTHER_SECRET = 'use another --data, or set LATCHKEY_SECRET';
const NEW_SECRET = '"latchkey secret" prints a new secret.';

/**
 * Reads the secrets from the file. Creates a missing file.
 * @param path the secret file
 * @throws CommandError if the secrets cannot be read, or must not be used
 */
export async function readSecrets(path: string, log: Log): Promise<Secrets> {
  const file = await readWithRemedy(path);
  const remedy = isIncomplete(file.text) ? DELETE_REMEDY : NEW_SECRET;
  const texts = secretsIn(file.text, path, remedy);
  if (file.isShared) log('warning', await sharedWarning(path, OTHER_SECRET));
  for (const warning of file.warnings) log('warning', `${path}: ${warning}`);
  const summary = summaryOf(texts, path);
  return { texts, summary: file.isNew ? `${summary} (new, mode ${file.mode})` : summary };
}

/** @throws CommandError with a remedy, if the file cannot be read or created */
async function readWithRemedy(path: string): Promise<SecretFile> {
  try {
    return await readSecretFile(path, processUser());
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const remedy = sentenceOf(remedyOf(error, OTHER_SECRET));
    throw new CommandError(`${path}: ${reasonOf(error)}. ${remedy}`, { cause: error });
  }
}

/** @returns how many secrets there are, and their source */
export function summaryOf({ length }: readonly string[], source: string): string {
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
 * @param remedy a sentence for the message of the error
 * @throws CommandError for a mistake in the text, such as a comment, and for a secret that `Jwt`
 *   refuses
 */
export function secretsIn(
  text: string,
  source: string,
  remedy: string = NEW_SECRET,
): readonly string[] {
  try {
    return checkedSecrets(text);
  } catch (error) {
    const reason = reasonOf(error).replace(SUBJECT, `${source} expected `);
    throw new CommandError(`${reason}. ${remedy}`, { cause: error });
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
  /** Its permissions, such as 0600. */
  readonly mode: string;
  /** Whether its mode gives other system users access to it. */
  readonly isShared: boolean;
  /** Problems with owners and modes that are accepted with a warning. */
  readonly warnings: readonly string[];
}

/**
 * Reads the secret file, or creates it with a new secret.
 * @param user the system user of this process; if undefined, owners are not checked
 * @throws CommandError if another system user owns the file or can write it, or the file is not a
 *   regular file or is too large
 * @throws Error if the file cannot be read or created
 */
export async function readSecretFile(path: string, user?: ProcessUser): Promise<SecretFile> {
  // Checked before a secret is created, so that a refusal leaves no file behind.
  await refuseForeign(path, await ownerProblems(path, user));
  const isNew = await createSecretFile(path);
  const problems = await ownerProblems(path, user);
  await refuseForeign(path, problems).catch(async (error: unknown) => {
    if (isNew) await rm(path, { force: true }).catch(ignoreFailure);
    throw error;
  });
  const warnings = problems.map(({ text }) => text);
  const status = await stat(path);
  // A pipe might never end, and a large file might fill the memory.
  if (!status.isFile()) {
    const problem = `expected a regular file, got ${kindOf(status)}`;
    throw new CommandError(`${path}: ${problem}. Remove it, ${OTHER_SECRET}.`);
  }
  if (status.size > MAX_SECRET_BYTES) {
    const problem = `expected at most ${MAX_SECRET_BYTES} bytes, got ${status.size}`;
    throw new CommandError(`${path}: ${problem}. Shorten it, ${OTHER_SECRET}.`);
  }
  return {
    text: await readWhole(path),
    isNew,
    mode: `0${(status.mode & 0o777).toString(8)}`,
    isShared: await isShared(path),
    warnings,
  };
}

function kindOf(status: Stats): string {
  if (status.isDirectory()) return 'a folder';
  return status.isFIFO() ? 'a pipe' : 'a socket or a device';
}

/** @throws CommandError if another system user can change the file or a link on the way to it */
async function refuseForeign(path: string, problems: readonly Problem[]): Promise<void> {
  const refused = problems.find(({ isGrave, isOfFolder }) => isGrave && !isOfFolder);
  if (refused !== undefined) {
    const remedy = (await mountRemedy(path, OTHER_SECRET)) ?? `chown and chmod it, ${OTHER_SECRET}`;
    throw new CommandError(`${refused.text}. Other users could forge tokens: ${remedy}.`);
  }
}

/** Stands in the place of the first byte until the rest of a file is on disk. */
const UNFINISHED = '\0';

const POLL_MS = 100;
/** Two seconds, for a start that writes 44 bytes and syncs them twice. */
const MAX_POLLS = 20;

const DELETE_REMEDY =
  'A first start that was interrupted leaves such a file: delete it, and start again.';

function isIncomplete(text: string): boolean {
  return text === '' || text.startsWith(UNFINISHED);
}

/**
 * Reads the file. While another process is still writing it, waits.
 * @returns a text for which `isIncomplete` is true if that process does not finish it
 */
async function readWhole(path: string): Promise<string> {
  let text = await readFile(path, 'utf8');
  for (let poll = 0; poll < MAX_POLLS && isIncomplete(text); poll += 1) {
    await delay(POLL_MS);
    text = await readFile(path, 'utf8');
  }
  return text;
}

/**
 * Creates the file with a new secret, unless it exists. The file gets its name once it is complete
 * and on disk with mode 0600. If two processes create it at the same time, `link` lets one win.
 * @returns whether this process created it
 */
async function createSecretFile(path: string): Promise<boolean> {
  if (await stat(path).catch(ignore('ENOENT'))) return false;
  await makeFolder(dirname(path));
  const text = `${generateSecret()}\n`;
  const draft = `${path}.${randomUUID()}`;
  let isFirst: boolean;
  try {
    await writeNewFile(draft, (file) => file.writeFile(text));
    isFirst = await nameDraft(draft, path, text);
  } finally {
    await rm(draft, { force: true });
  }
  if (isFirst) await syncFolder(dirname(path));
  return isFirst;
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
 * shares. The flag `wx` lets one process win. The file begins with a NUL byte, which no secret may
 * hold, until the rest of it is on disk. So no process uses a part of the secret.
 * @returns whether this process created it
 */
async function createInPlace(path: string, text: string): Promise<boolean> {
  const write = async (file: FileHandle) => {
    await file.writeFile(`${UNFINISHED}${text.slice(1)}`);
    await file.sync();
    await file.write(text.slice(0, 1), 0);
  };
  return writeNewFile(path, write).then(() => true, (error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
    return false;
  });
}

/** Creates a file with mode 0600, writes it and syncs it. If that fails, the file is removed. */
async function writeNewFile(
  path: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await createPrivateFile(path);
  try {
    await write(file);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
