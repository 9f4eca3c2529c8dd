/**
 * Changes of the records of users: a rule is applied to the stored record, and its result is put
 * back by compare-and-set.
 * Promise: no change is lost, and a result is returned only once the store has what it depends on.
 *
 * While a change of a user is under way in this process, later ones gather. They are applied in the
 * order of their calls to one record, which is put once: as in a group commit, 500 changes at once
 * cost two or three writes.
 * Accepted: a server that changes one user without a pause can keep a more distant server from
 * doing so. After 100 tries such a change fails with ERR_STORE. With a grace period, a client
 * without the password cannot cause that, because its further refreshes in that period write
 * nothing.
 */
import { AuthError } from '../errors.ts';
import { andThen, isPromise } from '../maybe-promise.ts';
import { NO_RECORD } from './rules.ts';
import type { SessionRecord, SessionStore } from './store.ts';

/**
 * A rule: from a record to the next one, or to the same one if nothing changes. It may be applied
 * more than once.
 */
export type Rule<Result> = (
  record: SessionRecord,
  now: number,
) => { readonly record: SessionRecord; readonly result: Result };

/** How many times a put is tried. A put returns false only if another server was faster. */
const MAX_TRIES = 100;

/** A rule, and its result or its error when it was last applied. */
class Change<Result> {
  readonly #rule: Rule<Result>;
  #outcome: () => Result = () => {
    throw new Error('the rule was not applied'); // impossible: `#findAndPut` applies it first
  };

  constructor(rule: Rule<Result>) {
    this.#rule = rule;
  }

  /** @returns the next record; the same one if nothing changes, or if the rule throws */
  applyTo(record: SessionRecord, now: number): SessionRecord {
    try {
      const { record: next, result } = this.#rule(record, now);
      this.#outcome = () => result;
      return next;
    } catch (error) {
      // Only the caller of this change gets the error. The other changes of the batch go on.
      this.#outcome = () => {
        throw error;
      };
      return record;
    }
  }

  /** @throws what the rule threw */
  outcome(): Result {
    return this.#outcome();
  }
}

/** Changes that wait for the one under way. They share a find and a put. */
interface Batch {
  readonly changes: Change<unknown>[];
  readonly written: Promise<void>;
}

/** The changes that one process makes. */
export class RecordChanges {
  readonly #store: SessionStore;
  readonly #now: () => number;
  /** The write under way of each user. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** The batch of each user that gathers changes until the write under way has ended. */
  readonly #gathering = new Map<string, Batch>();

  constructor(store: SessionStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /**
   * @returns the result of the rule once the store has the record; a promise only if the store
   *   returned one, here or for a change under way
   * @throws what the rule throws
   * @throws AuthError ERR_STORE, for all changes that share the write
   */
  apply<Result>(userId: string, rule: Rule<Result>): Result | Promise<Result> {
    const change = new Change(rule);
    return andThen(this.#written(userId, change), () => change.outcome());
  }

  #written(userId: string, change: Change<unknown>): void | Promise<void> {
    const gathering = this.#gathering.get(userId);
    if (gathering !== undefined) {
      gathering.changes.push(change);
      return gathering.written;
    }
    const changes = [change];
    const underWay = this.#underWay.get(userId);
    if (underWay === undefined) return this.#write(userId, changes);
    const writeBatch = () => {
      // From here on changes gather in another batch.
      this.#gathering.delete(userId);
      return this.#write(userId, changes);
    };
    const written = underWay.then(writeBatch, writeBatch);
    this.#gathering.set(userId, { changes, written });
    return written;
  }

  #write(userId: string, changes: readonly Change<unknown>[]): void | Promise<void> {
    const written = this.#findAndPut(userId, changes, MAX_TRIES);
    if (!isPromise(written)) return;
    this.#underWay.set(userId, written);
    const forget = () => {
      if (this.#underWay.get(userId) === written) this.#underWay.delete(userId);
    };
    written.then(forget, forget);
    return written;
  }

  /** The compare-and-set. If another server was faster, all rules are applied to its record. */
  #findAndPut(
    userId: string,
    changes: readonly Change<unknown>[],
    triesLeft: number,
  ): void | Promise<void> {
    return andThen(this.#store.find(userId), (found) => {
      // A store in JavaScript may return null for no record.
      const stored = found ?? NO_RECORD;
      const now = this.#now();
      const changed = changes.reduce((record, change) => change.applyTo(record, now), stored);
      if (changed === stored) return undefined;
      // Each rule has added 1 to the version, but the store accepts only the next version.
      const next = { ...changed, version: stored.version + 1 };
      return andThen(this.#store.put(userId, next), (isStored) => {
        if (isStored) return undefined;
        if (triesLeft > 1) return this.#findAndPut(userId, changes, triesLeft - 1);
        const cause = new Error(`the sessions of a user were changed ${MAX_TRIES} times meanwhile`);
        throw new AuthError('ERR_STORE', { cause });
      });
    });
  }
}
