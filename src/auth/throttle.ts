/**
 * How often a password may be guessed: a few free tries for each account and for each address, then waits that double.
 * Promise: whatever the number of addresses, an account takes at most 100 wrong passwords in a row in any hour, and
 * nobody elsewhere can keep its owner out of an address where a login succeeded. NIST SP 800-63B-4 §3.2.2 would disable
 * the account after 100; that would let anybody keep its owner out for good.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { amount, AuthError, integer, readOptions, type Checks } from '../errors.ts';
import { EVENTS } from '../events.ts';

/** How many tries are free. The next one waits 1 second, then 2, 4 and so on, up to 15 minutes. */
export interface LimitOptions {
  /** Wrong passwords for an account; 1 to 10, default 10. One is forgotten every 15 minutes, and all at a login. */
  readonly triesPerAccount?: number;
  /** Wrong passwords from an address, for any accounts; 1 to 1,000,000, default 20. One is forgotten every minute. */
  readonly triesPerAddress?: number;
  /** Signups from an address; 1 to 1,000,000, default 50. One is forgotten every minute. */
  readonly signupsPerAddress?: number;
}

const OPTION_CHECKS: Checks<LimitOptions> = {
  // With 10 the worst hour has 23 from strangers, and as many from each known address: 92.
  triesPerAccount: integer(1, 10),
  triesPerAddress: integer(1, 1_000_000),
  signupsPerAddress: integer(1, 1_000_000),
};

const MAX_WAIT_SECONDS = 900;
const MAX_KNOWN_ADDRESSES = 3;

/** Of each kind of entry: some 10 to 30 MB. */
const MAX_ENTRIES = 100_000;

/** A Map of bounded size: where there is no room, what was set longest ago goes. */
class RecentMap<Value> extends Map<string, Value> {
  override set(key: string, value: Value): this {
    this.delete(key);
    if (this.size >= MAX_ENTRIES) this.delete(String(this.keys().next().value));
    return super.set(key, value);
  }
}

/** What is known of an account or a network. Some of what was counted is forgotten since. */
interface Count {
  readonly counted: number;
  /** When the last one was counted, in seconds. */
  readonly lastAt: number;
  /** Tries that have begun, of which nobody knows yet whether they count. Until then they do. */
  readonly open: number;
}

/** Counts tries of one kind. */
class Tries {
  readonly #freeTries: number;
  readonly #forgetSeconds: number;
  readonly #counts = new RecentMap<Count>();

  constructor(freeTries: number, forgetSeconds: number) {
    this.#freeTries = freeTries;
    this.#forgetSeconds = forgetSeconds;
  }

  waitSeconds(key: string, now: number): number {
    const count = this.#get(key, now);
    const beyond = Math.ceil(this.#left(count, now)) + count.open - this.#freeTries;
    return beyond < 0 ? 0 : Math.min(2 ** beyond, MAX_WAIT_SECONDS) - idleSeconds(count, now);
  }

  begin(key: string, now: number): void {
    const count = this.#get(key, now);
    this.#keep(key, { ...count, open: count.open + 1 });
  }

  end(key: string, now: number, isCounted: boolean): void {
    const count = this.#get(key, now);
    const open = Math.max(0, count.open - 1);
    this.#keep(key, isCounted ? { counted: this.#left(count, now) + 1, lastAt: now, open } : { ...count, open });
  }

  /** Tries that are open stay so: how they end is not known by what is cleared now. */
  clear(key: string, now: number): void {
    this.#keep(key, { ...this.#get(key, now), counted: 0 });
  }

  #get(key: string, now: number): Count {
    return this.#counts.get(key) ?? { counted: 0, lastAt: now, open: 0 };
  }

  /** Nothing takes up room, or takes it from others, that did not count. */
  #keep(key: string, count: Count): void {
    if (count.counted > 0 || count.open > 0) this.#counts.set(key, count);
    else this.#counts.delete(key);
  }

  /** @returns how many are not forgotten yet */
  #left(count: Count, now: number): number {
    return Math.max(0, count.counted - idleSeconds(count, now) / this.#forgetSeconds);
  }
}

/** A clock that was set back counts as one that stands. */
function idleSeconds({ lastAt }: Count, now: number): number {
  return Math.max(0, now - lastAt);
}

type Counted = readonly [tries: Tries, key: string];

/** The tries of a service. Each counts until it is known how it ends, so that a thousand at once are a thousand. */
export class Throttle {
  readonly #now: () => number;
  /** By account for strangers, and by account and network for those who have logged in from there. */
  readonly #accounts: Tries;
  readonly #networks: Tries;
  readonly #signups: Tries;
  readonly #knownNetworks = new RecentMap<readonly string[]>();

  /** @param now seconds since 1970 */
  constructor(options: LimitOptions, now: () => number) {
    const { triesPerAccount = 10, triesPerAddress = 20, signupsPerAddress = 50 } = readOptions(options, OPTION_CHECKS);
    this.#accounts = new Tries(triesPerAccount, 900);
    this.#networks = new Tries(triesPerAddress, 60);
    this.#signups = new Tries(signupsPerAddress, 60);
    this.#now = now;
  }

  /**
   * @param check answers the user, or undefined if there is none or the password is another: a failure that counts
   * @throws AuthError ERR_THROTTLED without a look at `check`; what `check` throws, and that does not count
   */
  async login<T>(id: string, address: string | undefined, check: () => Promise<T | undefined>): Promise<T | undefined> {
    const network = address === undefined ? [] : [networkOf(address)];
    const known = (): readonly string[] => this.#knownNetworks.get(id) ?? [];
    const keyAt = (place: string) => `${id} ${place}`; // no id has a space
    const stranger: Counted[] = [[this.#accounts, id], ...network.map((it): Counted => [this.#networks, it])];
    const friend = network.filter((it) => known().includes(it)).map((it): Counted => [this.#accounts, keyAt(it)]);
    const end = this.#begin('login', address, friend.length > 0 ? friend : stranger);
    const user = await check().catch((error: unknown) => {
      end(false);
      throw error;
    });
    end(user === undefined);
    if (user === undefined) return undefined;
    const places = [...new Set([...network, ...known()])].slice(0, MAX_KNOWN_ADDRESSES);
    this.#knownNetworks.set(id, places);
    for (const key of [id, ...places.map(keyAt)]) this.#accounts.clear(key, this.#clock());
    return user;
  }

  /** @throws AuthError ERR_THROTTLED; what `job` throws, which counts if it tells that the name is taken */
  async signup<T>(address: string | undefined, job: () => Promise<T>): Promise<T> {
    if (address === undefined) return job();
    const end = this.#begin('signup', address, [[this.#signups, networkOf(address)]]);
    const result = await job().catch((error: unknown) => {
      end(error instanceof AuthError && error.code === 'ERR_USER_EXISTS');
      throw error;
    });
    end(true);
    return result;
  }

  /** @returns what has to be called once it is known whether the try counts */
  #begin(kind: string, address: string | undefined, counted: readonly Counted[]): (isCounted: boolean) => void {
    const now = this.#clock();
    const wait = Math.ceil(Math.max(...counted.map(([tries, key]) => tries.waitSeconds(key, now))));
    if (wait > 0) {
      if (EVENTS.throttle.hasSubscribers) EVENTS.throttle.publish({ kind, retryAfterSeconds: wait, address });
      throw new AuthError('ERR_THROTTLED', { headers: { 'Retry-After': String(wait) } });
    }
    for (const [tries, key] of counted) tries.begin(key, now);
    return (isCounted) => {
      for (const [tries, key] of counted) tries.end(key, this.#clock(), isCounted);
    };
  }

  #clock(): number {
    const now = this.#now();
    amount('now', now);
    return now;
  }
}

/**
 * The part of an address that belongs to one client: all of an IPv4 address, also where it is written as an IPv6 one
 * (RFC 4291 §2.5.5.2), and the first 64 bits of an IPv6 address, however it is written (RFC 4291 §2.5.1).
 */
export function networkOf(address: string): string {
  const [plain = ''] = address.split('%'); // the zone of RFC 4007 §11
  // Numbers, so that it is a text of its own, and not a part that keeps the whole header in memory.
  if (isIPv4(plain)) return plain.split('.').map(Number).join('.');
  if (!isIPv6(plain)) return plain;
  // A URL writes it in one way: small hexadecimal digits and at most one "::".
  const [start = [], end = []] = new URL(`http://[${plain}]`).hostname.slice(1, -1).split('::').map(groupsOf);
  const groups = [...start, ...Array<string>(8 - start.length - end.length).fill('0'), ...end];
  if (groups.slice(0, 6).join(':') !== '0:0:0:0:0:ffff') return `${groups.slice(0, 4).join(':')}::/64`;
  return groups.slice(6).flatMap((group) => [Number(`0x${group}`) >> 8, Number(`0x${group}`) & 255]).join('.');
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}
