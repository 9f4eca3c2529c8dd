/** The terminal that the process was started from: whether it has closed. */
import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';
import { hasCode } from '../journal/system-errors.ts';

const STANDARD_STREAMS = [0, 1, 2] as const;

/**
 * Remembers which standard streams are a terminal now.
 * @returns a function that returns whether that terminal has closed. It always returns false if no
 *   stream was a terminal, and in a session without a terminal, as after `setsid`: the end of a
 *   terminal sends no signal to such a process.
 */
export function watchTerminal(): () => boolean {
  const terminals = isInSessionOfTerminal() ? STANDARD_STREAMS.filter(isatty) : [];
  return () => terminals.length > 0 && !terminals.some(isatty);
}

function isInSessionOfTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch (error) {
    // Any other error, such as one of a missing right, tells nothing about the session.
    return !hasCode(error, 'ENXIO');
  }
}

/**
 * Node 20 aborts (134) at its exit if a stream that was a terminal cannot be reset. It leaves out
 * streams that are closed, so this closes them last.
 */
export function closeStreamsAtExit(): void {
  process.on('exit', () => {
    for (const stream of STANDARD_STREAMS) {
      try {
        closeSync(stream);
      } catch {
        // It was closed before.
      }
    }
  });
}
