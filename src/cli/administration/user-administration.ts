/**
 * What `latchkey users` can do with the users of one store. `StoreAdministration` works on stores
 * that this process has open. `SocketAdministration` asks the server that has the file open.
 */

import type { PublicUser, RemovedName, User } from '../../users/store.ts';

/** A user as `latchkey users list` shows it. */
export interface ListedUser extends PublicUser {
  readonly isDisabled: boolean;
}

/** A change of a user that was made. */
export interface UserChange {
  readonly id: string;
  /**
   * `ended`: no session of the user from before the change is valid. `none`: no sessions are kept
   * here, or the change is `enable`: the sessions have ended when the user was disabled.
   */
  readonly sessions: 'ended' | 'none';
}

/** The users of one page whose sessions have ended. */
export interface LoggedOutPage {
  readonly count: number;
  /** The id behind which the next page begins; undefined if this page was the last. */
  readonly next: string | undefined;
}

/**
 * How many changes a command or a server makes at once. A file store syncs their records together.
 */
export const PARALLEL_CHANGES = 16;

/**
 * A parameter `username` is the exact id of a user, or any spelling of the name. A change resolves
 * to undefined if there is no such user.
 */
export interface UserAdministration {
  /**
   * One page of up to 1000 users, sorted by id.
   * @param after the page begins behind this id; undefined: at the first user
   */
  list(after: string | undefined): Promise<readonly ListedUser[]>;
  /** @throws AuthError ERR_USER_EXISTS, ERR_USERNAME, ERR_PASSWORD_*, ERR_BUSY, ERR_STORE */
  add(username: string, password: string): Promise<PublicUser>;
  /**
   * Ends all sessions of the user.
   * @throws AuthError ERR_PASSWORD_*, ERR_BUSY, ERR_STORE
   */
  setPassword(username: string, password: string): Promise<UserChange | undefined>;
  /** Ends all sessions of the user. */
  disable(username: string): Promise<UserChange | undefined>;
  /** @throws AuthError ERR_PASSWORD_HASH if the user has no password; ERR_STORE */
  enable(username: string): Promise<UserChange | undefined>;
  /** Ends all sessions of the user. */
  remove(username: string): Promise<UserChange | undefined>;
  /**
   * Ends all sessions of the user.
   * @throws AuthError ERR_BAD_REQUEST if no sessions are kept
   */
  logout(username: string): Promise<UserChange | undefined>;
  /**
   * Ends the sessions of the users of one page, as `list`.
   * @throws AuthError ERR_BAD_REQUEST if no sessions are kept
   */
  logoutPage(after: string | undefined): Promise<LoggedOutPage>;
  /** One page of users with their hashes, as `list`. */
  exportUsers(after: string | undefined): Promise<readonly User[]>;
  /** One user with the hash. @returns undefined if no user has exactly this id */
  exportUser(id: string): Promise<User | undefined>;
  /** One page of up to 1000 removed names that no user has now, sorted by id. */
  exportRemovedNames(after: string | undefined): Promise<readonly RemovedName[]>;
  /**
   * Inserts a user with a hash, and perhaps with `validAfter`. It never changes a user.
   * @returns false if the name is taken
   */
  importUser(user: User): Promise<boolean>;
  /**
   * Keeps the name of a removed user.
   * @returns false if the name has a user, which then stays as it is
   */
  importRemovedName(name: RemovedName): Promise<boolean>;
  /** Releases what this object has opened. */
  close(): Promise<void>;
}

/**
 * Reads page by page.
 * @param readPage returns the page behind an id; an empty one is the end
 */
export async function* pagesOf<Entry extends { readonly id: string }>(
  readPage: (after: string | undefined) => Promise<readonly Entry[]>,
): AsyncGenerator<readonly Entry[]> {
  let page = await readPage(undefined);
  while (page.length > 0) {
    yield page;
    page = await readPage(page.at(-1)?.id);
  }
}
