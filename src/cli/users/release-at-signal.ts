/**
 * Ends a command in the middle of its work, at SIGINT, SIGTERM or SIGHUP.
 * Promise: the command first releases what it has open, such as the lock of a file. It then ends
 * with the exit code of a shell, which is 128 plus the number of the signal.
 */
import { constants } from 'node:os';
import { ignoreFailure } from '../../journal/system-errors.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The process ends after this time, also if something could not be released. */
const MAX_RELEASE_MS = 2_000;

type Release = () => Promise<unknown>;

const releases = new Set<Release>();

let isEnding = false;

/**
 * Runs a job, during which a signal calls `release`. Jobs may be nested: the inner one is released
 * first. After a signal the promise does not settle: an error of the job could then come from the
 * release, and its message would mislead.
 * @param release may reject
 */
export async function releasedAtSignal<T>(release: Release, job: () => Promise<T>): Promise<T> {
  if (releases.size === 0) for (const signal of SIGNALS) process.on(signal, endBySignal);
  releases.add(release);
  try {
    return await job();
  } finally {
    if (isEnding) await new Promise(() => undefined);
    releases.delete(release);
    if (releases.size === 0) for (const signal of SIGNALS) process.off(signal, endBySignal);
  }
}

/** A terminal and npm may send the same signal, so a second one is ignored. */
async function endBySignal(signal: (typeof SIGNALS)[number]): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  const exit = () => process.exit(128 + constants.signals[signal]);
  setTimeout(exit, MAX_RELEASE_MS);
  for (const release of [...releases].reverse()) await release().catch(ignoreFailure);
  exit();
}
