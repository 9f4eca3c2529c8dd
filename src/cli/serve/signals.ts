/** Graceful shutdown, at a signal or after a failure. */
import { setTimeout as delay } from 'node:timers/promises';
import { reasonOf } from '../../errors.ts';
import type { Log } from '../log.ts';

/**
 * A terminal sends Ctrl-C to every process of a job, and npm also forwards to its child each signal
 * that it gets. So two signals within this time count as one.
 */
const ONE_SIGNAL_MS = 250;

/** How long a stopped process waits for the reader of its last lines. */
const MAX_LINGER_MS = 1_000;

/** 128 plus the number of the signal, as in a shell. */
export const EXIT_CODE_OF_SIGHUP = 129;

/**
 * Calls `stop` at the first SIGINT or SIGTERM. A later one ends the process at once, with 1.
 * @returns the listener, to be called for a SIGHUP that stops the server. The exit code is then
 *   129, unless the process has failed.
 */
export function stopOnSignals(
  stop: (signal: NodeJS.Signals) => void,
): (signal: NodeJS.Signals) => void {
  let stoppedAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    const now = performance.now();
    if (stoppedAt !== undefined) {
      if (now - stoppedAt > ONE_SIGNAL_MS) process.exit(1);
      return;
    }
    stoppedAt = now;
    if (signal === 'SIGHUP') process.exitCode ??= EXIT_CODE_OF_SIGHUP;
    stop(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  return onSignal;
}

/**
 * @param close lets the requests in flight finish, and closes the server and its store
 * @returns a function that stops the server. Its first call calls `close`, then logs `stop` with
 *   the reason, and ends the process. If the reason is a failure, or `close` fails, it logs that
 *   error first, and the exit code is 1.
 */
export function stopperOf(
  close: () => Promise<void>,
  log: Log,
): (reason: string, isFailure?: boolean) => void {
  let isStopping = false;
  const fail = (detail: string) => {
    log('error', detail);
    process.exitCode = 1;
  };
  const closeOnce = async (reason: string) => {
    if (isStopping) return;
    isStopping = true;
    await close().catch((error: unknown) => fail(reasonOf(error)));
    log('stop', reason);
    await Promise.race([outputWritten(), delay(MAX_LINGER_MS)]);
    // A Node that ends by itself first removes its handlers of signals. A second signal would kill
    // it then, and it would look like a crash.
    process.exit();
  };
  return (reason, isFailure = false) => {
    if (isFailure) fail(`the server stops: ${reason}`);
    void closeOnce(reason);
  };
}

/** @returns once all that was printed is written, or its reader has ended */
async function outputWritten(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map((output) => {
    return new Promise<void>((resolve) => output.write('', () => resolve()));
  }));
}
