/** Which process this is, and whether another one is still alive (proc(5), namespaces(7)). */
import { hash } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { kill, pid as ownPid } from 'node:process';
import { hasCode, ignore } from './disk.ts';

/** In place of what the system does not tell. */
export const UNKNOWN = 'unknown';

/** Tells a process from every other one, as far as the system tells it. */
export interface Identity {
  readonly pid: number;
  /** The boot and the clock tick of its start, which tell it from a later process with its PID. */
  readonly born: string;
  /** A boot with a PID namespace and a time namespace. Within it a PID names one process. */
  readonly place: string;
}

/** `born` and `place` are both known, or both `unknown`, as without /proc on macOS and Windows. */
export async function ownIdentity(): Promise<Identity> {
  try {
    // A container may have the /proc of another PID namespace, where this PID is another process.
    if ((await readlink('/proc/self')) !== String(ownPid)) throw new Error('not our /proc');
    const boot = await bootId();
    const pidNamespace = await readlink('/proc/self/ns/pid');
    // Linux has time namespaces since 5.6. They shift the clock ticks in /proc.
    const timeNamespace = await readlink('/proc/self/ns/time').catch(ignore('ENOENT'));
    const names = `${boot} ${pidNamespace} ${timeNamespace}`;
    return {
      pid: ownPid,
      born: await bornAt(ownPid, boot),
      place: hash('sha256', names).slice(0, 12),
    };
  } catch {
    return { pid: ownPid, born: UNKNOWN, place: UNKNOWN };
  }
}

/** @returns false if the process has ended; valid only within the place of that process */
export async function isAlive(pid: number, born: string): Promise<boolean> {
  try {
    kill(pid, 0);
  } catch (error) {
    // EPERM: it is alive, and belongs to another user.
    if (hasCode(error, 'ESRCH')) return false;
  }
  const current = await bootId().then((boot) => bornAt(pid, boot)).catch(() => undefined);
  // Without a birth to compare, the process that has the PID now counts as the holder.
  return current === undefined || born === UNKNOWN || current === born;
}

function bootId(): Promise<string> {
  return readFile('/proc/sys/kernel/random/boot_id', 'utf8');
}

/** @returns 'ended' for a zombie: its parent has not asked for its exit code yet */
async function bornAt(pid: number, boot: string): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The second field is the name in parentheses, and may contain parentheses. The state follows.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' ? 'ended' : `${boot.slice(0, 8)}-${fields[19]}`;
}
