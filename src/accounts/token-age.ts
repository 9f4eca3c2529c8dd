/**
 * Whether tokens and sessions belong to the user who has the name now, or to an earlier user of
 * that name.
 */

import type { Sessions } from '../sessions/sessions.ts';
import type { User } from '../users/store.ts';
import { ownMember } from '../values.ts';

/**
 * A name that was never removed accepts tokens of any age. For a name that was removed, a token
 * must belong to a live session, because a removal ends all sessions. Or it must have been issued
 * after the time of the removal, in whole seconds.
 * @param claims of a verified token; at a refresh the identity alone
 * @param hasSessions whether a `JwtAuth` with sessions judges the token too. It refuses one with
 *   `sid` whose session has ended, and an access token with neither `sid` nor `iat`.
 */
export function isTokenOfUser(
  { validAfter }: Pick<User, 'validAfter'>,
  claims: object,
  hasSessions: boolean,
): boolean {
  if (validAfter === undefined) return true;
  if (hasSessions && Object.hasOwn(claims, 'sid')) return true;
  const issuedAt = ownMember(claims, 'iat');
  if (issuedAt === undefined) return hasSessions;
  return typeof issuedAt === 'number' && Math.floor(issuedAt) > validAfter;
}

/**
 * Ends the sessions that began before an earlier user of the name was removed. A removal through
 * `Accounts` has ended them. They can still be there if the user was removed in the store alone, or
 * if an old copy of the session store was restored.
 * @param user who has the name now
 * @param validAfter of this user
 */
export async function endEarlierSessions(
  { id, createdAt }: User,
  validAfter: number,
  sessions: Pick<Sessions, 'list' | 'end'>,
): Promise<void> {
  // The clock of the removal may have been ahead. What began after the signup is of this user.
  // If `createdAt` is a text that is not a time, `signedUpAt` is NaN, and `validAfter` counts.
  const signedUpAt = Math.floor(Date.parse(createdAt) / 1000);
  const earliestStart = signedUpAt < validAfter ? signedUpAt : validAfter;
  for (const session of await sessions.list(id)) {
    if (session.startedAt < earliestStart) await sessions.end(id, session.id);
  }
}
