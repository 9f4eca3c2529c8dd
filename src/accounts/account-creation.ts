/**
 * A new account in the user store.
 * Promise: once it is created, a new account has no sessions. A removed user of this name may have
 * left some: an operator deleted the record by hand, or the process ended in the middle of a
 * removal. A signup that loses the name to another one ends none.
 * Accepted: if the process ends right after the insert, or if the session store fails at this
 * moment, the account exists, and the sessions of the earlier user stay.
 */
import { AuthError } from '../errors.ts';
import type { User } from '../users/store.ts';
import { findUser } from './find-user.ts';
import type { AccountsSettings } from './options.ts';

type Settings = Pick<AccountsSettings, 'users' | 'sessions' | 'now'>;

/**
 * @param makeHash called if the name is free
 * @returns the user, once the store has it
 * @throws AuthError ERR_USER_EXISTS, ERR_STORE, and what `makeHash` throws
 */
export async function createUser(
  id: string,
  username: string,
  makeHash: () => string | Promise<string>,
  settings: Settings,
): Promise<User> {
  await requireFreeName(id, settings);
  const passwordHash = await makeHash();
  const user = await insertUser(id, username, passwordHash, settings);
  await endOldSessions(id, settings);
  return user;
}

/**
 * Inserts the record of a user of another store, and ends the sessions that an earlier user of the
 * name has left.
 * @returns false if the name is taken
 * @throws AuthError ERR_STORE; TypeError or RangeError if the store cannot keep the record
 */
export async function insertAndEndOldSessions(
  user: User,
  { users, sessions }: Pick<Settings, 'users' | 'sessions'>,
): Promise<boolean> {
  // Called because it throws if the session store is unavailable. Then no account is created.
  await sessions?.list(user.id);
  if (!(await users.insert(user))) return false;
  await endOldSessions(user.id, { sessions });
  return true;
}

/** @throws AuthError ERR_USER_EXISTS if the name is taken; ERR_STORE */
async function requireFreeName(id: string, { users, sessions }: Settings): Promise<void> {
  if ((await findUser(users, id)) !== undefined) throw new AuthError('ERR_USER_EXISTS');
  // Called because it throws if the session store is unavailable. Then no account is created.
  await sessions?.list(id);
}

/** Ends the sessions that an earlier user of the name has left. */
async function endOldSessions(
  id: string,
  { sessions }: Pick<Settings, 'sessions'>,
): Promise<void> {
  if (sessions === undefined) return;
  // Ends them only if there are some. `endAll` always writes. It would also refuse earlier tokens
  // without a session, which another program may have signed for this user.
  const old = await sessions.list(id);
  if (old.length > 0) await sessions.endAll(id);
}

/** @throws AuthError ERR_USER_EXISTS, ERR_STORE */
async function insertUser(
  id: string,
  username: string,
  passwordHash: string,
  { users, now }: Settings,
): Promise<User> {
  const createdAt = new Date(Math.round(now() * 1000)).toISOString();
  const user: User = {
    id,
    username,
    passwordHash,
    createdAt,
  };
  if (await users.insert(user)) return user;
  throw new AuthError('ERR_USER_EXISTS');
}
