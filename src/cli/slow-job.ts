/** Tells the operator why a job takes long. */

const SLOW_JOB_MS = 3_000;

/** Waits for a job. Calls `explain` once if it takes more than 3 seconds. */
export function explainIfSlow<T>(job: Promise<T>, explain: () => void): Promise<T> {
  const timer = setTimeout(explain, SLOW_JOB_MS);
  return job.finally(() => clearTimeout(timer));
}
