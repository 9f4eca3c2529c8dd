/**
 * A session store that answers in any order, and fails now and then: a find or a put takes effect
 * at one random moment, and its answer arrives at a later one. A put that failed may have been
 * stored. It asserts that what is written follows the one chain of each session.
 */
import assert from 'node:assert/strict';
import { AuthError } from '../../src/errors.ts';
import { MemorySessionStore } from '../../src/sessions/memory.ts';
import type { Session, SessionRecord, SessionStore } from '../../src/sessions/store.ts';
import { below, type Random } from './generators.ts';

interface Call {
  /** Set once the call has taken effect. */
  deliver: (() => void) | undefined;
  /** Takes effect. @returns what delivers the answer */
  readonly perform: () => () => void;
}

export class UnorderedSessionStore implements SessionStore {
  /** How often a put stored a record. */
  writes = 0;
  /** How often a put found another version. */
  lostPuts = 0;
  readonly #inner = new MemorySessionStore();
  readonly #calls = new Set<Call>();
  readonly #removedIds = new Set<string>();
  readonly #random: Random;
  readonly #failureRate: number;

  /** @param failureRate the share of calls that fail, from 0 to 1 */
  constructor(random: Random, failureRate: number) {
    this.#random = random;
    this.#failureRate = failureRate;
  }

  find(userId: string): Promise<SessionRecord | undefined> {
    return this.#call(() => this.#inner.find(userId));
  }

  put(userId: string, record: SessionRecord): Promise<boolean> {
    return this.#call(() => this.#put(userId, record));
  }

  /** @returns what is stored at this moment */
  peek(userId: string, sessionId: string): Session | undefined {
    return this.#inner.find(userId)?.sessions.find(({ id }) => id === sessionId);
  }

  /** Lets the calls take effect and answer, until all of these promises have settled. */
  async settle<T>(promises: readonly Promise<T>[]): Promise<T[]> {
    const all = Promise.all(promises);
    let isSettled = false;
    const note = () => void (isSettled = true);
    all.then(note, note);
    while (!isSettled) {
      // The promises that wait for the last answer run first.
      await new Promise(setImmediate);
      const call = [...this.#calls][below(this.#random, this.#calls.size)];
      if (call === undefined) continue;
      if (call.deliver === undefined) {
        call.deliver = call.perform();
      } else {
        this.#calls.delete(call);
        call.deliver();
      }
    }
    return all;
  }

  #call<T>(effect: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const perform = () => {
        const isFailing = this.#random() < this.#failureRate;
        const result = isFailing && this.#random() < 0.5 ? undefined : { value: effect() };
        return () => {
          if (isFailing || result === undefined) reject(new AuthError('ERR_STORE'));
          else resolve(result.value);
        };
      };
      this.#calls.add({ deliver: undefined, perform });
    });
  }

  #put(userId: string, record: SessionRecord): boolean {
    const before = this.#inner.find(userId)?.sessions ?? [];
    const isStored = this.#inner.put(userId, record);
    if (isStored) {
      this.writes += 1;
      this.#assertFollows(before, record.sessions);
    } else {
      this.lostPuts += 1;
    }
    return isStored;
  }

  /** A generation is followed by the next one alone, and what has ended stays away. */
  #assertFollows(before: readonly Session[], after: readonly Session[]): void {
    for (const session of after) {
      assert.ok(!this.#removedIds.has(session.id), 'a session that has ended was written again');
      const old = before.find(({ id }) => id === session.id);
      const generations = old === undefined ? [0] : [old.generation, old.generation + 1];
      assert.ok(generations.includes(session.generation), 'a generation was left out');
      if (old?.generation === session.generation) assert.ok(session.isUsed || !old.isUsed);
      if (old !== undefined) assert.equal(session.endsAt, old.endsAt);
    }
    const ids = new Set(after.map(({ id }) => id));
    for (const { id } of before) if (!ids.has(id)) this.#removedIds.add(id);
  }
}
