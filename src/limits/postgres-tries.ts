/**
 * The tries in a table of PostgreSQL.
 * Promise: of any number of tries at once, over all servers, no more begin than each limit allows.
 * One statement decides: it counts a try under a lock on its rows.
 */
import { randomUUID } from 'node:crypto';
import timers from 'node:timers';
import { isAuthError } from '../errors.ts';
import type { Row } from '../postgres/client.ts';
import { wrongRow } from '../postgres/database.ts';
import type { Limit, Try } from './counts.ts';
import { changeTries, selectTries, type TriesChange } from './postgres-statements.ts';
import { SLOTS_PER_WINDOW, triesIn, waitSeconds, type EndedTries } from './sliding-window.ts';

/** The pauses before each further attempt to store the end of a try. */
const END_RETRIES_MS = [500, 2_000, 8_000, 32_000];

/** Runs one statement. */
export type Run = (text: string, values: string[]) => Promise<readonly Row[]>;

/** How long a limit refuses every try. */
export interface Wait {
  readonly limit: Limit;
  /** 0 unless `isCertain`: tries in flight may end at any moment. */
  readonly seconds: number;
  /** Whether the tries that have ended reach the limit by themselves. */
  readonly isCertain: boolean;
}

/** A slot of the tries under one key. */
interface Slot extends EndedTries {
  readonly key: string;
}

export class PostgresTries {
  readonly #run: Run;
  readonly #table: string;

  /** @param table a quoted name */
  constructor(run: Run, table: string) {
    this.#run = run;
    this.#table = table;
  }

  /** Uses the table, and changes nothing. */
  async probe(): Promise<void> {
    await this.#change([]);
  }

  /**
   * @returns the try if it has begun, otherwise how long each limit refuses every try; an empty
   *   list if other tries at the same moment were faster
   * @throws AuthError ERR_STORE if the database does not answer
   */
  async begin(limits: readonly Limit[]): Promise<Try | readonly Wait[]> {
    const id = randomUUID();
    const changes = limits.map((limit) => {
      return { ...noChange(limit), max_tries: limit.maxTries, begun_id: id };
    });
    const keys = await this.#change(changes).catch((error: unknown) => {
      // The try may be stored although its answer was lost.
      this.#endLater(endsOf(id, limits, false));
      throw error;
    });
    if (keys.size === limits.length) {
      return { end: (isCounted) => this.#end(id, limits, isCounted) };
    }
    if (keys.size === 0) return this.#waits(limits);
    await this.#end(id, limits.filter(({ key }) => keys.has(key)), false);
    return [];
  }

  async #waits(limits: readonly Limit[]): Promise<readonly Wait[]> {
    let slots = await this.#slotsOf(limits);
    if (limits.some((limit) => hasSlotFarAhead(limit, slots))) {
      // The clock was set back. This moves such slots.
      await this.#change(limits.map(noChange));
      slots = await this.#slotsOf(limits);
    }
    return limits.map((limit) => {
      const ofKey = slots.filter(({ key }) => key === limit.key);
      const seconds = waitSeconds(limit.maxTries, 0, ofKey);
      return { limit, seconds, isCertain: triesIn(ofKey) >= limit.maxTries };
    });
  }

  /** @returns the slots of all keys, oldest first */
  async #slotsOf(limits: readonly Limit[]): Promise<readonly Slot[]> {
    const keys = JSON.stringify(limits.map(({ key }) => key));
    const rows = await this.#run(selectTries(this.#table), [keys]);
    return rows.map((row) => ({
      key: textIn(row, 'key'),
      tries: numberIn(row, 'ended'),
      secondsLeft: numberIn(row, 'seconds_left'),
    }));
  }

  /** @returns the keys that were changed */
  async #change(changes: readonly TriesChange[]): Promise<ReadonlySet<string>> {
    const rows = await this.#run(changeTries(this.#table), [JSON.stringify(changes)]);
    return new Set(rows.map((row) => textIn(row, 'key')));
  }

  /** If the database fails, it is tried again in the background, so that no login waits. */
  async #end(id: string, limits: readonly Limit[], isCounted: boolean): Promise<void> {
    const changes = endsOf(id, limits, isCounted);
    if (!(await this.#tryToStore(changes))) this.#endLater(changes);
  }

  #endLater(changes: readonly TriesChange[]): void {
    this.#storeLater(changes).catch(() => undefined);
  }

  async #storeLater(changes: readonly TriesChange[]): Promise<void> {
    for (const milliseconds of END_RETRIES_MS) {
      // The timer does not keep the process alive.
      await new Promise<void>((resolve) => timers.setTimeout(resolve, milliseconds).unref());
      if (await this.#tryToStore(changes)) return;
    }
  }

  /** @returns false if the database refuses them or does not answer */
  async #tryToStore(changes: readonly TriesChange[]): Promise<boolean> {
    try {
      await this.#change(changes);
      return true;
    } catch (error) {
      if (!isAuthError(error)) throw error;
      return false;
    }
  }
}

/** Changes that end a try. Those of a try that is not stored take nothing away. */
function endsOf(id: string, limits: readonly Limit[], isCounted: boolean): TriesChange[] {
  return limits.map((limit) => {
    return { ...noChange(limit), ended_id: id, ended: isCounted ? 1 : 0 };
  });
}

function noChange({ key, windowSeconds }: Limit): TriesChange {
  return {
    key,
    window_seconds: windowSeconds,
    max_tries: null,
    begun_id: null,
    ended_id: null,
    ended: 0,
  };
}

/** @returns whether a slot of this limit is more than one window ahead of the current slot */
function hasSlotFarAhead({ key, windowSeconds }: Limit, slots: readonly Slot[]): boolean {
  const maxSeconds = (2 * SLOTS_PER_WINDOW + 1) * (windowSeconds / SLOTS_PER_WINDOW);
  return slots.some((slot) => slot.key === key && slot.secondsLeft > maxSeconds);
}

const WHOLE_NUMBER = /^\d{1,15}$/;

function numberIn(row: Row, name: string): number {
  const text = row[name];
  if (typeof text === 'string' && WHOLE_NUMBER.test(text)) return Number(text);
  throw wrongRow(`the table of limits returned a "${name}" that is not a number`);
}

function textIn(row: Row, name: string): string {
  const text = row[name];
  if (typeof text === 'string') return text;
  throw wrongRow(`the table of limits returned a "${name}" that is not text`);
}
