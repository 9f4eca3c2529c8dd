/**
 * Opens the administration of the users of a store: over the socket of the server that has the file
 * open, or over the stores themselves.
 */
import { Sessions } from '../sessions/sessions.ts';
import type { Log } from './log.ts';
import { StoreAdministration } from './store-administration.ts';
import type { StoreChoice } from './store-choice.ts';
import { openStores } from './stores.ts';
import type { UserAdministration } from './user-administration.ts';

/** Whose users are administered. */
export interface AdministrationOptions {
  /** `memory` is refused: only its own process can reach it. */
  readonly users: StoreChoice;
  /** The folder of the files, for the choice `file`. */
  readonly data: string;
  /**
   * Whether a user file that does not exist is created; default true. False is for a command that
   * only reads or changes users, which must not create a file because of a mistyped folder.
   */
  readonly mayCreate?: boolean;
}

/**
 * @returns the administration, which the caller must close
 * @throws CommandError or AuthError if it cannot be opened; then nothing stays open
 */
export async function openAdministration(
  { users, data }: AdministrationOptions,
  log: Log,
): Promise<UserAdministration> {
  const stores = await openStores({ users, hasSessions: 'ifKept', data }, log);
  return new StoreAdministration({
    users: stores.users,
    sessions: stores.sessions && new Sessions({ store: stores.sessions }),
    onClose: stores.close,
  });
}
