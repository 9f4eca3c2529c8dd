/** The identity of this process, and whether another process is alive (proc(5), namespaces(7)). */
import { hash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { hasCode, ignore } from './system-errors.ts';

/** Stands for a start id or a scope that the system does not report. */
export const UNKNOWN = 'unknown';

/** Tells a process from every other process, as far as the system allows. */
export interface Identity {
  readonly pid: number;
  /**
   * The boot and the start time of the process, in clock ticks. A later process with the same PID
   * has another one.
   */
  readonly startId: string;
  /** The boot, the PID namespace and the time namespace. In one scope a PID names one process. */
  readonly scope: string;
}

/**
 * @returns the identity of this process. `startId` and `scope` are both known, or both `unknown`:
 *   macOS, Windows and some containers have no usable /proc.
 */
export async function ownIdentity(): Promise<Identity> {
  const identity = await identityFromProc().catch(() => undefined);
  return identity ?? { pid: process.pid, startId: UNKNOWN, scope: UNKNOWN };
}

/**
 * @returns undefined if /proc is that of another PID namespace
 * @throws Error if the system has no /proc
 */
async function identityFromProc(): Promise<Identity | undefined> {
  // In /proc of another PID namespace this PID is another process.
  if ((await readlink('/proc/self')) !== String(process.pid)) return undefined;
  const boot = await bootId();
  const startId = await startIdOf(process.pid, boot);
  if (startId === undefined) return undefined;
  const pidNamespace = await readlink('/proc/self/ns/pid');
  // Linux has time namespaces since 5.6. They shift the start times in /proc.
  const timeNamespace = await readlink('/proc/self/ns/time').catch(ignore('ENOENT'));
  const names = `${boot} ${pidNamespace} ${timeNamespace}`;
  return {
    pid: process.pid,
    startId,
    scope: hash('sha256', names).slice(0, 12),
  };
}

/** @returns false if the process has ended; valid only within the scope of that process */
export async function isAlive(pid: number, startId: string): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Any other error leaves the question open. EPERM says that another user owns the process.
    if (hasCode(error, 'ESRCH')) return false;
  }
  let currentStartId: string | undefined;
  try {
    currentStartId = await startIdOf(pid, await bootId());
  } catch {
    // Without /proc no start times can be compared. The process that has this PID now counts as the
    // holder.
    return true;
  }
  return startId === UNKNOWN || startId === currentStartId;
}

function bootId(): Promise<string> {
  return readFile('/proc/sys/kernel/random/boot_id', 'utf8');
}

/** @returns undefined for a zombie, which has ended and whose parent has not waited for it yet */
async function startIdOf(pid: number, boot: string): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // Field 2 is the name in parentheses, and may contain parentheses itself. Field 3 follows it.
  const fieldsFrom3 = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fieldsFrom3[0];
  const startTime = fieldsFrom3[22 - 3];
  return state === 'Z' ? undefined : `${boot.slice(0, 8)}-${startTime}`;
}
