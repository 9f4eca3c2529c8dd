/**
 * The rate limits of a login, for a program with its own users.
 * Promise: spellings of a username that differ by letter case, width, invisible characters, accents
 * or white space at the ends count for one account. A database may treat them as the same user, by
 * its collation. If each counted for itself, each would give an attacker more guesses.
 */
import { foldedUsername } from '../accounts/username.ts';
import type { Client } from '../accounts/client.ts';
import { isAuthError } from '../errors.ts';
import { sourceOf } from '../limits/network.ts';
import type { Throttle } from '../limits/throttle.ts';

/** The length of the longest username of `Accounts`. */
const MAX_KEY_CODE_POINTS = 80;

/** In any normal form of Unicode, a letter with its accents has at most four code units. */
const MAX_FOLDED_CODE_UNITS = 4 * MAX_KEY_CODE_POINTS;

/** Invisible characters, and the accents of Latin, Greek and Cyrillic letters. */
const IGNORED = /[\p{Default_Ignorable_Code_Point}\u0300-\u036f]/gu;

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
  // As in Bun, where `address` of a request may be an object. Such a client has no network.
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

/**
 * @param username any text that a client sent
 * @returns for usernames of `Accounts` the canonical one without its accents; for any other text
 *   the first 80 code points of its folded form
 */
export function accountKeyOf(username: string): string {
  // Cut before it is normalised, which bounds the work.
  const start = username.replace(IGNORED, '').trim().slice(0, MAX_FOLDED_CODE_UNITS);
  const letters = foldedUsername(start).normalize('NFD').replace(IGNORED, '').normalize('NFC');
  return [...letters.trim()].slice(0, MAX_KEY_CODE_POINTS).join('');
}
