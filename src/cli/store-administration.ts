/**
 * The administration of the users in a store that this process has open. The process is a server,
 * or `latchkey users` itself.
 * Promise: this file only inserts users. `Accounts` makes every change of a user, so a change ends
 * the sessions of the user as it does over HTTP.
 */
import { insertWithoutSessions } from '../accounts/account-creation.ts';
import { Accounts } from '../accounts/accounts.ts';
import { checkHash, isDisabled } from '../accounts/disabled.ts';
import type { AccountsOptions } from '../accounts/options.ts';
import { PasswordHasher } from '../accounts/password-hasher.ts';
import { publicUserOf } from '../accounts/public-user.ts';
import { canonicalUsername } from '../accounts/username.ts';
import { AuthError, isAuthError } from '../errors.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { PublicUser, RemovedName, User, UserStore } from '../users/store.ts';
import {
  PARALLEL_CHANGES,
  type ListedUser,
  type LoggedOutPage,
  type UserAdministration,
  type UserChange,
} from './user-administration.ts';

/** The most users that a store lists at once. */
const PAGE_USERS = 1000;

/** The hash of a user who is about to be removed. No password matches it, `enable` refuses it. */
const NO_HASH = '!';

/** The actions that the log of a server names. */
export type AdministrationAction =
  | 'list'
  | 'add'
  | 'set-password'
  | 'disable'
  | 'enable'
  | 'remove'
  | 'logout'
  | 'logout-all'
  | 'export'
  | 'import';

/** The stores to work on, and the rules for new passwords. */
export interface StoreAdministrationOptions
  extends Pick<AccountsOptions, 'passwords' | 'minPasswordLength' | 'isForbidden'> {
  readonly users: UserStore;
  /** Undefined if no sessions are kept. Then no session can be ended. */
  readonly sessions?: Sessions | undefined;
  /**
   * Called once an action has taken effect.
   * @param id the id of a user who exists, or existed until this action; undefined for all users
   */
  readonly onAction?: (action: AdministrationAction, id?: string) => void;
  /** Called by `close`; default: nothing is closed. */
  readonly onClose?: () => Promise<void>;
}

export class StoreAdministration implements UserAdministration {
  readonly #users: UserStore;
  readonly #sessions: Sessions | undefined;
  readonly #passwords: NonNullable<AccountsOptions['passwords']>;
  readonly #accounts: Accounts;
  readonly #onAction: (action: AdministrationAction, id?: string) => void;
  readonly #onClose: () => Promise<void>;

  constructor(options: StoreAdministrationOptions) {
    const { users, sessions, passwords = new PasswordHasher(), onAction, onClose } = options;
    const { minPasswordLength, isForbidden } = options;
    this.#users = users;
    this.#sessions = sessions;
    this.#passwords = passwords;
    // Without limits, because these are not the tries of a client.
    this.#accounts = new Accounts({
      users,
      passwords,
      limits: false,
      ...(sessions && { sessions }),
      ...(minPasswordLength !== undefined && { minPasswordLength }),
      ...(isForbidden && { isForbidden }),
    });
    this.#onAction = onAction ?? (() => undefined);
    this.#onClose = onClose ?? (async () => undefined);
  }

  async list(after: string | undefined): Promise<readonly ListedUser[]> {
    const users = await this.#page(after);
    if (after === undefined) this.#onAction('list');
    return users.map((user) => ({ ...publicUserOf(user), isDisabled: isDisabled(user) }));
  }

  async add(username: string, password: string): Promise<PublicUser> {
    const user = await this.#accounts.signup({ username, password });
    this.#onAction('add', user.id);
    return user;
  }

  setPassword(username: string, password: string): Promise<UserChange | undefined> {
    return this.#change('set-password', username, async (id) => {
      try {
        await this.#accounts.setPassword(id, password);
        return true;
      } catch (error) {
        // The user was removed meanwhile.
        if (isAuthError(error) && error.code === 'ERR_IDENTITY_UNKNOWN') return false;
        throw error;
      }
    });
  }

  disable(username: string): Promise<UserChange | undefined> {
    return this.#change('disable', username, (id) => this.#accounts.disable(id));
  }

  async enable(username: string): Promise<UserChange | undefined> {
    const enable = (id: string) => this.#accounts.enable(id);
    const change = await this.#change('enable', username, enable);
    return change && { ...change, sessions: 'none' };
  }

  remove(username: string): Promise<UserChange | undefined> {
    return this.#change('remove', username, (id) => this.#accounts.remove(id));
  }

  async logout(username: string): Promise<UserChange | undefined> {
    const sessions = this.#keptSessions();
    return this.#change('logout', username, async (id) => {
      await sessions.endAll(id);
      return true;
    });
  }

  async logoutPage(after: string | undefined): Promise<LoggedOutPage> {
    const sessions = this.#keptSessions();
    const users = await this.#page(after);
    for (let first = 0; first < users.length; first += PARALLEL_CHANGES) {
      const some = users.slice(first, first + PARALLEL_CHANGES);
      await Promise.all(some.map(({ id }) => sessions.endAll(id)));
    }
    if (after === undefined) this.#onAction('logout-all');
    const next = users.length < PAGE_USERS ? undefined : users.at(-1)?.id;
    return { count: users.length, next };
  }

  async exportUsers(after: string | undefined): Promise<readonly User[]> {
    const users = await this.#page(after);
    if (after === undefined) this.#onAction('export');
    return users;
  }

  async exportUser(id: string): Promise<User | undefined> {
    return this.#users.find(id);
  }

  async exportRemovedNames(after: string | undefined): Promise<readonly RemovedName[]> {
    const users = this.#users;
    if (users.listRemoved === undefined) throw missingMethod('listRemoved');
    return users.listRemoved(after, PAGE_USERS);
  }

  /**
   * @throws AuthError ERR_PASSWORD_HASH if the hasher cannot read the hash; ERR_BAD_REQUEST if the
   *   store cannot keep a member; ERR_STORE
   */
  async importUser(user: User): Promise<boolean> {
    checkHash(user.passwordHash, this.#passwords);
    const stores = { users: this.#users, sessions: this.#sessions };
    const isInserted = await refusingValues(() => insertWithoutSessions(user, stores));
    if (isInserted) this.#onAction('import', user.id);
    return isInserted;
  }

  /**
   * Inserts a user without a password, and removes that user. If the process is killed between the
   * two, the user stays, and the next import of the name removes it: no other user has this hash.
   * @throws AuthError ERR_BAD_REQUEST if the store cannot keep the id or the time; ERR_STORE
   */
  async importRemovedName({ id, removedAt }: RemovedName): Promise<boolean> {
    const users = this.#users;
    if (users.remove === undefined) throw missingMethod('remove');
    const remove = users.remove.bind(users);
    return refusingValues(async () => {
      const user = {
        id,
        username: id,
        passwordHash: NO_HASH,
        createdAt: new Date(removedAt * 1000).toISOString(),
        validAfter: removedAt,
      };
      await users.insert(user);
      const isRemoved = await remove(id, removedAt, NO_HASH);
      if (isRemoved) this.#onAction('import', id);
      // Another import of this name may have removed the user first.
      return isRemoved || (await users.find(id)) === undefined;
    });
  }

  close(): Promise<void> {
    return this.#onClose();
  }

  async #page(after: string | undefined): Promise<readonly User[]> {
    if (this.#users.list === undefined) throw missingMethod('list');
    return this.#users.list(after, PAGE_USERS);
  }

  /**
   * @param change returns false if there is no such user
   * @returns undefined if there is no such user
   */
  async #change(
    action: AdministrationAction,
    username: string,
    change: (id: string) => Promise<boolean>,
  ): Promise<UserChange | undefined> {
    const id = await this.#idOf(username);
    if (id === undefined || !(await change(id))) return undefined;
    this.#onAction(action, id);
    return { id, sessions: this.#sessions === undefined ? 'none' : 'ended' };
  }

  /**
   * An id is tried first: another program may have stored one that is not canonical.
   * @param username the id, or any spelling of the name
   * @returns the id of a user; undefined if there is no such user
   */
  async #idOf(username: string): Promise<string | undefined> {
    for (const id of [username, canonicalUsername(username)]) {
      if (id !== undefined && (await this.#users.find(id)) !== undefined) return id;
    }
    return undefined;
  }

  #keptSessions(): Sessions {
    if (this.#sessions !== undefined) return this.#sessions;
    const description = 'No sessions are kept here, so a token stays valid until it expires';
    throw new AuthError('ERR_BAD_REQUEST', { description });
  }
}

/** The stores of the command have every optional method. */
function missingMethod(name: 'list' | 'listRemoved' | 'remove'): TypeError {
  return new TypeError(`"users" expected a store with the method ${name}, got one without it`);
}

/**
 * A store throws a TypeError or a RangeError for a value that it cannot keep. Here the value comes
 * from outside, so the error becomes an AuthError. Its message does not repeat the value.
 */
async function refusingValues<T>(job: () => Promise<T>): Promise<T> {
  try {
    return await job();
  } catch (error) {
    const isOfValue = error instanceof TypeError || error instanceof RangeError;
    throw isOfValue ? new AuthError('ERR_BAD_REQUEST', { description: error.message }) : error;
  }
}
