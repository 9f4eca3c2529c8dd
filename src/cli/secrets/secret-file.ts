/**
 * The secrets of the server in a file, which the first start creates.
 * Promise: the server does not start if another system user owns the secret file, or a link on the
 * way to it, or can write the file.
 * Accepted: root may do all of this, and a group of the server's own user may write the file. Other
 * problems, such as those of a folder, only cause a warning. Access control lists are not read.
 */
import { lstat, readFile, stat, unlink } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, ignore, ignoreFailure, remedyOf } from '../../journal/system-errors.ts';
import { attempt, CommandError, sentenceOf } from '../command-errors.ts';
import {
  isShared,
  mountRemedy,
  ownerProblems,
  problemWarnings,
  processUser,
  sharedWarning,
  type Problem,
  type ProcessUser,
} from '../stores/file-trust.ts';
import type { Log } from '../log.ts';
import { createSecretFile, isIncomplete, removeSecretDrafts } from './secret-creation.ts';
import { secretsIn } from './secret-text.ts';

/** The secrets of a server. */
export interface Secrets {
  /** The first signs and all verify. */
  readonly texts: readonly string[];
  /** Their number and their source, for the line at the start of the server. */
  readonly summary: string;
}

/** What an operator can do about a file that cannot be used, or has a weakness. */
interface Advice {
  /** A phrase: another way out, which helps with every problem. */
  readonly elsewhere: string;
  /** A phrase, put before `foreign` if another user owns both the file and its folder. */
  readonly asOwner?: string;
  /** About a file that other users can change: a phrase. The next three are sentences. */
  readonly foreign: string;
  readonly irregular: string;
  readonly large: string;
  readonly incomplete: string;
}

/** What a system user who can change a secret could do. */
export const FORGING = 'Other users could forge tokens';

const OTHER_SECRET = 'use another --data, or set LATCHKEY_SECRET';

const AT_START: Advice = {
  elsewhere: OTHER_SECRET,
  asOwner: 'run the server as the user who owns the folder',
  foreign: `chown and chmod it, ${OTHER_SECRET}`,
  irregular: `Remove it, ${OTHER_SECRET}.`,
  large: `Shorten it, ${OTHER_SECRET}.`,
  incomplete: 'A first start that was interrupted leaves such a file. ' +
    'If no other start is running, delete it and start again.',
};

const REPAIR = 'The next restart needs it too. Repair it, and send SIGHUP again.';

/** None says to remove the file: a restart would then make a new secret, and end all logins. */
const AT_RELOAD: Advice = {
  elsewhere: 'restart with another --data or with LATCHKEY_SECRET',
  foreign: 'chown and chmod it, and send SIGHUP again',
  irregular: REPAIR,
  large: REPAIR,
  incomplete: REPAIR,
};

/**
 * Reads the secrets from the file. Creates a missing file.
 * @param path the secret file
 * @throws CommandError if the secrets cannot be read, or must not be used
 */
export async function readSecrets(path: string, log: Log): Promise<Secrets> {
  const remedy = (error: unknown) => sentenceOf(remedyOf(error, OTHER_SECRET));
  const file = await attempt(path, remedy, () => readSecretFile(path, processUser()));
  const texts = secretsIn(file.text, path);
  await removeSecretDrafts(path);
  await warnOf(file, path, AT_START, log);
  const summary = summaryOf(texts, path);
  return { texts, summary: file.isNew ? `${summary} (new, mode ${file.mode})` : summary };
}

const MISSING_REMEDY =
  'Put it back, and send SIGHUP again: a restart without it makes a new secret.';

/**
 * Reads the secrets of a running server again. Does not create a missing file: a new secret would
 * end all logins.
 * @returns the secrets, of which the first signs
 * @throws CommandError if the secrets cannot be read, or must not be used
 */
export async function rereadSecrets(path: string, log: Log): Promise<readonly string[]> {
  const remedy = (error: unknown) => (hasCode(error, 'ENOENT') ? MISSING_REMEDY : REPAIR);
  const file = await attempt(path, remedy, async () => {
    const problems = await ownerProblems(path, processUser());
    await refuseForeign(path, problems, AT_RELOAD);
    return readExisting(path, problems, AT_RELOAD);
  });
  const texts = secretsIn(file.text, path);
  await warnOf(file, path, AT_RELOAD, log);
  return texts;
}

/** @returns how many secrets there are, and their source */
export function summaryOf({ length }: readonly string[], source: string): string {
  return length === 1 ? `secret in ${source}` : `${length} secrets in ${source} (the first signs)`;
}

/** Enough for hundreds of secrets. */
const MAX_SECRET_BYTES = 64 * 1024;

/** A secret file that was read. */
export interface SecretFile extends ExistingFile {
  /** Whether the file was missing, so that this call created it. */
  readonly isNew: boolean;
}

interface ExistingFile {
  readonly text: string;
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
 *   regular file, is too large or is not complete
 * @throws Error if the file cannot be read or created
 */
export async function readSecretFile(path: string, user?: ProcessUser): Promise<SecretFile> {
  // Checked before a secret is created, so that a refusal leaves no file behind.
  await refuseForeign(path, await ownerProblems(path, user), AT_START);
  const isNew = await createSecretFile(path);
  const problems = await ownerProblems(path, user);
  await refuseForeign(path, problems, AT_START).catch(async (error: unknown) => {
    // No other start can use it: each one refuses it for the same reason.
    if (isNew) await unlink(path).catch(ignoreFailure);
    throw error;
  });
  return { ...await readExisting(path, problems, AT_START), isNew };
}

async function warnOf(
  { isShared, warnings }: ExistingFile,
  path: string,
  { elsewhere }: Advice,
  log: Log,
): Promise<void> {
  if (isShared) log('warning', await sharedWarning(path, elsewhere));
  for (const warning of warnings) log('warning', warning);
}

/** @param problems those of owners and modes that are accepted */
async function readExisting(
  path: string,
  problems: readonly Problem[],
  advice: Advice,
): Promise<ExistingFile> {
  const status = await stat(path);
  // A pipe might never end, and a large file might fill the memory.
  if (!status.isFile()) {
    const problem = `expected a regular file, got ${kindOf(status)}`;
    throw new CommandError(`${path}: ${problem}. ${advice.irregular}`);
  }
  if (status.size > MAX_SECRET_BYTES) {
    const problem = `expected at most ${MAX_SECRET_BYTES} bytes, got ${status.size}`;
    throw new CommandError(`${path}: ${problem}. ${advice.large}`);
  }
  return {
    text: await readWhole(path, advice),
    mode: `0${(status.mode & 0o777).toString(8)}`,
    isShared: await isShared(path),
    warnings: await problemWarnings(path, problems, advice.elsewhere, FORGING),
  };
}

function kindOf(status: Stats): string {
  if (status.isDirectory()) return 'a folder';
  return status.isFIFO() ? 'a pipe' : 'a socket or a device';
}

/** @throws CommandError if another system user can change the file or a link on the way to it */
async function refuseForeign(
  path: string,
  problems: readonly Problem[],
  advice: Advice,
): Promise<void> {
  const refused = problems.find(({ isGrave, isOfFolder }) => isGrave && !isOfFolder);
  if (refused !== undefined) {
    const remedy = (await mountRemedy(path, advice.elsewhere)) ?? await foreignRemedy(path, advice);
    throw new CommandError(`${refused.text}. ${FORGING}: ${remedy}.`);
  }
}

async function foreignRemedy(path: string, { asOwner, foreign }: Advice): Promise<string> {
  // Both may be missing, if the problem is a link on the way.
  const folder = await stat(dirname(path)).catch(ignore('ENOENT'));
  const owner = (await lstat(path).catch(ignore('ENOENT')))?.uid;
  const isOther = owner !== undefined && owner !== processUser()?.uid;
  const otherOwnsBoth = isOther && owner === folder?.uid;
  return asOwner !== undefined && otherOwnsBoth ? `${asOwner}, or ${foreign}` : foreign;
}

const POLL_MS = 100;
/** Two seconds, for a start that writes 44 bytes and syncs them twice. */
const MAX_POLLS = 20;

/**
 * Reads the file. While another process is still writing it, waits.
 * @throws CommandError if that process does not finish it
 */
async function readWhole(path: string, { incomplete }: Advice): Promise<string> {
  let text = await readFile(path, 'utf8');
  for (let poll = 0; poll < MAX_POLLS && isIncomplete(text); poll += 1) {
    await delay(POLL_MS);
    text = await readFile(path, 'utf8');
  }
  if (!isIncomplete(text)) return text;
  throw new CommandError(`${path} is not complete. ${incomplete}`);
}
