/**
 * What `latchkey users` can do with the users of one store. `StoreAdministration` works on stores
 * that this process has open. `SocketAdministration` asks the server that has the file open.
 */

import type { PublicUser, RemovedName, User } from '../users/store.ts';

/** A user as `latchkey users list` shows it. */
export interface ListedUser extends PublicUser {
  readonly isDisabled: boolean;
}

export type { RemovedName };

/** A parameter `username` is the exact id of a user, or any spelling of the name. */
export interface UserAdministration {
  /**
   * One page of up to 1000 users, sorted by id.
   * @param after the page begins behind this id; undefined: at the first user
   */
  list(after: string | undefined): Promise<readonly ListedUser[]>;
  /** @throws AuthError ERR_USER_EXISTS, ERR_USERNAME, ERR_PASSWORD_*, ERR_STORE */
  add(username: string, password: string): Promise<PublicUser>;
  /**
   * Ends all sessions of the user.
   * @throws AuthError ERR_IDENTITY_UNKNOWN, ERR_PASSWORD_*, ERR_STORE
   */
  setPassword(username: string, password: string): Promise<PublicUser>;
  /** Ends all sessions of the user. @returns false if there is no such user */
  disable(username: string): Promise<boolean>;
  /** @returns false if there is no such user */
  enable(username: string): Promise<boolean>;
  /** Ends all sessions of the user. @returns false if there is no such user */
  remove(username: string): Promise<boolean>;
  /** Ends all sessions of the user. @returns false if there is no such user */
  logout(username: string): Promise<boolean>;
  /** Ends the sessions of all users. @returns the number of users */
  logoutAll(): Promise<number>;
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
