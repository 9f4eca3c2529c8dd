/**
 * Counts in the memory of this process: a sliding window for each key, divided into twelve slots.
 * Promise: bounded memory. There are at most 100,000 keys of each kind, with 43 characters and at
 * most 25 slots each. There are at most 100,000 accounts with 3 networks each. A full map evicts
 * the entry that was written longest ago.
 * Accepted: a restart forgets all counts and networks.
 */
import { clockTime } from '../options.ts';
import type { Counts, Limit, LimitKind } from './counts.ts';

/** A try counts until its whole slot has left the window: up to a twelfth of the window longer. */
const SLOTS_PER_WINDOW = 12;
/** For each kind of limit, and for the accounts with known networks. */
const MAX_KEYS = 100_000;
const MAX_NETWORKS_PER_ACCOUNT = 3;

/** The tries under one key. */
interface Count {
  /** Tries in flight. Each counts until its outcome is known. */
  open: number;
  /** Tries that have ended and count, oldest slot first. */
  slots: Slot[];
}

interface Slot {
  /** Slots since 1970. */
  index: number;
  tries: number;
}

/** Counts that are lost when the process ends. */
export class MemoryCounts implements Counts {
  readonly #now: () => number;
  readonly #counts: Readonly<Record<LimitKind, Map<string, Count>>> = {
    'account': new Map(),
    'account and network': new Map(),
    'network': new Map(),
    'signups': new Map(),
  };
  readonly #networks = new Map<string, readonly string[]>();

  /** @param now seconds since 1970 */
  constructor(now: () => number) {
    this.#now = now;
  }

  begin(limits: readonly Limit[]): number {
    const now = this.#clock();
    const waits = limits.map((limit) => this.#waitSeconds(limit, now));
    const longestWait = Math.max(0, ...waits);
    if (longestWait > 0) return Math.ceil(longestWait);
    for (const { kind, key } of limits) {
      const counts = this.#counts[kind];
      const count = counts.get(key) ?? { open: 0, slots: [] };
      count.open += 1;
      setLast(counts, key, count);
    }
    return 0;
  }

  end(limits: readonly Limit[], isCounted: boolean): void {
    const now = this.#clock();
    for (const limit of limits) {
      const counts = this.#counts[limit.kind];
      // The key may have been evicted since the try began.
      const count = counts.get(limit.key) ?? { open: 1, slots: [] };
      count.open = Math.max(0, count.open - 1);
      count.slots = recentSlots(count, limit, now);
      if (isCounted) addTry(count, limit, now);
      const isEmpty = count.open === 0 && count.slots.length === 0;
      // An entry with nothing to count must not evict others.
      if (isEmpty) counts.delete(limit.key);
      else setLast(counts, limit.key, count);
    }
  }

  networksOf(account: string): readonly string[] {
    return this.#networks.get(account) ?? [];
  }

  addNetwork(account: string, network: string): void {
    const networks = [...new Set([network, ...this.networksOf(account)])];
    setLast(this.#networks, account, networks.slice(0, MAX_NETWORKS_PER_ACCOUNT));
  }

  /** @returns seconds until one more try may begin; 0 if it may now */
  #waitSeconds(limit: Limit, now: number): number {
    const count = this.#counts[limit.kind].get(limit.key);
    if (count === undefined) return 0;
    count.slots = recentSlots(count, limit, now);
    let ended = triesIn(count.slots);
    if (ended + count.open < limit.maxTries) return 0;
    // Tries in flight end soon. Only ended tries that reach the limit by themselves take longer.
    let waitSeconds = 1;
    for (const { index, tries } of count.slots) {
      if (ended < limit.maxTries) break;
      ended -= tries;
      waitSeconds = (index + SLOTS_PER_WINDOW + 1) * slotSeconds(limit) - now;
    }
    return waitSeconds;
  }

  /** @throws RangeError or TypeError if the clock answers NaN, milliseconds or the like */
  #clock(): number {
    const now = this.#now();
    clockTime('now', now);
    return now;
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
  // After the clock was set back there may be later slots.
  count.slots.sort((a, b) => a.index - b.index);
}

/**
 * @returns the slots in the window. If the clock was set back, some slots are in the future. They
 *   are kept, but moved to at most one window ahead, so that each is forgotten within two windows.
 */
function recentSlots({ slots }: Count, limit: Limit, now: number): Slot[] {
  const current = slotIndex(limit, now);
  const latest = current + SLOTS_PER_WINDOW;
  const recent = slots.filter(({ index }) => index >= current - SLOTS_PER_WINDOW && index < latest);
  const tries = triesIn(slots.filter(({ index }) => index >= latest));
  return tries === 0 ? recent : [...recent, { index: latest, tries }];
}

function triesIn(slots: readonly Slot[]): number {
  return slots.reduce((sum, { tries }) => sum + tries, 0);
}

function slotIndex(limit: Limit, now: number): number {
  return Math.floor(now / slotSeconds(limit));
}

function slotSeconds({ windowSeconds }: Limit): number {
  return windowSeconds / SLOTS_PER_WINDOW;
}

/** Puts an entry last in a map of bounded size. A full map evicts its first entry. */
function setLast<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  if (map.size >= MAX_KEYS) {
    const [oldest] = map.keys();
    if (oldest !== undefined) map.delete(oldest);
  }
  map.set(key, value);
}
