/**
 * What the routes of an account share: their services, and the parts of requests and replies.
 * Promise: only own members of a body count, so `__proto__` and inherited names change nothing.
 */
import { AuthError } from '../errors.ts';
import type { Accounts } from '../accounts/accounts.ts';
import type { SessionClient } from '../accounts/client.ts';
import { fieldDetail } from '../auth/refusal-details.ts';
import type { JwtAuth } from '../auth/jwt-auth.ts';
import type { HttpRequest } from '../http/request.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { PublicUser } from '../users/store.ts';
import { isObject, ownMember } from '../values.ts';

/** What the routes of an account need. */
export interface AccountServices {
  readonly auth: JwtAuth<PublicUser, unknown>;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  /** The name of the member of a body with the password. */
  readonly passwordField: string;
  /** Whether the store can remove a user. */
  readonly canRemove: boolean;
}

/** The shape of a successful reply in the tutorial. */
export function success(result: string): object {
  return { Status: 'Success', result };
}

/** @throws AuthError as `HttpRequest.json`; ERR_LOGIN_BODY if the body is not a JSON object */
export async function readObject(request: HttpRequest): Promise<object> {
  const body = await request.json();
  if (!isObject(body)) throw new AuthError('ERR_LOGIN_BODY');
  return body;
}

/**
 * @returns the password with which a client confirms that it is the owner of the account
 * @throws AuthError ERR_CREDENTIALS as a login does, if it is missing, empty or not a string
 */
export function passwordIn(body: object, passwordField: string): string {
  const password = ownMember(body, passwordField);
  if (typeof password === 'string' && password !== '') return password;
  throw new AuthError('ERR_CREDENTIALS', { detail: fieldDetail(body, passwordField) });
}

/** @returns the client: a wrong password counts for the account and this session */
export function clientOf(request: HttpRequest, sessionId: string | undefined): SessionClient {
  const { address, signal } = request;
  return { address, signal, sessionId };
}
