/**
 * Rate limiting of logins and signups, against brute force and password spraying. The windows
 * slide. The limits are by account and by network, which is an IPv4 address or an IPv6 /64.
 * Promise, with the default options, however many tries come at once and however long each takes:
 *
 * 1. One account takes at most 100 wrong passwords in any hour, from all networks together.
 * 2. One network has at most 10 of them, so no single network locks an owner out.
 * 3. One network gives at most 20 wrong passwords in any 20 minutes for all accounts together, and
 *    10 more for accounts that have logged in from it.
 * 4. Guesses from other networks do not lock an owner out of a network where the account has logged
 *    in: the last 30 of the 100 are for the three networks where it logged in last.
 * 5. One network makes at most 50 signups in any hour.
 * 6. The limits come before the store, the hook and the hash.
 * 7. What is kept for a key has the same size whatever the client sent.
 *
 * A login counts while it is in flight, and for one window more if it failed. A right password, a
 * full queue and an unavailable store do not count. A success clears nothing: otherwise a client
 * that logs in every few minutes would keep guesses free for an attacker. A signup counts whatever
 * its outcome, unless the store is unavailable: it has asked the hook, and its time tells a client
 * that disconnects early whether the name was free.
 *
 * Accepted: NIST SP 800-63B-4 §3.2.2 disables an account after 100 failures in a row, which would
 * let an attacker lock an owner out for good. Here attackers on seven networks can lock an owner
 * out of unknown networks, for as long as they guess. An attacker on the owner's own network can do
 * so there. `MemoryCounts` forgets counts and known networks at a restart, and evicts those that
 * were written longest ago when it is full.
 */
import { hash } from 'node:crypto';
import { AuthError } from '../errors.ts';
import { integerBetween, readOptions, type Checks } from '../options.ts';
import { EVENTS } from '../events.ts';
import type { Counts, Limit, LimitKind } from './counts.ts';
import type { ClientSource } from './network.ts';

/** How many tries may fail. More are refused until the earliest one has left the window. */
export interface LimitOptions {
  /**
   * Wrong passwords for one account from one network in any hour; 1 to 10, default 10. From all
   * networks together an account takes ten times as many.
   */
  readonly triesPerAccount?: number;
  /**
   * Wrong passwords from one network, for all accounts, in any 20 minutes; 1 to 1,000,000, default
   * 20. Accounts that have logged in from the network have half as many more.
   */
  readonly triesPerAddress?: number;
  /** Signups from one network in any hour; 1 to 1,000,000, default 50. */
  readonly signupsPerAddress?: number;
}

const OPTION_CHECKS: Checks<LimitOptions> = {
  // Ten networks with 10 each make the 100 an hour of NIST SP 800-63B-4 §3.2.2.
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

/** An account takes the tries of so many networks: by default 100, and 70 from unknown networks. */
const NETWORKS_PER_ACCOUNT = {
  all: 10,
  unknown: 7,
};

/** The rate limiter: refuses tries that come too often. */
export class Throttle {
  readonly #options: Required<LimitOptions>;
  readonly #counts: Counts;

  /** @throws TypeError or RangeError if an option is unknown, of the wrong kind or out of bounds */
  constructor(options: LimitOptions, counts: Counts) {
    this.#options = { ...DEFAULTS, ...readOptions(options, OPTION_CHECKS) };
    this.#counts = counts;
  }

  /**
   * Runs the check of a login, if the limits allow it.
   * @param id the canonical username, whether or not there is such a user
   * @param check returns the user, or undefined for an unknown user or a wrong password, which
   *   counts
   * @returns what `check` returns
   * @throws AuthError ERR_THROTTLED, and then `check` is not called
   * @throws what `check` throws, which does not count
   */
  async login<T>(
    id: string,
    source: ClientSource,
    check: () => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const { network } = source;
    const account = keyOf('account', id);
    const knownNetworks = await this.#counts.networksOf(account);
    const isKnownNetwork = network !== undefined && knownNetworks.includes(network);
    const limits = this.#loginLimits(id, network, isKnownNetwork);
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
   * Runs a signup, if the limits allow it. Without a network there is no limit.
   * @returns what `job` returns
   * @throws AuthError ERR_THROTTLED, and then `job` is not called
   * @throws what `job` throws
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

  /** Clients without a network share one count for each account, and have no limit by network. */
  #loginLimits(id: string, network: string | undefined, isKnownNetwork: boolean): Limit[] {
    const { triesPerAccount, triesPerAddress } = this.#options;
    const networks = isKnownNetwork ? NETWORKS_PER_ACCOUNT.all : NETWORKS_PER_ACCOUNT.unknown;
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
 * @returns a key of constant length. It hides the username, which may be a password that was typed
 *   into the wrong field.
 */
function keyOf(kind: LimitKind, ...parts: readonly string[]): string {
  return hash('sha256', JSON.stringify([kind, ...parts]), 'base64url');
}
