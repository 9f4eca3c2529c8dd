/** Tells whether the terminal that the process was started from has closed. */
import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';
import { hasCode } from '../journal/system-errors.ts';

const STANDARD_STREAMS: readonly number[] = [0, 1, 2];

/**
 * Remembers which standard streams are a terminal now, and closes these when the process ends after
 * its terminal.
 * @returns a function that returns whether that terminal has closed. It always returns false if no
 *   stream was a terminal, and in a session without a terminal, as after `setsid`: the end of a
 *   terminal sends no signal to such a process.
 */
export function watchTerminal(): () => boolean {
  const terminals = STANDARD_STREAMS.filter(isatty);
  process.on('exit', () => closeLost(terminals));
  if (terminals.length === 0 || !isInSessionOfTerminal()) return () => false;
  return () => !terminals.some(isatty);
}

/**
 * Closes the streams whose terminal has closed. When Node 20 exits, it resets each open stream that
 * was a terminal, and aborts (134) if it cannot.
 */
function closeLost(terminals: readonly number[]): void {
  for (const stream of terminals.filter((terminal) => !isatty(terminal))) {
    try {
      closeSync(stream);
    } catch {
      // It was closed before.
    }
  }
}

function isInSessionOfTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch (error) {
    // Any other error, such as EACCES, does not say whether the session has a terminal.
    return !hasCode(error, 'ENXIO');
  }
}
