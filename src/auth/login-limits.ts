/**
 * The rate limits of a login, for a program with its own users.
 * Accepted: an `authenticate` that never settles keeps its try until the process ends. From one
 * network, ten such logins use up the tries of an account, and 20 those of the network. A hook with
 * a time limit, such as that of a pool of database connections, gives its try back.
 */
import { isAuthError } from '../errors.ts';
import { sourceOf } from '../limits/network.ts';
import type { Client } from '../accounts/client.ts';
import type { Throttle } from '../limits/throttle.ts';
import { accountKeyOf } from './account-key.ts';

/**
 * Runs the check of a login, if the limits allow it. Only a wrong password counts. So a login with
 * a session, which may check a right password twice, counts at most once.
 * @param throttle undefined for no limits
 * @param check returns the user. ERR_CREDENTIALS means that the password is wrong; after any other
 *   error the try does not count.
 * @throws AuthError ERR_THROTTLED, without calling `check`
 * @throws any error that `check` throws
 */
export async function withLimits<Identity>(
  throttle: Throttle | undefined,
  username: string,
  client: Client,
  check: () => Promise<Identity>,
): Promise<Identity> {
  if (throttle === undefined) return check();
  let refusal: unknown;
  // In another framework `address` may not be a string. Such a client has no network.
  const source = sourceOf(typeof client.address === 'string' ? client.address : undefined);
  const checked = await throttle.login(accountKeyOf(username), source, async () => {
    try {
      return { identity: await check() };
    } catch (error) {
      if (!isAuthError(error) || error.code !== 'ERR_CREDENTIALS') throw error;
      refusal = error;
      return undefined;
    }
  });
  if (checked === undefined) throw refusal;
  return checked.identity;
}
