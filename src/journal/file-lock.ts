/**
 * A lock with stale-owner detection: one process at a time has the file open. Within one scope the
 * system tells which processes are alive, and the lock is exact. Elsewhere the lock is a lease,
 * which its holder renews by a heartbeat.
 *
 * Each process creates a lock file of its own beside the file, its claim, and then looks for the
 * claims of others. Of two processes that start together at least one sees the other, so two never
 * hold the lock. The name of a claim holds the identity of its process and a random part. No two
 * processes share a name, so a process that removes the claim of a dead one cannot hit another.
 *
 * A scope is one boot, one PID namespace and one time namespace. A process of another scope runs in
 * another container, on another machine with the same network share, or on a system without /proc.
 * There the heartbeat decides. The holder touches its claim. An opener watches the claim, and takes
 * over if its modification time does not change. That time is only compared with itself, so clocks
 * of two machines are never compared.
 *
 * Promise: every later holder sees each acknowledged write, though a holder may be suspended at any
 * point. A holder confirms its claim after the sync and before it acknowledges the write. The next
 * holder removes that claim before it reads the file. So if the claim still existed after the sync,
 * the next holder had not begun to read, and it reads the line.
 *
 * Accepted: a claim of version 0.1 has neither a scope nor a heartbeat. It is judged as version 0.1
 * judged it, by its PID in the scope of the opener.
 */
import timers from 'node:timers';
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError } from '../errors.ts';
import {
  claimsBeside,
  createClaim,
  lastHeartbeatOf,
  newClaimPath,
  removeClaim,
  touchClaim,
  type Claim,
} from './claims.ts';
import { isAlive, ownIdentity, UNKNOWN } from './liveness.ts';
import { FileLostError } from './lost.ts';
import { hasCode, ignoreFailure, NO_FILE_CODES } from './system-errors.ts';

/** The heartbeat of a holder, and how long an opener waits for one. */
export interface LockTiming {
  /**
   * A holder touches its claim at this interval. Within this time it also notices the loss of its
   * claim.
   */
  readonly heartbeatMs: number;
  /** An opener that watches a claim polls it at this interval. */
  readonly pollMs: number;
  /**
   * A claim is stale after this many polls without a heartbeat. Polls are counted instead of time,
   * because a suspended opener does not poll.
   */
  readonly pollsUntilStale: number;
}

/** A claim is stale after 10 seconds, in which a living holder touches it five times. */
export const LOCK_TIMING: LockTiming = {
  heartbeatMs: 2_000,
  pollMs: 500,
  pollsUntilStale: 20,
};

/**
 * Processes of one scope that start together see each other, release their claims and try again.
 * After this many attempts a living rival counts as the holder.
 */
const MAX_ATTEMPTS = 5;

interface Rivals {
  /** The PID of a rival that is alive. */
  readonly alivePid: number | undefined;
  /** Claims of other scopes. Whether their processes are alive cannot be seen. */
  readonly unseen: readonly Claim[];
}

/** Paths that this process has locked or is locking. */
const ownPaths = new Set<string>();

/**
 * Locks the file. The caller must confirm the lock before its first write.
 * @param path a real path, without symbolic links
 * @param timing default LOCK_TIMING; tests pass a shorter one
 * @throws AuthError ERR_STORE_LOCKED, whose message names the process that holds the lock
 */
export async function lockFile(path: string, timing: LockTiming = LOCK_TIMING): Promise<FileLock> {
  if (ownPaths.has(path)) throw lockedError(path, process.pid);
  ownPaths.add(path);
  try {
    return await acquire(path, timing);
  } catch (error) {
    ownPaths.delete(path);
    throw error;
  }
}

/** A lock that this process holds. Its heartbeat runs until `release`. */
export class FileLock {
  /**
   * Whether this process waited for a claim of another scope. Either that claim went stale, and its
   * holder may be suspended instead of dead. Or the holder released it meanwhile. In both cases the
   * file must be copied before it is trusted.
   */
  readonly isTakenOver: boolean;
  /** The random part of the claim. No other process has it, so it can make a file name unique. */
  readonly id: string;
  readonly #path: string;
  readonly #claim: string;
  readonly #timer: NodeJS.Timeout;
  #onHeartbeat: (heartbeat: Promise<void>) => void = (heartbeat) => {
    void heartbeat.catch(ignoreFailure);
  };
  #isBeating = false;
  #isReleased = false;
  #lostError: FileLostError | undefined;

  constructor(path: string, claim: string, isTakenOver: boolean, heartbeatMs: number) {
    this.#path = path;
    this.#claim = claim;
    this.id = claim.slice(claim.lastIndexOf('.') + 1);
    this.isTakenOver = isTakenOver;
    // jsdom has timers of its own, without `unref`.
    this.#timer = timers.setInterval(() => this.#beat(), heartbeatMs).unref();
  }

  /**
   * @param listener called at each heartbeat with its promise, which rejects as `confirm` does. The
   *   listener must handle the rejection.
   */
  onHeartbeat(listener: (heartbeat: Promise<void>) => void): void {
    this.#onHeartbeat = listener;
  }

  /**
   * Makes sure that the claim still exists by touching it, which is a heartbeat too.
   * @throws FileLostError if the claim is gone, also at every later call
   * @throws Error of the file system
   */
  async confirm(): Promise<void> {
    if (this.#lostError !== undefined) throw this.#lostError;
    try {
      await touchClaim(this.#claim);
    } catch (error) {
      if (!hasCode(error, ...NO_FILE_CODES)) throw error;
      const reason = 'it was removed, or another process took over while this one was suspended';
      const remedy = 'restart this process to read the file again';
      this.#lostError = new FileLostError(`its lock is gone: ${reason}: ${remedy}`);
      throw this.#lostError;
    }
  }

  async release(): Promise<void> {
    timers.clearInterval(this.#timer);
    this.#isReleased = true;
    try {
      await removeClaim(this.#claim);
    } finally {
      ownPaths.delete(this.#path);
    }
  }

  #beat(): void {
    // While a network share hangs, only one request waits for it.
    if (this.#isBeating) return;
    this.#isBeating = true;
    const heartbeat = this.confirm().catch((error: unknown) => {
      // `release` removed the claim while this heartbeat was under way.
      if (!this.#isReleased) throw error;
    });
    this.#onHeartbeat(heartbeat.finally(() => (this.#isBeating = false)));
  }
}

async function acquire(path: string, timing: LockTiming): Promise<FileLock> {
  const own = await ownIdentity();
  let isTakenOver = false;
  for (let attempt = 1; ; attempt += 1) {
    const claim = newClaimPath(path, own);
    const rivals = await tryClaim(path, claim, own.scope);
    if (rivals === undefined) return new FileLock(path, claim, isTakenOver, timing.heartbeatMs);
    if (rivals.alivePid === undefined) {
      await waitUntilGoneOrStale(path, rivals.unseen, timing);
      isTakenOver = true;
    } else if (attempt >= MAX_ATTEMPTS) {
      throw lockedError(path, rivals.alivePid);
    }
    // Rivals that tried together wait for different times, so that one of them comes first.
    await delay(10 + Math.random() * 40 * attempt);
  }
}

/**
 * @returns undefined if this process now holds the lock; else its rivals, after its own claim was
 *   removed
 */
async function tryClaim(path: string, claim: string, scope: string): Promise<Rivals | undefined> {
  let isHeld = false;
  try {
    await createClaim(claim);
    const rivals = await removeDeadClaims(path, claim, scope);
    isHeld = rivals.alivePid === undefined && rivals.unseen.length === 0;
    return isHeld ? undefined : rivals;
  } finally {
    if (!isHeld) await removeClaim(claim);
  }
}

/**
 * Removes the claims of dead processes of this scope.
 * @returns the claims of others that remain, up to the first one whose process is alive
 */
async function removeDeadClaims(path: string, ownClaim: string, scope: string): Promise<Rivals> {
  const unseen: Claim[] = [];
  for (const claim of await claimsBeside(path, ownClaim)) {
    const isOfVersion01 = claim.scope === undefined;
    const isOfThisScope = claim.scope === scope && scope !== UNKNOWN;
    if (isOfVersion01 || isOfThisScope) {
      if (await isAlive(claim.pid, claim.startId)) return { alivePid: claim.pid, unseen };
      await removeClaim(claim.path);
    } else {
      unseen.push(claim);
    }
  }
  return { alivePid: undefined, unseen };
}

/**
 * Watches claims of other scopes until each is gone or stale, and removes the stale ones. An opener
 * that started together with this one removes its claim soon, as this one has done.
 * @throws AuthError ERR_STORE_LOCKED as soon as one of the claims has a heartbeat
 */
async function waitUntilGoneOrStale(
  path: string,
  claims: readonly Claim[],
  timing: LockTiming,
): Promise<void> {
  const watched = new Map<Claim, bigint>();
  for (const claim of claims) {
    const heartbeat = await lastHeartbeatOf(claim.path);
    if (heartbeat !== undefined) watched.set(claim, heartbeat);
  }
  for (let poll = 0; poll < timing.pollsUntilStale && watched.size > 0; poll += 1) {
    await delay(timing.pollMs);
    for (const [claim, firstHeartbeat] of watched) {
      const heartbeat = await lastHeartbeatOf(claim.path);
      if (heartbeat === undefined) watched.delete(claim);
      else if (heartbeat !== firstHeartbeat) throw lockedElsewhereError(path, claim);
    }
  }
  for (const claim of watched.keys()) await removeClaim(claim.path);
}

/** For a process that opens the file twice, after a hot reload or by two copies of this module. */
const OPEN_ONCE =
  'close the first store before you open the next one, or keep one store on globalThis if a hot ' +
  'reload evaluates the module again';

function lockedError(path: string, pid: number): AuthError {
  const remedy = pid === process.pid
    ? `this process itself has it open, so ${OPEN_ONCE}`
    : 'stop that process first';
  return lockedErrorWith(path, `${pid}: ${remedy}`);
}

/** @param claim one of another scope, or of an unknown one, which may be that of this process */
function lockedElsewhereError(path: string, { pid, scope }: Claim): AuthError {
  const mayBeOwn = pid === process.pid && scope === UNKNOWN;
  const remedy = mayBeOwn ? `. If it is this process itself, ${OPEN_ONCE}` : '';
  const where = 'maybe of another container or machine';
  return lockedErrorWith(path, `${pid}, ${where}: stop that process first${remedy}`);
}

function lockedErrorWith(path: string, holder: string): AuthError {
  return new AuthError('ERR_STORE_LOCKED', {
    description: `${path} is in use by process ${holder}`,
  });
}
