/**
 * One process for one file. Each process that wants the file first puts a claim beside it, named after itself, and then
 * looks who else has one. Of two that start together at least one sees the other, so never both get in; and since no
 * two processes ever share a name, removing the claim of a dead one cannot hit a living one.
 */
import { open, readdir, readFile, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { kill, pid as ownPid } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { AuthError } from '../errors.ts';
import { ignore } from './disk.ts';

/** @returns what releases the lock; throws AuthError ERR_STORE_LOCKED, which names the process that holds it */
export async function lockFile(path: string): Promise<() => Promise<void>> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.lock.`;
  const own = `${prefix}${ownPid}.${(await bornAt(ownPid)) ?? 'unknown'}`;
  const release = () => unlink(join(folder, own)).catch(ignore('ENOENT'));
  for (let attempt = 1; ; attempt += 1) {
    const claim = await open(join(folder, own), 'wx', 0o600).catch(ignore('EEXIST'));
    // The name is ours alone, so what is there already is this process with the same file.
    if (claim === undefined) throw locked(path, ownPid);
    await claim.chmod(0o600).finally(() => claim.close()); // whatever the umask
    let holder: number | undefined = ownPid;
    try {
      holder = await livingHolder(folder, prefix, own);
    } finally {
      if (holder !== undefined) await release();
    }
    if (holder === undefined) return release;
    // Those that started together let go and try again; one that stays makes the others give up.
    if (attempt === 5) throw locked(path, holder);
    await delay(10 + Math.random() * 40 * attempt);
  }
}

/** Removes the claims of the dead on its way. */
async function livingHolder(folder: string, prefix: string, own: string): Promise<number | undefined> {
  for (const name of await readdir(folder)) {
    const [, pid, born] = (name.startsWith(prefix) && /^([1-9]\d{0,8})\.(.+)$/.exec(name.slice(prefix.length))) || [];
    if (pid === undefined || name === own) continue;
    if (await isAlive(Number(pid), born)) return Number(pid);
    await unlink(join(folder, name)).catch(ignore('ENOENT'));
  }
  return undefined;
}

async function isAlive(pid: number, born: string | undefined): Promise<boolean> {
  try {
    kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
  }
  const current = await bornAt(pid);
  // Where either could not be told, whoever has the number now is taken for the holder.
  return current === undefined || born === 'unknown' || current === born;
}

/**
 * What tells a process from a later one with its number: the boot, and the clock tick at which it started (proc(5)).
 * @returns undefined where the system does not tell; 'ended' for a process that only waits for its parent to notice
 */
async function bornAt(pid: number): Promise<string | undefined> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in parentheses, which may hold anything; the state and the rest follow it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? 'ended' : `${boot.slice(0, 8)}-${fields[19]}`;
  } catch {
    return undefined;
  }
}

function locked(path: string, holder: number): AuthError {
  return new AuthError('ERR_STORE_LOCKED', { description: `${path} is in use by process ${holder}: stop that first` });
}
