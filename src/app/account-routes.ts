/** The routes with which the owner of an account changes its password or removes it. */
import { AuthError } from '../errors.ts';
import type { JwtAuthOptions } from '../auth/options.ts';
import type { HttpRequest } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { PublicUser } from '../users/store.ts';
import { ownMember } from '../values.ts';
import { clientOf, passwordIn, readObject, success } from './bodies.ts';
import type { AccountServices } from './session-routes.ts';

/** How the application replies to a login. */
type LoginReply = JwtAuthOptions<PublicUser>['loginReply'];

/**
 * Adds `POST /password`, and `POST /account/remove` if the store can remove a user. A client whose
 * token has no session may use them too, and its token ends as all others do.
 */
export function addAccountRoutes(
  router: Router,
  services: AccountServices,
  canRemove: boolean,
  loginReply?: LoginReply,
): void {
  const { auth, accounts, passwordField } = services;
  router.post('/password', auth.required((request: HttpRequest, user, sessionId) => {
    return changePassword(services, loginReply, request, user, sessionId);
  }));
  if (!canRemove) return;
  router.post('/account/remove', auth.required(async (request: HttpRequest, user, sessionId) => {
    const password = passwordIn(await readObject(request), passwordField);
    const client = clientOf(request, sessionId);
    await accounts.confirmPassword(user.id, password, client);
    await accounts.remove(user.id, client);
    return success('User removed');
  }));
}

/** @returns the reply to a login with the new password */
async function changePassword(
  { auth, accounts, passwordField }: AccountServices,
  loginReply: LoginReply,
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
  const issued = await auth.issue(changed, request, { refresh });
  if (loginReply === undefined) return issued;
  const refreshToken = 'refresh_token' in issued ? issued.refresh_token : undefined;
  return loginReply(issued.access_token, changed, refreshToken);
}
