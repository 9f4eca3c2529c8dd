/**
 * Counts in the memory of this process: a sliding window for each key, divided into twelve slots.
 * Promise: bounded memory. There are at most 100,000 keys of each kind, each with at most 25 slots,
 * and at most 100,000 accounts with known networks. `Throttle` passes keys of 43 characters. A full
 * map evicts the entry that was written longest ago.
 * Accepted: a restart forgets all counts and networks.
 */
import { checkedClock } from '../options.ts';
import {
  KNOWN_NETWORKS_PER_ACCOUNT,
  type Limit,
  type LimitCounts,
  type LimitKind,
  type Try,
} from './counts.ts';
import { SLOTS_PER_WINDOW, triesIn, waitSeconds } from './sliding-window.ts';

/** Maximum size of each map. */
const MAX_KEYS = 100_000;

/** The tries under one key. */
interface Count {
  /** Tries that have begun and not ended. */
  inFlight: number;
  /** Tries that have ended and still count, oldest slot first. */
  slots: Slot[];
}

interface Slot {
  /** The number of slots from 1970 to this one. */
  index: number;
  tries: number;
}

/** Counts in maps of bounded size. */
export class MemoryCounts implements LimitCounts {
  readonly #now: () => number;
  readonly #counts: Readonly<Record<LimitKind, Map<string, Count>>> = {
    'account': new Map(),
    'account and network': new Map(),
    'account and session': new Map(),
    'network': new Map(),
    'signups': new Map(),
  };
  readonly #networks = new Map<string, readonly string[]>();

  /** @param now seconds since 1970. Each method that reads the clock throws if it is wrong. */
  constructor(now: () => number) {
    this.#now = checkedClock(now);
  }

  begin(limits: readonly Limit[]): Try | number {
    const now = this.#now();
    for (const limit of limits) this.#forgetOldTries(limit, now);
    const waits = limits.map((limit) => this.#waitSeconds(limit, now));
    const longestWait = Math.max(0, ...waits);
    if (longestWait > 0) return Math.ceil(longestWait);
    for (const { kind, key } of limits) {
      const counts = this.#counts[kind];
      const count = counts.get(key) ?? { inFlight: 0, slots: [] };
      count.inFlight += 1;
      setBounded(counts, key, count);
    }
    return { end: (isCounted) => this.#end(limits, isCounted) };
  }

  networksOf(accountKey: string): readonly string[] {
    return this.#networks.get(accountKey) ?? [];
  }

  addNetwork(accountKey: string, networkKey: string): void {
    const networks = [...new Set([networkKey, ...this.networksOf(accountKey)])];
    setBounded(this.#networks, accountKey, networks.slice(0, KNOWN_NETWORKS_PER_ACCOUNT));
  }

  #end(limits: readonly Limit[], isCounted: boolean): void {
    const now = this.#now();
    for (const limit of limits) {
      const counts = this.#counts[limit.kind];
      // The key may have been evicted since the try began. Then `inFlight` stays 0.
      const count = counts.get(limit.key) ?? { inFlight: 0, slots: [] };
      count.inFlight = Math.max(0, count.inFlight - 1);
      count.slots = recentSlots(count, limit, now);
      if (isCounted) addTry(count, limit, now);
      // An empty entry is removed, so that it does not evict others.
      const isEmpty = count.inFlight === 0 && count.slots.length === 0;
      if (isEmpty) counts.delete(limit.key);
      else setBounded(counts, limit.key, count);
    }
  }

  /** Also moves slots that are far in the future because the clock was set back. */
  #forgetOldTries(limit: Limit, now: number): void {
    const count = this.#counts[limit.kind].get(limit.key);
    if (count !== undefined) count.slots = recentSlots(count, limit, now);
  }

  /** @returns seconds until one more try may begin; 0 if it may begin now */
  #waitSeconds(limit: Limit, now: number): number {
    const count = this.#counts[limit.kind].get(limit.key);
    if (count === undefined) return 0;
    const ended = count.slots.map(({ index, tries }) => {
      return { tries, secondsLeft: (index + SLOTS_PER_WINDOW + 1) * slotSeconds(limit) - now };
    });
    return waitSeconds(limit.maxTries, count.inFlight, ended);
  }
}

function addTry(count: Count, limit: Limit, now: number): void {
  const index = slotIndex(limit, now);
  const slot = count.slots.find((other) => other.index === index);
  if (slot !== undefined) {
    slot.tries += 1;
    return;
  }
  count.slots.push({ index, tries: 1 });
  // If the clock was set back, there may be later slots.
  count.slots.sort((a, b) => a.index - b.index);
}

/**
 * @returns the slots in the window. If the clock was set back, some slots are in the future. Those
 *   that are more than one window ahead are moved to one window ahead, so that each slot is
 *   forgotten within two windows and one slot.
 */
function recentSlots({ slots }: Count, limit: Limit, now: number): Slot[] {
  const current = slotIndex(limit, now);
  const latest = current + SLOTS_PER_WINDOW;
  const recent = slots.filter(({ index }) => index >= current - SLOTS_PER_WINDOW && index < latest);
  const tries = triesIn(slots.filter(({ index }) => index >= latest));
  return tries === 0 ? recent : [...recent, { index: latest, tries }];
}

function slotIndex(limit: Limit, now: number): number {
  return Math.floor(now / slotSeconds(limit));
}

function slotSeconds({ windowSeconds }: Limit): number {
  return windowSeconds / SLOTS_PER_WINDOW;
}

/** Sets an entry as the last one of its map. A map of 100,000 entries evicts its first one. */
export function setBounded<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  if (map.size >= MAX_KEYS) {
    const [oldest] = map.keys();
    if (oldest !== undefined) map.delete(oldest);
  }
  map.set(key, value);
}
