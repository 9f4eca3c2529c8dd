/**
 * Copies of refusals: with the body that the hook `errorReply` makes, or with a detail for logs.
 * Promise: the hook cannot turn a refusal into a success. It changes the body, or throws another
 * error.
 */
import { AuthError, isAuthError, type AuthErrorOptions } from '../errors.ts';

/**
 * @param headersOf returns the headers of the refusal that is sent; default: its own
 * @returns a copy of the refusal with the body that the hook returns. If the hook throws an
 *   AuthError, it is a copy of that one, with its own body. A copy, because a hook may throw one
 *   AuthError for many requests.
 * @throws any other error that the hook throws
 */
export async function withErrorReply(
  refusal: AuthError,
  errorReply: (refusal: AuthError) => unknown,
  headersOf: (sent: AuthError) => AuthError['headers'] = ({ headers }) => headers,
): Promise<AuthError> {
  let sent = refusal;
  let body: unknown;
  try {
    body = await errorReply(refusal);
  } catch (thrown) {
    if (!isAuthError(thrown)) throw thrown;
    sent = thrown;
    body = thrown.body;
  }
  return copyOf(sent, { headers: headersOf(sent), body });
}

/** @returns a refusal with this detail; the refusal itself if there is none, or if it has one */
export function withDetail(refusal: AuthError, detail: string | undefined): AuthError {
  if (detail === undefined || refusal.detail !== undefined) return refusal;
  return copyOf(refusal, { detail, body: refusal.body });
}

function copyOf(refusal: AuthError, changes: AuthErrorOptions): AuthError {
  const { code, status, error, description, headers, cause, detail } = refusal;
  return new AuthError(code, {
    status,
    error,
    description,
    headers,
    cause,
    detail,
    ...changes,
  });
}
