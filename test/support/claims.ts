/** What the tests of the lock share: claims, and processes that mark when they hold the lock. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lockFile, type LockTiming } from '../../src/journal/file-lock.ts';
import { fileWith, refusal } from './user-files.ts';

export const hasProc: boolean = existsSync('/proc/self/stat');

/** Stale after a second, for claims of processes that are known to be dead or suspended. */
export const FAST: LockTiming = {
  heartbeatMs: 50,
  pollMs: 50,
  pollsUntilStale: 20,
};

/** Beats as often, and waits long enough for the beat of a living process on a busy machine. */
export const PATIENT: LockTiming = {
  ...FAST,
  pollsUntilStale: 400,
};

/** For assert.rejects: refused because this process of the same place holds the lock. */
export const lockedBy = (holder: number): ((error: unknown) => boolean) =>
  refusal('ERR_STORE_LOCKED', 'users.jsonl is in use', `process ${holder}:`);

/** The path of a claim on a file. */
export const claimOn = (path: string, name: string): string =>
  join(dirname(path), `users.jsonl.lock.${name}`);

/** @returns the place in the name of a claim of this process */
export async function ownScope(): Promise<string> {
  const path = fileWith('');
  const lock = await lockFile(path);
  const name = readdirSync(dirname(path)).find((file) => file.includes('.lock.')) ?? '';
  await lock.release();
  return name.split('.').at(-2) ?? '';
}

/** @returns the boot, and when the process started (proc(5), field 22), as claims have it */
export function startIdOf(pid: number): string {
  if (!hasProc) return 'unknown';
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').split(' ');
  return `${boot}-${fields[20]}`;
}

/** Each process marks beside the file when it takes the lock and when it releases it. */
export function assertNeverTwo(path: string, processes: number): void {
  const marks = readFileSync(`${path}.marks`, 'utf8').trimEnd().split('\n');
  assert.equal(new Set(marks).size, 2 * processes);
  for (const [index, mark] of marks.entries()) {
    if (index % 2 === 1) assert.equal(mark, marks[index - 1]?.replace('in', 'out'));
  }
}
