/**
 * One process for one file: a lock where the system tells which processes are alive, a lease where it does not.
 *
 * A process puts a claim beside the file, which is a file of its own, and then looks for claims of others. Of two that
 * start together at least one sees the other, so never both get in. The name of a claim holds its process and a random
 * part. No two processes share a name, so removing a dead claim cannot hit a living one.
 *
 * Liveness is exact in one place: one boot, PID namespace and time namespace. Anywhere else (another container, another
 * machine on a network share, a system without /proc) the heartbeat decides. A holder touches its claim. An opener
 * watches the claim and takes over if it does not change. No clock is compared with that of another machine.
 *
 * Promise: a write that was answered is seen by every later holder, though a holder may be suspended at any point. The
 * holder confirms its claim after the sync and before the answer. The next holder removes the claim before it reads
 * the file. So if the claim was still there, the next holder has not begun to read, and it will read the line.
 *
 * Accepted: a claim of version 0.1 has neither place nor heartbeat and is judged as 0.1 did, by its PID in this place.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, unlink, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pid as ownPid } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError } from '../errors.ts';
import { ignore } from './disk.ts';
import { isAlive, ownIdentity, UNKNOWN } from './liveness.ts';

/** How often a holder beats and an opener looks. */
export interface Pace {
  /** A holder touches its claim this often. An idle server notices a lost lock within this time. */
  readonly beatMs: number;
  /** A watching opener looks at a claim this often; more often than a beat, so that one beat is enough. */
  readonly lookMs: number;
  /** So many looks without a beat make a claim stale. A pause of the opener itself counts as one look. */
  readonly staleLooks: number;
}

/** A claim is stale after 20 looks of half a second: 10 seconds, in which a living holder beats five times. */
export const PACE: Pace = {
  beatMs: 2_000,
  lookMs: 500,
  staleLooks: 20,
};

/** Processes that start together see each other, let go and try again. One that stays makes the others give up. */
const MAX_ATTEMPTS = 5;

/** These codes mean that no file has the name. ESTALE comes from NFS, ENOTDIR from a folder that was replaced. */
export const GONE: readonly string[] = ['ENOENT', 'ENOTDIR', 'ESTALE'];

/** The file at the path is no longer the one that this process wrote, or is no longer its own to write. */
export class LostError extends Error {}

interface Claim {
  readonly path: string;
  readonly pid: number;
  readonly born: string;
  /** undefined in a claim of version 0.1 */
  readonly place: string | undefined;
}

interface Rivals {
  /** The PID of a holder that is alive. */
  readonly alive: number | undefined;
  /** Claims of other places. */
  readonly unseen: readonly Claim[];
}

/** Paths that this process has locked, or is about to. */
const ownPaths = new Set<string>();

/**
 * @param path a real path: no link leads to it
 * @param pace for tests
 * @throws AuthError ERR_STORE_LOCKED, which names the process that holds the file
 */
export async function lockFile(path: string, pace: Pace = PACE): Promise<FileLock> {
  if (ownPaths.has(path)) throw locked(path, { alive: ownPid, unseen: [] });
  ownPaths.add(path);
  try {
    return await acquire(path, pace);
  } catch (error) {
    ownPaths.delete(path);
    throw error;
  }
}

/** A claim that is held. It beats until it is released. */
export class FileLock {
  /** Whether a claim was watched before. Its holder may only be suspended, in the middle of a write. */
  readonly isTakenOver: boolean;
  readonly #path: string;
  readonly #claim: string;
  readonly #timer: NodeJS.Timeout;
  #onBeat: (beat: Promise<void>) => void = (beat) => void beat.catch(() => undefined);
  #isBeating = false;
  #isReleased = false;
  #lost: LostError | undefined;

  constructor(path: string, claim: string, isTakenOver: boolean, beatMs: number) {
    this.#path = path;
    this.#claim = claim;
    this.isTakenOver = isTakenOver;
    this.#timer = setInterval(() => this.#beat(), beatMs).unref();
  }

  /** @param listener called at each beat from now on; must handle its rejection, which is that of `confirm` */
  onBeat(listener: (beat: Promise<void>) => void): void {
    this.#onBeat = listener;
  }

  /**
   * Touches the claim, which is a beat as well. It asks the file system and not a cache of it: on a network share this
   * is a request to the server.
   * @throws LostError if the claim is gone, now and ever after; what the file system throws
   */
  async confirm(): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    try {
      await touch(this.#claim);
    } catch (error) {
      if (!isGone(error)) throw error;
      // A beat that was under way at the release.
      if (this.#isReleased) return;
      const cause = 'it was removed, or another process took over while this one was suspended';
      this.#lost = new LostError(`its lock is gone: ${cause}: restart to read the file anew`);
      throw this.#lost;
    }
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    this.#isReleased = true;
    try {
      await unlink(this.#claim).catch(ignore(...GONE));
    } finally {
      ownPaths.delete(this.#path);
    }
  }

  #beat(): void {
    // A share that hangs gets one request at a time.
    if (this.#isBeating) return;
    this.#isBeating = true;
    this.#onBeat(this.confirm().finally(() => (this.#isBeating = false)));
  }
}

async function acquire(path: string, pace: Pace): Promise<FileLock> {
  const own = await ownIdentity();
  let isTakenOver = false;
  for (let attempt = 1; ; attempt += 1) {
    const random = randomBytes(6).toString('hex');
    const claim = `${path}.lock.${own.pid}.${own.born}.${own.place}.${random}`;
    let isHeld = false;
    let rivals: Rivals;
    try {
      await createClaim(claim);
      rivals = await rivalsOf(path, claim, own.place);
      if (rivals.alive === undefined && rivals.unseen.length === 0) {
        // This process may have been suspended since it created the claim, long enough for a takeover.
        await touch(claim);
        isHeld = true;
        return new FileLock(path, claim, isTakenOver, pace.beatMs);
      }
    } finally {
      if (!isHeld) await unlink(claim).catch(ignore(...GONE));
    }
    if (attempt === MAX_ATTEMPTS) throw locked(path, rivals);
    if (rivals.alive === undefined && (await outwait(path, rivals, pace))) isTakenOver = true;
    await delay(10 + Math.random() * 40 * attempt);
  }
}

async function createClaim(path: string): Promise<void> {
  const claim = await open(path, 'wx', 0o600);
  try {
    await claim.chmod(0o600); // whatever the umask
  } finally {
    await claim.close();
  }
}

async function touch(claim: string): Promise<void> {
  const now = new Date();
  await utimes(claim, now, now);
}

/** Removes the claims of dead processes of this place on its way. */
async function rivalsOf(path: string, ownClaim: string, ownPlace: string): Promise<Rivals> {
  const unseen: Claim[] = [];
  for (const claim of await claimsBeside(path)) {
    if (claim.path === ownClaim) continue;
    const isOfOurPlace = claim.place === ownPlace && ownPlace !== UNKNOWN;
    if (claim.place !== undefined && !isOfOurPlace) unseen.push(claim);
    else if (await isAlive(claim.pid, claim.born)) return { alive: claim.pid, unseen };
    else await unlink(claim.path).catch(ignore(...GONE));
  }
  return { alive: undefined, unseen };
}

async function claimsBeside(path: string): Promise<Claim[]> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.lock.`;
  const pidBornPlaceRandom = /^([1-9]\d{0,8})\.([^.]+)(?:\.([^.]+)\.[0-9a-f]{12})?$/;
  return (await readdir(folder)).flatMap((name) => {
    if (!name.startsWith(prefix)) return [];
    const [, pid, born, place] = pidBornPlaceRandom.exec(name.slice(prefix.length)) ?? [];
    if (pid === undefined || born === undefined) return [];
    return [{ path: join(folder, name), pid: Number(pid), born, place }];
  });
}

/**
 * Watches claims whose holders cannot be seen, until each is gone or stale, and removes the stale ones. An opener that
 * started together with this one lets go at once, so its claim is gone.
 * @returns false if all were gone before they were watched
 * @throws AuthError ERR_STORE_LOCKED as soon as one of them changes
 */
async function outwait(path: string, { unseen }: Rivals, pace: Pace): Promise<boolean> {
  const firstBeats = new Map<Claim, bigint | undefined>();
  for (let look = 0; look <= pace.staleLooks; look += 1) {
    for (const claim of unseen) {
      const beat = await lastBeatOf(claim.path);
      if (look === 0) firstBeats.set(claim, beat);
      else if (beat === undefined) firstBeats.set(claim, beat);
      else if (beat !== firstBeats.get(claim)) throw locked(path, { alive: undefined, unseen: [claim] });
    }
    const areAllGone = [...firstBeats.values()].every((beat) => beat === undefined);
    if (areAllGone) return look > 0;
    if (look < pace.staleLooks) await delay(pace.lookMs);
  }
  for (const claim of unseen) await unlink(claim.path).catch(ignore(...GONE));
  return true;
}

/** @returns the time of the last beat by the clock of its holder, to be compared for change alone */
async function lastBeatOf(claim: string): Promise<bigint | undefined> {
  // A network file system asks its server when a file is opened, and may answer a stat from its cache.
  const file = await open(claim, 'r').catch(ignore(...GONE));
  try {
    return (await file?.stat({ bigint: true }))?.mtimeNs;
  } finally {
    await file?.close();
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && GONE.includes(String(error.code));
}

function locked(path: string, { alive, unseen }: Rivals): AuthError {
  const holder = alive ?? unseen[0]?.pid ?? ownPid;
  const where = alive === undefined ? ', maybe of another container or machine' : '';
  const description = `${path} is in use by process ${holder}${where}: stop that first`;
  return new AuthError('ERR_STORE_LOCKED', { description });
}
