/**
 * Reads a username and a password from a login request.
 * Promise: only own members of the body count. No AuthError of this file quotes the body, and a
 * SyntaxError, which may quote it, is replaced. Any other error of `request.json` is passed on.
 */
import { AuthError } from '../errors.ts';
import { objectWith } from '../options.ts';
import { isErrorNamed, isObject, ownMember } from '../values.ts';
import type { Client } from '../accounts/client.ts';

/** The parts of a request that a login reads. */
export interface AuthRequest extends Client {
  /**
   * @returns the parsed body, or a promise of it
   * @throws SyntaxError if the body is not JSON
   */
  json(): unknown;
}

interface Credentials {
  readonly username: string;
  readonly password: string;
}

const requestCheck = objectWith('json');

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
  const body = await readBody(request);
  const username = ownMember(body, usernameField);
  const password = ownMember(body, passwordField);
  if (!isFilled(username) || !isFilled(password)) throw new AuthError('ERR_CREDENTIALS');
  return { username, password };
}

async function readBody(request: AuthRequest): Promise<object> {
  requestCheck('request', request);
  let body: unknown;
  try {
    body = await request.json();
  } catch (error) {
    // The message of a SyntaxError quotes the body.
    throw isErrorNamed(error, 'SyntaxError') ? new AuthError('ERR_BODY') : error;
  }
  if (!isObject(body)) throw new AuthError('ERR_LOGIN_BODY');
  return body;
}

function isFilled(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
