/** Claims on a file, timings of a lock, and the marks of processes that held the lock in turn. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lockFile, type LockTiming } from '../../src/journal/file-lock.ts';
import { fileWith, refusal } from './user-files.ts';

export const hasProc: boolean = existsSync('/proc/self/stat');

/** A claim is stale after a second. For holders that are known to be dead or suspended. */
export const FAST: LockTiming = {
  heartbeatMs: 50,
  pollMs: 50,
  pollsUntilStale: 20,
};

/** With time enough for the heartbeat of a living process on a busy machine. */
export const PATIENT: LockTiming = {
  ...FAST,
  pollsUntilStale: 400,
};

/** For assert.rejects: refused because this process of the same scope holds the lock. */
export const lockedBy = (holder: number): ((error: unknown) => boolean) =>
  refusal('ERR_STORE_LOCKED', 'users.jsonl is in use', `process ${holder}:`);

/** The path of a claim on a file. */
export const claimOn = (path: string, name: string): string =>
  join(dirname(path), `users.jsonl.lock.${name}`);

/** @returns the scope in the name of a claim of this process */
export async function ownScope(): Promise<string> {
  const path = fileWith('');
  const lock = await lockFile(path);
  const name = readdirSync(dirname(path)).find((file) => file.includes('.lock.')) ?? '';
  await lock.release();
  return name.split('.').at(-2) ?? '';
}

/** @returns the start id of a process: its boot and its start time (proc(5), field 22) */
export function startIdOf(pid: number): string {
  if (!hasProc) return 'unknown';
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').split(' ');
  return `${boot}-${fields[20]}`;
}

/** Each process adds a mark to a file when it gets the lock, and another when it releases it. */
export function assertNeverTwo(path: string, processes: number): void {
  const marks = readFileSync(`${path}.marks`, 'utf8').trimEnd().split('\n');
  assert.equal(new Set(marks).size, 2 * processes);
  for (const [index, mark] of marks.entries()) {
    if (index % 2 === 1) assert.equal(mark, marks[index - 1]?.replace('in', 'out'));
  }
}
