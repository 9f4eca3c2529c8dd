/** The terminal that the process was started from: whether it has closed. */
import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';
import { hasCode } from '../journal/system-errors.ts';

const STANDARD_STREAMS: readonly number[] = [0, 1, 2];

/**
 * Remembers which standard streams are a terminal now.
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
 * Closes the streams whose terminal has closed. Node 20 resets each open stream that was a terminal
 * at its end, and aborts (134) if it cannot.
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
    // Any other error, such as one of a missing right, tells nothing about the session.
    return !hasCode(error, 'ENXIO');
  }
}
