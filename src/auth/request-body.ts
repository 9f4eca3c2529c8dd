/**
 * Reads the body of a request: the username and the password of a login, or a refresh token.
 * Promise: only own members of the body are read. No AuthError of this file quotes the body, and a
 * SyntaxError, which may quote it, is replaced. Any other error of `request.json` is passed on.
 */
import { AuthError, type AuthErrorOptions } from '../errors.ts';
import { expecting } from '../options.ts';
import { isErrorNamed, isObject, ownMember } from '../values.ts';
import { fieldDetail } from './refusal-details.ts';
import type { Client } from '../accounts/client.ts';

/** The parts of a request that a login, a refresh or a logout reads. */
export interface AuthRequest extends Client {
  /**
   * If it is a function, `header(name)` must return the value of a header, ignoring letter case:
   * the User-Agent at a login, and the Authorization at a logout. A request with `headers` does not
   * need it. Any other object, such as that of Koa, is ignored.
   */
  readonly header?: ((name: string) => string | null | undefined) | object | undefined;
  /**
   * @returns the parsed body, or a promise of it
   * @throws SyntaxError if the body is not JSON
   */
  json(): unknown;
}

interface Credentials {
  readonly username: string;
  readonly password: string;
  /** Whether the client asks for a refresh token. */
  readonly wantsRefresh: boolean;
}

/** With `app.post(path, auth.login)` Express passes a message of node:http. It has no `json`. */
const requestCheck = expecting(
  'an object with a method "json" (in Express use login(auth) of latchkey/express)',
  (value) => isObject(value) && typeof value['json'] === 'function',
);

/**
 * @param usernameField the name of the member of the body with the username
 * @param passwordField the name of the member of the body with the password
 * @throws AuthError ERR_BODY if the body is not JSON, ERR_LOGIN_BODY if it is not an object,
 *   ERR_CREDENTIALS if a field is not a string or is empty
 * @throws TypeError if `request` has no method `json`
 */
export async function readCredentials(
  request: AuthRequest,
  usernameField: string,
  passwordField: string,
): Promise<Credentials> {
  const body = await readJsonBody(request);
  if (!isObject(body)) throw new AuthError('ERR_LOGIN_BODY');
  const username = ownMember(body, usernameField);
  const password = ownMember(body, passwordField);
  if (!isFilled(username) || !isFilled(password)) {
    const detail = fieldDetail(body, usernameField, passwordField);
    throw new AuthError('ERR_CREDENTIALS', { detail });
  }
  return { username, password, wantsRefresh: ownMember(body, 'refresh') === true };
}

/**
 * @throws AuthError ERR_BODY if the body is not JSON, ERR_REFRESH_BODY if it is not an object with
 *   a string `refresh_token`
 */
export async function readRefreshToken(request: AuthRequest): Promise<string> {
  return refreshTokenIn(await readJsonBody(request));
}

/**
 * @param body the parsed body
 * @param options for the refusal
 * @throws AuthError ERR_REFRESH_BODY
 */
export function refreshTokenIn(body: unknown, options?: AuthErrorOptions): string {
  const token = isObject(body) ? ownMember(body, 'refresh_token') : undefined;
  if (!isFilled(token)) throw new AuthError('ERR_REFRESH_BODY', options);
  return token;
}

/**
 * @throws AuthError ERR_BODY if the body is not JSON
 * @throws TypeError if `request` has no method `json`
 */
export async function readJsonBody(request: AuthRequest): Promise<unknown> {
  requestCheck('request', request);
  try {
    return await request.json();
  } catch (error) {
    // The message of a SyntaxError quotes the body.
    throw isErrorNamed(error, 'SyntaxError') ? new AuthError('ERR_BODY') : error;
  }
}

function isFilled(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
