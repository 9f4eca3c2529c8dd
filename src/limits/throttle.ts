/**
 * Rate limits for logins, signups and confirmations, against brute force and password spraying. A
 * confirmation is the password of a user who is logged in, on a guarded route. The limits are by
 * account, by session and by network, which is an IPv4 address or an IPv6 /64. All limits have
 * sliding windows.
 * Promise, with the default options, however many tries come at once and however long each takes.
 * Promises 1 to 4 are about logins alone:
 *
 * 1. For one account, at most 100 wrong passwords are checked in any hour, from all networks.
 * 2. At most 10 of these come from one network, so guesses from a single network do not lock an
 *    owner out of other networks.
 * 3. From one network, at most 20 wrong passwords are checked in any 20 minutes, for all accounts
 *    together, and 10 more for accounts that have logged in from that network.
 * 4. Guesses from other networks do not lock an owner out of the three networks where the account
 *    logged in last: the last 30 of the 100 tries are reserved for them.
 * 5. From one network, at most 50 signups are tried in any hour.
 * 6. A limit refuses a try before the store, `isForbidden` or the hasher is called.
 * 7. What is kept for a key has a bounded size, whatever the client sent.
 * 8. For one account and session, at most 10 wrong passwords of confirmations are checked in any
 *    hour. All tokens of one account that have no session share one count.
 * 9. Logins and confirmations never count for each other. Guesses at logins do not keep an owner
 *    from ending a session, and guesses with a stolen token do not keep the owner from logging in.
 *
 * Which tries count:
 *
 * - A login counts while it is in flight. If the password is wrong, it counts for one window more.
 *   A login with the right password, or one that ends with an error, such as a full queue or an
 *   unavailable store, does not count any more. Confirmations count in the same way.
 * - A success does not clear the wrong passwords before it. Otherwise an attacker could guess
 *   without end at an account whose owner logs in every few minutes.
 * - A signup that the limit lets through counts whatever its outcome, unless the store is
 *   unavailable.
 *   The time that it took can reveal whether the name was free, even to a client that disconnects
 *   early: the hasher is not called for a name that is taken.
 *
 * Accepted: attackers on seven networks can lock an owner out of all unknown networks for as long
 * as they guess. An attacker on the owner's own network can do so there. That is milder than NIST
 * SP 800-63B-4 §3.2.2, which disables the account after 100 failures in a row: there an attacker
 * could lock the owner out for good.
 * Accepted: a thief with a token without a session can use up the confirmations of all such tokens
 * of the account. A thief with the tokens of a session can use up those of this session: the owner
 * logs in again, which begins another one.
 * Accepted: a login whose client disconnects while it waits for the hasher does not count, because
 * nothing was verified. Once its hash is being verified, it counts like any other.
 * Accepted: a check that never settles counts until the process ends.
 * Accepted: `MemoryCounts` counts for one process, and forgets counts and known networks at a
 * restart. When it is full, it evicts those that were written longest ago. With
 * `PostgresLimitCounts` the promises hold for all servers together and across restarts, for checks
 * that take less than a window. `postgres.ts` says what it accepts instead.
 */
import { hash } from 'node:crypto';
import { AuthError, isAuthError } from '../errors.ts';
import { integerBetween, objectWith, readOptions, type Checks } from '../options.ts';
import { EVENTS } from '../events.ts';
import {
  KNOWN_NETWORKS_PER_ACCOUNT,
  type Limit,
  type LimitCounts,
  type LimitKind,
  type Try,
} from './counts.ts';
import type { ClientSource } from './network.ts';

/** How many tries may count in one window. More are refused until the oldest one leaves it. */
export interface LimitOptions {
  /**
   * Wrong passwords per account and network in any hour; 1 to 10, default 10. An account has ten
   * times as many from all networks together: 100. On guarded routes the same number per account
   * and session.
   */
  readonly triesPerAccount?: number;
  /**
   * Wrong passwords per network, for all accounts together, in any 20 minutes; 1 to 1,000,000,
   * default 20. For accounts that have logged in from the network, half as many more are checked.
   */
  readonly triesPerAddress?: number;
  /** Signups per network in any hour; 1 to 1,000,000, default 50. */
  readonly signupsPerAddress?: number;
  /**
   * Where tries are counted, such as a `PostgresLimitCounts` that several servers share. Default:
   * the memory of this process.
   */
  readonly counts?: LimitCounts;
}

const OPTION_CHECKS: Checks<LimitOptions> = {
  // At most 10: an account has the tries of ten networks, and NIST SP 800-63B-4 §3.2.2 allows 100.
  triesPerAccount: integerBetween(1, 10),
  triesPerAddress: integerBetween(1, 1_000_000),
  signupsPerAddress: integerBetween(1, 1_000_000),
  counts: objectWith('begin', 'networksOf', 'addNetwork'),
};

const DEFAULTS = {
  triesPerAccount: 10,
  triesPerAddress: 20,
  signupsPerAddress: 50,
};

const HOUR_SECONDS = 3600;
const TWENTY_MINUTES_SECONDS = 1200;

/**
 * An account has the tries of ten networks: 100 by default. The tries of its three known networks
 * are reserved, so all unknown networks together have 70.
 */
const NETWORKS_PER_ACCOUNT = 10;
const UNKNOWN_NETWORKS_PER_ACCOUNT = NETWORKS_PER_ACCOUNT - KNOWN_NETWORKS_PER_ACCOUNT;

/** The rate limiter: refuses logins, confirmations and signups beyond the limits. */
export class Throttle {
  readonly #options: Required<Omit<LimitOptions, 'counts'>>;
  readonly #counts: LimitCounts;

  /**
   * @param defaultCounts used unless the options have `counts`
   * @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds
   */
  constructor(options: LimitOptions, defaultCounts: LimitCounts) {
    const { counts = defaultCounts, ...given } = readOptions(options, OPTION_CHECKS);
    this.#options = { ...DEFAULTS, ...given };
    this.#counts = counts;
  }

  /**
   * Runs the check of a login, if the limits allow it.
   * @param id the canonical username, whether or not there is such a user
   * @param check returns the user; or undefined for an unknown user or a wrong password, and then
   *   the try counts
   * @returns the result of `check`
   * @throws AuthError ERR_THROTTLED, without calling `check`
   * @throws any error that `check` throws, and then the try does not count
   */
  async login<T>(
    id: string,
    source: ClientSource,
    check: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const { network } = source;
    const accountKey = keyOf('account', id);
    const networkKey = network === undefined ? undefined : keyOf('known network', id, network);
    const knownNetworks = await this.#counts.networksOf(accountKey);
    const isKnownNetwork = networkKey !== undefined && knownNetworks.includes(networkKey);
    const begun = await this.#begin(
      'login',
      source,
      this.#loginLimits(id, network, isKnownNetwork),
    );
    return endAfterCheck(begun, async () => {
      const user = await check();
      if (user !== undefined && networkKey !== undefined) {
        await this.#counts.addNetwork(accountKey, networkKey);
      }
      return user;
    });
  }

  /**
   * Runs the check of a password on a guarded route, if the limit allows it.
   * @param id of the user of the token
   * @param sessionId of the token; undefined for a token without a session
   * @param check as for `login`
   * @returns the result of `check`
   * @throws AuthError ERR_THROTTLED, without calling `check`
   * @throws any error that `check` throws, and then the try does not count
   */
  async confirm<T>(
    id: string,
    sessionId: string | undefined,
    source: ClientSource,
    check: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const kind = 'account and session';
    const limit: Limit = {
      kind,
      key: sessionId === undefined ? keyOf(kind, id) : keyOf(kind, id, sessionId),
      maxTries: this.#options.triesPerAccount,
      windowSeconds: HOUR_SECONDS,
    };
    const begun = await this.#begin('confirmation', source, [limit]);
    return endAfterCheck(begun, check);
  }

  /**
   * Runs a signup, if the limit allows it. For a client without a network there is no limit.
   * @returns the result of `job`
   * @throws AuthError ERR_THROTTLED, without calling `job`
   * @throws any error that `job` throws
   */
  async signup<T>(source: ClientSource, job: () => Promise<T>): Promise<T> {
    const { network } = source;
    if (network === undefined) return job();
    const limit: Limit = {
      kind: 'signups',
      key: keyOf('signups', network),
      maxTries: this.#options.signupsPerAddress,
      windowSeconds: HOUR_SECONDS,
    };
    const begun = await this.#begin('signup', source, [limit]);
    let isStoreAvailable = true;
    try {
      return await job();
    } catch (error) {
      isStoreAvailable = !(isAuthError(error) && error.code === 'ERR_STORE');
      throw error;
    } finally {
      await begun.end(isStoreAvailable);
    }
  }

  /** Clients without a network share one count per account, and have no limit by network. */
  #loginLimits(id: string, network: string | undefined, isKnownNetwork: boolean): Limit[] {
    const { triesPerAccount, triesPerAddress } = this.#options;
    const networks = isKnownNetwork ? NETWORKS_PER_ACCOUNT : UNKNOWN_NETWORKS_PER_ACCOUNT;
    const byAccount: Limit = {
      kind: 'account',
      key: keyOf('account', id),
      maxTries: triesPerAccount * networks,
      windowSeconds: HOUR_SECONDS,
    };
    const byAccountAndNetwork: Limit = {
      kind: 'account and network',
      key: keyOf('account and network', id, network ?? ''),
      maxTries: triesPerAccount,
      windowSeconds: HOUR_SECONDS,
    };
    if (network === undefined) return [byAccount, byAccountAndNetwork];
    const extraTries = isKnownNetwork ? Math.ceil(triesPerAddress / 2) : 0;
    const byNetwork: Limit = {
      kind: 'network',
      key: keyOf('network', network),
      maxTries: triesPerAddress + extraTries,
      windowSeconds: TWENTY_MINUTES_SECONDS,
    };
    return [byAccount, byAccountAndNetwork, byNetwork];
  }

  /**
   * @returns the try, which the caller must end
   * @throws AuthError ERR_THROTTLED if a limit is reached
   */
  async #begin(
    kind: 'login' | 'confirmation' | 'signup',
    { address }: ClientSource,
    limits: readonly Limit[],
  ): Promise<Try> {
    const begun = await this.#counts.begin(limits);
    if (typeof begun !== 'number') return begun;
    const retryAfterSeconds = begun;
    if (EVENTS.throttle.hasSubscribers) {
      EVENTS.throttle.publish({ kind, retryAfterSeconds, address });
    }
    const headers = { 'Retry-After': String(retryAfterSeconds) };
    throw new AuthError('ERR_THROTTLED', { headers });
  }
}

/**
 * Runs a check and ends its try. If the password is wrong, the try still counts.
 * @param check as for `Throttle.login`
 */
async function endAfterCheck<T>(
  begun: Try,
  check: () => Promise<T | undefined>,
): Promise<T | undefined> {
  let isWrongPassword = false;
  try {
    const user = await check();
    isWrongPassword = user === undefined;
    return user;
  } finally {
    await begun.end(isWrongPassword);
  }
}

/**
 * @returns a key of constant length. It does not show the username, which may be a password that
 *   was typed into the wrong field. The hash has no secret, so a person with the key can test
 *   guesses.
 */
function keyOf(kind: LimitKind | 'known network', ...parts: readonly string[]): string {
  return hash('sha256', JSON.stringify([kind, ...parts]), 'base64url');
}
