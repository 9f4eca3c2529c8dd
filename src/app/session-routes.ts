/** The routes of sessions: refresh, log out, list the sessions of an account, and end them. */
import { AuthError } from '../errors.ts';
import { publishUser } from '../events.ts';
import type { HttpRequest } from '../http/request.ts';
import type { Router } from '../http/router.ts';
import type { SessionInfo } from '../sessions/sessions.ts';
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
 * Adds `POST /refresh`, `POST /logout`, `GET /sessions` and `POST /sessions/end`.
 *
 * A client whose token has no session may use the last two. Then none of the listed sessions is
 * `is_current`. Ending all others also ends this token, because tokens without a session cannot be
 * told apart.
 */
export function addSessionRoutes(router: Router, services: AccountServices): void {
  const { auth, sessions } = services;
  router.post('/refresh', auth.refresh);
  router.post('/logout', auth.logout);
  router.get('/sessions', auth.required(async (_request, user, sessionId) => {
    const found = await sessions.list(user.id);
    return { sessions: found.map((session) => listed(session, sessionId)) };
  }));
  router.post('/sessions/end', auth.required((request, user, sessionId) => {
    return endSessions(services, request, user, sessionId);
  }));
}

/** The times are numbers, as in tokens. */
function listed({ id, startedAt, refreshedAt, agent }: SessionInfo, ownId?: string): object {
  return {
    id,
    started_at: startedAt,
    refreshed_at: refreshedAt,
    agent,
    is_current: id === ownId,
  };
}

/** Ends the session that the body names by its `id`. Without an `id` it ends all others. */
async function endSessions(
  { accounts, sessions, passwordField }: AccountServices,
  request: HttpRequest,
  user: PublicUser,
  sessionId: string | undefined,
): Promise<object> {
  const body = await readObject(request);
  const password = passwordIn(body, passwordField);
  const hasId = Object.hasOwn(body, 'id');
  const id = ownMember(body, 'id');
  if (hasId && typeof id !== 'string') {
    throw new AuthError('ERR_BAD_REQUEST', { description: 'Expected a string as "id"' });
  }
  await accounts.confirmPassword(user.id, password, clientOf(request, sessionId));
  if (typeof id === 'string') {
    if (!(await sessions.end(user.id, id))) {
      throw new AuthError('ERR_BAD_REQUEST', { description: 'The account has no such session' });
    }
    publishUser('logout', user.id, request);
    return success('Session ended');
  }
  const ended = await sessions.endAll(user.id, sessionId);
  if (ended > 0) publishUser('logout', user.id, request);
  return success('All other sessions ended');
}
