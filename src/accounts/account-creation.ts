/**
 * A new account in the user store.
 * Promise: a new account has no sessions. A user of this name who was removed may have left some,
 * if the record was deleted by hand, or if the process ended in the middle of a removal.
 */
import { AuthError } from '../errors.ts';
import type { User } from '../users/store.ts';
import type { AccountsSettings } from './options.ts';

/**
 * Ends what sessions a free name still has.
 * @throws AuthError ERR_USER_EXISTS if the name is taken; ERR_STORE
 */
export async function requireFreeName(
  id: string,
  { users, sessions }: Pick<AccountsSettings, 'users' | 'sessions'>,
): Promise<void> {
  if ((await users.find(id)) !== undefined) throw new AuthError('ERR_USER_EXISTS');
  if (sessions === undefined) return;
  // Only read, as a rule: to end all would also refuse tokens that were issued before the signup.
  const left = await sessions.list(id);
  if (left.length > 0) await sessions.endAll(id);
}

/**
 * @returns the user as stored, from now on
 * @throws AuthError ERR_USER_EXISTS, ERR_STORE
 */
export async function insertUser(
  id: string,
  username: string,
  passwordHash: string,
  { users, now }: Pick<AccountsSettings, 'users' | 'now'>,
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
