/**
 * Accounts with sessions, and logins as `JwtAuth` makes them: the session is stored first, and then
 * `isCurrent` is asked.
 */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  Accounts,
  AuthError,
  JwtAuth,
  MemorySessionStore,
  MemoryUserStore,
  PasswordHasher,
  Sessions,
  type AccountsOptions,
  type PublicUser,
  type SessionStore,
  type UserStore,
} from '../../src/index.ts';
import { SECRET } from './tokens.ts';
import { userNamed } from './user-files.ts';

export const OLD = 'the old one';
export const NEW = 'the new one';
/** A weak hash: the hasher of a service renews it at the next login. */
export const weakHash: string = await new PasswordHasher({ logN: 1 }).hash(OLD);

export interface Service {
  readonly accounts: Accounts;
  readonly auth: JwtAuth<PublicUser>;
  readonly sessions: Sessions;
  readonly users: UserStore;
}

/** One of several servers: what is not given is its own. */
export function makeService(
  options: Partial<AccountsOptions> & { readonly sessionStore?: SessionStore } = {},
): Service {
  const { sessionStore: store = new MemorySessionStore(), ...others } = options;
  const users = options.users ?? new MemoryUserStore();
  const sessions = new Sessions({ store });
  const passwords = new PasswordHasher({ logN: 2, maxQueued: 100_000 });
  const accounts = new Accounts({ passwords, limits: false, sessions, ...others, users });
  const auth = new JwtAuth<PublicUser>({ secret: SECRET, sessions, ...accounts.handlers });
  return { accounts, auth, sessions, users };
}

/** Inserts a user with the password OLD and a weak hash. */
export async function addUser({ users }: Pick<Service, 'users'>, id: string): Promise<void> {
  assert.equal(await users.insert(userNamed(id, weakHash)), true);
}

/**
 * @param beforeCheck runs once the session is stored
 * @returns whether the login left a session
 */
export async function logIn(
  { accounts, sessions }: Service,
  id: string,
  password: string,
  beforeCheck: () => unknown = () => undefined,
): Promise<boolean> {
  for (let tries = 0; tries < 2; tries += 1) {
    const user = await accounts.authenticate(id, password);
    if (user === undefined) return false;
    const { id: sessionId } = await sessions.start(id, { isRefreshable: true });
    await beforeCheck();
    if (await accounts.isCurrent(user)) return true;
    await sessions.end(id, sessionId);
  }
  return false;
}

/** As `logIn`, through `JwtAuth` itself. */
export async function logInWithAuth(
  { auth }: Pick<Service, 'auth'>,
  username: string,
  password: string,
): Promise<boolean> {
  const login = auth.login({ json: async () => ({ username, password, refresh: true }) });
  return login.then(() => true, (error) => {
    assert.equal(error.code, 'ERR_CREDENTIALS');
    return false;
  });
}

export async function countSessions({ sessions }: Service, id: string): Promise<number> {
  return (await sessions.list(id)).length;
}

/** A hasher whose verifications and new hashes wait for a gate, if there is one. */
export class HeldHasher extends PasswordHasher {
  #gate: Promise<void> | undefined;
  #reached: (() => void) | undefined;

  /**
   * Holds the next job, once its result is known.
   * @returns a promise for when it waits, and what lets it go on
   */
  hold(): { readonly reached: Promise<void>; readonly release: () => void } {
    let release = (): void => undefined;
    this.#gate = new Promise((resolve) => (release = resolve));
    const reached = new Promise<void>((resolve) => (this.#reached = resolve));
    return { reached, release };
  }

  override async hash(...job: Parameters<PasswordHasher['hash']>): Promise<string> {
    return this.#pass(await super.hash(...job));
  }

  override async verify(...job: Parameters<PasswordHasher['verify']>): Promise<boolean> {
    return this.#pass(await super.verify(...job));
  }

  async #pass<T>(result: T): Promise<T> {
    const gate = this.#gate;
    const reached = this.#reached;
    this.#gate = undefined;
    this.#reached = undefined;
    reached?.();
    await gate;
    return result;
  }
}

/** Stores that answer after a random number of turns of the event loop, as databases do. */
export function slowUsers(users: UserStore, random: () => number): UserStore {
  const slow = <T>(work: () => T | Promise<T>) => afterTurns(random, work);
  return {
    find: (id) => slow(() => users.find(id)),
    insert: (user) => slow(() => users.insert(user)),
    update: (user, expectedHash) => slow(() => users.update(user, expectedHash)),
    remove: (id, at, hash) => slow(() => users.remove?.(id, at, hash) ?? assert.fail()),
  };
}

export function slowSessions(store: SessionStore, random: () => number): SessionStore {
  return {
    find: (id) => afterTurns(random, () => store.find(id)),
    put: (id, record) => afterTurns(random, () => store.put(id, record)),
  };
}

/** Both before and after the work, so that others can overtake the call and its answer. */
async function afterTurns<T>(random: () => number, work: () => T | Promise<T>): Promise<T> {
  await passTurns(random() * 3);
  const result = await work();
  await passTurns(random() * 3);
  return result;
}

export async function passTurns(turns: number): Promise<void> {
  for (let turn = 1; turn < turns; turn += 1) await nextTurn();
}

/** The writes of both stores, in their order. A test decides what happens at each. */
export interface Write {
  /** 1 for the first write. */
  readonly number: number;
  readonly kind: 'put' | 'update' | 'remove';
}

/** @param around runs the write, or throws in its place */
export function watchedStores(
  users: UserStore,
  store: SessionStore,
  around: <T>(write: Write, work: () => T | Promise<T>) => Promise<T>,
): { readonly users: UserStore; readonly sessionStore: SessionStore } {
  let number = 0;
  const watch = <T>(kind: Write['kind'], work: () => T | Promise<T>) => {
    number += 1;
    return around({ number, kind }, work);
  };
  return {
    users: {
      find: (id) => users.find(id),
      insert: (user) => users.insert(user),
      update: (user, hash) => watch('update', () => users.update(user, hash)),
      remove: (id, at, hash) => {
        return watch('remove', () => users.remove?.(id, at, hash) ?? assert.fail());
      },
    },
    sessionStore: {
      find: (id) => store.find(id),
      put: (id, record) => watch('put', () => store.put(id, record)),
    },
  };
}

export const unavailable = (): AuthError => new AuthError('ERR_STORE');

type Change = (accounts: Accounts, id: string) => Promise<unknown>;

/** The changes of an account that end its sessions, each for a user with the password OLD. */
export const CHANGES: Readonly<Record<string, Change>> = {
  change: (accounts, id) => accounts.changePassword(id, OLD, NEW),
  set: (accounts, id) => accounts.setPassword(id, NEW),
  disable: (accounts, id) => accounts.disable(id),
  remove: (accounts, id) => accounts.remove(id),
  removeByOwner: (accounts, id) => accounts.removeByOwner(id, OLD),
};

/** @returns which of the two passwords open the account */
export async function openingPasswords({ accounts }: Service, id: string): Promise<string[]> {
  const opening: string[] = [];
  for (const password of [OLD, NEW]) {
    if ((await accounts.authenticate(id, password)) !== undefined) opening.push(password);
  }
  return opening;
}
