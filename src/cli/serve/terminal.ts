/** Tells whether the terminal that the process was started from has closed. */
import { closeSync, openSync } from 'node:fs';
import { isatty } from 'node:tty';
import { hasCode } from '../../journal/system-errors.ts';

/** @returns which standard streams are a terminal now */
function openTerminals(): readonly number[] {
  return [0, 1, 2].filter(isatty);
}

/**
 * Remembers which standard streams are a terminal now.
 * @returns a function that returns whether that terminal has closed. It always returns false if no
 *   stream was a terminal, and in a session without a terminal, as after `setsid`: the end of a
 *   terminal sends no signal to such a process.
 */
export function watchTerminal(): () => boolean {
  const terminals = openTerminals();
  if (terminals.length === 0 || !isInSessionOfTerminal()) return () => false;
  return () => !terminals.some(isatty);
}

/**
 * Makes the process close each standard stream whose terminal has closed, before it exits. At exit
 * Node 20 resets every open stream that was a terminal, and aborts (134) if it cannot.
 */
export function closeLostTerminalAtExit(): void {
  const terminals = openTerminals();
  process.on('exit', () => {
    for (const stream of terminals.filter((terminal) => !isatty(terminal))) {
      try {
        closeSync(stream);
      } catch {
        // It was closed before.
      }
    }
  });
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
