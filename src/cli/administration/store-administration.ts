/**
 * The administration of the users in a store that this process has open. The process is a server,
 * or `latchkey users` itself.
 * Promise: `Accounts` makes every change of a user, so a change ends the sessions of the user as it
 * does over HTTP. Imports insert users; see `store-imports.ts`.
 */
import { missingMethod } from '../../accounts/account-changes.ts';
import { Accounts } from '../../accounts/accounts.ts';
import { isDisabled } from '../../accounts/disabled.ts';
import type { AccountsOptions } from '../../accounts/options.ts';
import { PasswordHasher } from '../../accounts/password-hasher.ts';
import { publicUserOf } from '../../accounts/public-user.ts';
import { AuthError, isAuthError } from '../../errors.ts';
import type { Sessions } from '../../sessions/sessions.ts';
import {
  MAX_PAGE_USERS,
  type PublicUser,
  type RemovedName,
  type User,
  type UserStore,
} from '../../users/store.ts';
import { idOfUser } from './user-lookup.ts';
import { importRemovedName, importUser } from './store-imports.ts';
import {
  PARALLEL_CHANGES,
  type ListedUser,
  type LoggedOutPage,
  type UserAdministration,
  type UserChange,
} from './user-administration.ts';

/**
 * The actions that the log of a server names. An action may take many requests. `list` and `export`
 * are logged once, with the first page. `logout-all` is logged with each page, and `import` with
 * each user or removed name that was imported.
 */
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
  /** The sessions that the guards check. Undefined if they check none. */
  readonly sessions?: Sessions | undefined;
  /**
   * Without `sessions`: opens those that guards may check again later, such as after a restart with
   * another flag. Called before a user is added, changed, removed or imported. Default: there are
   * none.
   */
  readonly openIdleSessions?: () => Promise<Sessions | undefined>;
  /**
   * Called once an action has taken effect.
   * @param id the id of a user who exists, or existed until this action, or the removed name that
   *   was imported; undefined for all users
   */
  readonly onAction?: (action: AdministrationAction, id?: string) => void;
  /** Called by `close`; default: nothing is closed. */
  readonly onClose?: () => Promise<void>;
}

export class StoreAdministration implements UserAdministration {
  readonly #users: UserStore;
  readonly #sessions: Sessions | undefined;
  readonly #passwords: NonNullable<AccountsOptions['passwords']>;
  readonly #openIdleSessions: () => Promise<Sessions | undefined>;
  readonly #accountsOptions: AccountsOptions;
  readonly #accountsBySessions = new Map<Sessions | undefined, Accounts>();
  readonly #onAction: (action: AdministrationAction, id?: string) => void;
  readonly #onClose: () => Promise<void>;

  constructor(options: StoreAdministrationOptions) {
    const { users, sessions, passwords = new PasswordHasher(), onAction, onClose } = options;
    const { minPasswordLength, isForbidden } = options;
    this.#users = users;
    this.#sessions = sessions;
    this.#passwords = passwords;
    // Without limits, because these are not the tries of a client.
    this.#accountsOptions = {
      users,
      passwords,
      limits: false,
      ...(minPasswordLength !== undefined && { minPasswordLength }),
      ...(isForbidden && { isForbidden }),
    };
    this.#openIdleSessions = options.openIdleSessions ?? (async () => undefined);
    this.#onAction = onAction ?? (() => undefined);
    this.#onClose = onClose ?? (async () => undefined);
  }

  async list(after: string | undefined): Promise<readonly ListedUser[]> {
    const users = await this.#page(after);
    if (isFirstPage(after)) this.#onAction('list');
    return users.map((user) => ({ ...publicUserOf(user), isDisabled: isDisabled(user) }));
  }

  async add(username: string, password: string): Promise<PublicUser> {
    const accounts = await this.#accounts();
    const user = await accounts.signup({ username, password });
    this.#onAction('add', user.id);
    return user;
  }

  setPassword(username: string, password: string): Promise<UserChange | undefined> {
    return this.#change('set-password', username, async (id, accounts) => {
      try {
        await accounts.setPassword(id, password);
        return true;
      } catch (error) {
        // The user was removed meanwhile.
        if (isAuthError(error) && error.code === 'ERR_IDENTITY_UNKNOWN') return false;
        throw error;
      }
    });
  }

  disable(username: string): Promise<UserChange | undefined> {
    return this.#change('disable', username, (id, accounts) => accounts.disable(id));
  }

  async enable(username: string): Promise<UserChange | undefined> {
    const change = await this.#change('enable', username, (id, accounts) => accounts.enable(id));
    return change && { ...change, sessions: 'none' };
  }

  remove(username: string): Promise<UserChange | undefined> {
    return this.#change('remove', username, (id, accounts) => accounts.remove(id));
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
    this.#onAction('logout-all');
    const next = users.length < MAX_PAGE_USERS ? undefined : users.at(-1)?.id;
    return { count: users.length, next };
  }

  async exportUsers(after: string | undefined): Promise<readonly User[]> {
    const users = await this.#page(after);
    if (isFirstPage(after)) this.#onAction('export');
    return users;
  }

  async exportUser(id: string): Promise<User | undefined> {
    return this.#users.find(id);
  }

  async exportRemovedNames(after: string | undefined): Promise<readonly RemovedName[]> {
    const users = this.#users;
    if (users.listRemoved === undefined) throw missingMethod('listRemoved');
    return users.listRemoved(after, MAX_PAGE_USERS);
  }

  /** @throws AuthError as the function `importUser` */
  async importUser(user: User): Promise<boolean> {
    const accounts = await this.#accounts();
    const stores = { users: this.#users, sessions: await this.#allSessions(), accounts };
    const isImported = await importUser(user, { ...stores, passwords: this.#passwords });
    if (isImported) this.#onAction('import', user.id);
    return isImported;
  }

  /** @throws AuthError as the function `importRemovedName` */
  async importRemovedName(name: RemovedName): Promise<boolean> {
    const isImported = await importRemovedName(name, this.#users);
    if (isImported) this.#onAction('import', name.id);
    return isImported;
  }

  close(): Promise<void> {
    return this.#onClose();
  }

  async #page(after: string | undefined): Promise<readonly User[]> {
    if (this.#users.list === undefined) throw missingMethod('list');
    return this.#users.list(after, MAX_PAGE_USERS);
  }

  /**
   * @param change returns false if there is no such user
   * @returns undefined if there is no such user
   */
  async #change(
    action: AdministrationAction,
    username: string,
    change: (id: string, accounts: Accounts) => Promise<boolean>,
  ): Promise<UserChange | undefined> {
    const id = await idOfUser(this, username);
    if (id === undefined || !(await change(id, await this.#accounts()))) return undefined;
    this.#onAction(action, id);
    return { id, sessions: this.#sessions === undefined ? 'none' : 'ended' };
  }

  async #allSessions(): Promise<Sessions | undefined> {
    return this.#sessions ?? (await this.#openIdleSessions());
  }

  async #accounts(): Promise<Accounts> {
    const sessions = await this.#allSessions();
    const known = this.#accountsBySessions.get(sessions);
    if (known !== undefined) return known;
    const accounts = new Accounts({ ...this.#accountsOptions, ...(sessions && { sessions }) });
    this.#accountsBySessions.set(sessions, accounts);
    return accounts;
  }

  /** Not those of `openIdleSessions`: to end them would refuse no token of this server. */
  #keptSessions(): Sessions {
    if (this.#sessions !== undefined) return this.#sessions;
    const description = 'No sessions are kept here, so a token stays valid until it expires. ' +
      'To refuse those of one user, disable the user. To refuse all, change the secret, and do ' +
      'not keep the old one';
    throw new AuthError('ERR_BAD_REQUEST', { description });
  }
}

function isFirstPage(after: string | undefined): boolean {
  return after === undefined || after === '';
}
