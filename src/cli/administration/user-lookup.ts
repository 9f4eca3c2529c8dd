/** Finds a user by a name that an operator typed, for the command and for the server. */
import { canonicalUsername } from '../../accounts/username.ts';
import type { UserAdministration } from './user-administration.ts';

/**
 * An id is tried first: another program may have stored one that is not canonical.
 * @param username the id, or any spelling of the name
 * @returns the id of a user; undefined if there is no such user
 */
export async function idOfUser(
  administration: Pick<UserAdministration, 'exportUser'>,
  username: string,
): Promise<string | undefined> {
  for (const id of [username, canonicalUsername(username)]) {
    if (id !== undefined && (await administration.exportUser(id)) !== undefined) return id;
  }
  return undefined;
}
