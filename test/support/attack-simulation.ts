/**
 * Attackers and owners over one rate limiter, and the invariants of src/limits/throttle.ts that
 * must hold whatever they do. The clock moves only when a test moves it; nothing waits.
 */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LimitCounts } from '../../src/limits/counts.ts';
import { MemoryCounts } from '../../src/limits/memory.ts';
import { networkOf, sourceOf } from '../../src/limits/network.ts';
import { Throttle, type LimitOptions } from '../../src/limits/throttle.ts';
import { HOUR, MINUTE, START_SECONDS, waitOf } from './limits.ts';

/** A wrong password that was checked, or a signup that was made. */
interface CountedTry {
  /** For a confirmation with its session. */
  readonly account: string;
  readonly network: string;
  readonly beganAt: number;
  readonly endedAt: number;
}

/** Runs the check of a login, unless a limit is reached. */
type LimitedLogin = (check: () => Promise<undefined>) => Promise<unknown>;

/** A job that ends when the clock reaches its time. */
interface JobInFlight {
  readonly endsAt: number;
  readonly end: () => void;
}

/** Attackers and owners over one throttle. */
export class Simulation {
  seconds: number = START_SECONDS;
  readonly wrong: CountedTry[] = [];
  readonly wrongConfirmations: CountedTry[] = [];
  readonly signups: CountedTry[] = [];
  readonly throttle: Throttle;
  readonly #settle: () => Promise<unknown>;
  #inFlight: JobInFlight[] = [];

  /**
   * @param countsOver makes the counts, for a clock; default: counts in memory
   * @param settle waits until the counts have answered all that was asked
   */
  constructor(
    options: LimitOptions = {},
    countsOver: (now: () => number) => LimitCounts = (now) => new MemoryCounts(now),
    settle: () => Promise<unknown> = () => nextTurn(),
  ) {
    this.throttle = new Throttle(options, countsOver(() => this.seconds));
    this.#settle = settle;
  }

  /**
   * A wrong password, whose check takes so long.
   * @param login runs the check under limits; default: those of this throttle
   * @returns whether it was checked
   */
  guess(
    account: string,
    from: string,
    tookSeconds = 0,
    login: LimitedLogin = (check) => this.throttle.login(account, sourceOf(from), check),
  ): Promise<boolean> {
    return this.#try(this.wrong, account, from, tookSeconds, login);
  }

  /** A wrong password on a guarded route. @returns whether it was checked */
  guessAsOwner(
    account: string,
    sessionId: string | undefined,
    from: string,
    tookSeconds = 0,
  ): Promise<boolean> {
    const list = this.wrongConfirmations;
    return this.#try(list, `${account} ${sessionId}`, from, tookSeconds, (check) => {
      return this.throttle.confirm(account, sessionId, sourceOf(from), check);
    });
  }

  /** The right password on a guarded route. @returns whether it was checked */
  async confirm(account: string, sessionId: string | undefined, from: string): Promise<boolean> {
    const check = async () => account;
    const confirmed = this.throttle.confirm(account, sessionId, sourceOf(from), check);
    return (await confirmed.catch(waitOf)) === account;
  }

  /** A signup, which takes so long. @returns whether it was made */
  signUp(from: string, tookSeconds = 0): Promise<boolean> {
    return this.#try(this.signups, '', from, tookSeconds, (job) => {
      return this.throttle.signup(sourceOf(from), job);
    });
  }

  /** The right password. @returns whether it was checked */
  async logIn(account: string, from: string): Promise<boolean> {
    const login = this.throttle.login(account, sourceOf(from), async () => account);
    const user = await login.catch(waitOf);
    return user === account;
  }

  /** Moves the clock on, and ends the jobs whose time comes. */
  async pass(seconds: number): Promise<void> {
    const until = this.seconds + seconds;
    for (;;) {
      await this.#settle();
      const next = Math.min(...this.#inFlight.map(({ endsAt }) => endsAt));
      if (next > until) break;
      this.seconds = Math.max(this.seconds, next);
      const ending = this.#inFlight.filter(({ endsAt }) => endsAt <= this.seconds);
      this.#inFlight = this.#inFlight.filter((job) => !ending.includes(job));
      for (const { end } of ending) end();
    }
    this.seconds = until;
  }

  async #try(
    list: CountedTry[],
    account: string,
    from: string,
    tookSeconds: number,
    run: (check: () => Promise<undefined>) => Promise<unknown>,
  ): Promise<boolean> {
    let isChecked = false;
    const check = async () => {
      isChecked = true;
      const beganAt = this.seconds;
      if (tookSeconds > 0) {
        const endsAt = beganAt + tookSeconds;
        await new Promise<void>((end) => this.#inFlight.push({ endsAt, end }));
      }
      list.push({ account, network: networkOf(from), beganAt, endedAt: this.seconds });
      return undefined;
    };
    await run(check).catch(waitOf);
    return isChecked;
  }
}

/**
 * @returns the largest number of tries in any period of so many seconds, by when they began or by
 *   when they ended
 */
export function worst(tries: readonly CountedTry[], periodSeconds: number): number {
  const worstBy = (timeOf: (one: CountedTry) => number): number => {
    const times = tries.map(timeOf).sort((a, b) => a - b);
    let start = 0;
    return times.reduce((most, end, index) => {
      while (end - (times[start] ?? 0) > periodSeconds) start += 1;
      return Math.max(most, index - start + 1);
    }, 0);
  };
  return Math.max(worstBy(({ beganAt }) => beganAt), worstBy(({ endedAt }) => endedAt));
}

function groupsBy(
  tries: readonly CountedTry[],
  keyOf: (one: CountedTry) => string,
): CountedTry[][] {
  const groups = new Map<string, CountedTry[]>();
  for (const one of tries) {
    const key = keyOf(one);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return [...groups.values()];
}

interface Invariant {
  readonly what: string;
  readonly most: number;
  readonly periodSeconds: number;
  readonly groups: CountedTry[][];
}

/** Asserts the limits on wrong passwords and signups, whatever was done. */
export function assertInvariants({ wrong, wrongConfirmations, signups }: Simulation): void {
  const invariants: readonly Invariant[] = [
    {
      what: 'an account',
      most: 100,
      periodSeconds: HOUR,
      groups: groupsBy(wrong, ({ account }) => account),
    },
    {
      what: 'an account from a network',
      most: 10,
      periodSeconds: HOUR,
      groups: groupsBy(wrong, ({ account, network }) => `${account} ${network}`),
    },
    {
      what: 'a network',
      most: 30,
      periodSeconds: 20 * MINUTE,
      groups: groupsBy(wrong, ({ network }) => network),
    },
    {
      what: 'confirmations of an account and session',
      most: 10,
      periodSeconds: HOUR,
      groups: groupsBy(wrongConfirmations, ({ account }) => account),
    },
    {
      what: 'signups of a network',
      most: 50,
      periodSeconds: HOUR,
      groups: groupsBy(signups, ({ network }) => network),
    },
  ];
  for (const { what, most, periodSeconds, groups } of invariants) {
    for (const group of groups) {
      const count = worst(group, periodSeconds);
      assert.ok(count <= most, `${what}: ${count} in ${periodSeconds} s`);
    }
  }
}

/** Counts that answer like a database: each method takes a turn of the event loop. */
export function asynchronousCounts(now: () => number): LimitCounts {
  const counts = new MemoryCounts(now);
  return {
    begin: async (limits) => {
      await nextTurn();
      const begun = await counts.begin(limits);
      if (typeof begun === 'number') return begun;
      return {
        end: async (isCounted) => {
          await nextTurn();
          return begun.end(isCounted);
        },
      };
    },
    networksOf: async (account) => {
      await nextTurn();
      return counts.networksOf(account);
    },
    addNetwork: async (account, network) => {
      await nextTurn();
      return counts.addNetwork(account, network);
    },
  };
}
