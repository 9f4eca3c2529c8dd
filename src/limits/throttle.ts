/**
 * Rate limits for passwords and signups, by account and by network (an IPv4 address, an IPv6 /64).
 * Promise, with the default options, however many tries come at once and however long each takes:
 *
 * 1. One account takes at most 100 wrong passwords in any hour, from all networks together.
 * 2. One network has at most 10 of them, so no single network locks an owner out.
 * 3. One network gives at most 20 wrong passwords in any 20 minutes for all accounts together, and
 *    10 more for accounts that have logged in from it.
 * 4. Guesses from other networks do not keep an owner out at a network where a login of the account
 *    succeeded: the last 30 of the 100 are for the three networks where it logged in last.
 * 5. One network makes at most 50 signups in any hour.
 * 6. The limit is asked before the store, before a hook and before a hash.
 * 7. What is kept for a key has the same size whatever the client sent.
 *
 * A try counts from its beginning until its outcome is known, and for the window if it failed. A
 * right password, a full queue and a store that is away do not count. A success clears nothing:
 * otherwise a client that logs in every few minutes would keep guesses free for an attacker. A
 * signup counts whatever comes of it, unless the store is away: it has asked the hook, and a client
 * that hangs up early can tell from the time whether the name was free.
 *
 * Accepted: NIST SP 800-63B-4 §3.2.2 disables an account after 100 failures in a row, which would
 * let an attacker keep an owner out for good. Here attackers on seven networks can keep an owner
 * out at an unknown network, and an attacker on the owner's own network out of that one, for as
 * long as they guess. `MemoryCounts` forgets counts and known networks at a restart, and those that
 * were written longest ago when it is full.
 */
import { hash } from 'node:crypto';
import { AuthError } from '../errors.ts';
import { integerBetween, readOptions, type Checks } from '../options.ts';
import { EVENTS } from '../events.ts';
import type { Counts, Limit, LimitKind } from './counts.ts';
import type { ClientSource } from './network.ts';

/** How many tries may fail. Any more are refused until an earlier one is older than the window. */
export interface LimitOptions {
  /**
   * Wrong passwords for one account from one network in any hour; 1 to 10, default 10. From all
   * networks together the account takes ten times as many.
   */
  readonly triesPerAccount?: number;
  /**
   * Wrong passwords from one network, for all accounts, in any 20 minutes; 1 to 1,000,000, default
   * 20. For accounts that have logged in from it, half as many more.
   */
  readonly triesPerAddress?: number;
  /** Signups from one network in any hour; 1 to 1,000,000, default 50. */
  readonly signupsPerAddress?: number;
}

const OPTION_CHECKS: Checks<LimitOptions> = {
  // Ten networks with 10 each are the 100 in an hour of NIST SP 800-63B-4 §3.2.2.
  triesPerAccount: integerBetween(1, 10),
  triesPerAddress: integerBetween(1, 1_000_000),
  signupsPerAddress: integerBetween(1, 1_000_000),
};

const DEFAULTS = {
  triesPerAccount: 10,
  triesPerAddress: 20,
  signupsPerAddress: 50,
};

const HOUR_SECONDS = 3600;
const TWENTY_MINUTES_SECONDS = 1200;

/**
 * An account takes so many times the tries of one network: 100, of which unknown networks get 70.
 */
const BUDGETS_PER_ACCOUNT = { all: 10, unknown: 7 };

/** Refuses tries that come too often. */
export class Throttle {
  readonly #options: Required<LimitOptions>;
  readonly #counts: Counts;

  /** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
  constructor(options: LimitOptions, counts: Counts) {
    this.#options = { ...DEFAULTS, ...readOptions(options, OPTION_CHECKS) };
    this.#counts = counts;
  }

  /**
   * Lets a login check its password, if the limits allow it.
   * @param id the canonical username, whether or not there is such a user
   * @param check answers the user, or undefined for an unknown user or a wrong password: that
   *   counts
   * @returns what `check` answers
   * @throws AuthError ERR_THROTTLED without a call of `check`; what `check` throws, which does not
   *   count
   */
  async login<T>(
    id: string,
    source: ClientSource,
    check: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const { network } = source;
    const account = keyOf('account', id);
    const networks = await this.#counts.networksOf(account);
    const isKnown = network !== undefined && networks.includes(network);
    const limits = this.#loginLimits(id, account, network, isKnown);
    await this.#begin('login', source, limits);
    let isCounted = false;
    try {
      const user = await check();
      isCounted = user === undefined;
      if (user !== undefined && network !== undefined) {
        await this.#counts.addNetwork(account, network);
      }
      return user;
    } finally {
      await this.#counts.end(limits, isCounted);
    }
  }

  /**
   * Lets a signup go on, if the limits allow it. Without a network there is no limit.
   * @throws AuthError ERR_THROTTLED without a call of `job`; what `job` throws
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
    await this.#begin('signup', source, [limit]);
    let isCounted = true;
    try {
      return await job();
    } catch (error) {
      isCounted = !(error instanceof AuthError && error.code === 'ERR_STORE');
      throw error;
    } finally {
      await this.#counts.end([limit], isCounted);
    }
  }

  /** Clients without a network share one count for each account. */
  #loginLimits(
    id: string,
    account: string,
    network: string | undefined,
    isKnown: boolean,
  ): Limit[] {
    const { triesPerAccount, triesPerAddress } = this.#options;
    const budgets = isKnown ? BUDGETS_PER_ACCOUNT.all : BUDGETS_PER_ACCOUNT.unknown;
    const ofAccount: Limit = {
      kind: 'account',
      key: account,
      maxTries: triesPerAccount * budgets,
      windowSeconds: HOUR_SECONDS,
    };
    const ofAccountAndNetwork: Limit = {
      kind: 'account and network',
      key: keyOf('account and network', id, network ?? ''),
      maxTries: triesPerAccount,
      windowSeconds: HOUR_SECONDS,
    };
    if (network === undefined) return [ofAccount, ofAccountAndNetwork];
    const ofNetwork: Limit = {
      kind: 'network',
      key: keyOf('network', network),
      maxTries: isKnown ? triesPerAddress + Math.ceil(triesPerAddress / 2) : triesPerAddress,
      windowSeconds: TWENTY_MINUTES_SECONDS,
    };
    return [ofAccount, ofAccountAndNetwork, ofNetwork];
  }

  /** @throws AuthError ERR_THROTTLED if a limit is reached */
  async #begin(
    kind: 'login' | 'signup',
    { address }: ClientSource,
    limits: readonly Limit[],
  ): Promise<void> {
    const retryAfterSeconds = await this.#counts.begin(limits);
    if (retryAfterSeconds === 0) return;
    if (EVENTS.throttle.hasSubscribers) {
      EVENTS.throttle.publish({ kind, retryAfterSeconds, address });
    }
    const headers = { 'Retry-After': String(retryAfterSeconds) };
    throw new AuthError('ERR_THROTTLED', { headers });
  }
}

/**
 * A digest has one length, and hides a name, which may be a password typed into the wrong field.
 */
function keyOf(kind: LimitKind, ...parts: readonly string[]): string {
  return hash('sha256', JSON.stringify([kind, ...parts]), 'base64url');
}
