/**
 * The rules for new passwords (NIST SP 800-63B-4 §3.1.1.2, RFC 8265 §4.2): length, characters, not
 * the username, not forbidden. There are no composition rules, such as "at least one digit".
 * Promise: a password that breaks a rule is refused before it is hashed.
 */
import { isPossiblePassword, MAX_PASSWORD_LENGTH } from '../crypto/password.ts';
import { AuthError, isAuthError } from '../errors.ts';
import { expecting } from '../options.ts';
import { canonicalUsername } from './username.ts';

/** Bounds on the length of a new password, in code points after NFC. */
interface PasswordLengths {
  readonly minPasswordLength: number;
  readonly maxPasswordLength: number;
}

/**
 * Decides whether a new password is refused.
 * @param password a new password in NFC
 * @param username as the client sent it, without white space at its ends
 * @returns whether the password is refused
 */
export type IsForbidden = (password: string, username: string) => boolean | Promise<boolean>;

const resultCheck = expecting('to return true or false', (value) => typeof value === 'boolean');

/**
 * Checks the text of a new password alone: its characters, its length, and that it is not the
 * username.
 * @param id the canonical username of the account
 * @returns the password in NFC
 * @throws AuthError ERR_PASSWORD_TOO_SHORT, ERR_PASSWORD_TOO_LONG, ERR_PASSWORD_INVALID;
 *   ERR_PASSWORD_FORBIDDEN if its canonical form as a username is `id`
 */
export function checkPasswordText(
  password: string,
  id: string,
  { minPasswordLength, maxPasswordLength }: PasswordLengths,
): string {
  if (typeof password !== 'string') throw new AuthError('ERR_PASSWORD_INVALID');
  // Before `normalize`, whose time grows with the length of the text.
  if (password.length > MAX_PASSWORD_LENGTH) throw new AuthError('ERR_PASSWORD_TOO_LONG');
  if (!isPossiblePassword(password)) throw new AuthError('ERR_PASSWORD_INVALID');
  const normalized = password.normalize('NFC');
  const { length } = [...normalized];
  const description =
    `Password must have ${minPasswordLength} to ${maxPasswordLength} characters`;
  if (length < minPasswordLength) throw new AuthError('ERR_PASSWORD_TOO_SHORT', { description });
  if (length > maxPasswordLength) throw new AuthError('ERR_PASSWORD_TOO_LONG', { description });
  if (canonicalUsername(password) === id) throw new AuthError('ERR_PASSWORD_FORBIDDEN');
  return normalized;
}

/**
 * Asks the list of common passwords, or the function `isForbidden` that replaces it.
 * @param password in NFC, so that a forbidden password is recognised in every Unicode spelling
 * @param username as the client sent it, without white space at its ends
 * @throws AuthError ERR_PASSWORD_FORBIDDEN
 * @throws TypeError if `isForbidden` returns neither true nor false
 */
export async function refuseForbidden(
  password: string,
  username: string,
  isForbidden: IsForbidden,
): Promise<void> {
  const isRefused = await isForbidden(password, username);
  // A function with a forgotten `return` must not let every password through.
  resultCheck('isForbidden', isRefused);
  if (isRefused) throw new AuthError('ERR_PASSWORD_FORBIDDEN');
}

const PASSWORD_CODES: ReadonlySet<string> = new Set([
  'ERR_PASSWORD_TOO_SHORT',
  'ERR_PASSWORD_TOO_LONG',
  'ERR_PASSWORD_INVALID',
  'ERR_PASSWORD_FORBIDDEN',
]);

/**
 * Applies a rule to the new password of an account that exists. A refusal gets the title
 * `Password refused` and the usual body. The body of a signup has the shape of the tutorial, which
 * has no route for a new password.
 * @throws AuthError ERR_PASSWORD_* with that title; any other error of `rule`
 */
export async function asPasswordChange<T>(rule: () => T | Promise<T>): Promise<T> {
  try {
    return await rule();
  } catch (thrown) {
    if (!isAuthError(thrown) || !PASSWORD_CODES.has(thrown.code)) throw thrown;
    const { code, status, description, headers, cause } = thrown;
    const error = 'Password refused';
    const body = { status_code: status, error, description };
    throw new AuthError(code, {
      status,
      error,
      description,
      headers,
      body,
      cause,
    });
  }
}
