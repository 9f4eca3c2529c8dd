/** The routes with which the owner of an account changes its password or removes it. */
import { AuthError } from '../errors.ts';
import type { HttpRequest } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { PublicUser } from '../users/store.ts';
import { ownMember } from '../values.ts';
import {
  clientOf,
  passwordIn,
  readObject,
  success,
  type AccountServices,
} from './account-requests.ts';

/**
 * Adds `POST /password`, and `POST /account/remove` if the store can remove a user. A client whose
 * token has no session may use them too. Its token then ends with all others.
 */
export function addAccountRoutes(router: Router, services: AccountServices): void {
  const { auth, accounts, passwordField, canRemove } = services;
  router.post('/password', auth.required((request, user, sessionId) => {
    return changePassword(services, request, user, sessionId);
  }));
  if (!canRemove) return;
  router.post('/account/remove', auth.required(async (request, user, sessionId) => {
    const password = passwordIn(await readObject(request), passwordField);
    await accounts.removeByOwner(user.id, password, clientOf(request, sessionId));
    return success('User removed');
  }));
}

/** @returns the reply to a login with the new password */
async function changePassword(
  { auth, accounts, passwordField }: AccountServices,
  request: HttpRequest,
  user: PublicUser,
  sessionId: string | undefined,
): Promise<unknown> {
  const newField = `new_${passwordField}`;
  const body = await readObject(request);
  const password = passwordIn(body, passwordField);
  const newPassword = ownMember(body, newField);
  if (typeof newPassword !== 'string') {
    const members = `the strings "${passwordField}" and "${newField}"`;
    throw new AuthError('ERR_BAD_REQUEST', {
      error: 'Password refused',
      description: `Expected a JSON object with ${members}`,
    });
  }
  const client = clientOf(request, sessionId);
  const changed = await accounts.changePassword(user.id, password, newPassword, client);
  const refresh = ownMember(body, 'refresh') === true;
  return auth.issueReply(changed, request, { refresh });
}
