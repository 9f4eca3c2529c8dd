/**
 * A lock file with stale-owner detection: one process at a time has the file open. Where the system
 * tells which processes are alive the lock is exact. Elsewhere it is a lease with a heartbeat.
 *
 * A process puts a claim beside the file, which is a file of its own, and then looks for the claims
 * of others. Of two processes that start together at least one sees the other, so two never hold
 * the lock. The name of a claim holds its process and a random part. No two processes share a name,
 * so removing the claim of a dead process cannot hit a living one.
 *
 * Liveness is exact within one place: one boot, one PID namespace and one time namespace. Anywhere
 * else (another container, another machine on a network share, a system without /proc) a heartbeat
 * decides. The holder touches its claim. An opener watches the claim and takes over if the claim
 * does not change. No clock is compared with that of another machine.
 *
 * Promise: every later holder sees each acknowledged write, though a holder may be suspended at any
 * point. A holder confirms its claim after the sync and before it acknowledges the write. The next
 * holder removes that claim before it reads the file. So if the claim was still there after the
 * sync, the next holder had not begun to read, and it reads the line.
 *
 * Accepted: a claim of version 0.1 has neither a place nor a heartbeat. It is judged as version 0.1
 * did, by its PID in this place.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, unlink, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pid as ownPid } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError } from '../errors.ts';
import { GONE, hasCode, ignore } from './disk.ts';
import { isAlive, ownIdentity, UNKNOWN } from './liveness.ts';
import { LostError } from './lost.ts';

/** The heartbeat of the holder, and the patience of an opener. */
export interface Pace {
  /** A holder touches its claim this often, and notices within this time that it lost the claim. */
  readonly beatMs: number;
  /** An opener that watches a claim looks at it this often. */
  readonly lookMs: number;
  /** A claim is stale after so many looks without a beat. A suspended opener does not look. */
  readonly staleLooks: number;
}

/** A claim is stale after 20 looks of half a second. A holder beats five times in that. */
export const PACE: Pace = {
  beatMs: 2_000,
  lookMs: 500,
  staleLooks: 20,
};

/** Processes that start together see each other, let go and try again, at most so often. */
const MAX_ATTEMPTS = 5;

/** What the name of a claim says of its process. */
interface Owner {
  readonly pid: number;
  /** When the process started, which tells it from a later one with the same PID. */
  readonly born: string;
  /** undefined in a claim of version 0.1 */
  readonly place: string | undefined;
}

interface Claim extends Owner {
  readonly path: string;
}

interface Rivals {
  /** The PID of a holder that is alive. */
  readonly alive: number | undefined;
  /** Claims of other places, where liveness cannot be seen. */
  readonly unseen: readonly Claim[];
}

const ELSEWHERE = ', maybe of another container or machine';

/** Paths that this process has locked or is locking. */
const ownPaths = new Set<string>();

/**
 * Locks the file. The caller must confirm the lock before its first write.
 * @param path a real path, without links
 * @param pace default PACE; for tests
 * @throws AuthError ERR_STORE_LOCKED, which names the process that holds the lock
 */
export async function lockFile(path: string, pace: Pace = PACE): Promise<FileLock> {
  if (ownPaths.has(path)) throw locked(path, ownPid);
  ownPaths.add(path);
  try {
    return await acquire(path, pace);
  } catch (error) {
    ownPaths.delete(path);
    throw error;
  }
}

/** The lock that a process holds. It beats until it is released. */
export class FileLock {
  /** Whether it took over from a holder whose claim went stale, and who may only be suspended. */
  readonly isTakenOver: boolean;
  /** The random part of the claim: makes file names that no other process shares. */
  readonly id: string;
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
    this.id = claim.slice(claim.lastIndexOf('.') + 1);
    this.isTakenOver = isTakenOver;
    this.#timer = setInterval(() => this.#beat(), beatMs).unref();
  }

  /** @param listener called at each beat; it must handle the rejections, which are of `confirm` */
  onBeat(listener: (beat: Promise<void>) => void): void {
    this.#onBeat = listener;
  }

  /**
   * Makes sure that the claim is still there, by touching it, which is a beat too. On a network
   * share this asks the server, whereas a cache may answer a stat.
   * @throws LostError if the claim is gone, also at every later call
   * @throws Error what the file system throws
   */
  async confirm(): Promise<void> {
    if (this.#lost !== undefined) throw this.#lost;
    const now = new Date();
    try {
      await utimes(this.#claim, now, now);
    } catch (error) {
      if (!hasCode(error, ...GONE)) throw error;
      const cause = 'it was removed, or another process took over while this one was suspended';
      this.#lost = new LostError(`its lock is gone: ${cause}: restart to read the file anew`);
      throw this.#lost;
    }
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    this.#isReleased = true;
    try {
      await removeClaim(this.#claim);
    } finally {
      ownPaths.delete(this.#path);
    }
  }

  #beat(): void {
    // A share that hangs gets one request at a time.
    if (this.#isBeating) return;
    this.#isBeating = true;
    const beat = this.confirm().catch((error: unknown) => {
      // The beat was under way at the release, which removed the claim.
      if (!this.#isReleased) throw error;
    });
    this.#onBeat(beat.finally(() => (this.#isBeating = false)));
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
      isHeld = rivals.alive === undefined && rivals.unseen.length === 0;
    } finally {
      if (!isHeld) await removeClaim(claim);
    }
    if (isHeld) return new FileLock(path, claim, isTakenOver, pace.beatMs);
    const { alive, unseen } = rivals;
    // Rivals of this place that started together let go. One that stays is the holder.
    if (alive !== undefined && attempt >= MAX_ATTEMPTS) throw locked(path, alive);
    if (alive === undefined) {
      await outwait(path, unseen, pace);
      isTakenOver = true;
    }
    await delay(10 + Math.random() * 40 * attempt);
  }
}

async function createClaim(path: string): Promise<void> {
  const claim = await open(path, 'wx', 0o600);
  try {
    await claim.chmod(0o600); // open applies the umask
  } finally {
    await claim.close();
  }
}

async function removeClaim(path: string): Promise<void> {
  await unlink(path).catch(ignore(...GONE));
}

/** Finds the claims of others, and removes those of dead processes of this place. */
async function rivalsOf(path: string, ownClaim: string, ownPlace: string): Promise<Rivals> {
  const unseen: Claim[] = [];
  for (const claim of await claimsBeside(path)) {
    if (claim.path === ownClaim) continue;
    const isOfOurPlace = claim.place === ownPlace && ownPlace !== UNKNOWN;
    if (claim.place !== undefined && !isOfOurPlace) unseen.push(claim);
    else if (await isAlive(claim.pid, claim.born)) return { alive: claim.pid, unseen };
    else await removeClaim(claim.path);
  }
  return { alive: undefined, unseen };
}

async function claimsBeside(path: string): Promise<Claim[]> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.lock.`;
  return (await readdir(folder)).flatMap((name) => {
    const owner = name.startsWith(prefix) ? parseClaim(name.slice(prefix.length)) : undefined;
    return owner === undefined ? [] : [{ ...owner, path: join(folder, name) }];
  });
}

const PID_BORN_PLACE_RANDOM = /^([1-9]\d{0,8})\.([^.]+)(?:\.([^.]+)\.[0-9a-f]{12})?$/;

/** @returns undefined if this is not the name of a claim */
function parseClaim(name: string): Owner | undefined {
  const match = PID_BORN_PLACE_RANDOM.exec(name);
  if (match === null) return undefined;
  const [, pid, born = '', place] = match;
  return { pid: Number(pid), born, place };
}

/**
 * Watches claims until each is gone or stale, and removes the stale ones. The claim of an opener
 * that started together with this one is gone soon, because that one lets go too.
 * @throws AuthError ERR_STORE_LOCKED as soon as one of them beats
 */
async function outwait(path: string, claims: readonly Claim[], pace: Pace): Promise<void> {
  const firstBeats = new Map<Claim, bigint>();
  for (const claim of claims) {
    const beat = await lastBeatOf(claim.path);
    if (beat !== undefined) firstBeats.set(claim, beat);
  }
  for (let look = 0; look < pace.staleLooks && firstBeats.size > 0; look += 1) {
    await delay(pace.lookMs);
    for (const [claim, firstBeat] of firstBeats) {
      const beat = await lastBeatOf(claim.path);
      if (beat === undefined) firstBeats.delete(claim);
      else if (beat !== firstBeat) throw locked(path, claim.pid, ELSEWHERE);
    }
  }
  for (const claim of firstBeats.keys()) await removeClaim(claim.path);
}

/** @returns when the claim was touched last, by the clock of its holder: only to be compared */
async function lastBeatOf(claim: string): Promise<bigint | undefined> {
  // A network file system asks its server when a file is opened. A cache may answer a stat.
  const file = await open(claim, 'r').catch(ignore(...GONE));
  try {
    return (await file?.stat({ bigint: true }))?.mtimeNs;
  } finally {
    await file?.close();
  }
}

function locked(path: string, holder: number, where = ''): AuthError {
  const description = `${path} is in use by process ${holder}${where}: stop that first`;
  return new AuthError('ERR_STORE_LOCKED', { description });
}
