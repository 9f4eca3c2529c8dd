/**
 * SIGHUP: the server reloads its files. If its terminal has closed, it stops instead.
 * Promise: a reload begins after every SIGHUP, also after one that comes during the start or during
 * another reload. Two reloads never overlap.
 */
import { EXIT_CODE_OF_SIGHUP } from './signals.ts';
import { closeLostTerminalAtExit, watchTerminal } from './terminal.ts';

/** What a server does at SIGHUP. */
export interface HangupActions {
  /** Called if the terminal has closed. */
  readonly stop: () => void;
  /**
   * Reloads the files. It must not reject. While it is missing, a SIGHUP is remembered: the reload
   * begins once it is set.
   */
  readonly reload?: () => Promise<void>;
}

/** Sets what SIGHUP does from then on. */
export type SetHangupActions = (actions: HangupActions) => void;

/**
 * Listens for SIGHUP. From then on the signal ends the process only if its terminal has closed.
 * @returns a function that sets the actions, to be called before the server opens anything, and
 *   again with `reload` once it listens. If a SIGHUP has come by then, it reloads.
 */
export function watchHangups(): SetHangupActions {
  closeLostTerminalAtExit();
  const hasTerminalClosed = watchTerminal();
  let actions: HangupActions | undefined;
  let isReloadWanted = false;
  let isReloading = false;
  const reloadWhileWanted = async ({ reload }: HangupActions) => {
    if (isReloading || reload === undefined) return;
    isReloading = true;
    while (isReloadWanted) {
      isReloadWanted = false;
      await reload();
    }
    isReloading = false;
  };
  process.on('SIGHUP', () => {
    if (hasTerminalClosed()) {
      // Nothing is open yet, so nothing has to be closed.
      if (actions === undefined) process.exit(EXIT_CODE_OF_SIGHUP);
      actions.stop();
    } else {
      isReloadWanted = true;
      if (actions !== undefined) void reloadWhileWanted(actions);
    }
  });
  return (given) => {
    actions = given;
    void reloadWhileWanted(given);
  };
}
