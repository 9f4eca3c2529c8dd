/** Graceful shutdown and certificate renewal by signals. */

/**
 * A terminal sends Ctrl-C to every process of a job, and npm passes its own on to its child. Two
 * signals within this time are therefore one.
 */
const ONE_SIGNAL_MS = 250;

/** Calls `stop` at the first of these signals. A later one ends the process at once, with 1. */
export function stopOnSignal(signals: readonly NodeJS.Signals[], stop: () => void): void {
  let stoppedAt: number | undefined;
  const onSignal = () => {
    const now = performance.now();
    if (stoppedAt !== undefined && now - stoppedAt > ONE_SIGNAL_MS) process.exit(1);
    stoppedAt ??= now;
    stop();
  };
  for (const signal of signals) process.on(signal, onSignal);
}

/**
 * @param close lets requests in flight finish and closes what was opened
 * @param onError told if `close` fails
 * @returns runs `close` once, after which the process ends by itself
 */
export function stopOnce(
  close: () => Promise<void>,
  onError: (error: unknown) => void,
): () => void {
  let isStopping = false;
  const stop = async () => {
    await close();
    // Log lines that no process reads would keep this one from ending by itself.
    setTimeout(() => process.exit(), 1_000).unref();
  };
  return () => {
    if (isStopping) return;
    isStopping = true;
    stop().catch(onError);
  };
}
