/**
 * Claims: the lock files of processes that hold or want the lock on a file. The name of a claim is
 * `<file>.lock.<pid>.<startId>.<scope>.<random>`, and its modification time is the last heartbeat.
 * A network file system may answer a stat from a cache. It asks its server when a time is set or a
 * file is opened.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, stat, unlink, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createPrivateFile } from './disk.ts';
import type { Identity } from './liveness.ts';
import { hasCode, ignore, NO_FILE_CODES, NOT_SETTABLE_CODES } from './system-errors.ts';

export interface Claim {
  readonly path: string;
  readonly pid: number;
  readonly startId: string;
  /** undefined in a claim of version 0.1 */
  readonly scope: string | undefined;
}

/** The file, a PID, a start id and, since version 0.2, a scope and a random part. */
const CLAIM_NAME = /^(.+)\.lock\.([1-9]\d{0,8})\.([^.]+)(?:\.([^.]+)\.[0-9a-f]{12})?$/s;

export function newClaimPath(path: string, { pid, startId, scope }: Identity): string {
  const random = randomBytes(6).toString('hex');
  return `${path}.lock.${pid}.${startId}.${scope}.${random}`;
}

export async function createClaim(path: string): Promise<void> {
  // If the mode cannot be set, any mode will do: a claim holds no secret.
  const claim = await createPrivateFile(path);
  await claim.close();
}

/**
 * Sets the modification time of a claim.
 * @throws Error of the file system, with one of NO_FILE_CODES if the claim is gone
 */
export async function touchClaim(path: string): Promise<void> {
  const now = new Date();
  try {
    await utimes(path, now, now);
  } catch (error) {
    if (!hasCode(error, ...NOT_SETTABLE_CODES)) throw error;
    // Some mounts let no process set times. A write sets the time as well. The flag `r+` does not
    // create the file, so it fails too if the claim is gone.
    const claim = await open(path, 'r+');
    try {
      await claim.write('\n');
    } finally {
      await claim.close();
    }
  }
}

export async function removeClaim(path: string): Promise<void> {
  await unlink(path).catch(ignore(...NO_FILE_CODES));
}

/**
 * @param ownClaim the claim of this process, which must exist
 * @returns the claims of all other processes on this file
 */
export async function claimsBeside(path: string, ownClaim: string): Promise<Claim[]> {
  const fold = (await ignoresCase(path, ownClaim)) ? foldCase : (name: string) => name;
  const names = await readdir(dirname(path));
  const others = names.filter((name) => fold(name) !== fold(basename(ownClaim)));
  return others.flatMap((name) => parseClaim(path, name, fold) ?? []);
}

/**
 * Two processes may spell the name of one file differently, and name their claims accordingly.
 * @returns whether the folder finds the claim under a name in other letter case
 */
async function ignoresCase(path: string, claim: string): Promise<boolean> {
  // No other file has this name, because of its random part.
  const inOtherCase = `${path}${claim.slice(path.length).toUpperCase()}`;
  return (await stat(inOtherCase).catch(ignore(...NO_FILE_CODES))) !== undefined;
}

/** File systems that ignore letter case may also take a letter with an accent as two characters. */
const foldCase = (name: string): string => name.normalize('NFC').toLowerCase();

/** @returns undefined if this is not the name of a claim on the file */
function parseClaim(
  path: string,
  name: string,
  fold: (name: string) => string,
): Claim | undefined {
  const [, file = '', pid, startId = '', scope] = CLAIM_NAME.exec(name) ?? [];
  if (pid === undefined || fold(file) !== fold(basename(path))) return undefined;
  return { path: join(dirname(path), name), pid: Number(pid), startId, scope };
}

/**
 * @returns the modification time, perhaps by the clock of another machine, so to be compared only
 *   with an earlier one of the same claim; undefined if the claim is gone
 */
export async function lastHeartbeatOf(claim: string): Promise<bigint | undefined> {
  // Opened, so that the server of a share is asked.
  const file = await open(claim, 'r').catch(ignore(...NO_FILE_CODES));
  try {
    return (await file?.stat({ bigint: true }))?.mtimeNs;
  } finally {
    await file?.close();
  }
}
