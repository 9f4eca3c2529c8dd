/**
 * Calls the hook `errorReply`, which makes the body of a refusal.
 * Promise: the hook cannot turn a refusal into a success. It changes the body, or throws another
 * error.
 */
import { changedRefusal, isAuthError, type AuthError } from '../errors.ts';

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
  return changedRefusal(sent, { headers: headersOf(sent), body });
}
